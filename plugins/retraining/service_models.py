"""What botocore knows of AWS's services, parsed once instead of by every boto3 session.

Parsing took half of the processor time of a task that waits a second for its job. All sessions of a
process share one loader of such models, and a task shares that of the process that forks it, which
``retraining.preimport`` has filled.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3
    from botocore.loaders import Loader

_SERVICES = ("sagemaker", "s3", "logs")


def share(session: boto3.Session) -> None:
    """Let the clients of a session be made from what has been parsed already."""
    # botocore's session is made for it; boto3, which wraps it, does not pass it on.
    session._session.register_component("data_loader", _loader())  # noqa: SLF001


def parse() -> None:
    """Parse what the clients of a task need; nothing is sent, and no credential is looked for.

    Raises:
        BotoCoreError: The environment or AWS's configuration files are in no order.
    """
    import boto3
    from botocore import UNSIGNED  # noqa: PLC0415 - every Airflow process loads this module
    from botocore.config import Config  # noqa: PLC0415

    session: Any = boto3.Session(region_name="us-east-1")
    share(session)
    for service in _SERVICES:
        session.client(service, config=Config(signature_version=UNSIGNED))


@functools.cache
def _loader() -> Loader:
    from botocore.loaders import create_loader  # noqa: PLC0415 - every Airflow process loads this

    # The same folders as botocore's sessions look into.
    return create_loader(os.environ.get("AWS_DATA_PATH"))
