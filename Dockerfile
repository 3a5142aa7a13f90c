# The images of docker-compose.yaml. Both install what the lock files say, by hash, nothing newer.

FROM apache/airflow:3.3.2-python3.11 AS airflow
# Volumes take the owner of the folders that they are mounted over.
RUN mkdir -p /opt/airflow/logs /opt/airflow/private && chmod 700 /opt/airflow/private
COPY --chown=airflow:0 requirements.txt /opt/airflow/requirements.txt
RUN uv pip install --no-cache --no-deps --require-hashes --compile-bytecode \
    --requirement /opt/airflow/requirements.txt


FROM python:3.11.13-slim-bookworm AS local-sagemaker
RUN apt-get update \
    && apt-get install --no-install-recommends --yes make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 50000 retraining \
    && install -d -o retraining -g retraining /opt/gated-retraining /var/lib/local-sagemaker
USER retraining
WORKDIR /opt/gated-retraining
# The same set-up as without Docker: Airflow's environment, those of the jobs' images, the data.
COPY --chown=retraining:retraining Makefile requirements*.txt ./
COPY --chown=retraining:retraining local_sagemaker/images local_sagemaker/images
COPY --chown=retraining:retraining local_stack/__init__.py local_stack/
COPY --chown=retraining:retraining local_stack/samples/__init__.py local_stack/samples/*_table.py local_stack/samples/
RUN make setup && rm -rf /home/retraining/.cache
COPY --chown=retraining:retraining local_stack local_stack
COPY --chown=retraining:retraining plugins plugins
COPY --chown=retraining:retraining local_sagemaker local_sagemaker
ENV PATH=/opt/gated-retraining/.venv/bin:$PATH
EXPOSE 8090
CMD ["python", "-m", "local_stack", "serve-sagemaker", "--host", "0.0.0.0", "--port", "8090", \
     "--folder", "/var/lib/local-sagemaker"]
