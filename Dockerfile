# The images of docker-compose.yaml, which says what runs in them. Both install what the lock files say, by hash, nothing newer.

# Pinned by its tag alone: no record of its digest was at hand, unlike the other's.
FROM apache/airflow:3.3.2-python3.11 AS airflow
# Volumes take the owner of the folders that they are mounted over.
RUN mkdir -p /opt/airflow/logs /opt/airflow/private && chmod 700 /opt/airflow/private
COPY --chown=airflow:0 requirements.txt /opt/airflow/requirements.txt
RUN uv pip install --no-cache --no-deps --require-hashes --compile-bytecode \
    --requirement /opt/airflow/requirements.txt


FROM python:3.11.16-slim-bookworm@sha256:c425d915a89a6dcd3183b1797ad9bd8878caff5a417f6371c8df93c8ea8b727f AS local-sagemaker
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
COPY --chown=retraining:retraining local_sagemaker/__init__.py local_sagemaker/environments.py local_sagemaker/errors.py local_sagemaker/images.py local_sagemaker/images.toml local_sagemaker/
COPY --chown=retraining:retraining local_stack/__init__.py local_stack/
COPY --chown=retraining:retraining local_stack/samples/__init__.py local_stack/samples/*_table.py local_stack/samples/
RUN make setup && rm -rf /home/retraining/.cache
COPY --chown=retraining:retraining local_stack local_stack
COPY --chown=retraining:retraining plugins plugins
COPY --chown=retraining:retraining local_sagemaker local_sagemaker
ENV PATH=/opt/gated-retraining/.venv/bin:$PATH
