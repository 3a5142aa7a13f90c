"""The operators and their trigger against the embedded SageMaker."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"

BEGIN = datetime.now(tz=UTC) - timedelta(minutes=1)


@pytest.fixture(scope="module")
def airflow(become_a_task: Any) -> SimpleNamespace:
    """The library's operators in an Airflow of their own, imported after its home is known."""
    become_a_task()
    from airflow.sdk import DAG  # noqa: PLC0415
    from airflow.sdk.exceptions import (  # noqa: PLC0415
        AirflowFailException,
        AirflowSkipException,
        TaskDeferred,
    )
    from retraining.jobs import lifecycle, operators, triggers  # noqa: PLC0415

    return SimpleNamespace(
        Dag=DAG,
        operators=operators,
        job_task=lifecycle,
        triggers=triggers,
        Deferred=TaskDeferred,
        Fail=AirflowFailException,
        Skip=AirflowSkipException,
    )


def operator(
    airflow: SimpleNamespace, program: str, *, optional_inputs: tuple[str, ...] = (), **changes: Any
) -> Any:
    config = {
        "RoleArn": "arn:aws:iam::123456789012:role/retraining",
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "-c", program],
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    return airflow.operators.RetrainingProcessingOperator(
        task_id="step",
        config=config | changes,
        optional_inputs=optional_inputs,
        retries=2,
        deferrable=True,
        defer_after=timedelta(),
    )


def context(
    run_id: str, *, clears: int = 0, attempt: int = 1, state: str | None = "running"
) -> Any:
    """A task's, as Airflow knows it to be in a state; None if it knows it no more."""
    states = {} if state is None else {run_id: {"step": state}}
    run = SimpleNamespace(start_date=BEGIN, clear_number=clears)
    return {
        "ti": SimpleNamespace(
            dag_id="d", task_id="step", run_id=run_id, map_index=-1, try_number=attempt + clears,
            max_tries=2 + clears, xcom_push=lambda *_: None, get_task_states=lambda **_: states,
        ),
        "dag_run": run,
    }  # fmt: skip


def ended(name: str, status: str) -> dict[str, str | None]:
    return {"job_name": name, "status": status, "step_key": None}


def deferred_job(airflow: SimpleNamespace, task: Any, of: Any) -> str:
    with pytest.raises(airflow.Deferred) as raised:
        task.execute(of)
    path, arguments = raised.value.trigger.serialize()
    assert path == "retraining.jobs.triggers.JobEndTrigger"
    wait = datetime.fromisoformat(arguments["deadline"]) - datetime.fromisoformat(
        arguments["created"]
    )
    assert wait == timedelta(seconds=60, hours=1)
    name: str = arguments["job_name"]
    return name


def trigger_for(airflow: SimpleNamespace, name: str, **changes: Any) -> Any:
    now = datetime.now(tz=UTC)
    times = {"created": now - timedelta(minutes=1), "deadline": now + timedelta(minutes=1)}
    return airflow.triggers.JobEndTrigger(
        "Processing",
        name,
        step_key=None,
        aws_conn_id="aws_default",
        region_name=None,
        **{key: time.isoformat() for key, time in (times | changes).items()},
    )


def wait_for_end(airflow: SimpleNamespace, name: str, **changes: Any) -> str:
    async def first() -> Any:
        async for event in trigger_for(airflow, name, **changes).run():
            return event.payload
        return None

    payload = asyncio.run(asyncio.wait_for(first(), 60))
    assert payload["job_name"] == name
    status: str = payload["status"]
    return status


def test_a_retry_adopts_the_running_job_and_a_clear_starts_another(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    program = "import time; time.sleep(30)"
    first = deferred_job(airflow, operator(airflow, program), context("adopt"))
    again = deferred_job(airflow, operator(airflow, program), context("adopt"))
    cleared = deferred_job(airflow, operator(airflow, program), context("adopt", clears=3))
    assert first == again != cleared
    sagemaker = embedded_sagemaker.client("sagemaker")
    described = sagemaker.describe_processing_job(ProcessingJobName=first)
    tags = sagemaker.list_tags(ResourceArn=described["ProcessingJobArn"])["Tags"]
    assert {"Key": "airflow:run_id", "Value": "adopt"} in tags
    for name in (first, cleared):
        asyncio.run(trigger_for(airflow, name).on_kill())
        assert wait_for_end(airflow, name) == "Stopped"


def test_an_optional_input_without_a_uri_is_as_if_it_had_never_been_there(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    """Who asks for the same without that input adopts the job; a wanted one is no such input."""

    def inputs(**uris: str) -> dict[str, Any]:
        return {
            "ProcessingInputs": [
                {
                    "InputName": name,
                    "S3Input": {
                        "S3Uri": uri,
                        "LocalPath": f"/opt/ml/processing/input/{name}",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for name, uri in uris.items()
            ]
        }

    s3, program = embedded_sagemaker.client("s3"), "import time; time.sleep(30)"
    s3.create_bucket(Bucket="optional")
    s3.put_object(Bucket="optional", Key="a/b", Body=b"c")
    uri, of = "s3://optional/a/", context("optional")
    told = [
        (inputs(table=uri), ()),
        (inputs(table=uri, champion=""), ("champion",)),
        (inputs(table=uri, champion=uri), ("champion",)),
        (inputs(table=uri, champion=uri), ()),
    ]
    names = [
        deferred_job(airflow, operator(airflow, program, optional_inputs=optional, **given), of)
        for given, optional in told
    ]
    assert names[0] == names[1] != names[2] == names[3]
    for name, given in ((names[1], told[0][0]), (names[2], told[2][0])):
        described = embedded_sagemaker.client("sagemaker").describe_processing_job(
            ProcessingJobName=name
        )
        assert [
            {key: item[key] for key in ("InputName", "S3Input")}
            for item in described["ProcessingInputs"]
        ] == given["ProcessingInputs"]
        asyncio.run(trigger_for(airflow, name).on_kill())
    with pytest.raises(Exception, match="s3Uri"):
        operator(airflow, program, **inputs(table="", champion=uri)).execute(context("wanted"))


def test_a_completed_job_is_reused_and_its_log_is_the_tasks(
    airflow: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    program = "print('first line'); print('second line')"
    name = deferred_job(airflow, operator(airflow, program), context("reuse"))
    assert wait_for_end(airflow, name) == "Completed"
    result = operator(airflow, program).execute(context("reuse"))
    printed = "".join(capfd.readouterr())
    assert printed.count(f"[{name}] first line") == printed.count(f"[{name}] second line") == 1
    assert printed.index("first line") < printed.index("second line")
    assert result["job_name"] == name
    assert set(result) == {"job_name", "job_arn"}


def test_a_job_that_failed_by_itself_is_not_paid_for_again(
    airflow: SimpleNamespace,
) -> None:
    """As when the worker dies before it can say so: the next attempt says it."""
    program = "import sys; print('row 7 is bad'); sys.exit(3)"
    task = operator(airflow, program)
    name = deferred_job(airflow, task, context("fails"))
    assert wait_for_end(airflow, name) == "Failed"
    with pytest.raises(airflow.Fail, match="AlgorithmError") as raised:
        task.execute_complete(context("fails"), ended(name, "Failed"))
    assert name in str(raised.value)
    assert "  row 7 is bad" in str(raised.value)
    with pytest.raises(airflow.Fail, match=f"{name} ended as Failed"):
        operator(airflow, program).execute(context("fails"))
    assert deferred_job(airflow, operator(airflow, program), context("fails", clears=3)) != name


def test_a_job_stopped_at_its_limit_fails_and_names_the_limit(airflow: SimpleNamespace) -> None:
    task = operator(
        airflow, "import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    begin = time.monotonic()
    with pytest.raises(airflow.Deferred) as raised:
        task.execute(context("limit"))
    name = raised.value.trigger.serialize()[1]["job_name"]
    assert wait_for_end(airflow, name) == "Stopped"
    assert time.monotonic() - begin < 30
    with pytest.raises(airflow.job_task.JobFailedError, match="longer than its limit of 1 s"):
        task.execute_complete(context("limit"), ended(name, "Stopped"))


def test_a_job_is_stopped_when_its_task_runs_out_of_time(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    program = "import time; print('still busy', flush=True); time.sleep(60)"
    task = operator(airflow, program)
    task.execution_timeout = timedelta(minutes=2)
    with pytest.raises(airflow.Deferred) as raised:
        task.execute(context("slow"))
    arguments = raised.value.trigger.serialize()[1]
    waits = datetime.fromisoformat(arguments["deadline"]) - datetime.now(tz=UTC)
    assert timedelta(minutes=1) < waits <= timedelta(minutes=2)
    name = arguments["job_name"]
    assert wait_for_end(airflow, name, deadline=datetime.now(tz=UTC)) == "OutOfTime"
    with pytest.raises(airflow.Fail, match="ran out of time and was stopped") as failure:
        task.execute_complete(context("slow"), ended(name, "OutOfTime"))
    assert "execution_timeout=0:02:00" in str(failure.value)
    assert wait_for_end(airflow, name) == "Stopped"
    described = embedded_sagemaker.client("sagemaker").describe_processing_job(
        ProcessingJobName=name
    )
    assert described["ProcessingJobStatus"] == "Stopped"


def test_a_job_that_ended_just_before_its_time_was_up_has_ended(airflow: SimpleNamespace) -> None:
    task = operator(airflow, "print('done')")
    name = deferred_job(airflow, task, context("just-in-time"))
    assert wait_for_end(airflow, name) == "Completed"
    result = task.execute_complete(context("just-in-time"), ended(name, "OutOfTime"))
    assert result["job_name"] == name


def test_an_end_that_only_a_list_knows_yet_is_waited_for(airflow: SimpleNamespace) -> None:
    task = operator(airflow, "import time; time.sleep(30)")
    name = deferred_job(airflow, task, context("lag"))
    with pytest.raises(airflow.Deferred):
        task.execute_complete(context("lag"), ended(name, "Completed"))
    asyncio.run(trigger_for(airflow, name).on_kill())


def test_a_job_that_is_gone_is_said_to_be_gone(airflow: SimpleNamespace) -> None:
    task = operator(airflow, "pass")
    assert wait_for_end(airflow, "never-created") == "Missing"
    with pytest.raises(airflow.Fail, match="never-created does not exist any more"):
        task.execute_complete(context("gone"), ended("never-created", "Missing"))


def test_stopping_a_job_that_has_ended_is_no_error(airflow: SimpleNamespace) -> None:
    name = deferred_job(airflow, operator(airflow, "pass"), context("ended"))
    assert wait_for_end(airflow, name) == "Completed"
    asyncio.run(trigger_for(airflow, name).on_kill())


def test_a_trigger_is_made_again_from_what_it_serializes(airflow: SimpleNamespace) -> None:
    trigger = trigger_for(airflow, "a-job")
    again = airflow.triggers.JobEndTrigger(**trigger.serialize()[1])
    assert again.serialize() == trigger.serialize()


def test_a_task_that_does_not_defer_waits_itself(airflow: SimpleNamespace) -> None:
    task = operator(airflow, "print('done')")
    task.deferrable = False
    assert set(task.execute(context("sync"))) == {"job_name", "job_arn"}
    failing = operator(airflow, "raise SystemExit(7)")
    failing.deferrable = False
    with pytest.raises(airflow.Fail, match="AlgorithmError"):
        failing.execute(context("sync-failing"))


def test_a_task_need_not_wait(airflow: SimpleNamespace) -> None:
    task = operator(airflow, "import time; time.sleep(30)")
    task.wait_for_completion = False
    name = task.execute(context("fire-and-forget"))["job_name"]
    asyncio.run(trigger_for(airflow, name).on_kill())


def test_a_job_that_ends_soon_is_waited_for_without_a_trigger(airflow: SimpleNamespace) -> None:
    task = operator(airflow, "print('quick')")
    task.defer_after = timedelta(seconds=30)
    begin = time.monotonic()
    assert task.execute(context("soon"))["job_name"].startswith("d-step-")
    assert time.monotonic() - begin < 25


def test_a_longer_job_is_deferred_after_that(airflow: SimpleNamespace) -> None:
    task = operator(airflow, "import time; time.sleep(20)")
    task.defer_after = timedelta(seconds=2)
    begin = time.monotonic()
    deferred_job(airflow, task, context("longer"))
    assert time.monotonic() - begin >= 2


def test_results_that_swallow_errors_are_refused(airflow: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="step: output_files_to_xcom"):
        airflow.operators.RetrainingProcessingOperator(
            task_id="step", config={}, output_files_to_xcom=[{"output_name": "x"}]
        )


def step(airflow: SimpleNamespace, run: str, **changes: Any) -> Any:
    """A step that copies its input, of a run that may reuse the result of another's."""
    task = operator(
        airflow,
        "import shutil; folder = '/opt/ml/processing';"
        " shutil.copytree(f'{folder}/input/a', f'{folder}/b', dirs_exist_ok=True)",
        ProcessingInputs=[
            {
                "InputName": "a",
                "S3Input": {
                    "S3Uri": f"s3://operators/p/runs/2026-11-20/{run}/a/",
                    "LocalPath": "/opt/ml/processing/input/a",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
        ],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "b",
                    "S3Output": {
                        "S3Uri": f"s3://operators/p/runs/2026-11-20/{run}/b/",
                        "LocalPath": "/opt/ml/processing/b",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
    )
    task.deferrable = False
    task.pipeline = "p"
    for name, value in changes.items():
        setattr(task, name, value)
    return task


def in_run(run_id: str, *, clears: int = 0) -> Any:
    return context(run_id, clears=clears)


def test_a_run_may_take_the_result_of_an_equal_step(
    airflow: SimpleNamespace, embedded_sagemaker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket="operators")
    for run, body in {"one": b"same", "two": b"same", "three": b"other", "four": b"same"}.items():
        s3.put_object(Bucket="operators", Key=f"p/runs/2026-11-20/{run}/a/data", Body=body)
    first = step(airflow, "one").execute(in_run("nightly"))
    second = step(airflow, "two", reuse="0").execute(in_run("again"))
    assert "nothing has changed since" in caplog.text
    third = step(airflow, "three", reuse="0").execute(in_run("changed"))
    assert "step must run: input a" in caplog.text
    assert first["job_name"] == second["job_name"] != third["job_name"]
    copied = s3.get_object(Bucket="operators", Key="p/runs/2026-11-20/two/b/data")["Body"].read()
    assert copied == b"same"
    # A person's clear of the step means a new job, and so does a run that may not reuse.
    cleared = step(airflow, "two", reuse="0").execute(in_run("again", clears=1))
    never = step(airflow, "four").execute(in_run("never"))
    assert len({first["job_name"], cleared["job_name"], never["job_name"]}) == 3
    # A clear of the whole run does not: its first task has run again, and counted the clear.
    whole = step(airflow, "one", reuse="1").execute(in_run("nightly", clears=1))
    assert whole["job_name"] in {first["job_name"], cleared["job_name"], never["job_name"]}


def test_a_deferred_step_is_recorded_by_what_comes_back_in_the_event_alone(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    """As in `dag.test()`, which hands nothing else to the method that goes on."""
    s3 = embedded_sagemaker.client("s3")
    for run in ("five", "six"):
        s3.put_object(Bucket="operators", Key=f"p/runs/2026-11-20/{run}/a/data", Body=b"deferred")
    task = step(airflow, "five", deferrable=True)
    with pytest.raises(airflow.Deferred) as raised:
        task.execute(in_run("waits"))
    assert not raised.value.kwargs
    event = event_of(raised.value.trigger)
    done = getattr(task, raised.value.method_name)(in_run("waits"), event)
    again = step(airflow, "six", deferrable=True, reuse="0").execute(in_run("takes"))
    assert again["job_name"] == done["job_name"]
    with pytest.raises(KeyError, match="step_key"):
        task.execute_complete(in_run("waits"), {"job_name": "a", "status": "Completed"})


def event_of(trigger: Any) -> Any:
    async def first() -> Any:
        async for event in trigger.run():
            return event.payload
        return None

    return asyncio.run(asyncio.wait_for(first(), 60))


@pytest.mark.parametrize(
    ("state", "ends"),
    [
        ("failed", True),
        ("success", True),
        ("restarting", True),
        (None, True),
        ("running", False),
        ("up_for_retry", False),
    ],
)
def test_a_worker_that_ends_stops_the_job_only_if_a_person_has_ended_the_task(
    airflow: SimpleNamespace, embedded_sagemaker: Any, state: str | None, *, ends: bool
) -> None:
    of = context(f"killed-{state}")
    task = operator(airflow, "import time; time.sleep(30)")
    task.on_kill()  # There is no job yet.
    name = deferred_job(airflow, task, of)
    of["ti"].get_task_states = context(f"killed-{state}", state=state)["ti"].get_task_states
    task.on_kill()
    described = embedded_sagemaker.client("sagemaker").describe_processing_job(
        ProcessingJobName=name
    )
    assert (described["ProcessingJobStatus"] in {"Stopping", "Stopped"}) is ends
    asyncio.run(trigger_for(airflow, name).on_kill())


def test_a_kill_that_cannot_ask_airflow_leaves_the_job(
    airflow: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    of = context("unreachable")
    task = operator(airflow, "import time; time.sleep(30)")
    name = deferred_job(airflow, task, of)
    of["ti"].get_task_states = lambda **_: {}["no answer"]
    task.on_kill()
    assert f"{name} was not stopped" in "".join(capfd.readouterr())
    asyncio.run(trigger_for(airflow, name).on_kill())


def test_a_task_that_a_person_ended_before_it_is_deferred_stops_its_job(
    airflow: SimpleNamespace,
) -> None:
    task = operator(airflow, "import time; time.sleep(30)")
    with pytest.raises(airflow.Skip, match=r"a person has ended this task; d-step-.* is stopped"):
        task.execute(context("marked", state="failed"))


def test_configs_that_change_between_attempts_are_said(
    airflow: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    def attempt(number: int, stamp: str, run: str = "stamped", clears: int = 0) -> str:
        caplog.clear()
        task = operator(
            airflow, "import time; time.sleep(30)", Environment={"STAMP": stamp, "KEPT": "1"}
        )
        name = deferred_job(airflow, task, context(run, attempt=number, clears=clears))
        names.add(name)
        return name

    names: set[str] = set()
    first = attempt(1, "a")
    assert attempt(2, "a") == first
    assert "another request" not in caplog.text
    assert attempt(3, "b") != first
    assert f"an earlier attempt created {first}, which is InProgress, by another" in caplog.text
    assert 'Environment.STAMP: "a" is now "b". Take out' in caplog.text
    # Neither a person's clear nor another run is an attempt of the same.
    attempt(1, "c", clears=3)
    attempt(2, "d", run="another")
    assert "another request" not in caplog.text
    for name in names:
        asyncio.run(trigger_for(airflow, name).on_kill())


def test_a_job_is_not_paid_for_where_the_step_before_left_nothing(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    with airflow.Dag("steps"):
        first, second = (
            airflow.operators.RetrainingProcessingOperator(task_id=name, config={"RoleArn": "r"})
            for name in ("first", "step")
        )
        first >> second
    of = context("nothing-before")
    of["ti"].id, of["ti"].xcom_pull = "nothing-before", lambda _: None
    before = embedded_sagemaker.client("sagemaker").list_processing_jobs()
    with pytest.raises(airflow.Fail, match=r"first left no result: .* clear it"):
        second.execute(of)
    after = embedded_sagemaker.client("sagemaker").list_processing_jobs()
    assert len(after["ProcessingJobSummaries"]) == len(before["ProcessingJobSummaries"])
