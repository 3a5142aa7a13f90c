"""Asking a person whether a version may be deployed, without holding a worker or the next run."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    DownstreamTasksSkipped,
)

from retraining.approval import question
from retraining.aws import clients
from retraining.python_tasks import PipelineTask
from retraining.registry import assets, versions
from retraining.runs import kinds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

log = logging.getLogger(__name__)

# Which version the question was about: an XCom, and a member of the answer.
_ASKED_ABOUT = "asked_about"


class RegisterModelOperator(PipelineTask):
    """Registers a model, and skips the question about it if nobody is to be asked.

    Airflow would start a process for that question, only to find that it skips itself.
    """

    def execute(self, context: Context) -> Any:
        """Register it.

        Returns:
            What the callable returns.

        Raises:
            DownstreamTasksSkipped: Nobody is to be asked; what the callable returns is pushed.
        """
        registered = super().execute(context)
        questions = [
            task.task_id
            for task in self.get_direct_relatives(upstream=False)
            if isinstance(task, AskForApprovalOperator)
        ]
        if questions and (why := _why_nobody_is_asked(context)):
            log.info(why)
            # Airflow pushes only what a task returns.
            context["ti"].xcom_push(BaseXCom.XCOM_RETURN_KEY, registered)
            raise DownstreamTasksSkipped(tasks=questions)  # type: ignore[no-untyped-call]
        return registered


class AskForApprovalOperator(HITLOperator):
    """Shows a person the evaluation of a pending version, and waits for Approve or Reject.

    The task waits in the state ``awaiting_input``, for as many hours as the parameter
    ``approval_hours`` says, and is then skipped: the version stays pending. It is skipped at once
    if the parameter ``ask_for_approval`` is false, in a backfill, and if the version is decided.

    Args:
        registered: What ``register_model`` returned.
        endpoint_name: Where the version would be deployed.
    """

    template_fields: Sequence[str] = ("registered",)

    def __init__(self, *, registered: Any, endpoint_name: str, **kwargs: Any) -> None:
        # Airflow passes the DAG's parameters here, too; the form needs none of them.
        kwargs["params"] = {
            "comment": Param("", type=["string", "null"], title="Comment", source="task")
        }
        super().__init__(
            subject="May this version be deployed?",
            options=[question.APPROVE, question.REJECT],
            **kwargs,
        )
        self.registered: Any = registered
        self.endpoint_name = endpoint_name

    def execute(self, context: Context) -> Any:
        """Ask, unless there is no need to."""
        if why := _why_nobody_is_asked(context):
            raise AirflowSkipException(why)
        if self.registered is None:
            raise AirflowFailException(
                "no version was registered: if that task was marked as success by hand, clear it"
            )
        sagemaker = clients.client("sagemaker")
        version = versions.describe(sagemaker, self.registered["model_package_arn"])
        if version.approval != versions.PENDING:
            raise AirflowSkipException(f"version {version.number} is {version.approval} already")
        self.subject = (
            f"May {self.registered['group']} version {version.number} of snapshot"
            f" {version.snapshot} be deployed?"
        )
        self.body = question.question(
            sagemaker,
            clients.client("s3"),
            version,
            group=self.registered["group"],
            endpoint_name=self.endpoint_name,
        )
        context["ti"].xcom_push(_ASKED_ABOUT, version.arn)
        self.response_timeout = timedelta(hours=context["params"]["approval_hours"])
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Return the answer, and which version it is about."""
        answer = super().execute_complete(context, event)
        asked = context["ti"].xcom_pull(task_ids=self.task_id, key=_ASKED_ABOUT)
        return {**answer, _ASKED_ABOUT: asked}

    def process_trigger_event_error(self, event: dict[str, Any]) -> NoReturn:
        """End the wait without an answer.

        Raises:
            AirflowSkipException: Nobody has answered in time.
        """
        if event["error_type"] == "timeout":
            raise AirflowSkipException("nobody has answered in time; the version stays pending")
        raise AirflowFailException(f"the question was not answered: {event['error']}")


def _why_nobody_is_asked(context: Context) -> str | None:
    if not context["params"]["ask_for_approval"]:
        return "nobody is asked: ask_for_approval is false"
    if kinds.is_backfill(context["dag_run"]):
        return "nobody is asked about the versions of a backfill"
    return None


def record_approval(
    *,
    registered: Mapping[str, Any],
    answer: Mapping[str, Any],
    dag_run: Any,
    outlet_events: Any,
) -> str:
    """Write the answer into the registry; an approval starts a deployment.

    Returns:
        The version's ModelApprovalStatus.

    Raises:
        AirflowFailException: Somebody has decided otherwise in the meantime, or the answer is about
            another version.
    """
    # What asked before an upgrade did not say so.
    asked_about = answer.get(_ASKED_ABOUT) or registered["model_package_arn"]
    if asked_about != registered["model_package_arn"]:
        raise AirflowFailException(
            f"the answer is about {asked_about}, and the run has registered"
            f" {registered['model_package_arn']} since: clear the question"
        )
    (choice,) = answer["chosen_options"]
    user = answer["responded_by_user"] or {}
    try:
        version = question.answer(
            clients.client("sagemaker"),
            registered["model_package_arn"],
            choice,
            who=str(user.get("name") or user.get("id") or "somebody"),
            why=str((answer["params_input"] or {}).get("comment") or ""),
            where=f"run {dag_run.run_id}, {answer['responded_at']}",
        )
    except question.DecidedOtherwiseError as error:
        raise AirflowFailException(str(error)) from error
    log.info("version %d: %s", version.number, version.approval_reason)
    if version.approval == versions.APPROVED:
        assets.announce(
            outlet_events,
            registered["group"],
            arn=version.arn,
            version=version.number,
            snapshot=version.snapshot,
            # What registered it before an upgrade did not say so.
            headline=registered.get("headline"),
        )
    return version.approval
