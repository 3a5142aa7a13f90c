"""The types of steps that cannot be had, and what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPPORTED = frozenset({
    "Processing", "Training", "Transform", "Tuning", "Model", "RegisterModel", "Condition", "Fail",
    "Lambda", "EndpointConfig", "Endpoint", "Cleanup", "Callback", "ForEach",
})  # fmt: skip

_OWN_OPERATOR = "split the pipeline here, and put {} between the two DAGs"
INSTEAD: Mapping[str, str] = {
    "EMR": _OWN_OPERATOR.format("Airflow's EmrAddStepsOperator"),
    "EMRServerless": _OWN_OPERATOR.format("Airflow's EmrServerlessStartJobOperator"),
    "ClarifyCheck": "run Clarify's image in a Processing step, and judge its report by a Condition",
    "QualityCheck": "run Model Monitor's image in a Processing step, and judge its report by a"
    " Condition",
    "AutoML": _OWN_OPERATOR.format("Airflow's SageMakerAutoMLOperator"),
    "InferenceComponent": "leave it to the deployment DAG, retraining.deployment.dag",
    "Lineage": "take it out: decision records and the registry's metadata tell where a model"
    " comes from",
    "Job": "take the step of the job's own type: Processing, Training, Transform or Tuning",
    "NotebookJob": "run the notebook as a script in a Processing step",
    "Athena": _OWN_OPERATOR.format("Airflow's AthenaOperator"),
    "Glue": _OWN_OPERATOR.format("Airflow's GlueJobOperator"),
}


def refusal(step: str, kind: object) -> str | None:
    """Say why a step of a type cannot run here; None if it can."""
    if kind in SUPPORTED:
        return None
    instead = INSTEAD.get(str(kind))
    if instead is None:
        return f"step {step}: {kind!r} is no type of step that is known here"
    return f"step {step}: steps of the type {kind} do not run here; {instead}"
