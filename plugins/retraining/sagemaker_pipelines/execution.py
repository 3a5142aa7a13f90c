"""One run of a definition: where its references lead, and which steps it executes.

A task asks for itself what it needs: parameters of the DAG run, and what Describe answers about
the steps before it. What the same task is told again, in another attempt, is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from retraining import naming
from retraining.aws import clients
from retraining.aws import s3 as objects
from retraining.gate.report import UndecidableError, parse
from retraining.jobs.kinds import PROCESSING, TRAINING, TRANSFORM, TUNING
from retraining.runs.results import result_of
from retraining.sagemaker_pipelines.definition import COMPLETED
from retraining.sagemaker_pipelines.for_each import COUNTS
from retraining.sagemaker_pipelines.gates import folder, gates, registration
from retraining.sagemaker_pipelines.graph import OUTCOME, TRAINING_JOBS
from retraining.sagemaker_pipelines.references import (
    SELECTED,
    UnresolvedError,
    parsed,
    resolved,
)
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from retraining.jobs.kinds import JobType
    from retraining.sagemaker_pipelines.definition import Definition
    from retraining.sagemaker_pipelines.graph import Node
    from retraining.sagemaker_pipelines.references import Iteration

JOB_TYPES: Mapping[str, JobType] = {
    "Processing": PROCESSING, "Training": TRAINING, "Transform": TRANSFORM, "Tuning": TUNING,
}  # fmt: skip
# Whose results are kept, so that an earlier one may stand for them.
CACHED = frozenset({"Processing", "Training"})
# The call, its member, and which part of a step's result that is.
_DESCRIBED: Mapping[str, tuple[str, str, str]] = {
    "Model": ("describe_model", "ModelName", "model_name"),
    "RegisterModel": ("describe_model_package", "ModelPackageName", "model_package_arn"),
    "EndpointConfig": (
        "describe_endpoint_config", "EndpointConfigName", "endpoint_config_name",
    ),
    "Endpoint": ("describe_endpoint", "EndpointName", "endpoint_name"),
}  # fmt: skip
_ID_LENGTH = 12
_RAN = frozenset({"success", "failed"})
_FAILED = frozenset({"failed", "upstream_failed"})


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A definition as one DAG runs it.

    Attributes:
        definition: It.
        nodes: Its steps in their places, by name.
        snapshot: The parameter that is the date of the data, if one is; where a run does not give
            it, it is the run's own date.
        gates: The Condition steps that decide for a run, the outermost first, and what they must
            decide.
        registration: The RegisterModel step that they decide about; None without one.
        name: As bucket, page and report call it.
    """

    definition: Definition
    nodes: Mapping[str, Node]
    snapshot: str | None = None
    gates: Mapping[str, bool] = field(init=False, repr=False, hash=False)
    registration: str | None = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Find the others in the definition."""
        object.__setattr__(self, "gates", gates(self.definition, self.nodes))
        object.__setattr__(self, "registration", registration(self.definition, self.nodes))
        object.__setattr__(self, "name", folder(self.definition))


@dataclass(slots=True)
class Execution:
    """A run of it, as one task sees it. It is a ``references.Run``.

    Attributes:
        pipeline: It.
        context: Of the task.
        index: Of the iteration, for steps of a ForEach's body; None for the task's own.
    """

    pipeline: Pipeline
    context: Context
    index: int | None = None
    _described: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def parameter(self, name: str) -> object:
        """Return a parameter's value, of the parameter's own type.

        Raises:
            UnresolvedError: The run has none, or one of another type.
        """
        given = self.context["params"].get(name)
        if name == self.pipeline.snapshot and given is None:
            return self.date
        declared = {item.name: item for item in self.pipeline.definition.parameters}[name]
        try:
            return declared.value_of(given)
        except ValueError as error:
            raise UnresolvedError(str(error)) from error

    @property
    def date(self) -> str:
        """The date of the run, YYYY-MM-DD: of its data where that is declared, else its own."""
        given = self.context["params"].get(self.pipeline.snapshot) if self.pipeline.snapshot else ""
        run = self.context["dag_run"]
        moment = run.logical_date or run.run_after
        try:
            return naming.checked_snapshot(str(given or moment.astimezone(UTC).date()))
        except naming.InvalidNameError as error:
            raise AirflowFailException(f"parameter {self.pipeline.snapshot}: {error}") from error

    @property
    def uri(self) -> str:
        """The folder of the run's own records."""
        run_id = self.context["dag_run"].run_id
        return naming.run_uri(settings().bucket, self.pipeline.name, self.date, run_id)

    @property
    def id(self) -> str:
        """What the service calls the execution's id: the same in all tasks and attempts."""
        run = self.context["dag_run"]
        return naming.fingerprint(run.dag_id, run.run_id)[:_ID_LENGTH]

    def execution(self, name: str) -> object:
        """Return a variable of the run.

        Both times are when the run was due: a request must be the same in each attempt, or a retry
        would start a second job.
        """
        if name == "PipelineName":
            return self.pipeline.definition.name
        if name == "PipelineExecutionId":
            return self.id
        if name in {"StartDateTime", "CurrentDateTime"}:
            due = self.context["dag_run"].run_after.astimezone(UTC)
            return due.isoformat(timespec="seconds").replace("+00:00", "Z")
        arn = self._arn
        return arn if name == "PipelineArn" else f"{arn}/execution/{self.id}"

    @property
    def _arn(self) -> str:
        # The role is the account's own.
        _, partition, _, _, account, _ = settings().role_arn.split(":", 5)
        region = clients.client("sagemaker").meta.region_name
        name = self.pipeline.definition.name.lower()
        return f"arn:{partition}:sagemaker:{region}:{account}:pipeline/{name}"

    def described(self, step: str) -> Mapping[str, Any]:
        """Return what a step's Describe call answers.

        Raises:
            UnresolvedError: The step's job, model or version does not exist any more.
            AirflowFailException: The step left no result.
        """
        if step not in self._described:
            self._described[step] = self._describe(step)
        return self._described[step]

    def _describe(self, step: str) -> Mapping[str, Any]:
        kind = self.pipeline.nodes[step].step.kind
        result = self._result(step)
        if kind in {"Condition", "Lambda", "Callback", "ForEach"}:
            return result
        client = clients.client("sagemaker")
        if kind in _DESCRIBED:
            operation, member, key = _DESCRIBED[kind]
            return dict(getattr(client, operation)(**{member: result[key]}))
        name = result["job_name"]
        described = JOB_TYPES[kind].describe(client, name)
        if described is None:
            raise UnresolvedError(f"step {step}: its job {name} does not exist any more")
        if kind == "Tuning":
            return {**described, TRAINING_JOBS: _training_jobs(client, described)}
        return described

    def _result(self, step: str) -> Mapping[str, Any]:
        ti = self.context["ti"]
        if self.pipeline.nodes[step].each is None:
            return result_of(ti, step)
        found: Mapping[str, Any] | None = ti.xcom_pull(task_ids=step, map_indexes=self._iteration)
        if found is None:
            raise AirflowFailException(
                f"iteration {self._iteration} of {step} left no result: if it was marked as"
                " success by hand, clear it"
            )
        return found

    @property
    def _iteration(self) -> int | None:
        return self.context["ti"].map_index if self.index is None else self.index

    def item(self) -> object:
        """Return the item of this iteration.

        Raises:
            UnresolvedError: There is none: whoever found the items was cleared, and found fewer.
        """
        ti = self.context["ti"]
        each = self.pipeline.nodes[ti.task_id].each
        assert each is not None  # noqa: S101 - else the reference would have been refused
        items = ti.xcom_pull(task_ids=self.pipeline.nodes[each].begins)
        index: Any = ti.map_index
        if not isinstance(items, list) or not 0 <= index < len(items):
            raise UnresolvedError(f"step {each} has no item {index}: clear its items")
        return items[index]

    def iteration(self, reference: Iteration) -> Mapping[str, object]:
        """Return what the Describe call of a step of an iteration answers.

        Raises:
            UnresolvedError: The ForEach had no such iteration.
        """
        told = self.described(reference.step)
        each = self.pipeline.nodes[reference.step].step.each
        assert each is not None  # noqa: S101 - else the reference would have been refused
        body = reference.body or (each.selector.body if each.selector else "")
        index: Any = told[SELECTED] if reference.index is None else reference.index
        if index is None or index >= told[COUNTS[0]]:
            raise UnresolvedError(f"step {reference.step} had no such iteration")
        return Execution(self.pipeline, self.context, int(index)).described(body)

    def property_file(self, step: str, name: str) -> str:
        """Return the S3 URI of a property file.

        Raises:
            UnresolvedError: The step's job has no such output on S3.
        """
        declared = self.pipeline.nodes[step].step.property_files
        file = next(file for file in declared if file.name == name)
        outputs = self.described(step).get("ProcessingOutputConfig", {}).get("Outputs", [])
        for output in outputs:
            if output["OutputName"] == file.output and "S3Output" in output:
                return f"{output['S3Output']['S3Uri'].rstrip('/')}/{file.path.lstrip('/')}"
        raise UnresolvedError(f"step {step}: its job has no output {file.output} on S3")

    def report(self, uri: str) -> object:
        """Return the parsed JSON of an S3 object.

        Raises:
            UnresolvedError: There is none, or it is not JSON.
        """
        try:
            found = objects.find(clients.client("s3"), uri)
        except naming.InvalidNameError as error:
            raise UnresolvedError(str(error)) from error
        if found is None:
            raise UnresolvedError(f"there is no file at {uri}")
        try:
            return parse(found.content)
        except UndecidableError as error:
            raise UnresolvedError(f"{uri}: {error}") from error

    def arguments(self, step: str) -> Any:
        """Return the arguments of a step with what its references lead to.

        Raises:
            AirflowFailException: One leads to nothing. A retry would find the same.
        """
        wire = self.pipeline.nodes[step].step.arguments
        try:
            return resolved(parsed(wire, f"step {step}"), self)
        except UnresolvedError as error:
            raise AirflowFailException(f"step {step}: {error}") from error

    def begin(self, step: str) -> None:
        """Make sure that a step is to be executed.

        Airflow's own rules say so, but where a person has marked a condition by hand, and for
        steps that want another one to have failed.

        Raises:
            AirflowSkipException: It is not.
            AirflowFailException: It is not, because another one has failed and nobody else says
                so; or the condition of its branch has decided nothing.
        """
        node = self.pipeline.nodes[step]
        if not node.waits_for and not node.arm and not node.each:
            # The page finds the run's folder by it, however soon the run fails.
            self.context["ti"].xcom_push(naming.SNAPSHOT_XCOM, self.date)
        if node.arm:
            condition = node.arm.condition
            if self.states([condition])[condition] == "skipped":
                raise AirflowSkipException(f"{condition} is not executed")
            outcome: object = result_of(self.context["ti"], condition)[OUTCOME]
            if outcome is not node.arm.outcome:
                raise AirflowSkipException(f"{condition} has decided otherwise")
        if any(dependency.trigger != COMPLETED for dependency in node.waits_for):
            self._check_triggers(node)

    def own_job(self, step: str) -> str | None:
        """Return the name of a step's job, however it ended; None if this run has started none."""
        inner = self.pipeline.nodes[step].each is not None
        which: dict[str, Any] = {"map_indexes": self._iteration} if inner else {}
        arn = self.context["ti"].xcom_pull(task_ids=step, key=naming.JOB_ARN_XCOM, **which)
        return str(arn).rpartition("/")[2] if arn else None

    def _check_triggers(self, node: Node) -> None:
        state = self.states([dependency.step for dependency in node.waits_for])
        unmet = [
            f"{dependency.step} is {state[dependency.step]}, not {dependency.trigger}"
            for dependency in node.waits_for
            if not self._is_met(dependency.step, dependency.trigger, state[dependency.step])
        ]
        if not unmet:
            return
        why = f"step {node.step.name} is not executed: {'; '.join(unmet)}"
        if _FAILED & {*state.values()}:
            # Skipped, it would let Airflow call the run a success.
            raise AirflowFailException(why)
        raise AirflowSkipException(why)

    def states(self, tasks: list[str]) -> Mapping[str, str]:
        """Return the states of tasks by id; those of a ForEach's iterations by id, _ and index."""
        ti = self.context["ti"]
        told = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id], task_ids=tasks)
        found: Mapping[str, Any] = told.get(ti.run_id, {})
        return dict.fromkeys(tasks, "none") | {
            name: str(state or "none") for name, state in found.items()
        }

    def _is_met(self, step: str, trigger: str, state: str) -> bool:
        if trigger == COMPLETED:
            return state == "success"
        if trigger == "Any" or state != "failed":
            return trigger == "Any" and state in _RAN
        return (trigger == "Stopped") == self._was_stopped(step)

    def _was_stopped(self, step: str) -> bool:
        job_type = JOB_TYPES.get(self.pipeline.nodes[step].step.kind)
        name = self.own_job(step)
        if job_type is None or name is None:
            return False
        described = job_type.describe(clients.client("sagemaker"), name)
        return described is not None and job_type.status(described) == "Stopped"


def _training_jobs(client: Any, described: Mapping[str, Any]) -> list[Any]:
    """Return the training jobs of a tuning job, the best first."""
    config = described["HyperParameterTuningJobConfig"]
    aim = config.get("HyperParameterTuningJobObjective", {}).get("Type", "Maximize")
    answer = client.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=described["HyperParameterTuningJobName"],
        MaxResults=50,
        SortBy="FinalObjectiveMetricValue",
        SortOrder="Ascending" if aim == "Minimize" else "Descending",
    )
    return list(answer[TRAINING_JOBS])
