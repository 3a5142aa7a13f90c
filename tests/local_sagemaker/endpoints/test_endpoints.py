"""From CreateEndpoint to InService or Failed, and to DeleteEndpoint."""

from __future__ import annotations

import io
import tarfile
import threading

import pytest
from botocore.exceptions import ClientError

PING = (
    "The primary container for production variant AllTraffic did not pass the ping health check."
    " Please check CloudWatch logs for this endpoint."
)


@pytest.fixture(scope="module")
def running(endpoints, answering):
    return endpoints.up(answering("hello"))


@pytest.mark.parametrize("serverless", [None, {"MemorySizeInMB": 1024, "MaxConcurrency": 3}])
def test_an_endpoint_is_creating_until_it_serves(endpoints, answering, serverless):
    config = endpoints.configured(answering("hello"), serverless=serverless)
    name = endpoints.create(config)
    creating = endpoints.describe(name)
    assert creating["EndpointStatus"] == "Creating"
    assert creating["EndpointConfigName"] == config
    assert creating["PendingDeploymentSummary"]["EndpointConfigName"] == config
    with pytest.raises(ClientError, match=f"Endpoint {name} of account 123456789012 not found"):
        endpoints.call(name)
    endpoints.sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    assert endpoints.call(name) == b"hello"
    endpoint = endpoints.describe(name)
    assert endpoint["LastModifiedTime"] > endpoint["CreationTime"]
    assert "FailureReason" not in endpoint
    assert "PendingDeploymentSummary" not in endpoint
    (variant,) = endpoint["ProductionVariants"]
    assert variant["VariantName"] == "AllTraffic"
    assert variant["CurrentWeight"] == 1.0
    if serverless:
        assert variant["CurrentServerlessConfig"] == serverless
    else:
        assert variant["CurrentInstanceCount"] == 1


def test_a_name_is_taken(endpoints, running):
    config = endpoints.describe(running)["EndpointConfigName"]
    with pytest.raises(ClientError, match=r'Cannot create already existing endpoint "arn:.*"'):
        endpoints.sagemaker.create_endpoint(EndpointName=running, EndpointConfigName=config)


def test_a_config_that_never_was_is_not_found(endpoints):
    with pytest.raises(ClientError, match='Could not find endpoint configuration "arn:'):
        endpoints.create("never-was")


def test_a_config_whose_model_was_deleted_is_refused(endpoints, answering):
    model = endpoints.model(endpoints.archive(answering("hello")))
    config = endpoints.config(model)
    endpoints.sagemaker.delete_model(ModelName=model)
    with pytest.raises(ClientError, match=f'Could not find model "arn:.*:model/{model}"'):
        endpoints.create(config)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("def model_fn(model_dir): raise KeyError('the weights')", "KeyError: 'the weights'"),
        ("def predict_fn(data, model): return data", "Please provide a model_fn implementation."),
        ("import no_such_library", "No module named 'no_such_library'"),
        ("import os; os._exit(3)", None),
    ],
    ids=["model_fn raises", "no model_fn", "cannot be imported", "exits"],
)
def test_a_model_that_does_not_load_fails_the_endpoint(endpoints, script, line):
    name = endpoints.create(endpoints.configured(script))
    endpoint = endpoints.settle(name)
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"] == PING
    if line:
        assert any(line in told for told in endpoints.lines(name))
    with pytest.raises(ClientError, match="not found"):
        endpoints.call(name)
    assert endpoints.processes(name) == []


def test_a_program_that_is_not_in_the_archive_is_named_in_the_log(endpoints, answering):
    config = endpoints.configured(answering("hello"), environment={"SAGEMAKER_PROGRAM": "other.py"})
    name = endpoints.create(config)
    assert endpoints.settle(name)["FailureReason"] == PING
    assert any("no module other in" in line for line in endpoints.lines(name))


def test_model_data_that_is_gone_fails_the_endpoint(endpoints, answering):
    uri = endpoints.archive(answering("hello"))
    config = endpoints.config(endpoints.model(uri))
    endpoints.remove(uri)
    endpoint = endpoints.settle(endpoints.create(config))
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"] == (
        f'Failed to download model data for container "container_1" from URL: "{uri}". Please'
        " ensure that there is an object located at the URL and that the role passed to CreateModel"
        " has permissions to download the object."
    )


def escaping(name: str, **kind) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        for member, value in kind.items():
            setattr(entry, member, value)
        archive.addfile(entry)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"not an archive",
        b"",
        escaping("../../../escaped"),
        escaping("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        escaping("device", type=tarfile.CHRTYPE),
    ],
    ids=["text", "empty", "path", "link", "device"],
)
def test_an_archive_that_may_not_be_unpacked_fails_the_endpoint(endpoints, content):
    name = endpoints.create(endpoints.config(endpoints.model(endpoints.put(content))))
    reason = endpoints.settle(name)["FailureReason"]
    assert reason.startswith('Failed to extract model data archive for container "container_1"')
    assert not list(endpoints.server.state.rglob("escaped"))


def test_a_failed_endpoint_can_only_be_deleted(endpoints, poll, answering):
    name = endpoints.create(endpoints.configured("def model_fn(model_dir): raise ValueError"))
    endpoints.settle(name)
    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        endpoints.update(name, endpoints.configured(answering("hello")))
    endpoints.sagemaker.delete_endpoint(EndpointName=name)
    poll(lambda: gone(endpoints, name), what=f"the end of {name}")


def gone(endpoints, name: str) -> bool:
    try:
        return endpoints.describe(name)["EndpointStatus"] != "Deleting"
    except ClientError as error:
        return "Could not find endpoint" in str(error)


def test_a_deleted_endpoint_finishes_its_requests_and_leaves_nothing(
    endpoints, poll, answering, until_there, tmp_path
):
    gate = tmp_path / "gate"
    name = endpoints.up(answering("late", predict=until_there(gate)))
    arn = endpoints.describe(name)["EndpointArn"]
    endpoints.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    answers: list[bytes] = []
    caller = threading.Thread(target=lambda: answers.append(endpoints.call(name)))
    caller.start()
    poll(lambda: "taken" in endpoints.lines(name), what="the request's arrival")
    endpoints.sagemaker.delete_endpoint(EndpointName=name)
    assert endpoints.describe(name)["EndpointStatus"] == "Deleting"
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        endpoints.sagemaker.delete_endpoint(EndpointName=name)
    poll(lambda: refused_as_unknown(endpoints, name), what="the end of new requests")
    gate.touch()
    caller.join()
    assert answers == [b"late"]
    poll(lambda: gone(endpoints, name), what=f"the end of {name}")
    assert endpoints.processes(name) == []
    assert not list((endpoints.server.state / "endpoints").glob(f"{name}-*"))
    with pytest.raises(ClientError, match="Could not find a taggable resource"):
        endpoints.sagemaker.list_tags(ResourceArn=arn)


def refused_as_unknown(endpoints, name: str) -> bool:
    try:
        endpoints.call(name)
    except ClientError as error:
        return "not found" in str(error)
    return False


def test_an_endpoint_in_progress_can_neither_be_updated_nor_deleted(endpoints, answering):
    config = endpoints.configured(answering("hello", load="time.sleep(0.5)"))
    name = endpoints.create(config)
    for act in (
        lambda: endpoints.update(name, config),
        lambda: endpoints.sagemaker.delete_endpoint(EndpointName=name),
    ):
        with pytest.raises(ClientError, match='Cannot update in-progress endpoint "arn:') as error:
            act()
        assert error.value.response["Error"]["Code"] == "ValidationException"
    assert endpoints.settle(name)["EndpointStatus"] == "InService"


def test_an_endpoint_that_never_was_is_not_found(endpoints, running):
    config = endpoints.describe(running)["EndpointConfigName"]
    for act in (
        endpoints.describe,
        lambda name: endpoints.sagemaker.delete_endpoint(EndpointName=name),
        lambda name: endpoints.update(name, config),
    ):
        with pytest.raises(ClientError, match=r'Could not find endpoint "arn:.*never-was"'):
            act("never-was")


def test_endpoints_are_listed_by_status(endpoints, running):
    failed = endpoints.create(endpoints.configured("def model_fn(model_dir): raise ValueError"))
    endpoints.settle(failed)
    for status, name, other in (("InService", running, failed), ("Failed", failed, running)):
        listed = endpoints.sagemaker.list_endpoints(StatusEquals=status, MaxResults=100)
        names = [endpoint["EndpointName"] for endpoint in listed["Endpoints"]]
        assert name in names
        assert other not in names
    (found,) = endpoints.sagemaker.list_endpoints(NameContains=running, SortBy="Status")[
        "Endpoints"
    ][-1:]
    assert found["EndpointStatus"] == "InService"
    assert found["LastModifiedTime"] > found["CreationTime"]


def test_a_deployment_config_is_refused(endpoints, running):
    config = endpoints.describe(running)["EndpointConfigName"]
    deployment = {
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}]},
    }
    for call, name in (
        (endpoints.sagemaker.create_endpoint, endpoints.name()),
        (endpoints.sagemaker.update_endpoint, running),
    ):
        with pytest.raises(ClientError, match=r"DeploymentConfig = .* is not emulated here"):
            call(EndpointName=name, EndpointConfigName=config, DeploymentConfig=deployment)


def test_models_and_configs_may_be_deleted_while_their_endpoint_serves(endpoints, answering):
    model = endpoints.model(endpoints.archive(answering("hello")))
    config = endpoints.config(model)
    name = endpoints.create(config)
    endpoints.settle(name)
    endpoints.sagemaker.delete_model(ModelName=model)
    endpoints.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    assert endpoints.call(name) == b"hello"
    assert endpoints.describe(name)["EndpointConfigName"] == config
