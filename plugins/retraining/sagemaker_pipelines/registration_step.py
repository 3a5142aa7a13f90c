"""The task of a RegisterModel step: it registers a version once, on the word of its conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from retraining import naming
from retraining.aws import clients
from retraining.gate.report import metrics_in, parse
from retraining.gate.words import one_line
from retraining.registry import assets, versions
from retraining.runs import kinds, records
from retraining.sagemaker_pipelines import gates
from retraining.sagemaker_pipelines.conditions import headline_of
from retraining.sagemaker_pipelines.step_task import StepTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from retraining.gate.headline import Headline
    from retraining.runs.records import Decided
    from retraining.sagemaker_pipelines.execution import Execution

_MOST_METADATA = 50


class RegisterModelStepOperator(StepTask):
    """Executes a RegisterModel step: registers a version once, however often it is called.

    Returns:
        ``model_package_arn``, ``version``, ``group``, ``snapshot`` and ``headline``, as
        ``register_model`` does.
    """

    def run(self, execution: Execution, context: Context) -> dict[str, Any]:
        """Register the version, or take the one that an earlier attempt has registered.

        Raises:
            AirflowFailException: There is no record of the decision that lets it be registered.
        """
        client, run = clients.client("sagemaker"), context["dag_run"]
        request = dict(self.step_arguments)
        group, pipeline = request["ModelPackageGroupName"], self.compiled.definition.name
        which = [context["ti"].map_index] if self.compiled.nodes[self.step].each else []
        mark = naming.fingerprint(
            run.dag_id, run.run_id, self.step, execution.date, request, *which
        )
        decided = self._decided(execution)
        measured = self._measured(execution) if decided and decided.report_etag else None
        given = request.get("CustomerMetadataProperties", {})
        own = {
            **({versions.SNAPSHOT: execution.date} if self.compiled.snapshot else {}),
            versions.FINGERPRINT: mark,
        }
        told = _told(execution, decided, measured).items()
        room = _MOST_METADATA - len(given.keys() | own)
        request |= {
            "ModelPackageDescription": one_line(
                request.get("ModelPackageDescription") or f"pipeline {pipeline}, run {run.run_id}"
            ),
            "CustomerMetadataProperties": {
                **dict([item for item in told if item[0] not in given][:room]),
                **given,
                **own,
            },
            "ClientToken": naming.client_token(mark),
        }
        versions.ensure_group(client, group, description=f"Versions of the pipeline {pipeline}")
        version = versions.register_once(client, request, since=run.run_after)
        said = "registered as" if version.is_new else "already registered as"
        self.log.info("%s version %d, %s: %s", said, version.number, version.approval, version.arn)
        headline = {"metric": measured[0].metric, "value": measured[1]} if measured else None
        if decided:
            records.add_registration(
                clients.client("s3"),
                execution.uri,
                arn=version.arn,
                version=version.number,
                report_etag=decided.report_etag,
            )
        if version.approval == versions.APPROVED and self.outlets:
            assets.announce(
                context["outlet_events"],
                group,
                arn=version.arn,
                version=version.number,
                snapshot=version.snapshot,
                headline=headline,
            )
        return {
            "model_package_arn": version.arn,
            "version": version.number,
            "group": group,
            "snapshot": version.snapshot,
            "headline": headline,
        }

    def _decided(self, execution: Execution) -> Decided | None:
        """Return the run's decision about this model; None if it has no gate of its own."""
        if self.step != self.compiled.registration:
            return None
        condition = [*self.compiled.gates][-1]
        decided = records.find_decided(clients.client("s3"), execution.uri)
        if decided is None or not decided.lets_register:
            told = f"says {decided.verdict}" if decided else "does not exist"
            raise AirflowFailException(
                f"step {self.step}: {naming.decision_uri(execution.uri)} {told}, and nothing was"
                f" registered: clear {condition}"
            )
        return decided

    def _measured(self, execution: Execution) -> tuple[Headline, float] | None:
        """Return what the model is shown by, and its value in the report."""
        condition = [*self.compiled.gates][-1]
        outcome = self.compiled.gates[condition]
        found = headline_of(gates.policy(condition, self.compiled.nodes, outcome=outcome))
        if found is None:
            return None
        report = records.read_report(clients.client("s3"), execution.uri)
        measure = metrics_in(parse(report.content), named=[found.metric]).measures.get(found.metric)
        return (found, measure.value) if measure else None


def _told(
    execution: Execution, decided: Decided | None, measured: tuple[Headline, float] | None
) -> dict[str, str]:
    """Return what page, question and deployment read of a version, as far as it is known."""
    run = execution.context["dag_run"]
    told: dict[str, object] = {}
    # A shortened one would lead elsewhere.
    if decided and len(execution.uri) <= naming.METADATA_VALUE_LENGTH:
        told[versions.RUN_URI] = execution.uri
    if measured:
        headline, value = measured
        told |= {
            versions.HEADLINE: headline.metric,
            versions.BETTER: headline.better,
            naming.metadata_key(headline.name): value,
        }
    told |= {"run_id": run.run_id, "run_type": kinds.run_type(run)}
    return {name: naming.metadata_value(value) for name, value in told.items()}
