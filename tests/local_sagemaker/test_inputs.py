"""What a host gets of an input: manifests, shares, and files in FastFile mode."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def sharded(bench):
    """Five objects, and what prints how they were dealt to two hosts."""
    folder = bench.name("sharded")
    for number in range(5):
        bench.put(f"{folder}/data/{number}.csv", str(number))
    bench.put(f"{folder}/one/only.csv", "1")
    return folder


LISTING = "import os; print(*sorted(os.listdir('{place}')))"


@pytest.mark.parametrize(
    ("kind", "place"),
    [("processing", "/opt/ml/processing/input/data"), ("training", "/opt/ml/input/data/data")],
)
@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ("data", {"algo-1": "0.csv 2.csv 4.csv", "algo-2": "1.csv 3.csv"}),
        ("one", {"algo-1": "only.csv"}),
    ],
    ids=["several", "fewer objects than hosts"],
)
def test_sharded_objects_are_dealt_to_the_hosts(bench, sharded, kind, place, objects, expected):
    inputs = {"data": f"s3://{bench.bucket}/{sharded}/{objects}/"}
    script = LISTING.format(place=place)
    if kind == "processing":
        request = bench.processing_request(script, inputs=inputs)
        source = request["ProcessingInputs"][1]["S3Input"]
    else:
        request = bench.training_request(script, channels=inputs)
        source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3DataDistributionType"] = "ShardedByS3Key"
    resources = request.get("ResourceConfig") or request["ProcessingResources"]["ClusterConfig"]
    resources["InstanceCount"] = 2
    job = bench.run(request)
    name = request.get("ProcessingJobName") or request["TrainingJobName"]
    assert bench.status(name) == "Completed", job
    found = {host: " ".join(lines) for host, lines in bench.lines_by_host(name).items()}
    assert found == {"algo-1": "", "algo-2": "", **expected}


def manifest(bench, *entries) -> str:
    return bench.put(f"{bench.name('manifest')}/input.manifest", json.dumps(entries))


@pytest.mark.parametrize("kind", ["processing", "training"])
def test_a_manifest_lists_the_objects_of_an_input(bench, kind):
    folder = bench.name("listed")
    for key in ("in/a.csv", "in/deep/b.csv", "in/not-listed.csv"):
        bench.put(f"{folder}/{key}", key)
    prefix = {"prefix": f"s3://{bench.bucket}/{folder}/in/"}
    inputs = {"data": manifest(bench, prefix, "a.csv", "deep/b.csv")}
    script = """
        import pathlib, sys
        root = pathlib.Path("{}")
        print(*sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()))
    """
    if kind == "processing":
        request = bench.processing_request(
            script.format("/opt/ml/processing/input/data"), inputs=inputs
        )
        request["ProcessingInputs"][1]["S3Input"]["S3DataType"] = "ManifestFile"
    else:
        request = bench.training_request(script.format("/opt/ml/input/data/data"), channels=inputs)
        source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
        source["S3DataType"] = "ManifestFile"
    bench.run(request)
    name = request.get("ProcessingJobName") or request["TrainingJobName"]
    assert bench.lines(name) == ["a.csv deep/b.csv"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no such object"),
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("\xff", "it is not JSON"),
        ('{"prefix": "s3://b/"}', "it is not a list that begins with a prefix"),
        ("[]", "it is not a list that begins with a prefix"),
        ('["s3://b/a"]', "it is not a list that begins with a prefix"),
        ('[{"prefix": "s3://b/"}]', "it lists no objects"),
        ('[{"prefix": "s3://b/"}, 7]', "only keys, as texts, may follow its prefix"),
        ('[{"prefix": "https://b/"}, "a"]', "must be of the form s3://bucket/key"),
        ('[{"prefix": "s3://workbench/"}, "no-such"]', "s3://workbench/no-such does not exist"),
        ('[{"prefix": "s3://no-such/"}, "a"]', "s3://no-such/a does not exist"),
        ('[{"prefix": "s3://workbench/"}, "../a"]', "outside of the input's folder"),
    ],
)
def test_a_manifest_that_cannot_be_used_fails_the_job_by_its_name(bench, content, told):
    key = f"{bench.name('bad')}/input.manifest"
    if content is not None:
        bench.put(key, content.encode("latin-1"))
    uri = f"s3://{bench.bucket}/{key}"
    request = bench.training_request("", channels={"data": uri})
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed: ")
    assert told in job["FailureReason"]
    if "workbench/" not in told and "no-such/" not in told and "outside" not in told:
        assert uri in job["FailureReason"]


@pytest.mark.parametrize("whose", ["algorithm", "channel"])
def test_fast_file_mode_gives_files(bench, whose):
    request = bench.training_request(
        """
        import json
        print(open("/opt/ml/input/data/train/in.csv").read())
        config = json.load(open("/opt/ml/input/config/inputdataconfig.json"))
        print(config["train"]["TrainingInputMode"], config["code"]["TrainingInputMode"])
        """,
        channels={"train": bench.put("fast/in.csv", "1,2")},
    )
    if whose == "algorithm":
        request["AlgorithmSpecification"]["TrainingInputMode"] = "FastFile"
    else:
        request["InputDataConfig"][0]["InputMode"] = "FastFile"
    name = bench.run(request)["TrainingJobName"]
    code = {"algorithm": "FastFile", "channel": "File"}[whose]
    assert bench.lines(name) == ["1,2", f"FastFile {code}"]


def test_fast_file_mode_takes_no_manifest(bench):
    request = bench.training_request("", channels={"train": f"s3://{bench.bucket}/x"})
    channel = request["InputDataConfig"][0]
    channel["InputMode"] = "FastFile"
    channel["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    with pytest.raises(ClientError, match="train: FastFile mode takes an S3Prefix only"):
        bench.start(request)
