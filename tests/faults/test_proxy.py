"""The fault proxy itself, in front of a real embedded SageMaker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import boto3
import botocore.config
import botocore.exceptions
import pytest

from tests.faults import actions
from tests.faults.proxy import Proxy, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import EmbeddedSageMaker

BUCKET = "proxied"
RUN = "2001-02-03"
KEY = f"california-housing/runs/{RUN}/manual/evaluation/evaluation.json"


@pytest.fixture(scope="module")
def proxy(embedded_sagemaker: EmbeddedSageMaker) -> Iterator[Proxy]:
    with Proxy(embedded_sagemaker.url) as running:
        yield running


@pytest.fixture(autouse=True)
def _rules(proxy: Proxy) -> Iterator[None]:
    yield
    proxy.rules.clear()
    proxy.calls.clear()


@pytest.fixture(scope="module")
def client(proxy: Proxy) -> Callable[..., Any]:
    def make(service: str, attempts: int = 1) -> Any:
        return boto3.client(
            service,
            endpoint_url=proxy.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"total_max_attempts": attempts}),
        )

    make("s3").create_bucket(Bucket=BUCKET)
    return make


def test_it_hands_on_objects_of_some_megabytes(client: Callable[..., Any]) -> None:
    s3 = client("s3")
    body = bytes(range(256)) * 20_000
    s3.put_object(Bucket=BUCKET, Key="large", Body=body)
    assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == body
    assert s3.head_object(Bucket=BUCKET, Key="large")["ContentLength"] == len(body)
    s3.delete_object(Bucket=BUCKET, Key="large")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=BUCKET, Key="large")


def test_a_rule_is_for_one_run_and_so_many_calls(proxy: Proxy, client: Callable[..., Any]) -> None:
    s3 = client("s3")
    other = KEY.replace(RUN, "2001-02-04")
    for key in (KEY, other):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    proxy.add(Rule("GET .*", actions.error("SlowDown", 503), run=RUN, times=2))
    assert s3.get_object(Bucket=BUCKET, Key=other)["Body"].read() == b"{}"
    for _ in range(2):
        with pytest.raises(botocore.exceptions.ClientError, match="SlowDown"):
            s3.get_object(Bucket=BUCKET, Key=KEY)
    assert s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"{}"
    assert [call.outcome for call in proxy.seen("GET .*", run=RUN)] == ["503", "503", "200"]


def test_an_error_of_sagemaker_has_its_code(proxy: Proxy, client: Callable[..., Any]) -> None:
    proxy.add(Rule("ListTrainingJobs", actions.error("ThrottlingException", 400), times=1))
    with pytest.raises(botocore.exceptions.ClientError, match="ThrottlingException"):
        client("sagemaker").list_training_jobs()
    assert client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.parametrize("action", [actions.reset, actions.lose_answer])
def test_a_connection_is_reset_before_or_after_the_call_arrives(
    proxy: Proxy, client: Callable[..., Any], action: actions.Action
) -> None:
    sagemaker = client("sagemaker")
    group = f"group-{action.__name__.replace('_', '-')}"
    proxy.add(Rule("CreateModelPackageGroup", action))
    with pytest.raises(botocore.exceptions.HTTPClientError):
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    listed = sagemaker.list_model_package_groups(NameContains=group)
    assert len(listed["ModelPackageGroupSummaryList"]) == (action is actions.lose_answer)


def test_two_at_once_gives_the_second_answer(proxy: Proxy, client: Callable[..., Any]) -> None:
    proxy.add(Rule("CreateModelPackageGroup", actions.twice))
    with pytest.raises(botocore.exceptions.ClientError, match="already exists"):
        client("sagemaker").create_model_package_group(ModelPackageGroupName="twice")


@pytest.mark.parametrize("after", [False, True])
def test_a_gate_holds_a_call_until_it_is_opened(
    proxy: Proxy, client: Callable[..., Any], after: bool
) -> None:
    gate = actions.Gate(after=after)
    proxy.add(Rule("CreateModelPackageGroup", gate))
    sagemaker = client("sagemaker")
    group = f"gate-{after}"
    thread = threading.Thread(
        target=sagemaker.create_model_package_group, kwargs={"ModelPackageGroupName": group}
    )
    thread.start()
    assert gate.reached.wait(30)
    listed = sagemaker.list_model_package_groups(NameContains=group)
    assert len(listed["ModelPackageGroupSummaryList"]) == after
    gate.opened.set()
    thread.join(30)
    described = sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    assert described["ModelPackageGroupName"] == group
