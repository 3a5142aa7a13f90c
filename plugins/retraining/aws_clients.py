"""Where every boto3 client comes from: Airflow's AWS connection."""

from __future__ import annotations

from typing import Any

# The provider's own default.
AWS_CONN_ID = "aws_default"


def client(
    service: str, *, aws_conn_id: str | None = AWS_CONN_ID, region_name: str | None = None
) -> Any:
    """Return a client of ``s3``, ``sagemaker``, ``logs`` and so on.

    Args:
        service: boto3's name of it.
        aws_conn_id: The connection; None takes boto3's own credentials.
        region_name: None takes the connection's.
    """
    # Heavy: a module that merely names its clients shall not pay for it, as triggers must not.
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook  # noqa: PLC0415

    return AwsBaseHook(aws_conn_id=aws_conn_id, region_name=region_name, client_type=service).conn
