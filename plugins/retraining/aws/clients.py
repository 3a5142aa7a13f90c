"""Where every boto3 client comes from: Airflow's AWS connection."""

from __future__ import annotations

from typing import Any

from retraining.aws import service_models

# The provider's own default.
AWS_CONN_ID = "aws_default"


def client(
    service: str,
    *,
    aws_conn_id: str | None = AWS_CONN_ID,
    region_name: str | None = None,
    read_timeout_s: float | None = None,
    **options: Any,
) -> Any:
    """Return a client of ``s3``, ``sagemaker``, ``logs`` and so on.

    Args:
        service: boto3's name of it.
        aws_conn_id: The connection; None takes boto3's own credentials.
        region_name: None takes the connection's.
        read_timeout_s: How long an answer may take; None for what the connection says.
        options: The hook's ``verify`` and ``config``.
    """
    # Heavy: a module that merely names its clients shall not pay for it, as triggers must not.
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    hook = AwsBaseHook(
        aws_conn_id=aws_conn_id, region_name=region_name, client_type=service, **options
    )
    # As the hook's own `conn`, but without the name of the operator in the user agent: to find it
    # the hook reads the source of all that is on the stack, which costs more than the client.
    config = hook.config
    if read_timeout_s is not None:
        config = config.merge(Config(read_timeout=read_timeout_s))
    session: Any = hook.get_session(region_name=region_name)
    service_models.share(session)
    return session.client(
        service,
        endpoint_url=hook.conn_config.get_service_endpoint_url(service_name=service),
        config=config,
        verify=hook.verify,
    )
