"""What a person may do on the page: approve or reject a version, and deploy one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining.registry import versions
from retraining.web import airflow_db, aws_reads, model_versions

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from retraining.web.pipelines import Pipeline

_SECONDS = 8.0
_STATUS = {"approve": versions.APPROVED, "reject": versions.REJECTED}


class RefusedError(Exception):
    """The version is not what the person thinks it is, or may not be deployed."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A run of the deployment DAG that was just started.

    Attributes:
        dag_id: The DAG.
        run_id: The run.
        is_paused: Whether the DAG is paused, so that nothing happens yet.
    """

    dag_id: str
    run_id: str
    is_paused: bool


def decide(
    session: Session,
    pipeline: Pipeline,
    number: int,
    *,
    action: str,
    seen: str,
    who: str,
    why: str,
) -> str:
    """Approve or reject a version, with who and why, in the registry and in Airflow's audit log.

    Args:
        session: A session of Airflow's database.
        pipeline: The pipeline.
        number: The version.
        action: ``approve`` or ``reject``.
        seen: The ModelApprovalStatus that the person saw.
        who: The person.
        why: Their comment.

    Returns:
        The ModelApprovalStatus now.

    Raises:
        NoSuchVersionError: There is no such version.
        RefusedError: Its status is not what the person saw any more.
        UnavailableError: SageMaker did not answer in time. It may have done it all the same.
    """
    # SageMaker has no update on a condition: two who have seen the same must not both be told yes.
    airflow_db.hold(session, pipeline.dag_id)
    status = _STATUS[action]
    reason = f"{status} by {who} in Airflow, page Model quality: {why}"

    def change(client: Any) -> None:
        version = versions.version_asked_for(client, pipeline.name, number)
        if version.approval != seen:
            raise RefusedError(
                f"version {number} is {version.approval} by now"
                + (f" ({version.approval_reason})" if version.approval_reason else "")
                + "; nothing was changed"
            )
        decide_on = versions.approve if action == "approve" else versions.reject
        decide_on(client, version.arn, reason=reason)

    try:
        _ask(change)
    except aws_reads.UnavailableError as error:
        raise aws_reads.UnavailableError(
            f"{error}. Look at version {number} again before you repeat it: it may have been"
            " changed all the same"
        ) from error
    finally:
        model_versions.forget()
    extra = {"version": number, "comment": why}
    airflow_db.audit(session, pipeline.dag_id, f"{action}_model_version", who=who, extra=extra)
    return status


def deploy(session: Session, pipeline: Pipeline, number: int, *, who: str, why: str) -> Deployment:
    """Start the pipeline's deployment DAG with a version.

    Args:
        session: A session of Airflow's database.
        pipeline: The pipeline; it has a deployment DAG.
        number: The version.
        who: The person, as Airflow shows them.
        why: Their comment.

    Raises:
        NoSuchVersionError: There is no such version.
        RefusedError: It is not approved, or the DAG cannot be started.
        UnavailableError: SageMaker did not answer in time; nothing was started.
    """
    dag_id = pipeline.deployment_dag_id
    if dag_id is None:
        raise RefusedError(f"{pipeline.name} has no deployment DAG")
    version = _ask(lambda client: versions.version_asked_for(client, pipeline.name, number))
    if not version.is_deployable:
        raise RefusedError(
            f"version {number} is {version.approval} and {version.status}; only Approved and"
            " Completed versions are deployed"
        )
    try:
        run_id, is_paused = airflow_db.start(
            session,
            dag_id,
            conf={"version": number},
            who=who,
            note=f"Version {number}, asked for by {who} on the page Model quality: {why}",
        )
    except airflow_db.NotStartedError as error:
        raise RefusedError(str(error)) from error
    extra = {"version": number, "comment": why}
    airflow_db.audit(session, dag_id, "deploy_model_version", who=who, extra=extra)
    return Deployment(dag_id, run_id, is_paused)


def _ask(question: Any) -> Any:
    (answer,) = aws_reads.gather("sagemaker", [question], seconds=_SECONDS)
    if isinstance(answer, Exception):
        raise answer
    return answer
