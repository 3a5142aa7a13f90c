"""Processes that end, are ended, or end with the server; and endpoints that come back."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

SERVERLESS = {"MemorySizeInMB": 1024, "MaxConcurrency": 20}


@pytest.mark.parametrize("serverless", [None, SERVERLESS], ids=["instances", "serverless"])
def test_a_process_that_was_killed_is_started_again_by_the_next_call(
    endpoints, poll, answering, serverless
):
    name = endpoints.up(answering("hello"), serverless=serverless)
    (process,) = endpoints.processes(name)
    os.kill(process, signal.SIGKILL)
    codes = []

    def answers() -> bool:
        try:
            return endpoints.call(name) == b"hello"
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
            return False

    poll(answers, what="an answer")
    # A request that the dying process had accepted is lost, as on the service.
    assert set(codes) <= {"ModelError"}
    assert endpoints.describe(name)["EndpointStatus"] == "InService"
    assert endpoints.processes(name) != [process]


@pytest.mark.parametrize(
    ("serverless", "status", "told"),
    [(None, 502, "<h1>502 Bad Gateway</h1>"), (SERVERLESS, 0, "as the model process exited")],
    ids=["instances", "serverless"],
)
def test_a_request_whose_process_dies_is_a_model_error(
    endpoints, answering, serverless, status, told
):
    """On instances the image's web server outlives its workers, and has the last word."""
    script = answering("hello", predict="body == 'die' and os.abort()")
    name = endpoints.up(script, serverless=serverless)
    with pytest.raises(ClientError) as error:
        endpoints.call(name, b"die")
    response = error.value.response
    assert response["Error"]["Code"] == "ModelError"
    assert response["OriginalStatusCode"] == status
    assert told in response["OriginalMessage"]
    assert f"Received server error ({status}) from" in response["Error"]["Message"]
    endpoints.poll(lambda: not endpoints.processes(name), what="the process's end")
    assert endpoints.call(name) == b"hello"


def test_a_container_that_does_not_start_again_is_service_unavailable(
    endpoints, poll, answering, tmp_path
):
    flag = tmp_path / "broken"
    name = endpoints.up(answering("hello", load=f"assert not os.path.exists({str(flag)!r})"))
    flag.touch()
    (process,) = endpoints.processes(name)
    os.kill(process, signal.SIGKILL)
    poll(lambda: not endpoints.processes(name), what="the process's end")
    codes = []

    def unavailable() -> bool:
        with pytest.raises(ClientError) as error:
            endpoints.call(name)
        codes.append(error.value.response["Error"]["Code"])
        return codes[-1] == "ServiceUnavailable"

    poll(unavailable, what="the failed start")
    assert set(codes) <= {"ModelError", "ServiceUnavailable"}
    flag.unlink()
    assert endpoints.call(name) == b"hello"


def test_an_idle_serverless_process_is_ended_and_started_by_the_next_call(
    run_embedded_sagemaker, make_endpoints, poll, tmp_path, answering
):
    options = ("--serverless-idle", "0", "--stop-grace", "1")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        endpoints = make_endpoints(server)
        cold = endpoints.up(answering("cold"), serverless=SERVERLESS)
        kept = [
            endpoints.up(answering("warm")),
            endpoints.up(answering("warm"), serverless={**SERVERLESS, "ProvisionedConcurrency": 1}),
        ]
        for _ in range(2):
            poll(lambda: not endpoints.processes(cold), what="the end of the idle process")
            assert endpoints.describe(cold)["EndpointStatus"] == "InService"
            with ThreadPoolExecutor() as callers:
                assert set(callers.map(endpoints.call, [cold] * 5)) == {b"cold"}
        assert all(endpoints.processes(name) for name in kept)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("isolation", ["processes", "none"])
def test_endpoints_come_back_after_the_end_of_the_server(
    run_embedded_sagemaker, make_endpoints, poll, tmp_path, answering, number, isolation
):
    options = ("--isolation", isolation, "--stop-grace", "1")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        endpoints = make_endpoints(server)
        served = endpoints.up(answering("served", load="time.sleep(1)"))
        updated = endpoints.up(answering("old"))
        old = endpoints.describe(updated)["EndpointConfigName"]
        hanging = endpoints.configured(answering("never", load="time.sleep(300)"))
        endpoints.update(updated, hanging)
        created = endpoints.create(hanging)
        failed = endpoints.create(endpoints.configured("raise ValueError"))
        endpoints.settle(failed)
        poll(lambda: endpoints.processes(created), what="the new endpoint's process")
        poll(lambda: len(endpoints.processes(updated)) == 2, what="the update's process")
        names = [served, updated, created]
        tagged = endpoints.describe(served)["EndpointArn"]
        endpoints.sagemaker.add_tags(ResourceArn=tagged, Tags=[{"Key": "a", "Value": "b"}])
        server.process.send_signal(number)
        server.process.wait(timeout=30)
        if number is signal.SIGTERM:
            assert not any(endpoints.processes(name) for name in names)
        poll(
            lambda: not any(endpoints.processes(name) for name in names),
            what="the end of all processes",
        )

    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        endpoints = make_endpoints(server)
        # A call waits for the comeback.
        assert endpoints.describe(served)["EndpointStatus"] == "Updating"
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            endpoints.update(served, old)
        assert endpoints.call(served) == b"served"
        endpoint = endpoints.settle(served)
        assert endpoint["EndpointStatus"] == "InService"
        assert "FailureReason" not in endpoint
        tags = endpoints.sagemaker.list_tags(ResourceArn=tagged)["Tags"]
        assert tags == [{"Key": "a", "Value": "b"}]
        endpoint = endpoints.settle(updated)
        assert endpoint["EndpointStatus"] == "InService"
        assert endpoint["EndpointConfigName"] == old
        assert "stopped while the endpoint was in status Updating" in endpoint["FailureReason"]
        assert endpoints.call(updated) == b"old"
        endpoint = endpoints.describe(created)
        assert endpoint["EndpointStatus"] == "Failed"
        assert "stopped while the endpoint was in status Creating" in endpoint["FailureReason"]
        assert "ping health check" in endpoints.describe(failed)["FailureReason"]
        folders = (tmp_path / "state" / "endpoints").iterdir()
        assert {folder.name.rpartition("-")[0] for folder in folders} == {served, updated}


def test_an_endpoint_that_cannot_come_back_is_failed(
    run_embedded_sagemaker, make_endpoints, tmp_path, answering
):
    with run_embedded_sagemaker(tmp_path / "state") as server:
        endpoints = make_endpoints(server)
        uri = endpoints.archive(answering("hello"))
        name = endpoints.create(endpoints.config(endpoints.model(uri)))
        endpoints.settle(name)
        endpoints.remove(uri)
    with run_embedded_sagemaker(tmp_path / "state") as server:
        endpoints = make_endpoints(server)
        endpoint = endpoints.settle(name)
        assert endpoint["EndpointStatus"] == "Failed"
        assert endpoint["FailureReason"].startswith("Failed to download model data")
        with pytest.raises(ClientError, match="not found"):
            endpoints.call(name)


def test_a_comeback_that_hangs_is_given_up_and_leaves_no_process(
    run_embedded_sagemaker, make_endpoints, tmp_path, answering
):
    flag = tmp_path / "hang"
    load = f"os.path.exists({str(flag)!r}) and time.sleep(300)"
    options = ("--startup-timeout", "4", "--stop-grace", "1")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        name = make_endpoints(server).up(answering("hello", load=load))
    flag.touch()
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        endpoints = make_endpoints(server)
        # The call waits, and is told.
        with pytest.raises(ClientError, match="did not pass the ping health check") as error:
            endpoints.call(name)
        assert error.value.response["Error"]["Code"] == "ServiceUnavailable"
        endpoint = endpoints.settle(name)
        assert endpoint["EndpointStatus"] == "Failed"
        assert "ping health check" in endpoint["FailureReason"]
        assert endpoints.processes(name) == []
