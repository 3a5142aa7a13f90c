"""What botocore knows of AWS's services, parsed once instead of by every session.

Parsing took half of the processor time of a task that waits a second for its job. All sessions of a
process share one loader of such models, and a task shares that of the process that forks it, which
``retraining.plugin.preimport`` has filled.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session

_SERVICES = ("sagemaker", "s3", "logs")


def share(session: Any) -> None:
    """Let the clients of a boto3 session be made from what has been parsed already."""
    # botocore's session is made for it; boto3's, which wraps one, does not pass it on.
    _share(session._session)  # noqa: SLF001


def parse() -> None:
    """Parse what the clients of a task need; nothing is sent, and no credential is looked for.

    Raises:
        BotoCoreError: The environment or AWS's configuration files are in no order.
    """
    import botocore.session  # noqa: PLC0415 - every Airflow process loads this module
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    session = botocore.session.get_session()
    _share(session)
    for service in _SERVICES:
        session.create_client(
            service, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
        )


def operation(name: str) -> Any:
    """Return botocore's model of an operation of SageMaker's: ``input_shape``, ``output_shape``."""
    from botocore.model import ServiceModel  # noqa: PLC0415 - every Airflow process loads this

    model = _loader().load_service_model("sagemaker", "service-2")
    return ServiceModel(model, "sagemaker").operation_model(name)


def _share(session: Session) -> None:
    session.register_component("data_loader", _loader())


@functools.cache
def _loader() -> Loader:
    from botocore.loaders import create_loader  # noqa: PLC0415 - every Airflow process loads this

    # The same folders as botocore's sessions look into.
    return create_loader(os.environ.get("AWS_DATA_PATH"))
