"""Runs a SageMaker Pipelines definition as an Airflow DAG, with the same meaning.

It knows the definition's JSON and turns it into the operators of the rooms below; it must not know
boto3, a pipeline, or the SageMaker SDK. ``pipeline_dag`` is the door.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retraining.sagemaker_pipelines.compiler import pipeline_dag

__all__ = ["pipeline_dag"]


def __getattr__(name: str) -> Any:
    """Import the compiler when it is asked for: a reader of definitions needs no Airflow."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from retraining.sagemaker_pipelines import compiler  # noqa: PLC0415 - Airflow takes seconds

    return getattr(compiler, name)
