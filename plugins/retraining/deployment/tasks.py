"""What the Python tasks of a deployment DAG do. Each takes its DAG run's context by name."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from retraining import naming, notifications
from retraining.aws import clients
from retraining.deployment import candidates, deploy, endpoints, faults, smoke
from retraining.deployment.choice import DeploymentRefusedError
from retraining.deployment.plan import make_plan, read_plan, size_of
from retraining.registry import versions
from retraining.runs import records
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retraining.deployment.plan import Plan
    from retraining.deployment.smoke import SmokeTest

log = logging.getLogger(__name__)

# A container has 60 s for an answer; that it gave none is told by the service, and not guessed.
_ANSWER_S = 75


def choose_version(
    *,
    group: str,
    params: Mapping[str, Any],
    dag_run: Any,
    ti: Any,
    triggering_asset_events: Any = None,
) -> str:
    """Settle what is deployed, before anything is changed, and choose the branch.

    The XComs ``plan`` and ``reason`` say what was settled.

    Returns:
        The id of the task to go on with: ``deploy_version`` or ``nothing_to_do``.

    Raises:
        AirflowFailException: The version may not be deployed, or could not be verified; or what
            serves may not, and nothing can take its place.
    """
    for event in _events(triggering_asset_events):
        log.info("started by %s", event.extra)
    sagemaker, s3 = clients.client("sagemaker"), clients.client("s3")
    try:
        plan, reason = make_plan(
            sagemaker,
            group,
            endpoint_name=params["endpoint_name"],
            # A form may say nothing as "".
            wanted=params["version"] or None,
            size=size_of(params),
            role_arn=settings().role_arn,
            is_resizing=dag_run.run_type == "manual",
            objection=lambda version: records.objection(s3, version.run_uri),
            # Not to find out only when it serves already.
            why_not=lambda version: candidates.why_not(s3, version, rows=params["smoke_rows"]),
            no_data=lambda version: candidates.no_data(s3, version),
        )
    except (
        DeploymentRefusedError,
        naming.InvalidNameError,
        versions.NoSuchVersionError,
    ) as error:
        raise AirflowFailException(f"{error}. Nothing was changed") from error
    log.info("%s: %s", params["endpoint_name"], reason)
    ti.xcom_push("reason", reason)
    if plan is None:
        return "nothing_to_do"
    if plan.alarm:
        notifications.tell_alarm(plan.alarm, ti=ti, run_id=dag_run.run_id)
    ti.xcom_push("plan", asdict(plan))
    return "deploy_version"


def nothing_to_do(*, reason: str) -> None:
    """Say why nothing is deployed; the run succeeds."""
    log.info("nothing to do: %s", reason)


def verify_version(
    *, plan: Mapping[str, Any], deployed: str, params: Mapping[str, Any], ti: Any
) -> str:
    """Judge what the endpoint serves now, and choose the branch.

    The XComs ``verified``, or ``faulty`` and ``reason``, say which config was judged and why.

    Args:
        plan: What ``choose_version`` settled.
        deployed: The config that ``deploy_version`` asked for.
        params: The run's parameters.
        ti: The task.

    Returns:
        ``keep_version`` or ``flip_back``.

    Raises:
        AirflowFailException: Something is wrong that is not the version's fault, another deployment
            has changed the endpoint since, or nothing was deployed by this plan.
    """
    settled = read_plan(plan)
    _check_done(settled, deployed, task="deploy_version")
    sagemaker = clients.client("sagemaker")
    try:
        deploy.check_current(sagemaker, settled)
        if reason := deploy.withdrawn(sagemaker, settled):
            return _flip_back(settled, reason, ti)
        test = _test(settled, params)
        reason = faults.find_fault(
            sagemaker,
            clients.client("sagemaker-runtime", read_timeout_s=_ANSWER_S),
            settled,
            test=test,
            tolerance=settled.tolerance if params["tolerance"] is None else params["tolerance"],
        )
    except (DeploymentRefusedError, smoke.SmokeTestError) as error:
        raise AirflowFailException(str(error)) from error
    except faults.EndpointFaultError as error:
        raise AirflowFailException(
            f"{error}. That is not the fault of version {settled.version_number}, which stays what"
            " it is: the next run deploys it again"
        ) from error
    if reason:
        return _flip_back(settled, reason, ti)
    ti.xcom_push("verified", settled.config_name)
    log.info(
        "%s serves version %d; %s",
        settled.endpoint_name,
        settled.version_number,
        f"{len(test.requests)} test rows are answered as evaluation answered them"
        if test
        else "its predictions were not looked at",
    )
    return "keep_version"


def keep_version(
    *, plan: Mapping[str, Any], verified: str, params: Mapping[str, Any], ti: Any
) -> dict[str, Any] | None:
    """Note that the version is verified, and delete old models and configs.

    Args:
        plan: What ``choose_version`` settled.
        verified: The config that ``verify_version`` found good.
        params: The run's parameters.
        ti: The task.

    Returns:
        ``endpoint_name``, ``version`` and ``model_package_arn``; None if it was rejected meanwhile:
        then the XCom ``reason`` says so to ``flip_back``.

    Raises:
        AirflowFailException: It does not serve any more, another deployment has changed the
            endpoint since, or nothing was verified by this plan.
    """
    settled = read_plan(plan)
    _check_done(settled, verified, task="verify_version")
    sagemaker = clients.client("sagemaker")
    try:
        endpoint = deploy.check_current(sagemaker, settled)
    except DeploymentRefusedError as error:
        raise AirflowFailException(str(error)) from error
    if reason := deploy.withdrawn(sagemaker, settled):
        _flip_back(settled, reason, ti)
        return None
    if endpoint is None or not endpoint.serves(settled.config_name):
        raise AirflowFailException(
            f"{settled.endpoint_name} does not serve {settled.config_name} any more, and nothing"
            f" was kept: {endpoint}. Start a new run"
        )
    endpoints.mark_verified(
        sagemaker,
        settled.endpoint_name,
        settled.config_name,
        passed_over=settled.passed_over,
    )
    deleted = deploy.clean_up(sagemaker, settled, keep=params["keep"])
    log.info(
        "%s keeps version %d; deleted: %s",
        settled.endpoint_name,
        settled.version_number,
        ", ".join(deleted) or "nothing",
    )
    return {
        "endpoint_name": settled.endpoint_name,
        "version": settled.version_number,
        "model_package_arn": settled.version_arn,
    }


def _flip_back(plan: Plan, reason: str, ti: Any) -> str:
    log.error("%s: %s", plan.endpoint_name, reason)
    ti.xcom_push("reason", reason)
    ti.xcom_push("faulty", plan.config_name)
    return "flip_back"


def create_model(*, pipeline: str, registered: Mapping[str, Any]) -> str:
    """Make the SageMaker model of a version that was just registered, once; return its name."""
    sagemaker = clients.client("sagemaker")
    version = versions.describe(sagemaker, registered["model_package_arn"])
    name = deploy.create_registered_model(
        sagemaker, version, pipeline=pipeline, role_arn=settings().role_arn
    )
    log.info("version %d is the model %s", version.number, name)
    return name


def _check_done(plan: Plan, config: str, *, task: str) -> None:
    """Make sure that the task before has done its work by this plan, and not by an earlier one."""
    if config != plan.config_name:
        raise AirflowFailException(
            f"{task} was about {config}, and this run's plan is {plan.config_name}: if it was"
            " marked as success by hand, clear it"
        )


def _test(plan: Plan, params: Mapping[str, Any]) -> SmokeTest | None:
    if not params["smoke_rows"] or not plan.version_arn:
        return None
    try:
        return smoke.read(clients.client("s3"), plan.report_uri, rows=params["smoke_rows"])
    except smoke.SmokeTestError as error:
        if not plan.is_restoring:
            raise
        # What was verified once is better than what never was.
        log.warning("%s; it is put back without a look at its answers", error)
        return None


def _events(triggering: Any) -> list[Any]:
    return [event for events in (triggering or {}).values() for event in events]
