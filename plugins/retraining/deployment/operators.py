"""Operators that change an endpoint and wait, deferred, until the service has settled it.

Each is a loop of steps that begin with a look (``endpoints.bring_to``), so an attempt that follows
a death goes on from whatever state there is. Ending a task by hand changes nothing: the endpoint
stays as it is, and the next run of the DAG mends it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from retraining.aws import clients
from retraining.deployment import candidates, deploy, endpoints
from retraining.deployment.choice import DeploymentRefusedError
from retraining.deployment.endpoints import Step
from retraining.deployment.plan import read_plan, size_of
from retraining.deployment.triggers import EndpointSettledTrigger
from retraining.jobs.triggers import OUT_OF_TIME
from retraining.registry import versions
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

# The service gives an endpoint an hour at most to come up, and as long to be taken back.
_PATIENCE = timedelta(hours=2)


class _EndpointOperator(BaseOperator):
    """Takes steps until the endpoint has settled.

    Args:
        plan: What ``choose_version`` settled.
    """

    template_fields: Sequence[str] = ("plan",)

    def __init__(self, *, plan: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan: Any = plan

    def execute(self, context: Context) -> Any:
        """Begin, or go on where an earlier attempt ended."""
        deadline = datetime.now(tz=UTC) + _PATIENCE
        try:
            self._begin(context)
        except DeploymentRefusedError as error:
            raise AirflowFailException(str(error)) from error
        return self._go_on(context, deadline=deadline.isoformat(), is_asked=False)

    def resume(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Go on after the endpoint has settled.

        Raises:
            AirflowFailException: It has not within two hours.
        """
        if event["status"] == OUT_OF_TIME:
            raise AirflowFailException(
                f"the service is still at work on endpoint {event['endpoint_name']}, {_PATIENCE}"
                " after this task began. Nothing was undone. See the endpoint's log; when it has"
                " settled, start a new run"
            )
        return self._go_on(context, deadline=event["deadline"], is_asked=event["is_asked"])

    def _go_on(self, context: Context, *, deadline: str, is_asked: bool) -> Any:
        plan = read_plan(self.plan)
        step = endpoints.bring_to(
            self._sagemaker(),
            plan.endpoint_name,
            self._config(context),
            verified=plan.previous_config,
            is_asked=is_asked,
        )
        if step is Step.DONE:
            return self._finish(context)
        self.log.info("%s: %s", plan.endpoint_name, step.value)
        self.defer(
            trigger=EndpointSettledTrigger(
                plan.endpoint_name,
                deadline=deadline,
                is_asked=is_asked or step is Step.ASKED,
                aws_conn_id=clients.AWS_CONN_ID,
                region_name=None,
            ),
            method_name="resume",
        )
        raise AssertionError("to defer is to raise")

    def _begin(self, context: Context) -> None:
        raise NotImplementedError

    def _config(self, context: Context) -> str | None:
        raise NotImplementedError

    def _finish(self, context: Context) -> Any:
        raise NotImplementedError

    @staticmethod
    def _sagemaker() -> Any:
        return clients.client("sagemaker")


class DeployVersionOperator(_EndpointOperator):
    """Makes the plan's model and config, and asks for an endpoint that serves it.

    Succeeds when the service has settled, whatever came of it: that is judged by who verifies.

    Returns:
        The name of the plan's config.
    """

    def execute(self, context: Context) -> Any:
        """Begin, or go on; but leave a rejected version that is only flipped back as it is."""
        if read_plan(self.plan).is_flipping:
            return self._finish(context)
        return super().execute(context)

    def _begin(self, context: Context) -> None:
        plan, client = read_plan(self.plan), self._sagemaker()
        deploy.check_current(client, plan)
        deploy.prepare(client, plan, **_made_of(context))
        deploy.make_serving_config(client, plan, **_made_of(context))

    def _config(self, context: Context) -> str | None:  # noqa: ARG002 - the other one needs it
        return read_plan(self.plan).config_name

    def _finish(self, context: Context) -> str:  # noqa: ARG002 - the other one needs it
        plan = read_plan(self.plan)
        found = endpoints.find(self._sagemaker(), plan.endpoint_name)
        self.log.info("%s has settled: %s", plan.endpoint_name, found)
        return plan.config_name


class FlipBackOperator(_EndpointOperator):
    """Puts the last verified config back, or deletes an endpoint that never had one; then fails.

    Before all else the version is marked Rejected, with the reason, if the parameter
    ``reject_when_broken`` says so: whatever comes of the flip, no later run deploys it.

    Args:
        plan: What ``choose_version`` settled.
        faulty: The config that was found bad; "" skips this task, as nothing was.
        reason: What is wrong with the version.
    """

    template_fields: Sequence[str] = ("plan", "faulty", "reason")

    def __init__(self, *, faulty: Any, reason: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.faulty: Any = faulty
        self.reason: Any = reason

    def _begin(self, context: Context) -> None:
        if not self.faulty:
            raise AirflowSkipException("no task has found anything wrong with the version")
        if self.faulty != read_plan(self.plan).config_name:
            raise DeploymentRefusedError(
                f"{self.faulty} was found bad, and this run's plan is"
                f" {read_plan(self.plan).config_name}: clear choose_version"
            )
        plan, client = read_plan(self.plan), self._sagemaker()
        version = versions.find(client, plan.version_arn) if plan.version_arn else None
        if not plan.is_restoring and version and version.approval == versions.APPROVED:
            endpoint = endpoints.find(client, plan.endpoint_name)
            if endpoint and plan.config_name == endpoint.verified != plan.previous_config:
                raise DeploymentRefusedError(
                    f"this run found {plan.config_name} bad ({self.reason}), but version"
                    f" {plan.version_number} is Approved, and another run has verified it on"
                    f" {plan.endpoint_name} since. Nothing was changed"
                )
            if context["params"]["reject_when_broken"]:
                run = context["dag_run"]
                versions.reject(
                    client,
                    plan.version_arn,
                    reason=f"deployment {run.run_id} to {plan.endpoint_name}: {self.reason}",
                )
        deploy.check_current(client, plan)
        deploy.make_serving_config(client, plan, **_made_of(context))

    def _config(self, context: Context) -> str | None:
        params, s3 = context["params"], clients.client("s3")
        try:
            return deploy.way_back(
                self._sagemaker(),
                read_plan(self.plan),
                why_not=lambda version: candidates.why_not_unasked(
                    s3, version, rows=params["smoke_rows"]
                ),
                no_data=lambda version: candidates.no_data(s3, version),
                **_made_of(context),
            )
        except DeploymentRefusedError as error:
            told = f"COULD NOT BE FLIPPED BACK: {error}"
            raise AirflowFailException("; ".join([*self._told(), told])) from error

    def _finish(self, context: Context) -> Any:
        plan, told = read_plan(self.plan), self._told()
        name, config = plan.endpoint_name, self._config(context)
        found = endpoints.find(self._sagemaker(), name)
        if config is None:
            told.append(f"there was nothing to flip back to, so {name} was deleted")
        elif found is not None and found.serves(config):
            is_same = config == plan.previous_config
            told.append(
                f"{name} serves {config} again"
                if is_same
                else f"{name} serves {config}, as {plan.previous_config} is gone"
            )
        else:
            told.append(f"{name} COULD NOT BE FLIPPED BACK to {config}: {found}")
        raise AirflowFailException("; ".join(told))

    def _told(self) -> list[str]:
        plan = read_plan(self.plan)
        what = f"version {plan.version_number}" if plan.version_number else plan.config_name
        told = [f"{what} was not kept: {self.reason}"]
        version = versions.find(self._sagemaker(), plan.version_arn) if plan.version_arn else None
        if version is not None and version.approval == versions.REJECTED:
            told.append("the version is marked as Rejected")
        return told


def _made_of(context: Context) -> dict[str, Any]:
    """Return what models and configs are made of, besides a version."""
    return {"size": size_of(context["params"]), "role_arn": settings().role_arn}
