"""UpdateEndpoint: the old config serves until the new one does, and again if that fails."""

from __future__ import annotations

import threading

import pytest
from botocore.exceptions import ClientError


def test_no_request_is_lost_while_configs_are_switched(endpoints, poll, answering):
    name = endpoints.up(answering("old", predict="time.sleep(0.01)"))
    newer = endpoints.configured(answering("new", load="time.sleep(0.3)"))
    with endpoints.hammer(name) as calls:
        poll(lambda: calls.answers[b"old"], what="an old answer")
        endpoints.update(name, newer)
        updating = endpoints.describe(name)
        assert updating["EndpointStatus"] == "Updating"
        assert updating["EndpointConfigName"] != newer
        assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == newer
        served = calls.answers[b"old"]
        endpoint = endpoints.settle(name)
        poll(lambda: calls.answers[b"new"], what="a new answer")
        assert calls.answers[b"old"] > served
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == newer
    assert calls.errors == []
    assert set(calls.answers) == {b"old", b"new"}
    poll(lambda: len(endpoints.processes(name)) == 1, what="the end of the old process")


def test_a_request_in_flight_is_finished_by_the_config_that_took_it(endpoints, poll, answering):
    name = endpoints.up(answering("old", predict="print('taken', flush=True); time.sleep(2)"))
    newer = endpoints.configured(answering("new"))
    answers: list[bytes] = []
    caller = threading.Thread(target=lambda: answers.append(endpoints.call(name)))
    caller.start()
    poll(lambda: "taken" in endpoints.lines(name), what="the request's arrival")
    endpoints.update(name, newer)
    assert endpoints.settle(name)["EndpointConfigName"] == newer
    assert endpoints.call(name) == b"new"
    caller.join()
    assert answers == [b"old"]
    poll(lambda: len(endpoints.processes(name)) == 1, what="the end of the old process")


@pytest.mark.parametrize("serverless", [None, {"MemorySizeInMB": 1024, "MaxConcurrency": 20}])
def test_an_update_that_does_not_come_up_is_rolled_back_and_nobody_notices(
    endpoints, poll, answering, serverless
):
    name = endpoints.up(answering("old"), serverless=serverless)
    before = endpoints.describe(name)
    broken = endpoints.configured("def model_fn(model_dir): raise ValueError('broken')")
    with endpoints.hammer(name, threads=2) as calls:
        poll(lambda: calls.answers, what="an answer")
        endpoints.update(name, broken)
        seen: list[str] = []
        endpoint = endpoints.settle(name, seen=seen)
        calls.answered.clear()
        assert calls.answered.wait(10)
    assert set(seen) <= {"Updating", "RollingBack", "InService"}
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == before["EndpointConfigName"]
    assert "did not pass the ping health check" in endpoint["FailureReason"]
    assert "PendingDeploymentSummary" not in endpoint
    assert endpoint["ProductionVariants"][0]["VariantName"] == "AllTraffic"
    assert calls.errors == []
    assert set(calls.answers) == {b"old"}
    # The next update that comes up wipes the reason.
    newer = endpoints.configured(answering("new"))
    endpoints.update(name, newer)
    endpoint = endpoints.settle(name)
    assert endpoint["EndpointConfigName"] == newer
    assert "FailureReason" not in endpoint
    assert endpoints.call(name) == b"new"


def test_a_container_that_hangs_is_given_up_and_rolling_back_is_seen(
    run_embedded_sagemaker, make_endpoints, tmp_path, answering
):
    options = ("--startup-timeout", "4", "--stop-grace", "0.5")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        endpoints = make_endpoints(server)
        name = endpoints.up(answering("old"))
        hanging = answering(
            "never",
            load="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)",
        )
        endpoints.update(name, endpoints.configured(hanging))
        seen: list[str] = []
        endpoint = endpoints.settle(name, seen=seen)
        assert list(dict.fromkeys(seen)) == ["Updating", "RollingBack", "InService"]
        assert "ping health check" in endpoint["FailureReason"]
        assert endpoints.call(name) == b"old"
        assert len(endpoints.processes(name)) == 1


def test_a_model_whose_data_is_gone_is_rolled_back(endpoints, answering):
    name = endpoints.up(answering("old"))
    uri = endpoints.archive(answering("new"))
    config = endpoints.config(endpoints.model(uri))
    endpoints.remove(uri)
    endpoints.update(name, config)
    endpoint = endpoints.settle(name)
    assert endpoint["EndpointConfigName"] != config
    assert endpoint["FailureReason"].startswith("Failed to download model data")
    assert endpoints.call(name) == b"old"


def test_an_update_during_an_update_is_refused(endpoints, answering):
    name = endpoints.up(answering("old"))
    newer = endpoints.configured(answering("new", load="time.sleep(0.5)"))
    endpoints.update(name, newer)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        endpoints.update(name, newer)
    assert endpoints.settle(name)["EndpointConfigName"] == newer


def test_the_config_of_an_update_must_exist_and_so_must_the_one_that_serves(endpoints, answering):
    name = endpoints.up(answering("old"))
    with pytest.raises(ClientError, match=r"Could not find endpoint configuration .*never-was"):
        endpoints.update(name, "never-was")
    assert endpoints.describe(name)["EndpointStatus"] == "InService"
    newer = endpoints.configured(answering("new"))
    serving = endpoints.describe(name)["EndpointConfigName"]
    endpoints.sagemaker.delete_endpoint_config(EndpointConfigName=serving)
    with pytest.raises(ClientError, match=f"Could not find endpoint configuration .*{serving}"):
        endpoints.update(name, newer)
    assert endpoints.call(name) == b"old"


def test_an_update_to_the_config_that_serves_starts_it_anew(endpoints, answering):
    name = endpoints.up(answering("", predict="return str(os.getpid())"))
    first = endpoints.processes(name)
    endpoints.update(name, endpoints.describe(name)["EndpointConfigName"])
    assert endpoints.settle(name)["EndpointStatus"] == "InService"
    endpoints.poll(
        lambda: len(endpoints.processes(name)) == 1 and endpoints.processes(name) != first,
        what="another process",
    )
    assert endpoints.call(name)


@pytest.mark.parametrize(
    ("member", "value"),
    [("RetainAllVariantProperties", True), ("RetainDeploymentConfig", True)],
)
def test_what_is_not_emulated_is_refused(endpoints, answering, member, value):
    name = endpoints.up(answering("hello"))
    config = endpoints.describe(name)["EndpointConfigName"]
    with pytest.raises(ClientError, match=f"UpdateEndpoint: {member} = True is not emulated"):
        endpoints.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=config, **{member: value}
        )
    endpoints.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=config, **{member: False}
    )
    endpoints.settle(name)
