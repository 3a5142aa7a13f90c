"""What a task does about its SageMaker job: creates or adopts it, waits, and says how it ended.

A job's name is computed from the task and the request (see ``naming.job_name``). An automatic
retry therefore finds the job of the attempt before it, and waits for it or takes its result,
instead of paying for a second one. A clear by a person starts a new job.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from botocore.exceptions import BotoCoreError, ClientError

from retraining import naming
from retraining.aws import clients as aws_clients
from retraining.jobs import attempts
from retraining.jobs.kinds import ENDED, JobType, reason, run_time_limit
from retraining.jobs.logs import log_lines
from retraining.jobs.reuse.results import StepResults
from retraining.jobs.triggers import OUT_OF_TIME, JobEndTrigger
from retraining.retries import JobInterruptedError, passing_job_failure
from retraining.runs.results import result_of
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.amazon.aws.operators.sagemaker import SageMakerBaseOperator
    from airflow.sdk import Context
else:
    # It stands before the provider's operators, each of which is one.
    SageMakerBaseOperator = object

_LOG_TAIL = 20
# The embedded SageMaker's jobs end sooner: not worth a trigger and a second process. Airflow also
# loses an attempt that resumes before it has seen the end of the process that deferred.
DEFER_AFTER = timedelta(seconds=10)
_FIRST_LOOK_S = 0.5
_BACKOFF_RATE = 1.5
# The service stops a job at its limit, but counts from its start: it may wait for capacity first.
_MARGIN = timedelta(hours=1)
# Airflow kills a task's process five seconds after it has asked it to end.
_LAST_WORDS_S = 4.0


class JobFailedError(AirflowFailException):
    """A job failed or was stopped, and would fail again; the message gives the reason."""


class SageMakerJobTask(SageMakerBaseOperator):
    """Creates or adopts a job, waits until it has ended, and says how it ended."""

    job_type: JobType
    pipeline: str | None
    reuse: str
    defer_after: timedelta
    # Of the provider's operators.
    wait_for_completion: bool
    deferrable: bool
    print_log: bool
    max_ingestion_time: int | None
    # The task and the name of its job, once that is known.
    _own: tuple[Any, str] | None = None

    def execute(self, context: Context) -> Any:
        """Create the job, or find the one of an earlier attempt, and wait for its end."""
        self._check_steps_before(context["ti"])
        self.preprocess_config()
        client = self._client("sagemaker")
        name, described = self._own_job(client, context)
        self._own = context["ti"], name
        results = self._results()
        content = results.content() if results else None
        if described is None:
            if results and content and self._may_reuse(context):
                taken = results.of_equal_step(content)
                if taken:
                    return taken
            attempts.warn_of_other_request(
                client, self.job_type, name, self._request(),
                generation=self._generation(context), context=context,
            )  # fmt: skip
            self._create(client, name, context)
            described = self._described(name)
        # For the task's buttons, while the job runs and also if it fails.
        context["ti"].xcom_push(naming.JOB_ARN_XCOM, self.job_type.arn(described))
        status = self.job_type.status(described)
        if not self.wait_for_completion:
            return {"job_name": name, "job_arn": self.job_type.arn(described)}
        step_key = content.key if content else None
        if status not in ENDED and self.deferrable:
            status = self._status_soon(client, name)
        if status != "Completed" and self.deferrable and not attempts.waits(context["ti"]):
            # Airflow has not yet ended this process. Nobody need be told of a failure.
            if status not in ENDED:
                self._stop(name)
            raise AirflowSkipException(f"a person has ended this task; {name} is stopped")
        if status in ENDED:
            event = {"job_name": name, "status": status, "step_key": step_key}
            return self.execute_complete(context, event)
        return self._wait(context, described, step_key)

    def on_kill(self) -> None:
        """Stop the job if a person has ended the task; the end of a worker does not stop it."""
        if self._own is None:
            return
        # This process may be in the middle of a question to Airflow, which must end first.
        last = threading.Thread(target=self._stop_if_ended, args=self._own, daemon=True)
        last.start()
        last.join(_LAST_WORDS_S)

    def _stop_if_ended(self, ti: Any, name: str) -> None:
        try:
            if not attempts.waits(ti):
                self.log.info("stopping %s: its task was ended by a person", name)
                self.job_type.stop(self._client("sagemaker"), name)
        except Exception:
            # It may have ended at this very moment; if not, the maintenance DAG stops it.
            self.log.warning("%s was not stopped", name, exc_info=True)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Copy the job's log into the task's, and return the job or raise its failure.

        Raises:
            JobFailedError: The job failed, was stopped, ran out of time, or is gone.
            JobInterruptedError: The service had no capacity or an error of its own.
        """
        event = event or {}
        name, step_key = event["job_name"], event["step_key"]
        described = self._described(name)
        if self.job_type.status(described) not in ENDED:
            if event["status"] != OUT_OF_TIME:
                # A list can be ahead of a description.
                return self._wait(context, described, step_key)
            described = self._stop(name)
        status = self.job_type.status(described)
        tail = self._copy_log(name)
        why = reason(self.job_type, described)
        message = f"{self.job_type.kind} job {name} ended as {status}: {why}\n{tail}"
        if status == "Completed":
            self.log.info("%s job %s completed", self.job_type.kind, name)
            if step_key and (results := self._results()):
                results.record(described, key=step_key)
            result = {"job_name": name, "job_arn": self.job_type.arn(described)}
            if "ModelArtifacts" in described:
                result["model_uri"] = described["ModelArtifacts"]["S3ModelArtifacts"]
            return result
        if status not in ENDED:
            raise JobFailedError(
                f"{self.job_type.kind} job {name} ran out of time and was stopped,"
                f" {_now() - described['CreationTime']} after its creation. Its limits are"
                f" {run_time_limit(described)} of running and {_MARGIN} on top,"
                f" execution_timeout={self.execution_timeout} and"
                f" max_ingestion_time={self.max_ingestion_time}\n{tail}"
            )
        first_delay = passing_job_failure(described)
        if first_delay is not None:
            said = str(described.get("FailureReason", ""))
            raise JobInterruptedError(message, first_delay=first_delay, reason=said)
        raise JobFailedError(message)

    def _check_steps_before(self, ti: Any) -> None:
        # A job that was never there has left no outputs, and this one would be paid for nothing.
        if self.trigger_rule != TriggerRule.ALL_SUCCESS:
            return
        for task in [self.dag.get_task(task_id) for task_id in sorted(self.upstream_task_ids)]:
            if isinstance(task, SageMakerJobTask) and task.do_xcom_push:
                result_of(ti, task.task_id)

    def _client(self, service: str) -> Any:
        clients = self.__dict__.setdefault("_clients", {})
        if service not in clients:
            clients[service] = aws_clients.client(
                service,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                config=self.botocore_config,
            )
        return clients[service]

    def _wait(self, context: Context, described: Mapping[str, Any], step_key: str | None) -> Any:
        created = described["CreationTime"]
        deadline = created + run_time_limit(described) + _MARGIN
        if self.max_ingestion_time:
            deadline = min(deadline, created + timedelta(seconds=self.max_ingestion_time))
        if self.execution_timeout:
            deadline = min(deadline, _now() + self.execution_timeout)
        trigger = JobEndTrigger(
            self.job_type.kind,
            described[self.job_type.name_member],
            created=created.isoformat(),
            deadline=deadline.isoformat(),
            step_key=step_key,
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
        )
        if self.deferrable:
            return self.defer(trigger=trigger, method_name="execute_complete")
        return self.execute_complete(context, asyncio.run(_first_event(trigger)))

    def _status_soon(self, client: Any, name: str) -> str:
        """Return a job's status once it has ended, or after ``defer_after``."""
        delay, left = _FIRST_LOOK_S, self.defer_after.total_seconds()
        status = "InProgress"
        while status not in ENDED and left > 0:
            time.sleep(min(delay, left))
            left -= delay
            delay *= _BACKOFF_RATE
            try:
                described = self.job_type.describe(client, name)
            except (BotoCoreError, ClientError) as error:
                # Whoever waits longer survives this, or says what it is.
                self.log.warning("cannot see %s for now: %s", name, error)
                break
            status = self.job_type.status(described) if described else status
        return status

    def _described(self, name: str) -> Mapping[str, Any]:
        found = self.job_type.describe(self._client("sagemaker"), name)
        if found is None:
            raise JobFailedError(f"{self.job_type.kind} job {name} does not exist any more")
        return found

    def _stop(self, name: str) -> Mapping[str, Any]:
        """Ask for a job's end, and describe it: it may have ended by itself just now."""
        refusal = None
        try:
            self.job_type.stop(self._client("sagemaker"), name)
        except ClientError as error:
            refusal = error
        described = self._described(name)
        if refusal and self.job_type.status(described) == "InProgress":
            raise refusal
        return described

    def _copy_log(self, name: str) -> str:
        """Log the job's lines, and return the last of them for a failure's message."""
        logs = self._client("logs")
        last: deque[str] = deque(maxlen=_LOG_TAIL)
        try:
            for line in log_lines(logs, self.job_type, name):
                if self.print_log:
                    self.log.info("[%s] %s", name, line)
                last.append(f"  {line}")
        except (BotoCoreError, ClientError) as error:
            # A job that ended well has ended well, whether its log can be read or not.
            self.log.warning("the log of %s cannot be read: %s", name, error)
            last.append(f"  (the log cannot be read further: {error})")
        lines = "\n".join(last) or "  (none)"
        return f"The last lines of its log, {self.job_type.log_group}:\n{lines}"

    def _own_job(self, client: Any, context: Context) -> tuple[str, Mapping[str, Any] | None]:
        """Return the job of an earlier attempt, or the name that a new one must have and None."""
        ti = context["ti"]
        number = 1
        while True:
            name: str = naming.job_name(
                ti.dag_id,
                ti.task_id,
                run_id=ti.run_id,
                map_index=-1 if ti.map_index is None else ti.map_index,
                generation=self._generation(context),
                request=self._request(),
                number=number,
                longest=self.job_type.longest_name,
            )
            described = self.job_type.describe(client, name)
            if described is None:
                return name, None
            status = self.job_type.status(described)
            if passing_job_failure(described) is None:
                self.log.info("an earlier attempt created %s; it is %s", name, status)
                return name, described
            self.log.info("%s of an earlier attempt was interrupted; trying the next", name)
            number += 1

    def _create(self, client: Any, name: str, context: Context) -> None:
        # Those of the request stay.
        tags = [
            *self.config.get("Tags", []),
            *attempts.tags(context["ti"], self._generation(context)),
        ]
        named = {self.job_type.name_member: name, "Tags": tags}
        try:
            self.job_type.create(client, {**self._request(), **named})
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ResourceInUse":
                raise
            self.log.info("%s was created by another attempt just now", name)
        else:
            self.log.info("created %s job %s", self.job_type.kind, name)

    def _request(self) -> dict[str, Any]:
        return {k: v for k, v in self.config.items() if k != self.job_type.name_member}

    def _generation(self, context: Context) -> int:
        return attempts.generation_of(context["ti"], self.retries)

    def _results(self) -> StepResults | None:
        if self.pipeline is None:
            return None
        s3 = self._client("s3")
        return StepResults(
            s3, settings().bucket, self.pipeline, self.task_id, self.job_type, self._request()
        )

    def _may_reuse(self, context: Context) -> bool:
        if not self.reuse:
            return False
        if self.reuse != str(context["dag_run"].clear_number):
            self.log.info("a person cleared the task: it runs again, whatever there is to reuse")
            return False
        return True


async def _first_event(trigger: JobEndTrigger) -> Any:
    async with aclosing(trigger.run()) as events:
        return (await anext(events)).payload


def _now() -> datetime:
    return datetime.now(tz=UTC)
