"""What the Python tasks of a retraining DAG do. Each takes its DAG run's context by name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from retraining import naming
from retraining.aws import clients
from retraining.gate import decision as gate
from retraining.gate import verdict_line
from retraining.gate.wire_form import in_record
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

    The parameter ``register_against_gate`` lets a rejected model through; one that cannot be
    judged, nothing does.

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
    against_gate = (
        kinds.against_gate(dag_run, params) if decision.verdict is gate.Verdict.REJECT else {}
    )
    uri = records.write_decision(
        s3,
        run["run_uri"],
        decision=decision,
        report=report,
        pipeline=pipeline.to_record(),
        parameters={
            name: in_record(params[name]) for name in pipeline.parameter_names if name in params
        },
        run={**kinds.identity(dag_run), **run},
        against_gate=against_gate,
    )
    log.info("%s: %s (%s)", decision.verdict.value, decision.explanation, uri)
    line = verdict_line.verdict_line(decision)
    if against_gate:
        said = "against the gate, by {by}: {reason}".format(**against_gate)
        log.warning("%s", said)
        line = f"{line}, {said}"
    ti.xcom_push(naming.VERDICT_XCOM, line)
    if decision.verdict is gate.Verdict.UNDECIDABLE:
        raise AirflowFailException(
            f"{decision.explanation}. Nothing was registered; the decision is at {uri}"
        )
    if decision.verdict is gate.Verdict.PASS or against_gate:
        return passed
    return rejected if isinstance(rejected, str) else rejected[params["when_rejected"]]


def skip_registration(*, run: Mapping[str, str]) -> None:
    """Say why nothing is registered; the run succeeds.

    Raises:
        AirflowSkipException: The gate has let the model pass.
        AirflowFailException: There is no decision record.
    """
    log.info("not registered: %s", _explanation(run))


def reject_model(*, run: Mapping[str, str]) -> None:
    """Fail the run with the gate's explanation.

    Raises:
        AirflowSkipException: The gate has let the model pass.
        AirflowFailException: Else always.
    """
    raise AirflowFailException(f"the model was rejected: {_explanation(run)}")


def _explanation(run: Mapping[str, str]) -> str:
    decided = records.find_decided(clients.client("s3"), run["run_uri"])
    if decided is None:
        raise AirflowFailException(
            f"there is no decision record at {naming.decision_uri(run['run_uri'])}: nothing was"
            " judged. Clear check_quality"
        )
    # Airflow goes on with every branch where a person has marked the choice as made.
    if decided.lets_register:
        raise AirflowSkipException(f"the model was not rejected: {decided.uri}")
    return f"{decided.explanation} ({decided.uri})"
