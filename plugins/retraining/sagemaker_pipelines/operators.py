"""The operator of each type of step: what exists already, with the step's arguments resolved.

A definition's arguments hold no Jinja templates, and a text that looks like one stays as it is:
to render a task is to resolve its step's references.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from botocore.config import Config
from botocore.exceptions import ClientError

from retraining import naming
from retraining.aws import clients
from retraining.deployment import endpoints
from retraining.deployment.triggers import EndpointSettledTrigger
from retraining.gate.report import kind_of
from retraining.gate.words import one_line
from retraining.jobs.lifecycle import SageMakerJobTask
from retraining.jobs.operators import (
    RetrainingProcessingOperator,
    RetrainingTrainingOperator,
    RetrainingTransformOperator,
    RetrainingTuningOperator,
)
from retraining.jobs.reuse.results import StepResults
from retraining.jobs.reuse.steps import Miss, find_reusable
from retraining.jobs.triggers import OUT_OF_TIME
from retraining.sagemaker_pipelines.callback_step import CallbackStepOperator
from retraining.sagemaker_pipelines.cleanup_step import CleanupStepOperator
from retraining.sagemaker_pipelines.condition_step import ConditionStepOperator
from retraining.sagemaker_pipelines.definition import Parameter
from retraining.sagemaker_pipelines.execution import Execution
from retraining.sagemaker_pipelines.for_each_step import ForEachStepOperator
from retraining.sagemaker_pipelines.graph import OUTPUTS
from retraining.sagemaker_pipelines.registration_step import RegisterModelStepOperator
from retraining.sagemaker_pipelines.step_task import StepTask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from retraining.jobs.reuse.content import StepContent
    from retraining.sagemaker_pipelines.execution import Pipeline

log = logging.getLogger(__name__)

_RETURN_VALUE = "return_value"
# Airflow keeps how often a person has cleared a run. What such a run does is done anew.
_NEVER_CLEARED = "0"
# SageMaker Pipelines waits ten minutes for a function.
_LONGEST_FUNCTION_S = 600.0
# The service gives an endpoint an hour at most to come up, and as long to be taken back.
_LONGEST_DEPLOYMENT = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class EarlierResults(StepResults):
    """The results of a step's earlier executions, whose jobs stand for the new one.

    Where a declared pipeline copies outputs into its run's folder, a definition says itself where
    outputs go, and its later steps ask Describe: they are told of the earlier job, as SageMaker
    Pipelines does it.

    Attributes:
        expires_after: What is older is not taken; None if age does not matter.
    """

    expires_after: timedelta | None = None

    def of_equal_step(self, content: StepContent) -> dict[str, str] | None:
        """Return the result of an earlier equal step, whose outputs are as it left them."""
        now = datetime.now(tz=UTC)
        found = find_reusable(
            self.s3,
            self.bucket,
            pipeline=self.pipeline,
            step=self.step,
            content=content,
            anywhere=True,
            since=_before(now, self.expires_after),
        )
        if isinstance(found, Miss):
            log.info("%s must run: %s", self.step, found)
            return None
        log.info("nothing has changed since %s: it stands for this step's job", found.job_name)
        model = {"model_uri": found.model_uri} if found.model_uri else {}
        return {"job_name": found.job_name, "job_arn": found.job_arn, **model}


def _before(now: datetime, age: timedelta | None) -> datetime | None:
    try:
        return None if age is None else now - age
    except OverflowError:
        # Older than any result that there can be.
        return None


class _StepJob(SageMakerJobTask, BaseOperator):
    """A task that runs the job of a step.

    Args:
        compiled: The definition, as the DAG runs it.
        step: The step's name.
        arguments: Those of every operator.
    """

    def __init__(self, *, compiled: Pipeline, step: str, **arguments: Any) -> None:
        self.compiled = compiled
        self.step = step
        told = compiled.nodes[step].step
        super().__init__(
            config=dict(told.arguments),
            pipeline=compiled.name,
            reuse=_NEVER_CLEARED if told.caches else "",
            # Airflow's bound on the tasks of a run does not count those that are deferred.
            deferrable=compiled.nodes[step].each is None,
            **arguments,
        )

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:  # noqa: ARG002
        """Resolve the references in the job's request, if the step is to be executed.

        Raises:
            AirflowFailException: One leads to nothing.
            AirflowSkipException: The step is not to be executed.
        """
        execution = Execution(self.compiled, context)
        execution.begin(self.step)
        self.config = execution.arguments(self.step)

    def _results(self) -> StepResults | None:
        results = super()._results()
        if results is None:
            return None
        return EarlierResults(
            results.s3,
            results.bucket,
            results.pipeline,
            results.step,
            results.job_type,
            results.request,
            self.compiled.nodes[self.step].step.cache_expires_after,
        )


class ProcessingStepOperator(_StepJob, RetrainingProcessingOperator):
    """Executes a Processing step."""


class TrainingStepOperator(_StepJob, RetrainingTrainingOperator):
    """Executes a Training step."""


class TransformStepOperator(_StepJob, RetrainingTransformOperator):
    """Executes a Transform step."""


class TuningStepOperator(_StepJob, RetrainingTuningOperator):
    """Executes a Tuning step."""


class _MadeOnceOperator(StepTask):
    """Makes what is never changed: once, however often it is called."""

    noun: ClassVar[str]
    name_member: ClassVar[str]

    def run(self, execution: Execution, context: Context) -> dict[str, str]:  # noqa: ARG002
        """Create it, or take the one that an earlier attempt has made."""
        request = {k: v for k, v in self.step_arguments.items() if k != self.name_member}
        ti = context["ti"]
        # One of the same request is this one, also after a clear.
        name = naming.job_name(
            ti.dag_id, ti.task_id, run_id=ti.run_id, map_index=-1, generation=0, request=request
        )
        client = clients.client("sagemaker")
        try:
            getattr(client, f"create_{self.noun}")(**{self.name_member: name}, **request)
            self.log.info("created the %s %s", self.noun, name)
        except ClientError as error:
            # The service refuses a second one with ValidationException.
            try:
                getattr(client, f"describe_{self.noun}")(**{self.name_member: name})
            except ClientError:
                raise error from None
            self.log.info("an earlier attempt created the %s %s", self.noun, name)
        return {f"{self.noun}_name": name}


class ModelStepOperator(_MadeOnceOperator):
    """Executes a Model step: makes the model once.

    Returns:
        ``model_name``.
    """

    noun = "model"
    name_member = "ModelName"


class EndpointConfigStepOperator(_MadeOnceOperator):
    """Executes an EndpointConfig step: makes the config once.

    Returns:
        ``endpoint_config_name``.
    """

    noun = "endpoint_config"
    name_member = "EndpointConfigName"


class EndpointStepOperator(StepTask):
    """Executes an Endpoint step: creates or updates it, and waits, deferred, until it serves.

    Ending the task by hand changes nothing about the endpoint. One that a deployment DAG keeps is
    left alone: what serves there was approved and verified, and this would be neither.

    Returns:
        ``endpoint_name`` and ``endpoint_config_name``.
    """

    def run(self, execution: Execution, context: Context) -> dict[str, str]:
        """Begin, or go on where an earlier attempt ended.

        Raises:
            AirflowFailException: The endpoint has settled, and does not serve the config; or a
                deployment DAG keeps it.
        """
        del execution, context
        deadline = datetime.now(tz=UTC) + _LONGEST_DEPLOYMENT
        return self._go_on(deadline=deadline.isoformat(), is_asked=False)

    def resume(self, context: Context, event: Mapping[str, Any]) -> dict[str, str]:
        """Go on after the endpoint has settled.

        Raises:
            AirflowFailException: It has not in time, or does not serve the config.
        """
        del context
        if event["status"] == OUT_OF_TIME:
            raise AirflowFailException(
                f"step {self.step}: the service is still at work on endpoint"
                f" {event['endpoint_name']}, {_LONGEST_DEPLOYMENT} after this task began. Nothing"
                " was undone"
            )
        return self._go_on(deadline=event["deadline"], is_asked=event["is_asked"])

    def _go_on(self, *, deadline: str, is_asked: bool) -> dict[str, str]:
        client = clients.client("sagemaker")
        name, config = (self.step_arguments[f"Endpoint{part}Name"] for part in ("", "Config"))
        kept = endpoints.find(client, name)
        if kept and naming.is_deployment_name(kept.config, endpoint=name):
            raise AirflowFailException(
                f"step {self.step}: endpoint {name} serves {kept.config}, which a deployment DAG"
                " has put there, and it was left so. Take the step out, and let that DAG deploy"
                " what is registered and approved; or give the endpoint another name"
            )
        step = endpoints.bring_to(client, name, config, verified=None, is_asked=is_asked)
        if step is not endpoints.Step.DONE:
            self.log.info("%s: %s", name, step.value)
            self.defer(
                trigger=EndpointSettledTrigger(
                    name,
                    deadline=deadline,
                    is_asked=is_asked or step is endpoints.Step.ASKED,
                    aws_conn_id=clients.AWS_CONN_ID,
                    region_name=None,
                ),
                method_name="resume",
            )
        found = endpoints.find(client, name)
        if found is None or not found.serves(config):
            told = "it is gone" if found is None else f"it is {found.status} with {found.config}"
            why = f": {one_line(found.reason)}" if found and found.reason else ""
            raise AirflowFailException(
                f"step {self.step}: endpoint {name} does not serve {config}; {told}{why}"
            )
        if tags := self.step_arguments.get("Tags"):
            client.add_tags(ResourceArn=found.arn, Tags=tags)
        self.log.info("%s serves %s", name, config)
        return {"endpoint_name": name, "endpoint_config_name": config}


class LambdaStepOperator(StepTask):
    """Executes a Lambda step: calls the function with the step's arguments, and waits.

    The function may be called again if no answer came, as SageMaker Pipelines does it.

    Returns:
        ``OutputParameters``: the declared outputs by name.
    """

    def run(self, execution: Execution, context: Context) -> dict[str, Any]:
        """Call the function.

        Raises:
            AirflowFailException: It raised an error, or its answer lacks an output.
        """
        del execution, context
        told = self.compiled.nodes[self.step].step
        # A lost answer is Airflow's to retry: botocore would call once more within this attempt.
        once = Config(retries={"total_max_attempts": 1})
        client = clients.client("lambda", read_timeout_s=_LONGEST_FUNCTION_S, config=once)
        answer = client.invoke(
            FunctionName=told.function, Payload=json.dumps(self.step_arguments).encode()
        )
        body = answer["Payload"].read()
        if "FunctionError" in answer:
            said = one_line(body.decode(errors="replace"))
            raise AirflowFailException(f"step {self.step}: {told.function} failed: {said}")
        try:
            return {OUTPUTS: _outputs(body, told.outputs)}
        except ValueError as error:
            raise AirflowFailException(f"step {self.step}: {told.function}: {error}") from error


def _outputs(body: bytes, wanted: Mapping[str, str]) -> dict[str, object]:
    """Return the declared outputs in a function's answer.

    Raises:
        ValueError: One is missing or of another type.
    """
    if not wanted:
        return {}
    answer = json.loads(body or b"null")
    if not isinstance(answer, dict):
        raise ValueError(f"its answer is {kind_of(answer)}, and no object with its outputs")  # noqa: TRY004 - the function's error
    if missing := [name for name in wanted if name not in answer]:
        raise ValueError(f"its answer lacks the output {', '.join(missing)}")
    return {name: Parameter(name, kind).value_of(answer[name]) for name, kind in wanted.items()}


class FailStepOperator(StepTask):
    """Executes a Fail step: fails the run."""

    def run(self, execution: Execution, context: Context) -> None:
        """Fail with the step's message.

        Raises:
            AirflowFailException: Always.
        """
        del execution, context
        message = self.step_arguments.get("ErrorMessage")
        raise AirflowFailException(str(message or f"the Fail step {self.step} was reached"))


OPERATORS: Mapping[str, type[Any]] = {
    "Processing": ProcessingStepOperator,
    "Training": TrainingStepOperator,
    "Transform": TransformStepOperator,
    "Tuning": TuningStepOperator,
    "Model": ModelStepOperator,
    "RegisterModel": RegisterModelStepOperator,
    "Condition": ConditionStepOperator,
    "Fail": FailStepOperator,
    "Lambda": LambdaStepOperator,
    "EndpointConfig": EndpointConfigStepOperator,
    "Endpoint": EndpointStepOperator,
    "ForEach": ForEachStepOperator,
    "Callback": CallbackStepOperator,
    "Cleanup": CleanupStepOperator,
}
