"""Deployments against the embedded SageMaker, with a death after each call that changes it."""

from __future__ import annotations

import io
import itertools
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ClientError
from retraining import naming
from retraining.aws import s3 as objects
from retraining.aws.errors import code_of
from retraining.deployment import deploy, endpoints, faults, smoke
from retraining.deployment.choice import DeploymentRefusedError
from retraining.deployment.plan import Plan
from retraining.past_runs.standing import read_standing
from retraining.registry import versions
from retraining.retries import passing_failure

from tests.retraining.deployment.shop import (
    LARGE,
    ROLE,
    SMALL,
    DeathError,
    Shop,
    program,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retraining.deployment.requests import Size


class Raw(io.BytesIO):
    """The body of an answer that comes from no server."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def floats(answers: list[float | Exception]) -> set[float]:
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    assert errors == []
    assert answers
    return {answer for answer in answers if isinstance(answer, float)}


def test_the_newest_version_is_deployed_once(shop: Shop) -> None:
    assert shop.run() is None
    assert endpoints.find(shop.client, shop.group) is None
    version = shop.register(2)
    assert shop.run() is None
    assert shop.answer() == 6
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    assert found.is_sound
    serving = endpoints.version_of_config(shop.client, found.config)
    assert serving == version
    assert shop.plan() is None
    assert shop.plan(version.arn) is None
    resized = shop.plan(size=LARGE, is_resizing=True)
    assert resized is not None
    assert resized.config_name != found.config
    assert resized.model_name == shop.models()[0]


def test_it_is_asked_as_by_a_client_who_has_read_the_registry(shop: Shop) -> None:
    """Without an Accept where the version says what is answered then; older versions do not."""
    sent: list[dict[str, str]] = []
    shop.runtime.meta.events.register(
        "before-call.sagemaker-runtime.InvokeEndpoint",
        lambda params, **_: sent.append(params["headers"]),
    )
    shop.register(2)
    assert shop.run() is None
    assert [headers.get("Accept") for headers in sent] == [None] * 3
    sent.clear()
    old = shop.register(3, says_default=False)
    assert old.containers[0]["Environment"] == {
        "SAGEMAKER_PROGRAM": "entry_point.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }
    assert shop.run() is None
    assert [headers.get("Accept") for headers in sent] == ["text/csv"] * 3


def test_a_newer_version_takes_over_without_an_error(shop: Shop) -> None:
    shop.register(2)
    shop.run()
    shop.register(3)
    with shop.hammered() as answers:
        assert shop.run() is None
        time.sleep(0.2)
    assert floats(answers) == {6.0, 9.0}
    assert shop.answer() == 9


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"script": program(3, "raise OSError('no such matrix')")}, "took the update back"),
        ({"script": program(3).replace("slope * sum(row)", "{}[slope]")}, "own test rows"),
        ({"evaluated": 3.1}, "row 1 of the test split is predicted as 9"),
        ({"script": program(3).replace("map(str, numbers)", "['many'] * 3")}, "'many"),
    ],
)
def test_a_broken_version_is_flipped_back_and_rejected(
    shop: Shop, broken: dict[str, Any], words: str
) -> None:
    shop.register(2)
    shop.run()
    bad = shop.register(3, **broken)
    with shop.hammered() as answers:
        assert words in str(shop.run())
    assert not [error for error in answers if isinstance(error, ConnectionError)]
    if "took" in words:
        assert floats(answers) == {6.0}
    assert shop.answer() == 6
    bad = versions.describe(shop.client, bad.arn)
    assert bad.approval == versions.REJECTED
    assert words in bad.approval_reason
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    assert found.is_sound
    assert shop.plan() is None


def test_what_lacks_something_is_passed_over_and_refused_to_whom_asks_for_it(shop: Shop) -> None:
    """Versions that another tool or a person has made, in the same group and of newer data."""
    good = shop.register(2)
    bucket, key = naming.split_s3_uri(shop.register(3, snapshot="2026-11-30").report_uri)
    shop.s3.put_object(Bucket=bucket, Key=key.replace("evaluation.json", "smoke.json"), Body=b"{}")
    odd = {
        "is no smoke test": None,
        "nothing at s3://deployments/gone.tar.gz": shop.made_elsewhere(
            data="s3://deployments/gone.tar.gz"
        ),
        "nothing at s3://no-such-bucket/m.tar.gz": shop.made_elsewhere(
            data="s3://no-such-bucket/m.tar.gz"
        ),
        "names no model data": shop.made_elsewhere(data=None),
        "has no container": shop.made_elsewhere(image=None),
        "names no evaluation report": shop.made_elsewhere(report=None),
        "there is nothing at s3://b/smoke.json": shop.made_elsewhere(report="s3://b/report.json"),
        "is no object's URI": shop.made_elsewhere(report="s3://_/a/evaluation/evaluation.json"),
    }
    numbers = dict(zip(odd, range(2, 2 + len(odd)), strict=True))
    plan = shop.plan()
    assert plan is not None
    assert plan.version_arn == good.arn
    for words, number in numbers.items():
        with pytest.raises(DeploymentRefusedError, match=re.escape(words)):
            shop.plan(number)


def test_a_broken_first_deployment_leaves_no_endpoint(shop: Shop) -> None:
    shop.register(2, script=program(2, "raise OSError('x')"))
    assert "Failed" in str(shop.run())
    assert endpoints.find(shop.client, shop.group) is None
    shop.register(3)
    assert shop.run() is None
    assert shop.answer() == 9


def test_a_person_rolls_back_and_stays_there_until_another_is_approved(shop: Shop) -> None:
    one, two = shop.register(2, snapshot="2026-11-01"), shop.register(3)
    pending = shop.register(4, snapshot="2026-11-10", is_approved=False)
    shop.run()
    assert shop.answer() == 9
    shop.run(one.number)
    assert shop.answer() == 6
    assert shop.plan() is None
    back = shop.plan(str(two.number))
    assert back is not None
    assert back.version_arn == two.arn
    # Registered before the rollback and of older data than what was passed over, approved after it.
    versions.approve(shop.client, pending.arn, reason="by a test")
    assert shop.run() is None
    assert shop.answer() == 12
    assert shop.plan() is None
    three = shop.register(5)
    planned = shop.plan()
    assert planned is not None
    assert (planned.version_arn, planned.passed_over) == (three.arn, "")


def test_a_rejected_version_that_serves_is_replaced_or_goes_on_in_red_runs(shop: Shop) -> None:
    older, one = shop.register(2, snapshot="2026-10-01"), shop.register(3)
    shop.run()
    versions.reject(shop.client, one.arn, reason="it is biased")
    replacing = shop.plan()
    assert replacing is not None
    assert replacing.version_arn == older.arn
    versions.reject(shop.client, older.arn, reason="this too")
    with pytest.raises(DeploymentRefusedError, match=r"Rejected \(it is biased\).*goes on serving"):
        shop.plan()
    assert shop.answer() == 9
    versions.approve(shop.client, one.arn, reason="it was not")
    assert shop.plan() is None


def test_a_version_that_is_rejected_while_it_is_deployed_may_not_serve(shop: Shop) -> None:
    version, plan = shop.register(3), shop.plan()
    assert plan is not None
    assert deploy.withdrawn(shop.client, plan) is None
    versions.reject(shop.client, version.arn, reason="by ute, just now")
    assert "by ute, just now" in str(deploy.withdrawn(shop.client, plan))
    shop.client.delete_model_package(ModelPackageName=version.arn)
    assert "deleted from the registry" in str(deploy.withdrawn(shop.client, plan))


def deploy_by_hand(shop: Shop, plan: Plan | None) -> Plan:
    """Bring the endpoint to a plan's version, and judge nothing yet."""
    assert plan is not None
    deploy.prepare(shop.client, plan, size=SMALL, role_arn=ROLE)
    shop.bring(plan, plan.config_name)
    return plan


def deployed_over(shop: Shop, first: Plan | None, *, size: Size = SMALL) -> Plan:
    """Plan a deployment of a newer version to where a first one serves; there is no endpoint."""
    assert first is not None
    deploy.prepare(shop.client, first, size=size, role_arn=ROLE)
    shop.register(3)
    plan = shop.plan()
    assert plan is not None
    return replace(plan, previous_config=first.config_name, previous_arn=first.version_arn)


def unmake(shop: Shop, config: str | None) -> None:
    """Delete a config and its model, as a person may."""
    described = shop.client.describe_endpoint_config(EndpointConfigName=config)
    shop.client.delete_endpoint_config(EndpointConfigName=config)
    shop.client.delete_model(ModelName=described["ProductionVariants"][0]["ModelName"])


CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."
    " Please retry using a different ML instance type."
)
INTERNAL = "Request to service failed. If failure persists after retry, contact customer support."
UNKNOWN = "Image size 12 is greater than supported size 10."
PING = (
    "The primary container for production variant AllTraffic did not pass the ping health check."
    " Please check CloudWatch logs for this endpoint."
)
NO_START = (
    "CannotStartContainerError. Please ensure the model container for variant AllTraffic starts"
    " correctly when invoked with 'docker run <image> serve'"
)
TOO_SLOW = (
    "Unable to successfully stand up your model within the allotted 180 second timeout. Please"
    " ensure that downloading your model artifacts can be completed within 180 seconds."
)


def test_only_a_container_that_fails_by_itself_is_the_models_fault(shop: Shop) -> None:
    """Of an update that did not come through; what else the service says is not told here."""
    shop.register(2)
    shop.run()
    version, plan = shop.register(3), shop.plan()
    assert plan is not None
    told: dict[str, str] = {}
    client = shop.server.client("sagemaker")
    client.meta.events.register(
        "after-call.sagemaker.DescribeEndpoint", lambda parsed, **_: parsed.update(told)
    )

    def find() -> str | None:
        return faults.find_fault(client, shop.runtime, plan, test=None, tolerance=1e-6)

    with pytest.raises(faults.EndpointFaultError, match="somebody else has updated it"):
        find()
    for status in ("InService", "Failed", "UpdateRollbackFailed"):
        for reason in (CAPACITY, INTERNAL, UNKNOWN):
            told |= {"FailureReason": reason, "EndpointStatus": status}
            with pytest.raises(faults.EndpointFaultError, match=re.escape(reason)):
                find()
        for reason in (PING, NO_START, TOO_SLOW):
            told |= {"FailureReason": reason, "EndpointStatus": status}
            assert reason in str(find())
    told["EndpointStatus"] = "Updating"
    with pytest.raises(faults.EndpointFaultError, match="Updating"):
        find()
    shop.client.delete_endpoint(EndpointName=shop.group)
    while endpoints.find(shop.client, shop.group):
        time.sleep(0.02)
    with pytest.raises(faults.EndpointFaultError, match="somebody deleted it"):
        find()
    # The next run does it.
    assert versions.describe(shop.client, version.arn).approval == versions.APPROVED
    assert shop.run() is None
    assert shop.answer() == 9


def test_an_endpoint_that_cannot_be_asked_is_not_the_models_fault(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_PAUSE_S", 0.0)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    runtime = shop.server.client("sagemaker-runtime")
    shop.register(2)
    plan = deploy_by_hand(shop, shop.plan())
    test = smoke.read(shop.s3, plan.report_uri, rows=3)
    for status, code, attempts in (
        (500, "InternalFailure", 3), (530, "InternalDependencyException", 3),
        (503, "ServiceUnavailable", 3), (429, "ModelNotReadyException", 3),
        (400, "ThrottlingException", 3), (400, "ValidationError", 1),
    ):  # fmt: skip
        sent = refusing(runtime, status, code)
        with pytest.raises(ClientError) as refused:
            faults.find_fault(shop.client, runtime, plan, test=test, tolerance=1e-6)
        assert code_of(refused.value) == code
        assert (passing_failure(refused.value) is None) == (attempts == 1)
        assert len(sent) == attempts


def refusing(runtime: Any, status: int, code: str) -> list[str]:
    """Let a client get an error instead of any answer; return what it sent."""
    headers = {"x-amzn-ErrorType": code, "Content-Type": "application/json"}
    sent: list[str] = []

    def refuse(request: Any, **_: Any) -> AWSResponse:
        sent.append(request.url)
        return AWSResponse(request.url, status, HeadersDict(headers), Raw(b'{"Message": "no"}'))

    event = "before-send.sagemaker-runtime.InvokeEndpoint"
    runtime.meta.events.unregister(event, unique_id="refuse")
    runtime.meta.events.register(event, refuse, unique_id="refuse")
    return sent


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["same size", "another size"])
def test_a_deleted_config_is_made_again_to_flip_back_to(shop: Shop, size: Size) -> None:
    one = shop.register(2)
    plan = deployed_over(shop, shop.plan(size=size), size=size)
    assert plan.previous_config is not None
    unmake(shop, plan.previous_config)
    back = shop.way_back(plan)
    assert back is not None
    assert (back == plan.previous_config) == (size == SMALL)
    assert endpoints.version_of_config(shop.client, back) == one


def test_where_that_may_not_serve_the_next_approved_one_takes_its_place(shop: Shop) -> None:
    older, one = shop.register(1, snapshot="2026-10-01"), shop.register(2)
    plan = deployed_over(shop, shop.plan())
    assert plan.previous_config is not None
    # While it is there it is what is flipped back to, whatever was said of it since.
    versions.reject(shop.client, one.arn, reason="x")
    assert shop.way_back(plan) == plan.previous_config
    unmake(shop, plan.previous_config)
    back = shop.way_back(plan)
    assert back is not None
    assert endpoints.version_of_config(shop.client, back) == older


def test_with_nothing_to_flip_back_to_no_run_repeats_it_and_the_next_approval_ends_it(
    shop: Shop,
) -> None:
    one = shop.register(2)
    shop.run()
    bad = shop.register(3, evaluated=4)
    plan = deploy_by_hand(shop, shop.plan())
    unmake(shop, plan.previous_config)
    for version in (one, bad):
        versions.reject(shop.client, version.arn, reason="x")
    with pytest.raises(DeploymentRefusedError, match="no other version may take its place"):
        shop.flip_back(plan)
    with pytest.raises(DeploymentRefusedError, match="which was, is gone"):
        shop.plan()
    shop.register(5)
    assert shop.run() is None
    assert shop.answer() == 15


def test_an_endpoint_whose_own_config_was_deleted_can_still_be_deployed_to(shop: Shop) -> None:
    """The service changes none without it; and a flip back finds one that was deleted since."""
    shop.register(2)
    shop.run()
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    unmake(shop, found.config)
    shop.register(3, evaluated=4)
    assert "predicted as 9" in str(shop.run())
    assert shop.answer() == 6


def test_a_bad_version_whose_config_and_model_were_deleted_is_flipped_back(shop: Shop) -> None:
    """It is rejected by then, and the service makes no model of a rejected version."""
    shop.register(2)
    shop.run()
    bad = shop.register(3, evaluated=4)
    plan = deploy_by_hand(shop, shop.plan())
    unmake(shop, plan.config_name)
    versions.reject(shop.client, bad.arn, reason="x")
    shop.flip_back(plan)
    assert shop.answer() == 6
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    assert found.is_sound


def test_what_nothing_can_load_any_more_is_not_flipped_back_to(shop: Shop) -> None:
    """Its config and model are there, but an endpoint would not come up with them."""
    shop.register(1, snapshot="2026-10-01")
    one = shop.register(2)
    shop.run()
    bad = shop.register(3, evaluated=4)
    plan = deploy_by_hand(shop, shop.plan())
    bucket, key = naming.split_s3_uri(one.containers[0]["ModelDataUrl"])
    shop.s3.delete_object(Bucket=bucket, Key=key)
    versions.reject(shop.client, bad.arn, reason="x")
    # A run that finds it so does not try to put it back, either.
    after_a_death = shop.plan()
    assert after_a_death is not None
    assert (after_a_death.version_number, after_a_death.is_restoring) == (1, False)
    shop.flip_back(plan)
    assert shop.answer() == 3
    assert shop.run() is None
    assert shop.answer() == 3
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    assert found.is_sound


def test_a_version_that_serves_is_known_by_its_configs_name_where_that_was_deleted(
    shop: Shop,
) -> None:
    version = shop.register(2)
    shop.run()
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    unmake(shop, found.config)
    name = shop.group
    assert endpoints.version_of(shop.client, found.config, name, group=name) == version
    versions.reject(shop.client, version.arn, reason="x")
    (said,) = read_standing(shop.client, name, endpoint_name=name).sentences
    assert said.startswith("Version 1, of snapshot 2026-11-20, is deployed, though it is Rejected;")


def test_what_a_killed_run_left_is_put_back_if_it_was_passed_over(shop: Shop) -> None:
    one, two = shop.register(2), shop.register(3)
    shop.run()
    shop.run(one.number)
    plan = shop.plan(two.number)
    assert plan is not None
    deploy.prepare(shop.client, plan, size=SMALL, role_arn=ROLE)
    shop.bring(plan, plan.config_name)
    assert shop.answer() == 9
    restoring = shop.plan()
    assert restoring is not None
    assert restoring.is_restoring
    assert shop.run() is None
    assert shop.answer() == 6
    assert shop.plan() is None


def test_an_older_snapshot_that_is_approved_later_does_not_overtake(shop: Shop) -> None:
    shop.register(2)
    shop.run()
    late = shop.register(3, snapshot="2026-10-01")
    assert shop.plan() is None
    assert shop.plan(late.number) is not None


def test_nothing_is_deployed_that_is_not_approved(shop: Shop) -> None:
    pending = shop.register(2, is_approved=False)
    assert shop.plan() is None
    with pytest.raises(DeploymentRefusedError, match="PendingManualApproval"):
        shop.plan(pending.number)
    versions.approve(shop.client, pending.arn, reason="x")
    plan = shop.plan()
    assert plan is not None
    versions.reject(shop.client, pending.arn, reason="changed my mind")
    with pytest.raises(DeploymentRefusedError, match="changed my mind"):
        deploy.prepare(shop.client, plan, size=SMALL, role_arn=ROLE)
    assert shop.models() == []


@pytest.mark.parametrize("wanted", [7, "7", "x", "arn:aws:sagemaker:us-east-1:1:model-package/x/1"])
def test_a_version_that_does_not_exist_is_told(shop: Shop, wanted: Any) -> None:
    with pytest.raises(versions.NoSuchVersionError):
        shop.plan(wanted)


def test_old_models_and_configs_go_but_never_what_may_be_needed(shop: Shop) -> None:
    shop.client.create_model(
        ModelName=f"{shop.group}-of-a-person",
        PrimaryContainer={"ModelPackageName": shop.register(1).arn},
        ExecutionRoleArn=ROLE,
    )
    for slope in (2, 3, 4):
        shop.register(slope)
        shop.run(keep=1)
    assert [name.rsplit("-", 1)[0] for name in shop.configs()] == [
        f"{shop.group}-v4", f"{shop.group}-v3",
    ]  # fmt: skip
    assert len(shop.models()) == 3
    assert f"{shop.group}-of-a-person" in shop.models()


def test_a_plan_that_was_overtaken_changes_nothing(shop: Shop) -> None:
    shop.register(2)
    shop.run()
    shop.register(3)
    stale = shop.plan()
    assert stale is not None
    shop.register(4)
    shop.run()
    with pytest.raises(DeploymentRefusedError, match="deployed to since"):
        deploy.check_current(shop.client, stale)


def test_an_endpoint_that_a_person_made_is_taken_over_and_flipped_back_to(shop: Shop) -> None:
    mine = shop.register(2)
    shop.client.create_model(
        ModelName=f"{shop.group}-mine",
        PrimaryContainer={"ModelPackageName": mine.arn},
        ExecutionRoleArn=ROLE,
    )
    shop.client.create_endpoint_config(
        EndpointConfigName=f"{shop.group}-mine",
        ProductionVariants=[
            {
                "VariantName": "x",
                "ModelName": f"{shop.group}-mine",
                "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
            }
        ],
    )
    mine_only = f"{shop.group}-mine"
    plan = Plan(shop.group, shop.group, "", 0, "", "", "", mine_only, None, "", "", False)
    shop.client.create_endpoint(EndpointName=shop.group, EndpointConfigName=f"{shop.group}-mine")
    shop.bring(plan, plan.config_name)
    shop.register(3, evaluated=4)
    assert shop.run() is not None
    found = endpoints.find(shop.client, shop.group)
    assert found is not None
    assert found.is_sound
    assert found.config == f"{shop.group}-mine"


@pytest.mark.parametrize(
    ("is_new", "is_good"),
    [
        pytest.param(True, False, id="a broken first version"),
        pytest.param(False, False, id="a broken version"),
        pytest.param(False, True, id="a good version"),
    ],
)
def test_a_death_after_any_change_ends_like_no_death(
    shop: Shop, is_new: bool, is_good: bool
) -> None:
    """Another run, from the beginning, follows each death."""
    if not is_new:
        shop.register(1)
        shop.run()
    for deadly in itertools.count(1):
        slope = 1.0 + deadly
        version = shop.register(slope, evaluated=slope if is_good else slope + 1)
        client, changes = shop.dying(deadly)
        try:
            shop.run(client=client)
        except DeathError:
            shop.run()
        found = endpoints.find(shop.client, shop.group)
        assert (found is None) == is_new
        if found is not None:
            assert found.is_sound
            assert shop.answer() == 3 * (slope if is_good else 1)
        version = versions.describe(shop.client, version.arn)
        assert version.approval == (versions.APPROVED if is_good else versions.REJECTED)
        assert shop.plan() is None
        if len(changes) < deadly:
            break
    assert deadly > 5, changes


def test_a_version_whose_decision_does_not_let_it_pass_any_more_waits_for_a_person(
    shop: Shop,
) -> None:
    older, newer = shop.register(1, snapshot="2026-11-20"), shop.register(2, snapshot="2026-11-21")
    uri = naming.decision_uri(naming.run_of_report(newer.report_uri))
    objects.put_json(shop.s3, uri, {"verdict": "reject", "registered": {"version": newer.number}})
    unasked, asked = shop.plan(), shop.plan(newer.number)
    assert unasked is not None
    assert asked is not None
    assert (unasked.version_arn, asked.version_arn) == (older.arn, newer.arn)
