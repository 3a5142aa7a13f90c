"""State survives a clean end and a SIGKILL; jobs do not, and say so."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

DETACHED = """
import os, time
open(os.environ["SAGEMAKER_BASE_DIR"] + "/checkpoints/step", "w").write("1")
if os.fork() == 0:
    os.setsid()
    time.sleep(3300)
print("up", flush=True)
time.sleep(3300)
"""


def processes_of(arn: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if arn.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("isolation", ["processes", "none"])
def test_everything_but_running_jobs_survives(
    run_embedded_sagemaker, make_workbench, poll, tmp_path, number, isolation
):
    options = ("--isolation", isolation, "--stop-grace", "1")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        bench = make_workbench(server)
        bench.put("kept/object", "content")
        done = bench.run(
            bench.training_request(
                "import os; print('said'); open(os.environ['SAGEMAKER_BASE_DIR'] + '/model/m', 'w')"
            )
        )
        bench.sagemaker.create_model_package_group(
            ModelPackageGroupName="kept", Tags=[{"Key": "a", "Value": "b"}]
        )
        specification = {"Containers": [{"Image": "image", "ModelDataUrl": "s3://a/b"}]}
        package = {
            "ModelPackageGroupName": "kept",
            "InferenceSpecification": specification,
            "ClientToken": "token",
        }
        arn = bench.sagemaker.create_model_package(**package)["ModelPackageArn"]
        described = bench.sagemaker.describe_model_package(ModelPackageName=arn)
        config = {"S3Uri": f"s3://{bench.bucket}/checkpoints"}
        name = bench.start(bench.training_request(DETACHED, CheckpointConfig=config))
        poll(lambda: "up" in bench.lines(name), what="the job's start")
        poll(lambda: bench.keys("checkpoints/"), what="the copy of its checkpoint")
        job_arn = bench.describe(name)["TrainingJobArn"]
        assert processes_of(job_arn)
        server.process.send_signal(number)
        server.process.wait(timeout=30)
    if number is signal.SIGTERM:
        assert processes_of(job_arn) == []

    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        bench.connect(server)
        assert processes_of(job_arn) == []
        assert list((tmp_path / "state" / "jobs").iterdir()) == []
        interrupted = bench.describe(name)
        assert interrupted["TrainingJobStatus"] == interrupted["SecondaryStatus"] == "Failed"
        assert interrupted["FailureReason"].startswith("InternalServerError: ")
        assert "stopped while the job was running" in interrupted["FailureReason"]
        assert interrupted["TrainingEndTime"] >= interrupted["TrainingStartTime"]
        assert bench.lines(name) == ["up"]
        again = bench.describe(done["TrainingJobName"])
        assert without_metadata(again) == without_metadata(done)
        assert bench.lines(done["TrainingJobName"]) == ["said"]
        assert bench.get("kept/object") == b"content"
        assert bench.get("checkpoints/step") == b"1"
        redescribed = bench.sagemaker.describe_model_package(ModelPackageName=arn)
        assert without_metadata(redescribed) == without_metadata(described)
        assert bench.sagemaker.create_model_package(**package)["ModelPackageArn"] == arn
        package["ClientToken"] = "another"
        assert bench.sagemaker.create_model_package(**package)["ModelPackageArn"].endswith("/2")
        group = arn.replace("model-package/", "model-package-group/").removesuffix("/1")
        tags = bench.sagemaker.list_tags(ResourceArn=group)["Tags"]
        assert tags == [{"Key": "a", "Value": "b"}]
        with pytest.raises(bench.sagemaker.exceptions.ResourceInUse):
            bench.start(bench.training_request("", TrainingJobName=name))


def without_metadata(response: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in response.items() if key != "ResponseMetadata"}


def test_one_state_folder_serves_one_server(run_embedded_sagemaker, tmp_path):
    with (
        run_embedded_sagemaker(tmp_path / "state"),
        pytest.raises(AssertionError, match="in use by another server"),
        run_embedded_sagemaker(tmp_path / "state"),
    ):
        pass


def test_a_port_in_use_is_an_error_that_says_so(run_embedded_sagemaker, tmp_path):
    with run_embedded_sagemaker(tmp_path / "state") as server:
        port = server.url.rpartition(":")[2]
        with (
            pytest.raises(
                AssertionError, match=f"port {port} of 127.0.0.1: Address already in use"
            ),
            run_embedded_sagemaker(tmp_path / "other", "--port", port),
        ):
            pass


def test_an_idle_server_ends_with_exit_code_zero_on_sigint(run_embedded_sagemaker, tmp_path):
    with run_embedded_sagemaker(tmp_path / "state") as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=30) == 0


def test_job_folders_can_be_kept_for_a_look_at_them(
    run_embedded_sagemaker, make_workbench, tmp_path
):
    options = ("--keep-job-folders", "--isolation", "none")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        bench = make_workbench(server)
        job = bench.run(bench.processing_request("open('left-behind', 'w').write('x')"))
        name = job["ProcessingJobName"]
    (folder,) = (tmp_path / "state" / "jobs").glob(f"{name}-*")
    assert (folder / "algo-1" / "work" / "left-behind").read_text() == "x"
    assert (folder / "algo-1" / "ml" / "processing" / "input" / "code" / "script.py").exists()
