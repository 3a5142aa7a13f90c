from __future__ import annotations

import io
import tarfile

import pytest


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {
            entry.name: opened.extractfile(entry).read()
            for entry in opened.getmembers()
            if entry.isfile()
        }


def test_script_mode_runs_the_script_with_aws_own_toolkit(bench):
    request = bench.training_request(
        """
        import os, pathlib, sys
        data = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "in.csv").read_text()
        pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(data)
        pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text("fine")
        print("arguments", sys.argv[1:])
        print("loss: 0.75")
        print("loss: 0.25 and no number: loss: x")
        """,
        toolkit=True,
        channels={"train": bench.put("training-data/in.csv", "1,2")},
        algorithm={
            "MetricDefinitions": [
                {"Name": "loss", "Regex": r"loss: ([0-9.]+)"},
                {"Name": "never", "Regex": "accuracy: (.*)"},
            ]
        },
        HyperParameters={"fit-intercept": '"true"'},
    )
    job = bench.run(request)
    name = request["TrainingJobName"]
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    for member in set(request) - {"Tags"}:
        assert job[member] == request[member]
    artifacts = f"{name}/models/{name}/output"
    assert job["ModelArtifacts"] == {
        "S3ModelArtifacts": f"s3://{bench.bucket}/{artifacts}/model.tar.gz"
    }
    assert members(bench.get(f"{artifacts}/model.tar.gz")) == {"model.txt": b"1,2"}
    assert members(bench.get(f"{artifacts}/output.tar.gz")) == {"report.txt": b"fine"}
    metrics = {entry["MetricName"]: entry["Value"] for entry in job["FinalMetricDataList"]}
    assert metrics == {"loss": 0.25}
    lines = bench.lines(name)
    assert "arguments ['--fit-intercept', 'true']" in lines
    assert any("Reporting training SUCCESS" in line for line in lines)


def test_the_statuses_of_a_job_follow_one_another_without_a_gap(bench):
    job = bench.run(bench.training_request("", channels={"x": bench.put("training-data/x", "x")}))
    steps = job["SecondaryStatusTransitions"]
    assert [step["Status"] for step in steps] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert all(step["StatusMessage"] for step in steps)
    assert [step["EndTime"] for step in steps[:-1]] == [step["StartTime"] for step in steps[1:]]
    assert job["CreationTime"] == steps[0]["StartTime"]
    assert job["TrainingStartTime"] == steps[1]["StartTime"]
    assert job["TrainingEndTime"] == steps[-1]["StartTime"]
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] == 1


def test_a_model_can_be_left_uncompressed(bench):
    request = bench.training_request(
        """
        import os
        os.mkdir("/opt/ml/model/code")
        open("/opt/ml/model/code/a.py", "w").write("a")
        open("/opt/ml/model/b", "w").write("b")
        """
    )
    request["OutputDataConfig"]["CompressionType"] = "NONE"
    job = bench.run(request)
    prefix = f"{job['TrainingJobName']}/models/{job['TrainingJobName']}/output/model"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{bench.bucket}/{prefix}/"
    assert bench.keys(prefix) == [f"{prefix}/b", f"{prefix}/code/a.py"]


def test_the_failure_file_becomes_the_failure_reason(bench):
    job = bench.run(
        bench.training_request(
            """
            import sys
            open("/opt/ml/output/failure", "w").write("column x, row 7: not a number")
            open("/opt/ml/model/half", "w").write("half")
            sys.exit(5)
            """
        )
    )
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: column x, row 7: not a number, exit code: 5"
    assert "ModelArtifacts" not in job
    prefix = f"{job['TrainingJobName']}/models/{job['TrainingJobName']}/output"
    assert bench.keys(prefix) == [f"{prefix}/output.tar.gz"]
    assert members(bench.get(f"{prefix}/output.tar.gz"))["failure"].startswith(b"column x")


def test_a_long_failure_is_cut_and_keeps_the_exit_code(bench):
    job = bench.run(
        bench.training_request(
            "open('/opt/ml/output/failure', 'w').write('x' * 5000); raise SystemExit(1)"
        )
    )
    assert len(job["FailureReason"]) == 1024
    assert job["FailureReason"].endswith("x, exit code: 1")


def test_a_script_that_raises_under_the_toolkit_shows_its_error(bench):
    job = bench.run(bench.training_request("raise ValueError('no such column: x')", toolkit=True))
    assert job["TrainingJobStatus"] == "Failed"
    assert "ExecuteUserScriptError" in job["FailureReason"]
    assert job["FailureReason"].endswith(", exit code: 1")
    assert "ValueError: no such column: x" in bench.lines(job["TrainingJobName"])


def test_a_killed_process_has_the_shells_exit_code(bench):
    job = bench.run(bench.training_request("import os; os.kill(os.getpid(), 9)"))
    assert job["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_a_jobs_processes_see_its_environment_alone(bench):
    job = bench.run(
        bench.training_request(
            "import os; [print(*item, sep='=') for item in os.environ.items()]",
            Environment={"MINE": "/opt/ml/model:/opt/mlflow:s3://b/opt/ml/x:--a=/opt/ml"},
        )
    )
    seen = dict(line.split("=", 1) for line in bench.lines(job["TrainingJobName"]))
    assert set(seen) == {
        "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "HOME", "LANG",
        "LOCAL_SAGEMAKER_JOB", "MINE", "PATH", "PYTHONUNBUFFERED", "S3_ENDPOINT_URL",
        "SAGEMAKER_BASE_DIR", "TMPDIR", "TRAINING_JOB_ARN", "TRAINING_JOB_NAME",
    }  # fmt: skip
    root = seen["SAGEMAKER_BASE_DIR"]
    assert seen["MINE"] == f"{root}/model:/opt/mlflow:s3://b/opt/ml/x:--a={root}"
    assert seen["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert seen["AWS_ENDPOINT_URL"] == bench.server.url


def test_a_job_can_use_s3_through_its_own_environment(bench):
    job = bench.run(
        bench.training_request(
            """
            import boto3
            boto3.client("s3").put_object(Bucket="workbench", Key="from-a-job", Body=b"hello")
            """,
            algorithm={"ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/script.py"]},
        )
    )
    assert job["TrainingJobStatus"] == "Completed", bench.lines(job["TrainingJobName"])
    assert bench.get("from-a-job") == b"hello"


def test_an_input_channel_that_is_empty_fails_the_job_before_training(bench):
    uri = f"s3://{bench.bucket}/empty-prefix"
    job = bench.run(bench.training_request("", channels={"train": uri}))
    assert job["TrainingJobStatus"] == "Failed"
    assert f'No S3 objects found under S3 URL "{uri}"' in job["FailureReason"]
    statuses = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Failed"]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("layout/dir/", ["a.csv", "sub/b.csv"]),
        ("layout/dir", ["a.csv", "dir-other/c.csv", "sub/b.csv"]),
        ("layout/dir/a", ["a.csv"]),
        ("layout/dir/a.csv", ["a.csv"]),
        ("layout/di", ["dir-other/c.csv", "dir/a.csv", "dir/sub/b.csv"]),
    ],
)
def test_a_key_prefix_lays_out_its_objects_as_files(bench, prefix, expected):
    for key in ("dir/a.csv", "dir/sub/b.csv", "dir-other/c.csv", "dir/sub/", "dir/"):
        bench.put(f"layout/{key}", "" if key.endswith("/") else key)
    job = bench.run(
        bench.training_request(
            """
            import pathlib
            root = pathlib.Path("/opt/ml/input/data/train")
            print(*sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()))
            """,
            channels={"train": f"s3://{bench.bucket}/{prefix}"},
        )
    )
    assert bench.lines(job["TrainingJobName"]) == [" ".join(expected)]


@pytest.mark.parametrize(
    "key",
    ["escape-1/in/../../../x", "escape-2/in/../x", "escape-3/in/./x", "escape-4/in/" + "n" * 300],
)
def test_a_key_that_is_no_file_name_fails_the_job(bench, key):
    bench.put(key, "x")
    prefix = key.split("/")[0]
    job = bench.run(
        bench.training_request("", channels={"train": f"s3://{bench.bucket}/{prefix}/in/"})
    )
    assert job["TrainingJobStatus"] == "Failed"
    assert "ClientError: Data download failed" in job["FailureReason"]
    assert f"{prefix}/in/" in job["FailureReason"]


def test_an_absolute_looking_key_stays_in_the_inputs_folder(bench):
    bench.put("absolute/in//etc/passwd", "mine")
    job = bench.run(
        bench.training_request(
            "print(open('/opt/ml/input/data/train/etc/passwd').read())",
            channels={"train": f"s3://{bench.bucket}/absolute/in/"},
        )
    )
    assert bench.lines(job["TrainingJobName"]) == ["mine"]


def test_an_object_and_a_folder_of_one_name_fail_the_job(bench):
    bench.put("clash/in/a", "file")
    bench.put("clash/in/a/b", "below")
    job = bench.run(
        bench.training_request("", channels={"train": f"s3://{bench.bucket}/clash/in/"})
    )
    assert "clash/in/a/b cannot be written" in job["FailureReason"]


def test_a_warm_pool_is_told_and_ends_with_its_period(bench, poll):
    for period in (60, 1):
        request = bench.training_request("")
        request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = period
        job = bench.run(request)
        assert job["ResourceConfig"]["KeepAlivePeriodInSeconds"] == period
        name = job["TrainingJobName"]
        if period == 60:
            assert job["WarmPoolStatus"]["Status"] == "Available"
    poll(
        lambda: (
            bench.describe(name)["WarmPoolStatus"]
            == {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 1}
        ),
        what="the end of the warm pool",
    )


def test_keys_and_networks_are_kept_and_told(bench):
    network = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    training = bench.training_request("", VpcConfig=network)
    training["ResourceConfig"]["VolumeKmsKeyId"] = "key-1"
    training["OutputDataConfig"]["KmsKeyId"] = "key-2"
    processing = bench.processing_request(
        "", outputs=("o",), NetworkConfig={"EnableNetworkIsolation": True, "VpcConfig": network}
    )
    processing["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] = "key-1"
    processing["ProcessingOutputConfig"]["KmsKeyId"] = "key-2"
    for request in (training, processing):
        job = bench.run(request)
        for member in set(request) - {"Tags"}:
            assert job[member] == request[member]
