"""Managed spot training, its interruptions, and the checkpoints that make up for them.

The shared server interrupts jobs by their names, as its fixture tells it.
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

# Counts on from its last checkpoint, and would never come to an end in a single go.
COUNTING = """
import pathlib, signal, sys, time
folder = pathlib.Path("{folder}")
found = sorted(folder.glob("step-*"))
begun = int(found[-1].name.partition("-")[2]) if found else 0
print("from", begun, flush=True)
def leave(*_):
    (folder / "told").write_text("SIGTERM")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
if not begun:
    (folder / "step-3").write_text("3")
    time.sleep(300)
pathlib.Path("/opt/ml/model/last").write_text(str(begun))
"""


@pytest.fixture(scope="module")
def make_spot(bench):
    """Makes a request of managed spot training; `kind` says what becomes of the job."""

    def make(script, *, kind="spot", wait=60, **more):
        name = bench.name(f"training-{kind}")
        request = bench.training_request(script, TrainingJobName=name, **more)
        request["EnableManagedSpotTraining"] = True
        request["StoppingCondition"] = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": wait}
        request["CheckpointConfig"] = {"S3Uri": f"s3://{bench.bucket}/{name}/kept"}
        return request

    return make


@pytest.fixture(scope="module", autouse=True)
def started(bench, make_spot) -> dict[str, str]:
    """Jobs that take seconds by their nature, by what becomes of them."""
    forever = "import time; time.sleep(300)"
    late = make_spot(forever, kind="waiting", wait=2)
    late["StoppingCondition"]["MaxRuntimeInSeconds"] = 2
    long = make_spot(forever, kind="interrupted")
    long["StoppingCondition"]["MaxRuntimeInSeconds"] = 2
    return {"no capacity": bench.start(late), "no time": bench.start(long)}


def statuses(job) -> list[str]:
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]


@pytest.mark.parametrize(
    "count", [pytest.param(1, id="one host"), pytest.param(2, id="several hosts")]
)
def test_an_interrupted_job_starts_again_with_its_checkpoints(bench, make_spot, count):
    request = make_spot(COUNTING.format(folder="/opt/ml/checkpoints"), kind="interrupted")
    request["ResourceConfig"]["InstanceCount"] = count
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Completed", job
    assert statuses(job) == [
        "Starting",
        "Downloading",
        "Training",
        "Interrupted",
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    steps = job["SecondaryStatusTransitions"]
    assert all(step["StatusMessage"] for step in steps)
    assert job["TrainingStartTime"] == steps[1]["StartTime"]
    name = job["TrainingJobName"]
    told = [line for line in bench.all_lines(name) if line.startswith("from")]
    assert sorted(told) == ["from 0"] * count + ["from 3"] * count
    kept = {key.rpartition("/")[2] for key in bench.keys(f"{name}/kept/")}
    assert kept == {"step-3", "told"}
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("/model.tar.gz")


def test_a_job_that_ignores_the_warning_is_killed_and_costs_a_part_of_its_time(bench, make_spot):
    script = """
        import pathlib, signal, time
        mark = pathlib.Path("/opt/ml/checkpoints/mark")
        if not mark.exists():
            mark.touch()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(300)
        print("again")
    """
    request = make_spot(script, kind="interrupted")
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Completed"
    assert "Interrupted" in statuses(job)
    for member in set(request) - {"Tags"}:
        assert job[member] == request[member]
    assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
    assert bench.all_lines(job["TrainingJobName"]) == ["again"]


def test_only_spot_is_interrupted(bench, make_spot):
    request = make_spot("import time; time.sleep(0.3)", kind="waiting")
    del request["EnableManagedSpotTraining"]
    del request["StoppingCondition"]["MaxWaitTimeInSeconds"]
    job = bench.run(request)
    assert job["TrainingJobStatus"] == "Completed"
    assert "Interrupted" not in statuses(job)


def test_a_job_that_gets_no_capacity_in_time_ends(bench, started):
    job = bench.finish(started["no capacity"])
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxWaitTimeExceeded"
    assert statuses(job)[-3:] == ["Interrupted", "Stopping", "MaxWaitTimeExceeded"]


def test_a_job_that_waits_for_capacity_can_be_stopped(bench, make_spot, poll):
    name = bench.start(make_spot("import time; time.sleep(300)", kind="waiting"))
    poll(lambda: bench.describe(name)["SecondaryStatus"] == "Interrupted", what="its interruption")
    bench.stop(name)
    job = bench.finish(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"


def test_what_ran_before_an_interruption_counts_to_the_maximum_runtime(bench, started):
    job = bench.finish(started["no time"])
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert statuses(job).count("Training") == 2
    assert job["TrainingTimeInSeconds"] < 10


@pytest.mark.parametrize(
    ("spot", "condition", "told"),
    [
        (True, {"MaxRuntimeInSeconds": 60}, "It must be present and be greater than or equal to"),
        (
            True,
            {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59},
            "Invalid MaxWaitTimeInSeconds. It must be present",
        ),
        (True, {"MaxWaitTimeInSeconds": 86_399}, "greater than or equal to MaxRuntimeInSeconds"),
        (
            False,
            {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
            "It is only supported when EnableManagedSpotTraining is set to true",
        ),
    ],
)
def test_the_waiting_time_belongs_to_spot_and_covers_the_runtime(bench, spot, condition, told):
    request = bench.training_request("", EnableManagedSpotTraining=spot)
    request["StoppingCondition"] = condition
    with pytest.raises(ClientError, match=told) as refused:
        bench.start(request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_there_are_no_warm_pools_for_spot(bench, make_spot):
    request = make_spot("")
    request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 60
    with pytest.raises(ClientError, match="no warm pools for managed spot"):
        bench.start(request)
