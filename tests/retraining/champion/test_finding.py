"""Who serves and whose data to compare with, by the embedded SageMaker's registry and endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from retraining import naming
from retraining.aws import s3 as objects
from retraining.champion import finding, tasks
from retraining.deployment import endpoints
from retraining.registry import versions

from tests.retraining.deployment.shop import BUCKET, IMAGE, ROLE, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retraining.champion.finding import InRole
    from retraining.registry.versions import Version

NONE = naming.run_uri(BUCKET, "nobodys", "2026-01-01", "none")


@pytest.fixture
def shop(embedded_sagemaker: Any) -> Iterator[Shop]:
    made = Shop(embedded_sagemaker)
    yield made
    if endpoints.find(made.client, made.group):
        made.client.delete_endpoint(EndpointName=made.group)


def find(shop: Shop, snapshot: str = "2026-11-30", run_uri: str = NONE) -> dict[str, InRole]:
    return dict(
        finding.find(
            shop.client,
            shop.s3,
            shop.group,
            endpoint_name=shop.group,
            snapshot=snapshot,
            run_uri=run_uri,
        )
    )


def numbers(found: dict[str, InRole]) -> tuple[int, ...]:
    return tuple(found[role].version.number if found[role].version else 0 for role in finding.ROLES)  # type: ignore[union-attr]


def run_of(version: Version) -> str:
    return naming.run_of_report(version.report_uri)


def test_without_any_version_there_is_none_and_words_say_so(shop: Shop) -> None:
    found = find(shop)
    assert numbers(found) == (0, 0, 0)
    said = found["champion"].to_result()
    assert said.pop("why") == (
        f"none: {shop.group} has no approved version to deploy; no endpoint {shop.group}"
    )
    assert set(said.values()) == {""}
    assert found["baseline"].why.startswith(f"none: {shop.group} has no version of data up to")


def test_without_an_endpoint_it_is_the_newest_approved_and_the_newest_that_is_not_rejected(
    shop: Shop,
) -> None:
    first = shop.register(1, snapshot="2026-11-10")
    newest = shop.register(2, snapshot="2026-11-20")
    pending = shop.register(3, snapshot="2026-11-21", is_approved=False)
    shop.register(4, snapshot="2026-10-01")
    rejected = shop.register(5, snapshot="2026-11-22", is_approved=False)
    versions.reject(shop.client, rejected.arn, reason="by a test")
    found = find(shop)
    assert numbers(found) == (newest.number, pending.number, first.number)
    assert found["champion"].why == f"newest approved version; no endpoint {shop.group}"
    told = found["champion"].to_result()
    assert told["model_uri"] == f"{run_of(newest)}model/model.tar.gz"
    assert (told["image"], told["report_uri"]) == (IMAGE, newest.report_uri)
    assert (told["snapshot"], told["data_report_uri"]) == ("2026-11-20", "")
    # A run on older data is compared with what was known then; not with its own earlier attempt.
    assert numbers(find(shop, "2026-11-20"))[1] == newest.number
    assert numbers(find(shop, "2026-11-20", run_of(newest)))[1] == first.number
    assert numbers(find(shop, "2026-09-30"))[1] == 0


def test_what_serves_is_both_until_the_run_is_on_older_data(shop: Shop) -> None:
    old = shop.register(1, snapshot="2026-11-10")
    serving = shop.register(2, snapshot="2026-11-20")
    assert shop.run() is None
    shop.register(3, snapshot="2026-11-21")
    found = find(shop)
    assert numbers(found) == (serving.number, serving.number, old.number)
    assert found["baseline"].why == f"serves on endpoint {shop.group}"
    earlier = find(shop, "2026-11-15")["baseline"]
    assert earlier.version == old
    assert "2026-11-20 are newer than the run's" in earlier.why
    oldest = find(shop, "2026-11-01")["baseline"]
    assert oldest.version == serving
    assert "there is none of data up to 2026-11-01" in oldest.why
    # The run that made it is cleared: its data are not compared with themselves.
    again = find(shop, "2026-11-20", run_of(serving))["baseline"]
    assert again.version == old
    assert "made by this run" in again.why


def test_a_rejected_version_that_serves_is_the_champion_and_no_baseline(shop: Shop) -> None:
    old = shop.register(1, snapshot="2026-11-10")
    serving = shop.register(2)
    assert shop.run() is None
    versions.reject(shop.client, serving.arn, reason="by a test")
    found = find(shop)
    assert numbers(found) == (serving.number, old.number, old.number)
    assert "though it is Rejected" in found["champion"].why


def test_a_deleted_version_and_an_archive_that_is_gone_are_told(shop: Shop) -> None:
    old = shop.register(1, snapshot="2026-11-10")
    serving = shop.register(2)
    assert shop.run() is None
    bucket, key = naming.split_s3_uri(serving.model_uri)
    shop.s3.delete_object(Bucket=bucket, Key=key)
    assert "its model data is gone" in find(shop)["champion"].to_result()["lost"]
    shop.client.delete_model_package(ModelPackageName=serving.arn)
    found = find(shop)
    assert numbers(found) == (old.number, old.number, old.number)
    assert "which is of no registered version any more" in found["champion"].why


def test_an_endpoint_of_somebody_elses_is_told(shop: Shop, embedded_sagemaker: Any) -> None:
    mine = shop.register(1)
    other = Shop(embedded_sagemaker)
    for theirs in (other.register(2).arn, None):
        name = f"{shop.group}-{'version' if theirs else 'bare'}"
        container = {"ModelPackageName": theirs} if theirs else dict(mine.containers[0])
        shop.client.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        shop.client.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "a",
                    "ModelName": name,
                    "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
                }
            ],
        )
        shop.client.create_endpoint(EndpointName=shop.group, EndpointConfigName=name)
        shop.client.get_waiter("endpoint_in_service").wait(
            EndpointName=shop.group, WaiterConfig={"Delay": 1}
        )
        found = find(shop)
        assert numbers(found) == (mine.number, mine.number, mine.number)
        words = f"serves {theirs}, which is not of {shop.group}" if theirs else "serves the config"
        assert words in found["champion"].why
        shop.client.delete_endpoint(EndpointName=shop.group)
        while endpoints.find(shop.client, shop.group):
            pass


def test_what_another_tool_registered_says_little_and_does_no_harm(shop: Shop) -> None:
    shop.made_elsewhere(image=None)
    said = find(shop)["champion"].to_result()
    assert (said["version"], said["model_uri"], said["image"]) == ("1", "", "")
    assert said["lost"] == "its inference specification has no container"


def test_a_version_whose_decision_was_taken_back_is_no_champion(shop: Shop) -> None:
    old, newest = shop.register(1, snapshot="2026-11-10"), shop.register(2)
    objects.put(shop.s3, naming.decision_uri(run_of(newest)), b'{"verdict": "reject"}')
    assert numbers(find(shop))[0] == old.number


def test_a_service_that_refuses_is_an_error(shop: Shop) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeEndpoint")

    event = "before-call.sagemaker.DescribeEndpoint"
    shop.client.meta.events.register(event, refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        find(shop)
    shop.client.meta.events.unregister(event, refuse)


def test_the_task_returns_texts_that_later_steps_take(become_a_task: Any, shop: Shop) -> None:
    become_a_task()
    version = shop.register(1)
    told = tasks.find_champion(
        pipeline=shop.group,
        endpoint_name=shop.group,
        run={"snapshot": "2026-11-30", "run_uri": NONE},
    )
    assert set(told) == set(finding.ROLES)
    assert {tuple(item) for item in told.values()} == {finding.MEMBERS}
    assert {role: item["arn"] for role, item in told.items()} == dict.fromkeys(told, version.arn)
    assert all(isinstance(value, str) for item in told.values() for value in item.values())
