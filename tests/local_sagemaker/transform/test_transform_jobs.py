"""Batch transform over HTTP: what a model is asked, what becomes of it in S3, and how jobs end."""

from __future__ import annotations

import gzip
import json
import re
import signal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

BUCKET = "transforms"


def got(transforms, name: str) -> list[str]:
    """The bodies that a job's model was asked with, in order."""
    lines = transforms.lines(name)
    return [json.loads(line.removeprefix("got "))[1] for line in lines if line.startswith("got ")]


def processes_of(arn: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if arn.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_each_object_becomes_one_of_the_same_name_and_the_model_is_told_that_it_is_a_batch(
    transforms,
):
    request = transforms.request(
        {"a.csv": "1,2\n3,4\n", "b//c.csv": "5,6", "empty.csv": "", "folder/": ""},
        Environment={"OWN": "mine"},
        MaxPayloadInMB=1,
        MaxConcurrentTransforms=2,
        Tags=[{"Key": "owner", "Value": "somebody"}],
    )
    name = request["TransformJobName"]
    assert transforms.transformed(request) == {
        "a.csv.out": "3\n7\n",
        "b//c.csv.out": "11\n",
        "empty.csv.out": "",
    }
    job = transforms.describe(name)
    for member in set(request) - {"Tags", "TransformInput", "TransformOutput"}:
        assert job[member] == request[member]
    assert job["TransformInput"] == {"CompressionType": "None", **request["TransformInput"]}
    assert job["DataProcessing"] == {
        "InputFilter": "$",
        "OutputFilter": "$",
        "JoinSource": "None",
    }
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    (variables,) = [line for line in transforms.lines(name) if line.startswith("variables ")]
    told = json.loads(variables.removeprefix("variables "))
    batch = ("BATCH", "MAX_PAYLOAD_IN_MB", "MAX_CONCURRENT_TRANSFORMS", "BATCH_STRATEGY")
    assert [told.get(f"SAGEMAKER_{end}") for end in batch] == ["true", "1", "2", None]
    assert told["OWN"] == "mine"
    container, data = transforms.streams(name)
    assert re.fullmatch(rf"{name}/i-[0-9a-f]{{17}}-[0-9]{{10}}", container)
    assert data == f"{container}/data-log"
    (line,) = transforms.lines(name, data=True)
    assert re.fullmatch(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}:\[sagemaker logs\]:"
        " MaxConcurrentTransforms=2, MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD",
        line,
    )
    listed = transforms.sagemaker.list_transform_jobs(NameContains=name, StatusEquals="Completed")
    assert [entry["TransformJobName"] for entry in listed["TransformJobSummaries"]] == [name]
    tags = transforms.sagemaker.list_tags(ResourceArn=job["TransformJobArn"])["Tags"]
    assert tags == request["Tags"]
    assert processes_of(job["TransformJobArn"]) == []
    with pytest.raises(transforms.sagemaker.exceptions.ResourceInUse, match="Job name must be"):
        transforms.start(request)
    with pytest.raises(ClientError, match="the transform job is in status Completed"):
        transforms.sagemaker.stop_transform_job(TransformJobName=name)


def test_the_examples_of_the_services_documentation(transforms):
    columns = transforms.request(
        {"in.csv": "a,1,2\nb,3,4\n"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
    )
    lines = "application/jsonlines"
    members = transforms.request(
        {"in.jsonl": '{"id": 1, "features": [1, 2]}\n{"id": 2, "features": [3]}\n'},
        given={"ContentType": lines},
        taken={"Accept": lines},
        DataProcessing={
            "InputFilter": "$.features",
            "JoinSource": "Input",
            "OutputFilter": "$['id','SageMakerOutput']",
        },
    )
    transforms.start(columns)
    (joined,) = transforms.transformed(members).values()
    assert joined == "".join(f'{{"id":{n},"SageMakerOutput":{{"sum":3}}}}\n' for n in (1, 2))
    transforms.finish(columns["TransformJobName"])
    assert transforms.outputs(columns["TransformJobName"]) == {"in.csv.out": "a,3\nb,7\n"}


def test_a_manifest_names_the_objects_and_gzip_is_taken_off(transforms):
    request = transforms.request(
        {"x/a.gz": gzip.compress(b"1\n2\n"), "x/b": gzip.compress(b"3"), "x/not-me": "4"},
        given={"SplitType": None, "CompressionType": "Gzip"},
        taken={"AssembleWith": None},
        data_type="ManifestFile",
        uri="manifest.json",
    )
    name = request["TransformJobName"]
    manifest = [{"prefix": f"s3://{BUCKET}/{name}/in/"}, "x/b", "x/a.gz"]
    transforms.put(f"{name}/in/manifest.json", json.dumps(manifest))
    assert transforms.transformed(request) == {"x/a.gz.out": "1\n2\n", "x/b.out": "3\n"}
    assert got(transforms, name) == ["3", "1\n2\n"]


def test_an_object_that_fails_leaves_nothing_and_the_others_are_transformed(transforms):
    megabyte = "1" * 1024 * 1024
    request = transforms.request(
        {
            "a.csv": "1,2\nwrong\n5,6",
            "b.csv": "1,2\n",
            "c.csv": "1,2\nodd\n",
            "d.csv": f"1,2\n{megabyte}1\n",
        },
        BatchStrategy="SingleRecord",
        MaxPayloadInMB=1,
        ModelClientConfig={"InvocationsMaxRetries": 1},
    )
    job = transforms.run(request)
    name = job["TransformJobName"]
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert transforms.outputs(name) == {"b.csv.out": "3\n"}
    asked = got(transforms, name)
    assert asked == ["1,2\n", "wrong\n", "wrong\n", "1,2\n", "1,2\n", "odd\n"]
    _, *told = transforms.told(name)
    place = f"{BUCKET}/{name}/in"
    assert told[:3] == [
        f"{place}/a.csv: Bad HTTP status received from algorithm: 500",
        f"{place}/a.csv: ",
        f"{place}/a.csv: Message:",
    ]
    size = len(megabyte) + 2
    assert told[-5:-1] == [
        f"{place}/c.csv: ClientError: 415",
        f"{place}/c.csv: ",
        f"{place}/c.csv: Message:",
        f"{place}/c.csv: nobody reads this",
    ]
    assert told[-1] == (
        f"{place}/d.csv: ClientError: Too much data for max payload size: record 2 has"
        f" {size} bytes, MaxPayloadInMB allows {size - 2}"
    )


def test_an_invocation_is_tried_again_and_not_waited_for_longer_than_allowed(transforms):
    again = transforms.request({"a": "again,1\n"})
    late = transforms.request(
        {"a": "slow\n"},
        ModelClientConfig={"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0},
    )
    transforms.start(again)
    job = transforms.run(late)
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    place = f"{BUCKET}/{job['TransformJobName']}/in/a"
    assert transforms.told(job["TransformJobName"])[1:] == [
        f"{place}: Unable to get response from algorithm"
    ]
    assert transforms.finish(again["TransformJobName"])["TransformJobStatus"] == "Completed"
    assert got(transforms, again["TransformJobName"]) == ["again,1\n"] * 3


def test_invocations_run_together_and_their_answers_stay_in_order(transforms):
    """The model answers only when it has four."""
    objects = {f"{n}.csv": f"{n},together\n" for n in range(6)} | {
        "last.csv": "1,together\n2,together\n"
    }
    request = transforms.request(objects, BatchStrategy="SingleRecord", MaxConcurrentTransforms=4)
    assert transforms.transformed(request) == {
        **{f"{n}.csv.out": f"{n}\n" for n in range(6)},
        "last.csv.out": "1\n2\n",
    }


def test_what_the_request_leaves_open_is_the_models_to_say(transforms):
    model = transforms.model(
        """
        import json
        def execution_parameters_fn():
            return json.dumps({"MaxConcurrentTransforms": 3, "BatchStrategy": "SINGLE_RECORD"})
        def model_fn(model_dir):
            return None
        def input_fn(body, content_type):
            return body
        def predict_fn(body, model):
            return body
        def output_fn(body, accept):
            return "1"
        """
    )
    request = transforms.request({"a": "1\n2\n"}, ModelName=model, MaxPayloadInMB=0)
    assert transforms.transformed(request) == {"a.out": "1\n1\n"}
    assert transforms.told(request["TransformJobName"]) == [
        "MaxConcurrentTransforms=3, MaxPayloadInMB=0, BatchStrategy=SINGLE_RECORD"
    ]


def test_a_stopped_job_keeps_what_is_complete_and_leaves_no_process(transforms, poll):
    request = transforms.request({"a.csv": "1,2\n", "b.csv": "3\nslow\n"})
    name = transforms.start(request)
    poll(lambda: len(got(transforms, name)) == 2, what="the slow invocation")
    transforms.sagemaker.stop_transform_job(TransformJobName=name)
    assert transforms.describe(name)["TransformJobStatus"] in {"Stopping", "Stopped"}
    job = transforms.finish(name)
    assert job["TransformJobStatus"] == "Stopped"
    assert "FailureReason" not in job
    assert transforms.outputs(name) == {"a.csv.out": "3\n"}
    assert processes_of(job["TransformJobArn"]) == []
    assert transforms.told(name)[1:] == []


def test_a_job_that_the_server_leaves_behind_is_failed_at_the_next_start(
    run_embedded_sagemaker, make_transforms, poll, tmp_path
):
    options = ("--isolation", "none", "--stop-grace", "1")
    left: list[tuple[str, str]] = []
    bench = None
    for number in (signal.SIGKILL, signal.SIGTERM, None):
        with run_embedded_sagemaker(tmp_path / "state", *options) as server:
            if bench is None:
                bench = make_transforms(server)
            bench.connect(server)
            for name, arn in left:
                job = bench.describe(name)
                assert job["TransformJobStatus"] == "Failed"
                assert "stopped while the job was running" in job["FailureReason"]
                assert bench.outputs(name) == {"a.csv.out": "3\n"}
                assert processes_of(arn) == []
            assert list((tmp_path / "state" / "jobs").iterdir()) == []
            if number is None:
                return
            name = bench.start(bench.request({"a.csv": "1,2\n", "b.csv": "slow\n"}))
            poll(lambda b=bench, n=name: len(got(b, n)) == 2, what="the slow invocation")
            left.append((name, bench.describe(name)["TransformJobArn"]))
            assert processes_of(left[-1][1])
            server.process.send_signal(number)
            server.process.wait(timeout=30)


def test_a_job_fails_for_what_it_cannot_start_with(transforms):
    broken = transforms.model("def model_fn(model_dir): raise SystemExit('no such model')")
    lost = transforms.model("")
    transforms.s3.delete_object(Bucket=BUCKET, Key=f"{lost}/model.tar.gz")
    requests = {
        "AlgorithmError: The primary container did not pass the ping health check.": (
            transforms.request({"a": "1"}, ModelName=broken)
        ),
        f'ClientError: Failed to download model data for container "container_1" from URL: '
        f'"s3://{BUCKET}/{lost}/model.tar.gz"': transforms.request({"a": "1"}, ModelName=lost),
        "ClientError: No S3 objects found under S3 URL": transforms.request({}),
        "ClientError: Data download failed: the manifest": (
            transforms.request({}, data_type="ManifestFile", uri="none")
        ),
        "ClientError: Failed to upload to s3://nowhere/out/a.out: the bucket": (
            transforms.request({"a": "1"}, taken={"S3OutputPath": "s3://nowhere/out"})
        ),
    }
    for request in requests.values():
        transforms.start(request)
    for words, request in requests.items():
        job = transforms.finish(request["TransformJobName"])
        assert job["TransformJobStatus"] == "Failed"
        assert job["FailureReason"].startswith(words)
        assert transforms.outputs(request["TransformJobName"]) == {}


JSON = "application/json"


@pytest.mark.parametrize(
    ("code", "words", "members"),
    [
        ("Validation", "Could not find model", {"ModelName": "none"}),
        ("Validation", "must not be greater than 100", {"MaxPayloadInMB": 101}),
        (
            "Validation",
            "must not be greater than 100",
            {"MaxPayloadInMB": 51, "MaxConcurrentTransforms": 2},
        ),
        ("Validation", "must not be greater than 100", {"MaxConcurrentTransforms": 101}),
        ("Validation", "not a JSONPath", {"DataProcessing": {"InputFilter": "id"}}),
        ("Validation", "asks for a member", {"DataProcessing": {"InputFilter": "$.id"}}),
        (
            "Validation",
            "TransformInput.ContentType must be one of text/csv, application/json,",
            {"DataProcessing": {"InputFilter": "$[1:]"}, "given": {"ContentType": None}},
        ),
        (
            "Validation",
            "TransformOutput.Accept must be one of text/csv, application/json,",
            {"DataProcessing": {"OutputFilter": "$[1:]"}, "taken": {"Accept": "image/png"}},
        ),
        (
            "Validation",
            "needs TransformInput.SplitType and TransformOutput.AssembleWith Line",
            {"DataProcessing": {"InputFilter": "$[1:]"}, "given": {"SplitType": None}},
        ),
        (
            "Validation",
            "must be the same",
            {"DataProcessing": {"JoinSource": "Input"}, "taken": {"Accept": JSON}},
        ),
        ("Unsupported", "SplitType = 'RecordIO'", {"given": {"SplitType": "RecordIO"}}),
        ("Unsupported", "SplitType = 'TFRecord'", {"given": {"SplitType": "TFRecord"}}),
        ("Unsupported", "S3DataType = 'Converse'", {"data_type": "Converse"}),
        ("Validation", "S3OutputPath must be of the form s3://", {"taken": {
            "S3OutputPath": "https://b/k"}}),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_and_no_job_is_made(transforms, code, words, members):
    request = transforms.request({}, **members)
    with pytest.raises(ClientError) as error:
        transforms.start(request)
    assert error.value.response["Error"]["Code"].startswith(code)
    assert words in error.value.response["Error"]["Message"]
    with pytest.raises(ClientError, match="Requested resource not found"):
        transforms.describe(request["TransformJobName"])
