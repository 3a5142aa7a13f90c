"""The task of a Condition step: it decides, writes that down, and skips the branch not taken."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.skipmixin import SkipMixin
from airflow.sdk.exceptions import AirflowFailException
from botocore.exceptions import ClientError

from retraining import naming
from retraining.aws import clients
from retraining.aws import s3 as objects
from retraining.gate.decision import Decision, Verdict
from retraining.gate.verdict_line import verdict_line
from retraining.gate.wire_form import in_record
from retraining.gate.words import joined, one_line
from retraining.runs import kinds, records
from retraining.sagemaker_pipelines import gates
from retraining.sagemaker_pipelines.conditions import (
    headline_of,
    judged,
    operands_of,
    shown_by,
    to_wire,
)
from retraining.sagemaker_pipelines.graph import OUTCOME
from retraining.sagemaker_pipelines.references import JsonGet, UnresolvedError, resolved
from retraining.sagemaker_pipelines.step_task import StepTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from retraining.gate.wire_reader import Condition
    from retraining.runs.records import Report
    from retraining.sagemaker_pipelines.execution import Execution

log = logging.getLogger(__name__)

_RETURN_VALUE = "return_value"


class ConditionStepOperator(StepTask, SkipMixin):
    """Executes a Condition step: writes the decision down, and skips the branch not taken.

    One that says whether a model is registered decides for the run: that record lies where those
    of declared pipelines do, beside a copy of the report, for the page and all other readers.

    Returns:
        ``Outcome``: whether all conditions hold.
    """

    # Airflow keeps what such a task has skipped, also once it is cleared.
    inherits_from_skipmixin = True

    def resolved(self, execution: Execution) -> dict[str, Any]:
        """Leave the conditions as they are: what is undecidable is to be written down."""
        del execution
        return self.step_arguments

    def run(self, execution: Execution, context: Context) -> None:
        """Decide.

        Raises:
            AirflowFailException: An operand leads to nothing, or cannot be compared. A retry would
                find the same.
        """
        branch = self.compiled.nodes[self.step].step.branch
        assert branch is not None  # noqa: S101 - the compiler makes it for a Condition only
        decision = _decision(branch.conditions, execution)
        folder = naming.condition_uri(execution.uri, self.step)
        uri = self._write(folder, decision, None, branch.conditions, execution)
        if self.step in self.compiled.gates:
            self._decide_for_the_run(execution)
        if decision.verdict is Verdict.UNDECIDABLE:
            raise AirflowFailException(f"step {self.step}: {decision.explanation} ({uri})")
        outcome = decision.verdict is Verdict.PASS
        said = "holds" if outcome else "does not hold"
        self.log.info("%s %s: %s (%s)", self.step, said, decision.explanation, uri)
        # What skips tasks ends by an exception, and so returns nothing.
        context["ti"].xcom_push(_RETURN_VALUE, {OUTCOME: outcome})
        not_taken = branch.else_steps if outcome else branch.if_steps
        first = [self.compiled.nodes[step.name].begins for step in not_taken]
        self.skip(context["ti"], [self.dag.get_task(task_id) for task_id in first])

    def _decide_for_the_run(self, execution: Execution) -> None:
        if other := _other_dag(execution):
            raise AirflowFailException(
                f"step {self.step}: {execution.uri} holds the decision of {other}, which has a run"
                " of the same id: let one of the two register in another model package group, or"
                " delete that decision if that DAG is no more"
            )
        outcome = self.compiled.gates[self.step]
        policy = gates.policy(self.step, self.compiled.nodes, outcome=outcome)
        decision = _decision(policy, execution)
        report = _kept_report(policy, execution)
        self._write(execution.uri, decision, report, policy, execution)
        execution.context["ti"].xcom_push(naming.VERDICT_XCOM, verdict_line(decision))

    def _write(
        self,
        folder: str,
        decision: Decision,
        report: Report | None,
        policy: tuple[Condition, ...],
        execution: Execution,
    ) -> str:
        context = execution.context
        run, headline = context["dag_run"], headline_of(policy)
        shown = {"metric": headline.metric, "better": headline.better} if headline else None
        return records.write_decision(
            clients.client("s3"),
            folder,
            decision=decision,
            report=report,
            pipeline={"name": self.compiled.name, **({"headline": shown} if shown else {})},
            parameters={name: in_record(value) for name, value in context["params"].items()},
            run={
                **kinds.identity(run),
                "execution_id": execution.id,
                "snapshot": execution.date,
            },
        )


def _decision(conditions: tuple[Condition, ...], execution: Execution) -> Decision:
    policy = naming.fingerprint([to_wire(condition) for condition in conditions])
    try:
        judgements = judged(conditions, execution)
    except UnresolvedError as error:
        said = one_line(f"undecidable: {error}")
        return Decision(Verdict.UNDECIDABLE, said, (), policy)
    failed = [item.explanation for item in judgements if not item.holds]
    verdict = Verdict.REJECT if failed else Verdict.PASS
    told = failed or [item.explanation for item in judgements]
    return Decision(verdict, joined(told), judgements, policy)


def _other_dag(execution: Execution) -> str | None:
    """Return the DAG that has written the decision where the run's is to be; None if no other."""
    found = objects.find(clients.client("s3"), naming.decision_uri(execution.uri))
    try:
        told = json.loads(found.content)["run"]["dag_id"] if found else None
    except (ValueError, TypeError, KeyError, RecursionError):
        # Whoever reads it says what is wrong with it; it is about to be replaced.
        return None
    return str(told) if told and told != execution.context["dag_run"].dag_id else None


def _kept_report(conditions: tuple[Condition, ...], execution: Execution) -> Report | None:
    """Copy the report by which a run is shown into its folder, with its predictions.

    Where it lies, the next execution may write another one over it; and where its job stands for
    that of a later run, several runs have been judged by it.
    """
    read = next((item for item in operands_of(conditions) if isinstance(item, JsonGet)), None)
    if read is None:
        return None
    shown, _ = shown_by(conditions) or (read, "")
    s3, uri = clients.client("s3"), execution.uri
    try:
        report = str(resolved(shown.source, execution))
        found = objects.find(s3, report)
    except (UnresolvedError, naming.InvalidNameError):
        return None
    if found is None:
        return None
    objects.put(s3, naming.report_uri(uri), found.content)
    predictions = naming.predictions_uri(uri)
    try:
        objects.copy(s3, naming.beside(report, predictions), predictions)
    except ClientError as error:
        # They are for the page only, and a role may be told to read the report alone.
        log.warning("the run keeps no predictions: %s", error)
    return records.read_report(s3, uri)
