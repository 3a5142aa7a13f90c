"""What the service has and the emulator does not is refused over HTTP, and never half done."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse

import pytest
from botocore.exceptions import ClientError


def refused(call, **members) -> dict[str, str]:
    with pytest.raises(ClientError) as error:
        call(**members)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error.value.response["ResponseMetadata"]["RequestId"]
    return error.value.response["Error"]


def post(url: str, target: str, body: bytes) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
    connection.request("POST", "/", body, {"X-Amz-Target": target})
    answer = connection.getresponse()
    found = answer.status, answer.headers.get("x-amzn-ErrorType", ""), json.loads(answer.read())
    connection.close()
    return found


def test_a_verb_that_is_not_emulated_is_named(bench):
    error = refused(
        bench.sagemaker.update_endpoint_weights_and_capacities,
        EndpointName="e",
        DesiredWeightsAndCapacities=[{"VariantName": "v", "DesiredWeight": 1}],
    )
    assert error["Code"] == "UnsupportedOperation"
    assert error["Message"].startswith("UpdateEndpointWeightsAndCapacities is not emulated here.")
    assert "local_sagemaker/README.md" in error["Message"]


def test_the_runtime_api_is_not_answered_by_somebody_else(bench):
    runtime = bench.server.client("sagemaker-runtime")
    error = refused(runtime.invoke_endpoint_async, EndpointName="e", InputLocation="s3://b/k")
    assert error["Code"] == "UnsupportedOperation"


def test_other_services_are_not_answered_by_somebody_else(bench):
    error = refused(bench.server.client("dynamodb").list_tables)
    assert error["Code"] == "UnsupportedOperation"
    assert "dynamodb" in error["Message"]


def test_nobody_can_reset_the_state_over_http(bench):
    kept = bench.put("not-reset", "x")
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(bench.server.url).netloc)
    connection.request("POST", "/moto-api/reset")
    assert connection.getresponse().status == 400
    connection.close()
    assert bench.get(kept.rpartition("/")[2]) == b"x"


def test_a_client_that_stalls_holds_up_nobody(bench):
    address = urllib.parse.urlsplit(bench.server.url)
    with socket.create_connection((address.hostname, address.port)) as stalled:
        stalled.sendall(
            b"PUT /workbench/stalled HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nhalf"
        )
        bench.put("not-stalled", "x")
        stalled.sendall(b" late")
        assert stalled.recv(12) == b"HTTP/1.1 200"
    assert bench.get("stalled") == b"half late"


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "PUT", "POST"])
def test_a_web_page_can_neither_start_jobs_nor_touch_objects(bench, method):
    kept = bench.put("not-for-pages", "kept").rpartition("/")[2]
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(bench.server.url).netloc)
    connection.request(method, f"/{bench.bucket}/{kept}", b"x", {"Origin": "http://a.page"})
    answer = connection.getresponse()
    assert answer.status == 400
    assert answer.headers["x-amzn-ErrorType"] == "AccessDenied"
    assert "Access-Control-Allow-Origin" not in answer.headers
    connection.close()
    assert bench.get(kept) == b"kept"


def test_sts_and_iam_are_served(bench):
    identity = bench.server.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    role = bench.server.client("iam").create_role(
        RoleName=bench.name("role"), AssumeRolePolicyDocument="{}"
    )["Role"]
    assert role["Arn"].startswith("arn:aws:iam::123456789012:role/")


def test_a_verb_that_moto_lacks_is_named_in_the_services_own_protocol(bench):
    iam = bench.server.client("iam")
    error = refused(iam.list_mfa_device_tags, SerialNumber="device-of-mfa")
    assert error["Code"] == "UnsupportedOperation"
    assert "list_mfa_device_tags" in error["Message"]
    error = refused(bench.logs.list_anomalies)
    assert error["Code"] == "UnsupportedOperation"


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("SageMaker.MakeCoffee", b"{}", "UnknownOperationException"),
        ("SageMaker.ListTags", b"not json", "SerializationException"),
        ("SageMaker.ListTags", b"[1]", "SerializationException"),
        ("SageMaker.ListTags", b"", "ValidationException"),
    ],
)
def test_a_malformed_request_has_the_protocols_error(bench, target, body, code):
    status, kind, document = post(bench.server.url, target, body)
    assert (status, kind, document["__type"]) == (400, code, code)
    assert document["message"]


def test_a_request_is_validated_before_anything_happens(bench):
    request = bench.training_request("")
    request["RoleArn"] = "nobody-at-all-is-here"
    with pytest.raises(ClientError, match="1 validation error detected: Value 'nobody-at-all"):
        bench.start(request)
    with pytest.raises(ClientError, match="Requested resource not found"):
        bench.describe(request["TrainingJobName"])


def test_a_member_that_is_not_emulated_is_refused_and_no_job_is_made(bench):
    request = bench.processing_request("")
    request["ProcessingInputs"][0]["S3Input"]["S3InputMode"] = "Pipe"
    error = refused(bench.sagemaker.create_processing_job, **request)
    assert error["Code"] == "UnsupportedOperation"
    assert (
        "CreateProcessingJob: ProcessingInputs[].S3Input.S3InputMode = 'Pipe' is not"
        " emulated here; only File is." in error["Message"]
    )
    with pytest.raises(ClientError, match="Requested resource not found"):
        bench.describe(request["ProcessingJobName"])


def test_a_second_job_of_the_same_name_is_refused_as_the_service_does(bench):
    for request, words in (
        (bench.processing_request(""), "Job name must be unique within an AWS account and region"),
        (bench.training_request(""), "Training job names must be unique within an AWS account"),
    ):
        bench.run(request)
        with pytest.raises(bench.sagemaker.exceptions.ResourceInUse, match=words):
            bench.start(request)


def test_processing_and_training_jobs_do_not_share_names(bench):
    name = bench.name("processing-shared")
    bench.run(bench.processing_request("", ProcessingJobName=name))
    bench.start(bench.training_request("", TrainingJobName=name))


def test_regions_do_not_share_names(bench):
    request = bench.processing_request("")
    bench.run(request)
    elsewhere = bench.server.client("sagemaker", region="eu-central-1")
    arn = elsewhere.create_processing_job(**request)["ProcessingJobArn"]
    assert arn.split(":")[3] == "eu-central-1"


def test_too_many_running_jobs_are_refused_as_the_service_does(
    run_embedded_sagemaker, make_workbench, tmp_path
):
    """A job of several instances counts as many times."""
    options = ("--max-jobs", "3", "--isolation", "none")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        bench = make_workbench(server)
        request = bench.processing_request("import time; time.sleep(300)")
        request["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = 2
        first = bench.start(request)
        request = bench.training_request("")
        request["ResourceConfig"]["InstanceCount"] = 2
        with pytest.raises(
            bench.sagemaker.exceptions.ResourceLimitExceeded,
            match=r"service limit 'ml\.m5\.large for training job usage' is 3 Instances, with"
            " current utilization of 2 Instances and a request delta of 2 Instances",
        ):
            bench.start(request)
        assert bench.run(bench.training_request(""))["TrainingJobStatus"] == "Completed"
        bench.stop(first)
        bench.finish(first)
        assert bench.run(bench.processing_request(""))["ProcessingJobStatus"] == "Completed"


def test_an_unknown_image_is_refused_and_the_way_to_add_one_is_told(bench):
    request = bench.processing_request("")
    request["AppSpecification"]["ImageUri"] = "1.dkr.ecr.us-east-1.amazonaws.com/other:1"
    error = refused(bench.sagemaker.create_processing_job, **request)
    assert error["Code"] == "ValidationException"
    assert "other:1 is unknown here; known are sagemaker-scikit-learn:1.4-2-" in error["Message"]
    assert "see --images-file in local_sagemaker/README.md" in error["Message"]


def test_an_image_that_is_not_installed_is_refused_with_the_command_that_installs_it(
    run_embedded_sagemaker, make_workbench, tmp_path
):
    options = ("--images", str(tmp_path / "none"), "--isolation", "none")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        bench = make_workbench(server)
        error = refused(
            bench.sagemaker.create_processing_job, **bench.processing_request("print(1)")
        )
    assert error["Code"] == "ValidationException"
    assert "is not installed" in error["Message"]
    command = f"python -m local_sagemaker images sklearn-1.4-2 --images {tmp_path / 'none'}"
    assert f"Run `{command}`." in error["Message"]


@pytest.mark.parametrize(
    "path", ["/tmp/x", "/opt/ml/processing/../../../etc", "/opt/ml/processing/./x", "relative", ""]
)
def test_a_local_path_outside_of_the_jobs_folder_is_refused(bench, path):
    request = bench.processing_request("", outputs=("o",))
    for place in (
        request["ProcessingInputs"][0]["S3Input"],
        request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"],
    ):
        before, place["LocalPath"] = place["LocalPath"], path
        error = refused(bench.sagemaker.create_processing_job, **request)
        assert "LocalPath must be a path below /opt/ml/processing/" in error["Message"]
        place["LocalPath"] = before


@pytest.mark.parametrize("channel", [".", ".."])
def test_a_channel_cannot_be_named_like_another_folder(bench, channel):
    request = bench.training_request("", channels={channel: f"s3://{bench.bucket}/x"})
    error = refused(bench.sagemaker.create_training_job, **request)
    assert "cannot be a channel's name" in error["Message"]


def test_names_that_come_twice_are_refused(bench):
    request = bench.processing_request("")
    request["ProcessingInputs"] *= 2
    assert "must be unique" in refused(bench.sagemaker.create_processing_job, **request)["Message"]
    request = bench.training_request("")
    request["InputDataConfig"] *= 2
    assert "must be unique" in refused(bench.sagemaker.create_training_job, **request)["Message"]


@pytest.mark.parametrize("uri", ["https://bucket/key", "s3:///key"])
def test_a_place_that_is_not_in_s3_is_refused(bench, uri):
    request = bench.training_request("", OutputDataConfig={"S3OutputPath": uri})
    with pytest.raises(ClientError, match="ValidationException"):
        bench.start(request)


def test_a_metric_that_is_no_expression_is_refused(bench):
    request = bench.training_request(
        "", algorithm={"MetricDefinitions": [{"Name": "m", "Regex": "(("}]}
    )
    error = refused(bench.sagemaker.create_training_job, **request)
    assert error["Code"] == "ValidationException"
    assert "MetricDefinitions" in error["Message"]


def test_null_is_the_same_as_absent_everywhere(bench):
    request = bench.processing_request("")
    request |= {"Environment": None, "StoppingCondition": None, "Tags": None}
    request["AppSpecification"]["ContainerArguments"] = None
    status, _, _ = post(
        bench.server.url, "SageMaker.CreateProcessingJob", json.dumps(request).encode()
    )
    assert status == 200
    assert bench.finish(request["ProcessingJobName"])["ProcessingJobStatus"] == "Completed"


def test_a_variable_that_no_process_can_have_fails_the_job_and_says_so(bench):
    job = bench.run(bench.processing_request("", Environment={"X": "a\0b"}))
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "ClientError: The command cannot be started: embedded null byte"
    )


@pytest.mark.parametrize("member", ["ExperimentName", "TrialName"])
def test_an_experiment_is_not_found_as_none_can_be_made(bench, member):
    for request in (bench.processing_request(""), bench.training_request("")):
        with pytest.raises(bench.sagemaker.exceptions.ResourceNotFound, match="my-trial does not"):
            bench.start({**request, "ExperimentConfig": {member: "my-trial"}})
