"""Waiting for an endpoint, and what the operators make of a wait that is over."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ClientError
from retraining.deployment.plan import Plan
from retraining.registry import versions

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
ROLE = "arn:aws:iam::123456789012:role/retraining"
PARAMS = {
    "reject_when_broken": True,
    "smoke_rows": 0,
    "memory_size_mb": 1024,
    "max_concurrency": 1,
    "instance_type": "",
}
_names = itertools.count(1)


@pytest.fixture(scope="module")
def airflow(become_a_task: Any) -> SimpleNamespace:
    """The library's operators in an Airflow of their own, imported after its home is known."""
    become_a_task()
    from airflow.sdk.exceptions import (  # noqa: PLC0415
        AirflowFailException,
        AirflowSkipException,
        TaskDeferred,
    )
    from retraining.deployment import operators, triggers  # noqa: PLC0415

    return SimpleNamespace(
        operators=operators,
        triggers=triggers,
        Deferred=TaskDeferred,
        Fail=AirflowFailException,
        Skip=AirflowSkipException,
    )


@pytest.fixture
def broken(embedded_sagemaker: Any) -> str:
    """An endpoint, and its config, that will fail soon."""
    name = f"waited-for-{next(_names)}"
    make_broken(embedded_sagemaker, name, name)
    return name


def make_broken(server: Any, name: str, config: str, *, verified: str = "") -> None:
    """Make an endpoint that will fail soon, as its model's data is no archive."""
    client, s3 = server.client("sagemaker"), server.client("s3")
    s3.create_bucket(Bucket="waited-for")
    s3.put_object(Bucket="waited-for", Key="model.tar.gz", Body=b"not an archive")
    client.create_model(
        ModelName=name,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://waited-for/model.tar.gz"},
        ExecutionRoleArn=ROLE,
    )
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    client.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[
            {"VariantName": "x", "ModelName": name, "ServerlessConfig": serverless}
        ],
    )
    tags = [{"Key": "retraining:verified-config", "Value": verified}] if verified else []
    client.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=tags)


def approved(client: Any, group: str) -> str:
    """Make an approved version; return its ARN."""
    versions.ensure_group(client, group, description="x")
    arn: str = client.create_model_package(
        ModelPackageGroupName=group,
        InferenceSpecification={
            "Containers": [{"Image": IMAGE}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        ModelApprovalStatus="Approved",
    )["ModelPackageArn"]
    return arn


def wait(airflow: SimpleNamespace, name: str, *, seconds: float = 60, is_asked: bool = True) -> Any:
    deadline = datetime.now(tz=UTC) + timedelta(seconds=seconds)
    trigger = airflow.triggers.EndpointSettledTrigger(
        name,
        deadline=deadline.isoformat(),
        is_asked=is_asked,
        aws_conn_id="aws_default",
        region_name=None,
    )
    path, arguments = trigger.serialize()
    assert path == "retraining.deployment.triggers.EndpointSettledTrigger"
    again = airflow.triggers.EndpointSettledTrigger(**arguments)

    async def first() -> Any:
        return await anext(again.run())

    return asyncio.run(asyncio.wait_for(first(), 60)).payload


def test_the_wait_ends_when_the_service_has_settled(airflow: SimpleNamespace, broken: str) -> None:
    event = wait(airflow, broken)
    assert (event["endpoint_name"], event["status"]) == (broken, "Settled")
    assert event["is_asked"] is True


def test_an_endpoint_that_is_gone_is_not_waited_for(airflow: SimpleNamespace) -> None:
    assert wait(airflow, "no-such-endpoint", is_asked=False)["is_asked"] is False


def test_throttling_only_postpones_the_next_look(
    airflow: SimpleNamespace, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = refuse(monkeypatch, "ThrottlingException", times=2)
    assert wait(airflow, broken)["status"] == "Settled"
    assert len(refused) == 2


def test_an_error_that_stays_is_raised(
    airflow: SimpleNamespace, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "AccessDeniedException", times=99)
    with pytest.raises(ClientError, match="AccessDenied"):
        wait(airflow, broken)


def test_a_wait_has_an_end_and_says_that_nothing_was_undone(
    airflow: SimpleNamespace, broken: str
) -> None:
    event = wait(airflow, broken, seconds=0)
    assert event["status"] == "OutOfTime"
    plan = Plan(broken, broken, "", 0, "", "", "", broken, broken, "", "", True)
    task = airflow.operators.DeployVersionOperator(task_id="deploy_version", plan=asdict(plan))
    with pytest.raises(airflow.Fail, match=r"still at work .* Nothing was undone"):
        task.resume({}, event)


def test_flipping_back_deletes_what_never_served_and_fails_with_the_reason(
    airflow: SimpleNamespace, embedded_sagemaker: Any, broken: str
) -> None:
    wait(airflow, broken)
    embedded_sagemaker.client("sagemaker").add_tags(
        ResourceArn=f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{broken}",
        Tags=[{"Key": "retraining:verified-config", "Value": "none"}],
    )
    # Its own name for its config tells that a person made it; a plan that knows of none is stale.
    plan = Plan(broken, broken, "", 7, "", "", "", broken, None, "", "", False)
    task = airflow.operators.FlipBackOperator(
        task_id="flip_back", plan=asdict(plan), faulty=broken, reason="it is broken"
    )
    context: Any = {"params": PARAMS}
    with pytest.raises(airflow.Deferred) as deferred:
        task.execute(context)
    path, _ = deferred.value.trigger.serialize()
    assert path == "retraining.deployment.triggers.EndpointSettledTrigger"
    with pytest.raises(airflow.Fail, match=r"version 7 was not kept: it is broken; .* deleted"):
        task.resume(context, wait(airflow, broken))
    with pytest.raises(ClientError, match="Could not find"):
        embedded_sagemaker.client("sagemaker").describe_endpoint(EndpointName=broken)
    # As after a death of the worker: again, and the same is said.
    with pytest.raises(airflow.Fail, match=r"version 7 was not kept: it is broken; .* deleted"):
        task.execute(context)


@pytest.mark.parametrize("is_rejecting", [True, False])
def test_a_version_is_rejected_whatever_comes_of_the_flip(
    airflow: SimpleNamespace, embedded_sagemaker: Any, is_rejecting: bool
) -> None:
    client, name = embedded_sagemaker.client("sagemaker"), f"unflippable-{next(_names)}"
    config = f"{name}-v1-00000000"
    make_broken(embedded_sagemaker, name, config, verified="deleted-by-hand")
    wait(airflow, name)
    version = approved(client, name)
    plan = Plan(name, name, version, 1, "", "", "", config, "deleted-by-hand", "", "", False)
    task = airflow.operators.FlipBackOperator(
        task_id="flip_back", plan=asdict(plan), faulty=config, reason="it is broken"
    )
    params = {**PARAMS, "reject_when_broken": is_rejecting}
    context: Any = {"params": params, "dag_run": SimpleNamespace(run_id="manual__1")}
    for _ in range(2):
        with pytest.raises(airflow.Fail) as failed:
            task.execute(context)
        told = str(failed.value)
        assert told.startswith("version 1 was not kept: it is broken; ")
        assert ("the version is marked as Rejected" in told) == is_rejecting
        assert "COULD NOT BE FLIPPED BACK: deleted-by-hand, the last that was verified" in told
    found = versions.describe(client, version)
    assert found.approval == ("Rejected" if is_rejecting else "Approved")
    if is_rejecting:
        assert found.approval_reason == f"deployment manual__1 to {name}: it is broken"


def test_a_version_that_was_verified_since_is_not_rejected_when_the_flip_is_cleared(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    """A person has approved it again, and the next run has found it good."""
    client, name = embedded_sagemaker.client("sagemaker"), f"verified-{next(_names)}"
    config = f"{name}-v2-00000000"
    make_broken(embedded_sagemaker, name, config, verified=config)
    version = approved(client, name)
    before = f"{name}-v1-00000000"
    plan = Plan(name, name, version, 2, "", "", "", config, before, "", "", False)
    task = airflow.operators.FlipBackOperator(
        task_id="flip_back", plan=asdict(plan), faulty=config, reason="it was broken"
    )
    context: Any = {"params": PARAMS, "dag_run": SimpleNamespace(run_id="manual__1")}
    with pytest.raises(airflow.Fail, match=r"it was broken.*another run has verified it"):
        task.execute(context)
    assert versions.describe(client, version).approval == versions.APPROVED


def test_what_is_only_flipped_back_is_left_as_it_is(airflow: SimpleNamespace, broken: str) -> None:
    wait(airflow, broken)
    plan = Plan(broken, broken, "", 7, "", "", "", broken, None, "", "", False, is_flipping=True)
    task = airflow.operators.DeployVersionOperator(task_id="deploy_version", plan=asdict(plan))
    assert task.execute({"params": PARAMS}) == broken


def test_without_a_reason_nothing_is_flipped_back(airflow: SimpleNamespace, broken: str) -> None:
    plan = Plan(broken, broken, "", 7, "", "", "", broken, None, "", "", False)
    task = airflow.operators.FlipBackOperator(
        task_id="flip_back", plan=asdict(plan), faulty="", reason=""
    )
    with pytest.raises(airflow.Skip):
        task.execute({"params": PARAMS})


def test_a_version_is_not_flipped_back_by_what_was_found_of_another(
    airflow: SimpleNamespace,
) -> None:
    plan = Plan("e", "g", "arn", 8, "", "", "", "e-v8-00000000", "e-v6-00000000", "", "", False)
    task = airflow.operators.FlipBackOperator(
        task_id="flip_back", plan=asdict(plan), faulty="e-v7-00000000", reason="it is broken"
    )
    with pytest.raises(airflow.Fail, match="e-v7-00000000 was found bad"):
        task.execute({"params": {"reject_when_broken": True}})


def refuse(monkeypatch: pytest.MonkeyPatch, code: str, *, times: int) -> list[str]:
    """Answer the next looks with an error of the service; return those that were."""
    real = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
    refused: list[str] = []

    def answer(client: Any, operation: str, parameters: Any) -> Any:
        if operation == "DescribeEndpoint" and len(refused) < times:
            refused.append(operation)
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
        return real(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", answer)
    return refused
