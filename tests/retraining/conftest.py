"""What tests of tasks share: this process as if it were a task's, on the embedded SageMaker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from retraining.settings import settings

Become = Callable[..., None]


@pytest.fixture(scope="module")
def become_a_task(
    tmp_path_factory: pytest.TempPathFactory, embedded_sagemaker: Any
) -> Iterator[Become]:
    """Sets the variables of a task's process; called with those that a module has besides.

    Airflow is imported after that: its home must be known by then.
    """
    with pytest.MonkeyPatch.context() as patch:

        def become(**variables: str) -> None:
            told = {
                "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
                "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws"}',
                "RETRAINING_BUCKET": "operators",
                "RETRAINING_ROLE_ARN": "arn:aws:iam::123456789012:role/retraining",
                **embedded_sagemaker.environment,
            }
            for name, value in (told | variables).items():
                patch.setenv(name, value)
            settings.cache_clear()

        yield become
    settings.cache_clear()
