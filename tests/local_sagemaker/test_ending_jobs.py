from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

WAIT = "import time; print('up', flush=True); time.sleep(300)"


def marked_processes(arn: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if arn.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def started(bench, poll, request) -> str:
    name = bench.start(request)
    poll(lambda: "up" in bench.lines(name), what=f"the first line of {name}")
    return name


@pytest.fixture(params=["processing", "training"])
def make_request(request, bench):
    return getattr(bench, f"{request.param}_request")


def test_a_stopped_job_passes_stopping_and_ends_stopped(bench, poll, make_request):
    name = started(bench, poll, make_request(WAIT))
    began = time.monotonic()
    bench.stop(name)
    assert bench.status(name) in {"Stopping", "Stopped"}
    job = bench.finish(name)
    assert bench.status(name) == "Stopped"
    assert time.monotonic() - began < 5
    assert "FailureReason" not in job
    arn = job.get("ProcessingJobArn") or job["TrainingJobArn"]
    assert marked_processes(arn) == []
    if "SecondaryStatus" in job:
        assert job["SecondaryStatus"] == "Stopped"
        statuses = [step["Status"] for step in job["SecondaryStatusTransitions"]]
        assert statuses == ["Starting", "Downloading", "Training", "Stopping", "Stopped"]


def test_a_model_that_is_saved_at_the_stop_is_uploaded(bench, poll):
    request = bench.training_request(
        """
        import signal, sys, time
        def save(*_):
            time.sleep(0.2)
            open("/opt/ml/model/saved", "w").write("in time")
            sys.exit(0)
        signal.signal(signal.SIGTERM, save)
        print("up", flush=True)
        time.sleep(300)
        """,
        toolkit=True,
    )
    name = started(bench, poll, request)
    bench.stop(name)
    job = bench.finish(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("/model.tar.gz")


def test_a_job_that_ignores_the_signal_is_killed_after_the_grace(bench, poll, make_request):
    name = started(
        bench,
        poll,
        make_request("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT),
    )
    began = time.monotonic()
    bench.stop(name)
    job = bench.finish(name)
    assert bench.status(name) == "Stopped"
    assert 0.9 < time.monotonic() - began < 6
    assert marked_processes(job.get("ProcessingJobArn") or job["TrainingJobArn"]) == []


DAEMON = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.execve("/bin/sleep", ["daemon-of-a-job", "{seconds}"], {environment})
    os._exit(0)
time.sleep(0.2)
print("up", flush=True)
time.sleep({wait})
"""


def daemons(seconds: int) -> list[str]:
    wanted = b"daemon-of-a-job\0" + str(seconds).encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes().startswith(wanted):
                found.append(entry.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("seconds", "environment"), [(3101, "os.environ"), (3102, "{}")], ids=["marked", "unmarked"]
)
def test_a_daemon_does_not_outlive_a_stopped_job(bench, poll, make_request, seconds, environment):
    script = DAEMON.format(seconds=seconds, environment=environment, wait=300)
    name = started(bench, poll, make_request(script))
    assert daemons(seconds)
    bench.stop(name)
    bench.finish(name)
    assert daemons(seconds) == []


def test_a_daemon_does_not_outlive_a_completed_job(bench, make_request):
    script = DAEMON.format(seconds=3103, environment="os.environ", wait=0)
    bench.run(make_request(script))
    assert daemons(3103) == []


def test_a_training_job_out_of_time_is_stopped_and_keeps_its_model(bench):
    job = bench.run(
        bench.training_request(
            "open('/opt/ml/model/m', 'w').write('m')\n" + WAIT,
            StoppingCondition={"MaxRuntimeInSeconds": 1},
        )
    )
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert job["SecondaryStatusTransitions"][-1]["Status"] == "MaxRuntimeExceeded"
    assert "ModelArtifacts" in job
    assert marked_processes(job["TrainingJobArn"]) == []


def test_a_processing_job_out_of_time_is_stopped(bench):
    job = bench.run(bench.processing_request(WAIT, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert job["ProcessingJobStatus"] == "Stopped"
    assert marked_processes(job["ProcessingJobArn"]) == []


def test_a_job_that_has_ended_cannot_be_stopped(bench, make_request):
    request = make_request("")
    bench.run(request)
    name = request.get("ProcessingJobName") or request["TrainingJobName"]
    with pytest.raises(ClientError, match="is in status Completed") as refused:
        bench.stop(name)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_stopping_twice_is_stopping_once(bench, poll, make_request):
    name = started(bench, poll, make_request(WAIT))
    bench.stop(name)
    if bench.status(name) == "Stopping":
        bench.stop(name)
    bench.finish(name)
    assert bench.status(name) == "Stopped"


@pytest.mark.parametrize("kind", ["processing", "training"])
def test_a_job_that_never_was_is_not_found(bench, kind):
    for act in (bench.describe, bench.stop):
        with pytest.raises(ClientError, match="Requested resource not found") as refused:
            act(f"{kind}-never-was")
        assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_jobs_processes_cannot_see_the_servers_standard_input(bench, make_request):
    request = make_request("import sys; print(repr(sys.stdin.read()))")
    bench.run(request)
    name = request.get("ProcessingJobName") or request["TrainingJobName"]
    assert bench.lines(name) == ["''"]
    assert os.getpid() not in marked_processes(name)
