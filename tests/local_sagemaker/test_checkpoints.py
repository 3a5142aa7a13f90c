from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def test_checkpoints_are_copied_while_the_job_runs_and_deleted_with_their_files(bench, poll):
    """Files of a job that never ends by itself, and one that was there before."""
    target = f"{bench.name('checkpoints')}/kept"
    bench.put(f"{target}/deep/old", "old")
    bench.put(f"{target}-other/not-mine", "x")
    request = bench.training_request(
        """
        import pathlib, time
        folder = pathlib.Path("/opt/ml/mine/here")
        print(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*")))
        (folder / "deep/old").unlink()
        (folder / "new").write_text("1")
        time.sleep(0.7)
        (folder / "new").write_text("22")
        (folder / "late").write_text("late")
        time.sleep(300)
        """,
        CheckpointConfig={
            "S3Uri": f"s3://{bench.bucket}/{target}",
            "LocalPath": "/opt/ml/mine/here/",
        },
    )
    name = bench.start(request)
    poll(
        lambda: (
            bench.keys(f"{target}/") == [f"{target}/late", f"{target}/new"]
            and bench.get(f"{target}/new") == b"22"
        ),
        what="the copies",
    )
    assert bench.status(name) == "InProgress"
    assert bench.lines(name) == ["['deep', 'deep/old']"]
    assert bench.describe(name)["CheckpointConfig"] == request["CheckpointConfig"]
    bench.stop(name)
    bench.finish(name)
    assert bench.keys(f"{target}/") == [f"{target}/late", f"{target}/new"]


def test_the_last_checkpoint_of_a_job_that_fails_is_kept(bench):
    target = f"{bench.name('checkpoints')}/kept"
    script = "open('/opt/ml/checkpoints/last', 'w').write('x'); raise SystemExit(1)"
    request = bench.training_request(
        script, CheckpointConfig={"S3Uri": f"s3://{bench.bucket}/{target}/"}
    )
    assert bench.run(request)["TrainingJobStatus"] == "Failed"
    assert bench.get(f"{target}/last") == b"x"


def test_a_file_whose_name_is_no_text_fails_the_job_after_the_others_were_copied(bench):
    target = f"{bench.name('checkpoints')}/kept"
    script = """
        for name in (b"a-\\xff", b"good"):
            open(b"/opt/ml/checkpoints/" + name, "w").write("x")
    """
    request = bench.training_request(
        script, CheckpointConfig={"S3Uri": f"s3://{bench.bucket}/{target}"}
    )
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Failed to upload to ")
    assert bench.keys(f"{target}/") == [f"{target}/good"]


LINKED = "import os; os.rename({place!r}, '/opt/ml/it'); os.symlink('/opt/ml/it', {place!r})"


@pytest.mark.parametrize(
    ("config", "script", "told"),
    [
        (
            {"S3Uri": "s3://no-such-bucket/kept"},
            "",
            "CheckpointConfig.S3Uri: the bucket no-such-bucket does not exist",
        ),
        (
            {"LocalPath": f"/opt/ml/{'x' * 300}"},
            "",
            "/kept/ cannot be copied to its LocalPath: OSError: [Errno 36] File name too long",
        ),
        ({}, LINKED.format(place="/opt/ml/checkpoints"), "/opt/ml/checkpoints cannot be read"),
        (
            {"LocalPath": "/opt/ml/above/it"},
            LINKED.format(place="/opt/ml/above"),
            "/opt/ml/above/it cannot be read: the job has put a link in its place or above it",
        ),
    ],
)
def test_checkpoints_that_cannot_be_kept_fail_the_job(bench, config, script, told):
    config = {"S3Uri": f"s3://{bench.bucket}/kept", **config}
    job = bench.run(bench.training_request(script, CheckpointConfig=config))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")
    assert told in job["FailureReason"]


@pytest.mark.parametrize(
    "path",
    ["/tmp/x", "relative", "/opt/ml", "/opt/ml/", "/opt/ml/../x", "/opt/ml/a//b", "/opt/ml/./a",
     "/opt/ml/input", "/opt/ml/model/x", "/opt/ml/output"],
)  # fmt: skip
def test_a_place_that_is_not_for_checkpoints_is_refused(bench, path):
    config = {"S3Uri": f"s3://{bench.bucket}/kept", "LocalPath": path}
    with pytest.raises(ClientError, match=r"CheckpointConfig\.LocalPath"):
        bench.start(bench.training_request("", CheckpointConfig=config))
