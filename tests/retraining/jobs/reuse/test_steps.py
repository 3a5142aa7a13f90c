from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining import naming
from retraining.jobs import requests
from retraining.jobs.kinds import ENDED, JobType
from retraining.jobs.reuse import content as step_content
from retraining.jobs.reuse import copies
from retraining.jobs.reuse.changes import changes
from retraining.jobs.reuse.content import content_of, list_objects
from retraining.jobs.reuse.records import StepRecord
from retraining.jobs.reuse.steps import (
    InputsChangedError,
    Miss,
    NotReusableError,
    OutputsChangedError,
    find_reusable,
    record_step,
    reuse_outputs,
)
from retraining.runs.code_archive import CodeArchive, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BUCKET = "step-reuse"
PIPELINE = "p"
RUNS = f"s3://{BUCKET}/{PIPELINE}/runs"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
SCRIPT = "/opt/ml/processing/input/code/split.py"
TEST_OUTPUT = '{"LocalPath": "/opt/ml/processing/output/test", "S3UploadMode": "EndOfJob"}'
PROCESSING, TRAINING = JobType("Processing"), JobType("Training")
SCRIPTS = {
    "split.py": b"""
import pathlib, shutil, sys
root = pathlib.Path("/opt/ml/processing")
rows = (root / "input/data/rows.csv").read_text()
(root / "output/train/part").mkdir(parents=True)
(root / "output/train/train.csv").write_text(rows + " ".join(sys.argv[1:]))
(root / "output/train/part/more.csv").write_text("more")
(root / "output/test/test.csv").write_text(rows)
""",
    "fit.py": b"""
import os, pathlib
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "train.csv").read_text()
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(rows)
""",
}


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def sagemaker(embedded_sagemaker: Any) -> Any:
    return embedded_sagemaker.client("sagemaker")


@pytest.fixture(scope="module")
def code_uri(s3: Any) -> str:
    archive = CodeArchive(sha256="1" * 64, files=SCRIPTS)
    return upload(s3, archive, bucket=BUCKET, pipeline=PIPELINE)


def put(s3: Any, uri: str, body: bytes | str) -> None:
    bucket, key = naming.split_s3_uri(uri)
    s3.put_object(Bucket=bucket, Key=key, Body=body)


def get(s3: Any, uri: str) -> bytes:
    bucket, key = naming.split_s3_uri(uri)
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def delete(s3: Any, uri: str) -> None:
    bucket, key = naming.split_s3_uri(uri)
    s3.delete_object(Bucket=bucket, Key=key)


def splitting(code_uri: str, run: str, *, features: str = "raw", **other: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "image_uri": IMAGE,
        "role_arn": "arn:aws:iam::123456789012:role/jobs",
        "instance_type": "ml.m5.large",
        "code_uri": code_uri,
        "script": "split.py",
        "arguments": ["--features", features, "--quiet"],
        "inputs": {"data": f"s3://{BUCKET}/{PIPELINE}/snapshots/2026-11-20/"},
        "outputs": {name: f"{RUNS}/{run}/{name}/" for name in ("train", "test")},
    }
    return requests.processing_job(**values | other)


def fitting(code_uri: str, run: str, train: str, **other: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "image_uri": IMAGE,
        "role_arn": "arn:aws:iam::123456789012:role/jobs",
        "instance_type": "ml.m5.large",
        "code_uri": code_uri,
        "script": "fit.py",
        "hyperparameters": {"positive": "false"},
        "channels": {"train": train},
        "output_uri": f"{RUNS}/{run}/model/",
        "metrics": {},
    }
    return requests.training_job(**values | other)


def run_job(sagemaker: Any, job_type: JobType, request: Mapping[str, Any], name: str) -> Any:
    job_type.create(sagemaker, {**request, job_type.name_member: name})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        described = job_type.describe(sagemaker, name)
        assert described is not None
        if job_type.status(described) in ENDED:
            assert job_type.status(described) == "Completed", described
            return described
        time.sleep(0.1)
    raise AssertionError(f"{name} did not end")


class Done:
    """A processing job that really ran, and what there was before it."""

    def __init__(
        self, s3: Any, sagemaker: Any, code_uri: str, *, run: str = "first", **other: Any
    ) -> None:
        self.s3 = s3
        # A decision of an earlier attempt, which the job does not write.
        put(s3, f"{RUNS}/{run}/test/decision.json", "{}")
        self.request = splitting(code_uri, run, **other)
        self.content = content_of(s3, PROCESSING, self.request)
        self.described = run_job(sagemaker, PROCESSING, self.request, f"split-{run}")

    def record(self, step: str, **other: Any) -> StepRecord:
        values: dict[str, Any] = {
            "pipeline": PIPELINE,
            "step": step,
            "job_type": PROCESSING,
            "request": self.request,
            "described": self.described,
            "key": self.content.key,
        }
        return record_step(self.s3, BUCKET, **values | other)

    def find(self, step: str, request: Mapping[str, Any] | None = None) -> StepRecord | Miss:
        content = content_of(self.s3, PROCESSING, request or self.request)
        return find_reusable(self.s3, BUCKET, pipeline=PIPELINE, step=step, content=content)

    def miss(self, step: str, request: Mapping[str, Any] | None = None) -> list[str]:
        found = self.find(step, request)
        assert isinstance(found, Miss), found
        return list(found.changed)


@pytest.fixture(scope="module")
def done(s3: Any, sagemaker: Any, code_uri: str) -> Done:
    put(s3, f"s3://{BUCKET}/{PIPELINE}/snapshots/2026-11-20/rows.csv", "a,b\n1,2\n")
    return Done(s3, sagemaker, code_uri)


def test_a_step_is_found_and_its_outputs_are_copied(done: Done, s3: Any, code_uri: str) -> None:
    assert done.find("hit") == Miss(("no earlier step",), None)
    recorded = done.record("hit")
    request = splitting(
        code_uri, "second", role_arn="arn:aws:iam::123456789012:role/x", max_runtime_s=60
    )
    request |= {"ProcessingJobName": "split-second", "Tags": [{"Key": "run", "Value": "second"}]}
    request["ProcessingResources"]["ClusterConfig"]["InstanceType"] = "ml.m5.4xlarge"
    found = done.find("hit", request)
    assert isinstance(found, StepRecord)
    assert replace(found.content, newest_input=recorded.content.newest_input) == recorded.content
    assert reuse_outputs(s3, found, job_type=PROCESSING, request=request) == {
        "job_name": "split-first",
        "job_arn": done.described["ProcessingJobArn"],
    }
    for name in ("train/train.csv", "train/part/more.csv", "test/test.csv"):
        assert get(s3, f"{RUNS}/second/{name}") == get(s3, f"{RUNS}/first/{name}")
    listed = [item.name for item in list_objects(s3, f"{RUNS}/second/")]
    assert listed == ["test/test.csv", "train/part/more.csv", "train/train.csv"]


def test_a_copy_is_the_same_input_to_the_next_step(done: Done, s3: Any, code_uri: str) -> None:
    record = done.record("copied")
    request = splitting(code_uri, "copied")
    reuse_outputs(s3, record, job_type=PROCESSING, request=request)
    first = fitting(code_uri, "first", f"{RUNS}/first/train/")
    copied = fitting(code_uri, "copied", f"{RUNS}/copied/train/")
    assert content_of(s3, TRAINING, first).key == content_of(s3, TRAINING, copied).key


def test_a_training_job_is_reused_with_its_model(
    done: Done, s3: Any, sagemaker: Any, code_uri: str
) -> None:
    request = fitting(code_uri, "first", f"{RUNS}/first/train/")
    content = content_of(s3, TRAINING, request)
    described = run_job(sagemaker, TRAINING, request, "fit-first")
    record_step(
        s3,
        BUCKET,
        pipeline=PIPELINE,
        step="fit",
        job_type=TRAINING,
        request=request,
        described=described,
        key=content.key,
    )
    # As a later run does it: its input is itself a copy.
    split = splitting(code_uri, "later")
    reuse_outputs(s3, done.record("fit-input"), job_type=PROCESSING, request=split)
    later = fitting(code_uri, "later", f"{RUNS}/later/train/")
    found = find_reusable(
        s3, BUCKET, pipeline=PIPELINE, step="fit", content=content_of(s3, TRAINING, later)
    )
    assert isinstance(found, StepRecord)
    result = reuse_outputs(s3, found, job_type=TRAINING, request=later)
    assert result == {
        "job_name": "fit-first",
        "job_arn": described["TrainingJobArn"],
        "model_uri": f"{RUNS}/later/model/fit-first/output/model.tar.gz",
    }
    model = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert get(s3, result["model_uri"]) == get(s3, model)

    changed = fitting(code_uri, "x", f"{RUNS}/first/train/", hyperparameters={"positive": "true"})
    missed = find_reusable(
        s3, BUCKET, pipeline=PIPELINE, step="fit", content=content_of(s3, TRAINING, changed)
    )
    assert missed == Miss(('hyperparameter positive: "false" → "true"',), "fit-first")

    delete(s3, result["model_uri"])
    delete(s3, model)
    missed = find_reusable(s3, BUCKET, pipeline=PIPELINE, step="fit", content=content)
    assert isinstance(missed, Miss)
    assert missed.changed == (
        "output model of fit-first is no longer as it was: 1 gone (model.tar.gz)",
    )
    with pytest.raises(OutputsChangedError, match=r"model\.tar\.gz is gone or was changed"):
        reuse_outputs(s3, found, job_type=TRAINING, request=later)
    with pytest.raises(OutputsChangedError, match=r"the model s3://.* of job fit-first is gone"):
        record_step(
            s3,
            BUCKET,
            pipeline=PIPELINE,
            step="fit",
            job_type=TRAINING,
            request=request,
            described=described,
            key=content.key,
        )


def test_the_same_content_under_another_path_is_a_hit(done: Done, s3: Any) -> None:
    done.record("moved")
    put(s3, f"s3://{BUCKET}/elsewhere/rows.csv", "a,b\n1,2\n")
    same = CodeArchive(sha256="2" * 64, files=SCRIPTS)
    code = upload(s3, same, bucket=BUCKET, pipeline="another")
    request = splitting(code, "moved", inputs={"data": f"s3://{BUCKET}/elsewhere/"})
    assert isinstance(done.find("moved", request), StepRecord)


def test_other_content_under_the_same_path_is_a_miss(
    s3: Any, sagemaker: Any, code_uri: str
) -> None:
    """What a cache that compares paths takes for the same step."""
    folder = f"s3://{BUCKET}/{PIPELINE}/snapshots/2026-11-21/"
    put(s3, f"{folder}rows.csv", "a,b\n1,2\n")
    mine = Done(s3, sagemaker, code_uri, run="overwritten", inputs={"data": folder})
    mine.record("overwritten")
    assert isinstance(mine.find("overwritten"), StepRecord)
    put(s3, f"{folder}rows.csv", "a,b\n1,3\n")
    assert mine.miss("overwritten") == ["input data: 1 of 1 objects changed (rows.csv)"]
    put(s3, f"{folder}more.csv", "")
    assert mine.miss("overwritten") == [
        "input data: 1 of 2 objects changed (rows.csv), 1 new (more.csv)"
    ]
    put(s3, f"{folder}rows.csv", "a,b\n1,2\n")
    delete(s3, f"{folder}more.csv")
    assert isinstance(mine.find("overwritten"), StepRecord)


def other_image(request: dict[str, Any]) -> None:
    request["AppSpecification"]["ImageUri"] += "-new"


def other_entrypoint(request: dict[str, Any]) -> None:
    request["AppSpecification"]["ContainerEntrypoint"][0] = "python"


def other_arguments(*arguments: str) -> Callable[[dict[str, Any]], None]:
    def change(request: dict[str, Any]) -> None:
        request["AppSpecification"]["ContainerArguments"] = list(arguments)

    return change


def another_output(request: dict[str, Any]) -> None:
    del request["ProcessingOutputConfig"]["Outputs"][1]


def another_environment(request: dict[str, Any]) -> None:
    request["Environment"] = {"TOKEN": "secret"}


def two_instances(request: dict[str, Any]) -> None:
    request["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = 2


def isolated(request: dict[str, Any]) -> None:
    request["NetworkConfig"] = {"EnableNetworkIsolation": True}


def sharded(request: dict[str, Any]) -> None:
    request["ProcessingInputs"][1]["S3Input"]["S3DataDistributionType"] = "ShardedByS3Key"


def no_slash(request: dict[str, Any]) -> None:
    place = request["ProcessingInputs"][1]["S3Input"]
    place["S3Uri"] = place["S3Uri"].rstrip("/")


def one_input_less(request: dict[str, Any]) -> None:
    del request["ProcessingInputs"][1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_image, [f"image: {IMAGE} → {IMAGE}-new"]),
        (
            other_entrypoint,
            [
                f'entrypoint: ["python3", "{SCRIPT}"] → ["python", "{SCRIPT}"]',
            ],
        ),
        (
            other_arguments("--features", "engineered", "--quiet"),
            ["argument --features: raw → engineered"],
        ),
        (other_arguments("--features", "raw"), ["argument --quiet: gone, was set"]),
        (
            other_arguments("last", "--features=raw", "--quiet", "--seed", "-1"),
            ["argument 1: new, last", "argument --seed: new, -1"],
        ),
        (
            other_arguments("--quiet", "--features", "raw"),
            ["arguments: the same ones in another order or spelling"],
        ),
        (
            another_output,
            [f"output test: gone, was {TEST_OUTPUT}"],
        ),
        (another_environment, ["environment TOKEN: new"]),
        (two_instances, ["instance count: 1 → 2"]),
        (isolated, ["setting NetworkConfig.EnableNetworkIsolation: new, true"]),
        (sharded, ["input data: the job gets it in another way"]),
        (no_slash, ["input data: 1 new (2026-11-20/rows.csv), 1 gone (rows.csv)"]),
        (one_input_less, ["input data: gone"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_miss_says_what_changed(
    done: Done, code_uri: str, change: Callable[[dict[str, Any]], None], words: list[str]
) -> None:
    done.record("words")
    request = splitting(code_uri, "words")
    change(request)
    assert done.miss("words", request) == words
    assert str(done.find("words", request)).endswith(" (compared with split-first)")


def test_the_same_objects_in_another_folder_of_the_job_are_a_miss(s3: Any, code_uri: str) -> None:
    put(s3, f"s3://{BUCKET}/layout/train/rows.csv", "1")
    contents = [
        content_of(s3, PROCESSING, splitting(code_uri, "x", inputs={"data": uri}))
        for uri in (f"s3://{BUCKET}/layout/", f"s3://{BUCKET}/layout/train")
    ]
    assert contents[0].inputs == contents[1].inputs
    assert changes(*contents) == ("input data: the job gets it in another way",)


def test_other_code_under_any_path_is_a_miss(done: Done, s3: Any, code_uri: str) -> None:
    done.record("code")
    files = {**SCRIPTS, "split.py": SCRIPTS["split.py"] + b"\n"}
    code = upload(s3, CodeArchive("3" * 64, files), bucket=BUCKET, pipeline=PIPELINE)
    assert done.miss("code", splitting(code, "x")) == ["code: 1 of 2 objects changed (split.py)"]
    train = f"{RUNS}/first/train/"
    before, after = (content_of(s3, TRAINING, fitting(uri, "x", train)) for uri in (code_uri, code))
    assert before.key != after.key
    assert before.components["code"] != after.components["code"]
    assert {**before.components, "code": 0} == {**after.components, "code": 0}


@pytest.mark.usefixtures("done")
def test_a_secret_of_the_environment_is_not_kept(s3: Any, code_uri: str) -> None:
    request = splitting(code_uri, "x")
    another_environment(request)
    assert "secret" not in json.dumps(content_of(s3, PROCESSING, request).components)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s3, uri: put(s3, uri, "other"), "1 of 2 objects changed (train.csv)"),
        (delete, "1 gone (train.csv)"),
        (lambda s3, uri: put(s3, f"{uri}.bak", "x"), "1 new (train.csv.bak)"),
    ],
    ids=["changed", "gone", "extra"],
)
def test_outputs_that_are_not_as_they_were_are_not_reused(
    done: Done, s3: Any, spoil: Callable[[Any, str], None], words: str
) -> None:
    done.record("spoiled")
    uri = f"{RUNS}/first/train/train.csv"
    content = get(s3, uri)
    spoil(s3, uri)
    try:
        assert done.miss("spoiled") == [
            f"output train of split-first is no longer as it was: {words}"
        ]
    finally:
        put(s3, uri, content)
        delete(s3, f"{uri}.bak")
    assert isinstance(done.find("spoiled"), StepRecord)


def test_a_gate_s_decision_beside_the_outputs_is_no_output(done: Done, s3: Any) -> None:
    record = done.record("beside")
    assert [*record.outputs["test"].objects] == ["test.csv"]
    put(s3, f"{RUNS}/first/test/decision.json", '{"a": "newer one"}')
    assert isinstance(done.find("beside"), StepRecord)


def test_what_another_job_wrote_before_is_no_output(done: Done) -> None:
    job = {**done.described, "CreationTime": datetime.now(UTC) + timedelta(hours=1)}
    record = done.record("older", described=job)
    assert {name: output.objects for name, output in record.outputs.items()} == {
        "train": {},
        "test": {},
    }


def test_outputs_that_change_while_they_are_copied_are_not_taken(
    done: Done, s3: Any, code_uri: str
) -> None:
    record = done.record("racing")
    uri = f"{RUNS}/first/train/train.csv"
    content = get(s3, uri)
    put(s3, uri, content.swapcase())
    try:
        with pytest.raises(OutputsChangedError, match=r"train\.csv"):
            reuse_outputs(s3, record, job_type=PROCESSING, request=splitting(code_uri, "racing"))
    finally:
        put(s3, uri, content)


def test_an_interrupted_copy_is_completed_by_the_next(done: Done, s3: Any, code_uri: str) -> None:
    record = done.record("interrupted")
    request = splitting(code_uri, "interrupted")

    class InterruptedCopyError(Exception):
        pass

    copied: list[str] = []

    def stop_at_the_second(params: Mapping[str, Any], **_: Any) -> None:
        if copied:
            raise InterruptedCopyError
        copied.append(params["Key"])

    s3.meta.events.register("provide-client-params.s3.CopyObject", stop_at_the_second)
    try:
        with pytest.raises(InterruptedCopyError):
            reuse_outputs(s3, record, job_type=PROCESSING, request=request)
    finally:
        s3.meta.events.unregister("provide-client-params.s3.CopyObject", stop_at_the_second)
    assert len(list_objects(s3, f"{RUNS}/interrupted/")) == 1
    reuse_outputs(s3, record, job_type=PROCESSING, request=request)
    assert len(list_objects(s3, f"{RUNS}/interrupted/")) == 3
    assert isinstance(done.find("interrupted"), StepRecord)


def test_reuse_in_the_same_place_copies_nothing(done: Done, s3: Any) -> None:
    record = done.record("in-place")
    before = list_objects(s3, f"{RUNS}/first/")
    result = reuse_outputs(s3, record, job_type=PROCESSING, request=done.request)
    assert result["job_name"] == "split-first"
    assert list_objects(s3, f"{RUNS}/first/") == before


def test_objects_in_parts_keep_their_etag(s3: Any) -> None:
    part = random.Random(1).randbytes(5 * 2**20)
    place = {"Bucket": BUCKET, "Key": "parts/from/a.bin"}
    place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
    etags = [
        s3.upload_part(**place, PartNumber=number, Body=body)["ETag"]
        for number, body in enumerate((part, b"end"), start=1)
    ]
    s3.complete_multipart_upload(
        **place,
        MultipartUpload={
            "Parts": [{"PartNumber": i, "ETag": etag} for i, etag in enumerate(etags, start=1)]
        },
    )
    (original,) = list_objects(s3, f"s3://{BUCKET}/parts/from/")
    assert original.etag.endswith("-2")
    objects = {original.name: (original.etag, original.size)}
    copies.copy_objects(s3, f"s3://{BUCKET}/parts/from/", f"s3://{BUCKET}/parts/to/", objects)
    (copy,) = list_objects(s3, f"s3://{BUCKET}/parts/to/")
    assert (copy.etag, copy.size) == (original.etag, original.size)
    assert get(s3, f"s3://{BUCKET}/parts/to/a.bin") == part + b"end"


def test_a_copy_that_fails_leaves_no_parts_behind(s3: Any) -> None:
    put(s3, f"s3://{BUCKET}/half/from/a.bin", b"x" * 100)
    with pytest.raises(s3.exceptions.ClientError):
        copies._copy_in_parts(
            s3,
            {"Bucket": BUCKET, "Key": "half/from/gone.bin"},
            BUCKET,
            "half/to/a.bin",
            etag="0",
            sizes=[100],
        )
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET, Prefix="half/")


def test_parts_that_are_not_known_any_more_are_copied_all_the_same(s3: Any) -> None:
    put(s3, f"s3://{BUCKET}/unknown/from/a.bin", b"x" * 100)
    objects = {"a.bin": ("0" * 32 + "-2", 100)}
    copies.copy_objects(s3, f"s3://{BUCKET}/unknown/from/", f"s3://{BUCKET}/unknown/to/", objects)
    assert get(s3, f"s3://{BUCKET}/unknown/to/a.bin") == b"x" * 100


def test_a_record_is_written_once_and_last(done: Done, s3: Any) -> None:
    done.record("once")
    folder = naming.step_records_uri(BUCKET, PIPELINE, step="once", key=done.content.key)
    before = list_objects(s3, folder)
    assert [item.name for item in before] == ["split-first.json"]
    other = {**done.described, "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:1:other"}
    done.record("once", described=other)
    assert list_objects(s3, folder) == before


def test_of_several_records_one_that_holds_is_taken(done: Done, s3: Any, code_uri: str) -> None:
    done.record("two")
    uri = f"{RUNS}/third/train/train.csv"
    for round_ in ("third", "first"):
        put(s3, uri, "soon to be gone")
        job = {**done.described, "ProcessingJobName": "split-third"}
        done.record("two", described=job, request=splitting(code_uri, "third"))
        if round_ == "first":
            put(s3, uri, "other")
        else:
            put(s3, f"{RUNS}/first/train/extra.csv", "")
        found = done.find("two")
        assert isinstance(found, StepRecord)
        assert found.job_name == f"split-{round_}"
        delete(s3, f"{RUNS}/first/train/extra.csv")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"content": null}'])
def test_a_broken_record_is_a_miss_that_says_so(done: Done, s3: Any, body: bytes) -> None:
    folder = naming.step_records_uri(BUCKET, PIPELINE, step="broken", key=done.content.key)
    put(s3, f"{folder}x.json", body)
    (words,) = done.miss("broken")
    assert words.startswith(f"the record {folder}x.json cannot be read: ")
    delete(s3, f"{folder}x.json")
    put(s3, naming.latest_step_uri(BUCKET, PIPELINE, "broken"), body)
    (words,) = done.miss("broken")
    assert "latest.json cannot be read: " in words


def test_a_record_cannot_name_objects_outside_of_the_runs(done: Done, s3: Any) -> None:
    done.record("forged")
    uri = naming.step_records_uri(BUCKET, PIPELINE, step="forged", key=done.content.key)
    forged = json.loads(get(s3, f"{uri}split-first.json"))
    forged["outputs"]["train"]["uri"] = "s3://somebody-elses/secrets/"
    put(s3, f"{uri}split-first.json", json.dumps(forged))
    assert done.miss("forged") == [
        f"output train of split-first does not lie below s3://{BUCKET}/{PIPELINE}/runs/"
    ]


def test_a_record_of_another_step_is_not_taken(done: Done, s3: Any, code_uri: str) -> None:
    done.record("swapped")
    other = splitting(code_uri, "x", features="engineered")
    key = content_of(s3, PROCESSING, other).key
    body = get(
        s3,
        naming.step_records_uri(BUCKET, PIPELINE, step="swapped", key=done.content.key)
        + "split-first.json",
    )
    put(
        s3,
        naming.step_records_uri(BUCKET, PIPELINE, step="swapped", key=key) + "split-first.json",
        body,
    )
    (words,) = done.miss("swapped", other)
    assert words.endswith("split-first.json is of another step")


def test_a_step_whose_inputs_changed_under_it_leaves_no_record(done: Done) -> None:
    with pytest.raises(InputsChangedError, match="while job split-first used it"):
        done.record("under", key="0" * 64)
    early = {**done.described, "CreationTime": done.described["CreationTime"] - timedelta(hours=1)}
    with pytest.raises(InputsChangedError, match="while job split-first used it"):
        done.record("under", described=early)
    assert done.miss("under") == ["no earlier step"]


def test_only_a_completed_job_is_recorded(done: Done) -> None:
    with pytest.raises(ValueError, match="only a completed one counts"):
        done.record("failed", described={**done.described, "ProcessingJobStatus": "Failed"})


def manifest(request: dict[str, Any]) -> None:
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"


def file_system(request: dict[str, Any]) -> None:
    request["InputDataConfig"][0]["DataSource"] = {"FileSystemDataSource": {}}


def checkpoints(request: dict[str, Any]) -> None:
    request["CheckpointConfig"] = {"S3Uri": "s3://x/y"}


def own_key(request: dict[str, Any]) -> None:
    request["OutputDataConfig"]["KmsKeyId"] = "alias/mine"


def no_uri(request: dict[str, Any]) -> None:
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = "https://x/y"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (manifest, "input train is a ManifestFile"),
        (file_system, "input train does not lie on S3"),
        (checkpoints, "checkpoints"),
        (own_key, "a key of its own"),
        (no_uri, "not of the form s3://"),
    ],
)
def test_a_request_that_hides_what_is_read_is_not_reusable(
    s3: Any, code_uri: str, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    request = fitting(code_uri, "x", f"{RUNS}/first/train/")
    change(request)
    with pytest.raises(NotReusableError, match=words):
        content_of(s3, TRAINING, request)


def test_checkpoints_of_ones_own_and_spare_capacity_make_no_other_result(
    s3: Any, code_uri: str
) -> None:
    plain = fitting(code_uri, "x", f"{RUNS}/first/train/")
    own = f"{plain['OutputDataConfig']['S3OutputPath']}checkpoints/0/"
    spot = {"EnableManagedSpotTraining": True, "CheckpointConfig": {"S3Uri": own}}
    assert content_of(s3, TRAINING, plain | spot).key == content_of(s3, TRAINING, plain).key


def test_inputs_of_many_objects_are_listed_page_by_page_and_compared_in_full(
    s3: Any, code_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_content, "MOST_NAMED_OBJECTS", 4)
    folder = f"s3://{BUCKET}/many/"
    for name in range(5):
        put(s3, f"{folder}{name}.csv", "x")
    pages: list[int] = []

    def two_a_page(params: dict[str, Any], **_: Any) -> None:
        params["MaxKeys"] = 2
        pages.append(1)

    s3.meta.events.register("provide-client-params.s3.ListObjectsV2", two_a_page)
    try:
        request = splitting(code_uri, "x", inputs={"data": folder})
        before = content_of(s3, PROCESSING, request)
        assert len(pages) == 1 + 3
        put(s3, f"{folder}4.csv", "y")
        after = content_of(s3, PROCESSING, request)
    finally:
        s3.meta.events.unregister("provide-client-params.s3.ListObjectsV2", two_a_page)
    assert "code" in before.inputs
    assert "input data" not in before.inputs
    assert after.key != before.key
    assert changes(before, after) == ("input data: 5 → 5 objects, some of them changed",)
    put(s3, f"{folder}4.csv", "x")
    assert content_of(s3, PROCESSING, request).key == before.key


def shuffled(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        dice.shuffle(items)
        return {name: shuffled(inner, dice) for name, inner in items}
    return [shuffled(item, dice) for item in value] if isinstance(value, list) else value


# Without inputs nothing is asked of S3, so that many examples take no time.
def unfed(arguments: list[str], environment: dict[str, str]) -> dict[str, Any]:
    request = splitting("s3://b/code/", "x", arguments=arguments)
    del request["ProcessingInputs"]
    return request | {"Environment": environment}


arguments = st.lists(st.text(max_size=3) | st.sampled_from(["--a", "--b", "--a=1"]), max_size=5)
environments = st.dictionaries(st.sampled_from("ABC"), st.text(max_size=3))
steps = st.tuples(arguments, environments)


@given(first=steps, second=steps, dice=st.randoms(use_true_random=False))
def test_keys_are_equal_exactly_if_the_steps_are_and_every_difference_has_words(
    s3: Any,
    first: tuple[list[str], dict[str, str]],
    second: tuple[list[str], dict[str, str]],
    dice: random.Random,
) -> None:
    contents = [
        content_of(s3, PROCESSING, shuffled(unfed(*step), dice)) for step in (first, second, first)
    ]
    assert contents[0].key == contents[2].key
    assert changes(contents[0], contents[2]) == ()
    assert (contents[0].key == contents[1].key) == (first == second)
    assert bool(changes(contents[0], contents[1])) == (first != second)
