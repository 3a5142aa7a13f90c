"""The provider's processing and training operators, with jobs that know whose they are.

A job's name is computed from the task and the request (see ``naming.job_name``). An automatic
retry therefore finds the job of the attempt before it, and waits for it or takes its result,
instead of paying for a second one. A clear by a person starts a new job.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.logs import AwsLogsHook
from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerProcessingOperator,
    SageMakerTrainingOperator,
)
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.exceptions import ClientError

from retraining import naming
from retraining.jobs import ENDED, JobType, is_passing, log_lines, reason
from retraining.triggers import JobEndTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

_LOG_TAIL = 20
# The service stops a job at its limit; Airflow waits that much longer for it to say so.
_MARGIN = timedelta(minutes=15)


class JobFailedError(AirflowFailException):
    """A job failed or was stopped, and would fail again; the message gives the reason."""


class JobInterruptedError(AirflowException):
    """A job ended through no fault of its own: Airflow may retry it."""


class _SageMakerJob:
    """Creates or adopts a job, defers until it has ended, and says how it ended."""

    job_type: JobType

    def execute(self: Any, context: Context) -> Any:
        """Create the job, or find the one of an earlier attempt, and wait for its end."""
        self.preprocess_config()
        client = self.hook.conn
        name, status = self._create_or_adopt(client, context)
        if status in ENDED:
            return self.execute_complete(context, {"job_name": name, "status": status})
        limit = timedelta(seconds=self.config["StoppingCondition"]["MaxRuntimeInSeconds"])
        return self.defer(
            trigger=JobEndTrigger(
                self.job_type.kind,
                name,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
            ),
            method_name="execute_complete",
            timeout=self.execution_timeout or limit + _MARGIN,
        )

    def execute_complete(
        self: Any,
        context: Context,  # noqa: ARG002 - Airflow calls it so
        event: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Copy the job's log into the task's, and return the job or raise its failure.

        Raises:
            JobFailedError: The job failed, was stopped, or is gone.
            JobInterruptedError: The service had no capacity or an error of its own.
        """
        name = (event or {})["job_name"]
        described = self.job_type.describe(self.hook.conn, name)
        if described is None:
            raise JobFailedError(f"{self.job_type.kind} job {name} does not exist any more")
        logs = AwsLogsHook(aws_conn_id=self.aws_conn_id, region_name=self.region_name).conn
        lines = list(log_lines(logs, self.job_type, name))
        for line in lines:
            self.log.info("[%s] %s", name, line)
        status = self.job_type.status(described)
        if status != "Completed":
            tail = "\n".join(f"  {line}" for line in lines[-_LOG_TAIL:]) or "  (none)"
            error = JobInterruptedError if is_passing(described) else JobFailedError
            raise error(
                f"{self.job_type.kind} job {name} ended as {status}: {reason(described)}\n"
                f"The last lines of its log, {self.job_type.log_group}:\n{tail}"
            )
        self.log.info("%s job %s completed", self.job_type.kind, name)
        result = {"job_name": name, "job_arn": self.job_type.arn(described)}
        if "ModelArtifacts" in described:
            result["model_uri"] = described["ModelArtifacts"]["S3ModelArtifacts"]
        return result

    def _create_or_adopt(self: Any, client: Any, context: Context) -> tuple[str, str]:
        ti = context["ti"]
        request = {k: v for k, v in self.config.items() if k != self.job_type.name_member}
        number = 1
        while True:
            name = naming.job_name(
                ti.dag_id,
                ti.task_id,
                run_id=ti.run_id,
                map_index=-1 if ti.map_index is None else ti.map_index,
                # max_tries grows with each clear by a person and is the same for all retries.
                generation=ti.max_tries - self.retries,
                request=request,
                number=number,
            )
            described = self.job_type.describe(client, name)
            if described is None:
                try:
                    self.job_type.create(
                        client, {**request, self.job_type.name_member: name, "Tags": _tags(ti)}
                    )
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") != "ResourceInUse":
                        raise
                    self.log.info("%s was created by another attempt just now", name)
                else:
                    self.log.info("created %s job %s", self.job_type.kind, name)
                return name, "InProgress"
            status = self.job_type.status(described)
            if status not in {"Failed", "Stopped", "Stopping"}:
                self.log.info("an earlier attempt created %s; it is %s", name, status)
                return name, status
            self.log.info("%s of an earlier attempt is %s; trying the next", name, status)
            number += 1


class RetrainingProcessingOperator(_SageMakerJob, SageMakerProcessingOperator):
    """A processing job that is created once, waited for deferred, and explains its failure.

    Takes the arguments of ``SageMakerProcessingOperator``; the config needs no job name. Returns
    the job's name and ARN.
    """

    job_type = JobType("Processing")


class RetrainingTrainingOperator(_SageMakerJob, SageMakerTrainingOperator):
    """The same for a training job. Returns its name, its ARN and ``model_uri``."""

    job_type = JobType("Training")


def _tags(ti: Any) -> list[dict[str, str]]:
    values = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id}
    values |= {"map_index": ti.map_index, "try_number": ti.try_number}
    return [
        {"Key": f"airflow:{key}", "Value": naming.metadata_value(value)}
        for key, value in values.items()
    ]
