"""What the Python tasks of a retraining DAG do. Each takes its DAG run's context by name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from retraining import naming
from retraining.aws import clients
from retraining.gate import decision as gate
from retraining.gate import verdict_line
from retraining.gate.conditions import in_record
from retraining.runs import kinds, records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retraining.pipeline import Pipeline

log = logging.getLogger(__name__)


def check_quality(
    *,
    pipeline: Pipeline,
    run: Mapping[str, str],
    passed: str,
    rejected: str | Mapping[str, str],
    params: Mapping[str, Any],
    dag_run: Any,
    ti: Any,
) -> str:
    """Judge the run's evaluation report, write the decision down, and choose the branch.

    Args:
        pipeline: Whose policy judges.
        run: What the run works on.
        passed: The task to go on with when the policy holds.
        rejected: The task to go on with when it does not; or one for each value of the parameter
            ``when_rejected``.
        params: The run's parameters.
        dag_run: The run.
        ti: The task.

    Returns:
        The id of the task to go on with.

    Raises:
        AirflowFailException: The report cannot be judged. A retry would read the same report.
    """
    policy = pipeline.policy
    s3 = clients.client("s3")
    report = None
    try:
        report = records.read_report(s3, run["run_uri"])
    except records.ReportMissingError as error:
        decision = gate.undecidable(str(error), policy, params)
    else:
        decision = gate.decide(report.content, policy, parameters=params)
    uri = records.write_decision(
        s3,
        run["run_uri"],
        decision=decision,
        report=report,
        pipeline=pipeline.to_record(),
        parameters={
            name: in_record(params[name]) for name in pipeline.parameter_names if name in params
        },
        run={
            "run_id": dag_run.run_id,
            "dag_id": dag_run.dag_id,
            "run_type": kinds.run_type(dag_run),
            **run,
        },
    )
    log.info("%s: %s (%s)", decision.verdict.value, decision.explanation, uri)
    ti.xcom_push(naming.VERDICT_XCOM, verdict_line.verdict_line(decision))
    if decision.verdict is gate.Verdict.UNDECIDABLE:
        raise AirflowFailException(
            f"{decision.explanation}. Nothing was registered; the decision is at {uri}"
        )
    if decision.verdict is gate.Verdict.PASS:
        return passed
    return rejected if isinstance(rejected, str) else rejected[params["when_rejected"]]


def skip_registration(*, run: Mapping[str, str]) -> None:
    """Say why nothing is registered; the run succeeds."""
    log.info("not registered: %s", _explanation(run))


def reject_model(*, run: Mapping[str, str]) -> None:
    """Fail the run with the gate's explanation.

    Raises:
        AirflowFailException: Always.
    """
    raise AirflowFailException(f"the model was rejected: {_explanation(run)}")


def _explanation(run: Mapping[str, str]) -> str:
    record = records.read_decision(clients.client("s3"), run["run_uri"])
    return f"{record['explanation']} ({naming.decision_uri(run['run_uri'])})"
