"""What people do to a registry and an endpoint while a version is deployed, and between two runs.

Each test has a model group, an endpoint and a deployment DAG of its own; all of them run at once.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from retraining.deployment import endpoints
from retraining.registry import versions

from local_stack.services import environment
from tests.faults.actions import Gate
from tests.faults.proxy import Rule
from tests.faults.runs import Run
from tests.faults.stack import poll
from tests.retraining.deployment.shop import SMALL, Shop
from tests.web.mailbox import Mailbox, mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from retraining.deployment.endpoints import Endpoint

    from tests.faults.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

# Of all versions; what serves answers the row 1,2 with three times its slope.
OLDEST, OLDER, NEWER = "2026-11-01", "2026-11-10", "2026-11-20"
BY_UTE = "by ute: it is biased"
_HELD_S = 120.0


@dataclass(slots=True)
class Place:
    """A group with its endpoint and its deployment DAG.

    Attributes:
        stack: Where.
        shop: Registers versions, and deploys without an Airflow.
        folder: For runs.
        box: Takes the mails of abalone's DAG.
    """

    stack: Stack
    shop: Shop
    folder: Path
    box: Mailbox

    @property
    def dag_id(self) -> str:
        """The deployment DAG."""
        return f"{self.shop.group.replace('-', '_')}_deployment"

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint as it is now."""
        found = endpoints.find(self.shop.client, self.shop.group)
        assert found is not None
        return found

    def begin(self, **conf: Any) -> Run:
        """Start a run, in the size in which the shop itself deploys."""
        run = Run(self.stack, self.folder, self.dag_id)
        size = {"memory_size_mb": SMALL.memory_size_mb, "max_concurrency": SMALL.max_concurrency}
        self.stack.airflow.start(run.dag_id, run.run_id, {**size, **conf})
        return run

    def deploy(self, **conf: Any) -> Run:
        """Start a run and wait for its end."""
        run = self.begin(**conf)
        run.wait_ended()
        return run

    def hold(self, operation: str, *, name: str = "", after: bool = False) -> Gate:
        """Hold the next such call; ``after``: when it has arrived."""
        gate = Gate(after=after)
        self.stack.proxy.add(Rule(operation, gate, name=name))
        return gate

    def hold_update(self) -> Gate:
        """Hold ``deploy_version`` when it has asked for the update."""
        return self.hold("UpdateEndpoint", name=self.shop.group, after=True)

    def hold_question(self) -> Gate:
        """Hold ``verify_version`` before it asks the model for the first time."""
        return self.hold(self.question)

    @property
    def question(self) -> str:
        """The operation by which the model is asked."""
        return f"POST /endpoints/{self.shop.group}/invocations"

    def settle(self) -> None:
        """Wait until the service is not at work on the endpoint."""
        poll(lambda: not self.endpoint.is_changing, what="the endpoint settles")

    def delete_config(self, config: str) -> None:
        """Delete an endpoint config and its model, as a person who tidies up does."""
        client = self.shop.client
        (variant,) = client.describe_endpoint_config(EndpointConfigName=config)[
            "ProductionVariants"
        ]
        client.delete_endpoint_config(EndpointConfigName=config)
        client.delete_model(ModelName=variant["ModelName"])

    def approval(self, arn: str) -> tuple[str, str]:
        """Return a version's approval, and what was said of it."""
        version = versions.describe(self.shop.client, arn)
        return version.approval, version.approval_reason

    def reject(self, *arns: str) -> None:
        """Reject versions, as a person does."""
        for arn in arns:
            versions.reject(self.shop.client, arn, reason=BY_UTE)

    def mail(self, run: Run, subject: str) -> str:
        """Return the one mail about a run under a subject, once it has come."""
        wanted = f"{self.dag_id}: {subject}"

        def found() -> list[str]:
            return [
                mail.text
                for mail in self.box.mails
                if mail.subject == wanted and run.run_id in mail.text
            ]

        poll(found, what=f"the mail {wanted!r}", seconds=60)
        (text,) = found()
        return text

    def wait_shown(self, **serving: object) -> None:
        """Wait until the page says so of what serves; it may be some seconds late."""
        dag_id = f"{self.shop.group}_retraining"
        poll(
            lambda: serving.items() <= self.stack.airflow.page("runs", dag_id)["serving"].items(),
            what=f"the page says {serving}",
            seconds=30,
        )


def wait_held(gate: Gate) -> None:
    assert gate.reached.wait(_HELD_S), "the call never came"


def states(run: Run) -> dict[str, str]:
    return {name: task["state"] for name, task in run.tasks().items()}


def an_endpoint_that_is_deleted_in_deploy_version_is_not_the_versions_fault(place: Place) -> None:
    shop = place.shop
    shop.register(2)
    shop.run()
    version = shop.register(3)
    asked = place.hold_update()
    run = place.begin()
    wait_held(asked)
    place.settle()
    shop.client.delete_endpoint(EndpointName=shop.group)
    poll(lambda: endpoints.find(shop.client, shop.group) is None, what="the endpoint's end")
    asked.opened.set()
    assert run.wait_ended() == "failed"
    assert states(run) == {
        "choose_version": "success",
        "nothing_to_do": "skipped",
        "deploy_version": "success",
        "verify_version": "failed",
        "keep_version": "upstream_failed",
        "flip_back": "upstream_failed",
    }
    assert "does not exist: somebody deleted it" in run.log("verify_version")
    assert place.approval(version.arn)[0] == versions.APPROVED
    assert place.deploy().state() == "success"
    assert shop.answer() == 9
    assert place.endpoint.is_sound


def what_a_bad_version_is_flipped_back_to_may_have_been_deleted(place: Place) -> None:
    shop = place.shop
    shop.register(1, snapshot=OLDEST)
    before = shop.register(2, snapshot=OLDER)
    shop.run()
    verified = place.endpoint.config
    # First its version may take its place again.
    bad = shop.register(3, evaluated=3.1)
    asked, making = place.hold_question(), place.hold("CreateEndpointConfig", name=verified)
    run = place.begin()
    wait_held(asked)
    place.delete_config(verified)
    asked.opened.set()
    wait_held(making)
    # It is rejected before anything else, so that no run deploys it whatever comes of this.
    approval, why = place.approval(bad.arn)
    assert (approval, place.endpoint.config != verified) == (versions.REJECTED, True)
    assert "row 1 of the test split is predicted as 9" in why
    making.opened.set()
    assert run.wait_ended() == "failed"
    assert f"{shop.group} serves {verified} again" in run.log("flip_back")
    assert (shop.answer(), place.endpoint.is_sound) == (6, True)
    # Then it may not, and the next one that is approved does.
    shop.register(4, evaluated=4.1)
    asked = place.hold_question()
    run = place.begin()
    wait_held(asked)
    place.delete_config(verified)
    place.reject(before.arn)
    asked.opened.set()
    assert run.wait_ended() == "failed"
    assert f", as {verified} is gone" in run.log("flip_back")
    assert (shop.answer(), place.endpoint.is_sound) == (3, False)
    # Nobody has verified it there yet: the next run does.
    assert place.deploy().state() == "success"
    assert (shop.answer(), place.endpoint.is_sound) == (3, True)


def a_version_that_is_rejected_while_it_is_deployed_is_taken_back(place: Place) -> None:
    shop = place.shop
    shop.register(2)
    shop.run()
    verified = place.endpoint.config
    # Before it is verified: it is not even asked.
    version = shop.register(3)
    asked = place.hold_update()
    run = place.begin()
    wait_held(asked)
    place.reject(version.arn)
    asked.opened.set()
    assert run.wait_ended() == "failed"
    assert states(run)["verify_version"] == "success"
    assert place.stack.proxy.seen(place.question) == []
    assert BY_UTE in run.log("flip_back")
    assert place.endpoint.is_sound
    # Before it is kept: its answers are right.
    version = shop.register(4)
    asked = place.hold_question()
    run = place.begin()
    wait_held(asked)
    assert shop.answer() == 12
    place.reject(version.arn)
    asked.opened.set()
    assert run.wait_ended() == "failed"
    assert states(run)["keep_version"] == "success"
    assert f"{shop.group} serves {verified} again" in run.log("flip_back")
    assert (shop.answer(), place.endpoint.is_sound) == (6, True)
    # Nobody has overwritten what was said.
    assert place.approval(version.arn) == (versions.REJECTED, BY_UTE)


def after_a_rollback_what_is_approved_is_deployed_and_what_is_rejected_replaced(
    place: Place,
) -> None:
    shop = place.shop
    first = shop.register(2, snapshot=OLDEST)
    second = shop.register(3, snapshot=NEWER)
    shop.run()
    run = place.deploy(version=first.number)
    assert (run.state(), shop.answer()) == ("success", 6)
    # Its data is older than that of the version that was passed over.
    third = shop.register(4, snapshot=OLDER)
    run = place.deploy()
    assert (run.state(), shop.answer()) == ("success", 12)
    # It serves, and is rejected: what was passed over comes last.
    place.reject(third.arn)
    place.wait_shown(number=third.number, approval=versions.REJECTED)
    run = place.deploy()
    assert (run.state(), shop.answer()) == ("success", 6)
    said = f"version 3 serves though it is Rejected ({BY_UTE})"
    assert said in run.log("choose_version")
    assert f"{said}; version 1 of snapshot {OLDEST} takes its place" in place.mail(
        run, "what serves was rejected"
    )
    # Then nothing is left that could; what serves is known though its config was deleted.
    place.reject(first.arn, second.arn)
    place.delete_config(place.endpoint.config)
    place.wait_shown(number=first.number, approval=versions.REJECTED)
    run = place.deploy()
    assert (run.state(), states(run)["choose_version"]) == ("failed", "failed")
    said = f"version 1 serves though it is Rejected ({BY_UTE}), and no other version can"
    assert said in run.log("choose_version")
    assert said in place.mail(run, "choose_version failed")
    assert (shop.answer(), place.endpoint.is_sound) == (6, True)


def a_version_whose_snapshot_is_no_date_keeps_no_other_from_its_place(place: Place) -> None:
    shop = place.shop
    good = shop.register(2)
    described = shop.client.describe_model_package(ModelPackageName=good.arn)
    by_hand = shop.client.create_model_package(
        ModelPackageGroupName=shop.group,
        ModelApprovalStatus=versions.APPROVED,
        CustomerMetadataProperties={versions.SNAPSHOT: "latest"},
        **{name: described[name] for name in ("InferenceSpecification", "ModelMetrics")},
    )["ModelPackageArn"]
    run = place.deploy()
    assert (run.state(), shop.answer()) == ("success", 6)
    serving = endpoints.version_of_config(shop.client, place.endpoint.config)
    assert serving is not None
    assert serving.arn == good.arn
    said = "version 2 is passed over: its metadata name no snapshot of the form YYYY-MM-DD"
    assert f"{said}. {by_hand}" in run.log("choose_version")


SCENARIOS: dict[str, Callable[[Place], None]] = {
    "endpoint-deleted": an_endpoint_that_is_deleted_in_deploy_version_is_not_the_versions_fault,
    "config-deleted": what_a_bad_version_is_flipped_back_to_may_have_been_deleted,
    "rejected-meanwhile": a_version_that_is_rejected_while_it_is_deployed_is_taken_back,
    "abalone": after_a_rollback_what_is_approved_is_deployed_and_what_is_rejected_replaced,
    "without-a-date": a_version_whose_snapshot_is_no_date_keeps_no_other_from_its_place,
}


@pytest.fixture(scope="module")
def running(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """All of them, which run at the same time."""
    folder = tmp_path_factory.mktemp("deployments")
    airflow = stack.airflow
    with mailbox() as box, ThreadPoolExecutor(len(SCENARIOS)) as pool:
        airflow.add_connection(
            "smtp_default",
            conn_type="smtp",
            host="127.0.0.1",
            port=box.port,
            extra='{"disable_ssl": true, "disable_tls": true, "from_email": "a@example.org"}',
        )
        found = {}
        for group, scenario in SCENARIOS.items():
            place = Place(stack, Shop(stack, group, environment.ROLE_ARN), folder, box)
            poll(lambda place=place: airflow.has(place.dag_id), what=place.dag_id)
            found[group] = pool.submit(scenario, place)
        yield found
    airflow.remove_connection("smtp_default")


@pytest.mark.parametrize("group", SCENARIOS, ids=lambda group: SCENARIOS[group].__name__)
def test_people_and_deployments(running: dict[str, Future[None]], group: str) -> None:
    running[group].result()
