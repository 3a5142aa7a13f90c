"""The tasks of steps, each as Airflow's task runner calls it, on the embedded SageMaker."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from retraining.sagemaker_pipelines.definition import read

from tests.retraining.sagemaker_pipelines.test_compiler import GET, ROLE, condition, model

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
BUCKET = "steps"
DUE = datetime(2026, 11, 20, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def airflow(become_a_task: Any, embedded_sagemaker: Any) -> SimpleNamespace:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task(RETRAINING_BUCKET=BUCKET)
    embedded_sagemaker.client("s3").create_bucket(Bucket=BUCKET)
    from airflow.sdk.exceptions import (  # noqa: PLC0415
        AirflowFailException,
        AirflowSkipException,
        DownstreamTasksSkipped,
        TaskDeferred,
    )
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return SimpleNamespace(
        pipeline_dag=pipeline_dag,
        Fail=AirflowFailException,
        Skip=AirflowSkipException,
        Skipped=DownstreamTasksSkipped,
        Deferred=TaskDeferred,
    )


class TaskInstance(SimpleNamespace):
    """What the task runner hands to a task; results of others are kept in the run."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.run.setdefault((self.task_id, key), value)
        self.run[self.task_id, key] = value

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self.run.get((task_ids, key))

    def get_task_states(self, **_: Any) -> Any:
        return {self.run_id: self.states}


class Run:
    """A run of a definition, whose tasks are called one by one."""

    def __init__(self, airflow: SimpleNamespace, *steps: Any, name: str, **more: Any) -> None:
        self.wire = {"Version": "2020-12-01", "Steps": list(steps), **more.pop("members", {})}
        self.dag = airflow.pipeline_dag(read(json.dumps(self.wire), name), **more)
        self.results: dict[Any, Any] = {}
        self.states: dict[str, str] = {"step": "running"}
        self.run_id = "manual__1"

    def context(self, task_id: str, *, clears: int = 0, **params: Any) -> Any:
        run = SimpleNamespace(
            dag_id=self.dag.dag_id, run_id=self.run_id, run_after=DUE, logical_date=None,
            run_type="manual", start_date=DUE, clear_number=clears,
        )  # fmt: skip
        task = self.dag.get_task(task_id)
        ti = TaskInstance(
            id=f"{id(self)}-{task_id}", dag_id=self.dag.dag_id, run_id=self.run_id,
            task_id=task_id, map_index=-1, try_number=1 + clears, run=self.results,
            max_tries=(task.retries or 0) + clears, states={task_id: "running", **self.states},
        )  # fmt: skip
        defaults = {
            n: self.dag.params[n] for n in self.dag.params if self.dag.params.get_param(n).has_value
        }
        return {"ti": ti, "dag_run": run, "params": defaults | params, "outlet_events": {}}

    def do(self, task_id: str, **more: Any) -> Any:
        """Render a task and execute it, as the task runner does; keep what it returned."""
        context = self.context(task_id, **more)
        task = self.dag.get_task(task_id).prepare_for_execution()
        task.render_template_fields(context)
        result = task.execute(context)
        if result is not None:
            self.results[task_id, "return_value"] = result
        self.task = task
        return result


def processing(name: str, program: str, **members: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "-c", program],
            },
            "ProcessingOutputConfig": {"Outputs": [{
                "OutputName": "report",
                "S3Output": {
                    "S3Uri": {"Std:Join": {"On": "/", "Values": [
                        "s3:/", BUCKET, name, {GET: "Execution.PipelineExecutionId"}]}},
                    "LocalPath": "/opt/ml/processing/output/report",
                    "S3UploadMode": "EndOfJob",
                },
            }]},
            "ProcessingResources": {"ClusterConfig": {
                "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
            "Tags": [{"Key": "team", "Value": "mine"}],
        },
        "PropertyFiles": [
            {"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}
        ],
        **members,
    }  # fmt: skip


def writes(report: str) -> str:
    return f"open('/opt/ml/processing/output/report/report.json', 'w').write({report!r})"


def json_get(step: str, path: str) -> dict[str, Any]:
    return {
        "Std:JsonGet": {"PropertyFile": {GET: f"Steps.{step}.PropertyFiles.Report"}, "Path": path}
    }


def judged_by(name: str, path: str, **arms: Any) -> dict[str, Any]:
    check = condition("Check", **arms)
    check["Arguments"]["Conditions"] = [
        {"Type": "GreaterThan", "LeftValue": json_get(name, path), "RightValue": 0.5}
    ]
    return check


def test_a_job_its_report_and_the_condition_on_it(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    """The condition's decision is written down, and only the branch not taken is skipped."""
    score = processing(
        "Score", writes('{"m": {"score": {"value": 0.75}}, "nan": NaN, "none": null}')
    )
    words = ["no:", json_get("Score", "m.score.value")]
    fail = {"Name": "Stop", "Type": "Fail", "Arguments": {
        "ErrorMessage": {"Std:Join": {"On": " ", "Values": words}}
    }}  # fmt: skip
    good = judged_by("Score", "m.score.value", then=[model("Yes")], otherwise=[fail])
    run = Run(airflow, score, good, name="judged")
    done = run.do("Score")
    sagemaker = embedded_sagemaker.client("sagemaker")
    described = sagemaker.describe_processing_job(ProcessingJobName=done["job_name"])
    tags = sagemaker.list_tags(ResourceArn=described["ProcessingJobArn"])["Tags"]
    assert {"Key": "team", "Value": "mine"} in tags
    assert {"Key": "airflow:task_id", "Value": "Score"} in tags
    # Another attempt finds the job.
    assert run.do("Score") == done

    with pytest.raises(airflow.Skipped) as skipped:
        run.do("Check")
    assert skipped.value.tasks == ["Stop"]
    assert run.results["Check", "return_value"] == {"Outcome": True}
    key = "judged/runs/2026-11-20/manual__1/conditions/Check/evaluation/decision.json"
    record = json.loads(
        embedded_sagemaker.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    )
    assert record["verdict"] == "pass"
    assert record["explanation"] == (
        "m.score.value of Steps.Score.PropertyFiles.Report = 0.75 is > 0.5"
    )
    # A person who marks tasks by hand cannot lead the run into the other branch.
    with pytest.raises(airflow.Skip, match="Check has decided otherwise"):
        run.do("Stop")
    run.results["Check", "return_value"] = {"Outcome": False}
    run.results.pop(("Stop", "return_value"), None)
    other = Run(airflow, score, good, name="judged")
    other.results = run.results
    with pytest.raises(airflow.Fail, match=r"^no: 0\.75$"):
        other.do("Stop")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nan", r"nan of .* is nan, not a finite number"),
        ("none", "none is null"),
        ("absent", "the report has no 'absent'; it has list, nan, none, text"),
        ("text", r"GreaterThan: 'a' \(String\) cannot be compared with 0.5 \(Float\)"),
        ("list", "is a list, not a number"),
    ],
)
def test_what_cannot_be_judged_fails_and_is_written_down(
    airflow: SimpleNamespace, embedded_sagemaker: Any, path: str, message: str
) -> None:
    program = writes('{"nan": NaN, "none": null, "text": "a", "list": [1]}')
    name = f"undecidable-{path}"
    run = Run(
        airflow, processing("Odd", program), judged_by("Odd", path, then=[model("Yes")]), name=name
    )
    run.do("Odd")
    with pytest.raises(airflow.Fail, match=message):
        run.do("Check")
    assert ("Check", "return_value") not in run.results
    key = f"{name}/runs/2026-11-20/manual__1/conditions/Check/evaluation/decision.json"
    record = json.loads(
        embedded_sagemaker.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    )
    assert record["verdict"] == "undecidable"
    # What hangs on it does not begin, though a person marks the condition as a success.
    with pytest.raises(airflow.Fail, match="Check left no result"):
        run.do("Yes")


def test_a_report_that_was_never_written_fails_the_condition(airflow: SimpleNamespace) -> None:
    run = Run(airflow, processing("None", "pass"), judged_by("None", "a"), name="unwritten")
    run.do("None")
    with pytest.raises(airflow.Fail, match=r"there is no file at s3://steps/None/\w+/report.json"):
        run.do("Check")


def test_a_broken_report_fails_the_condition(airflow: SimpleNamespace) -> None:
    run = Run(airflow, processing("Bad", writes("{")), judged_by("Bad", "a"), name="broken")
    run.do("Bad")
    with pytest.raises(airflow.Fail, match=r"report\.json: the report is not JSON"):
        run.do("Check")


def test_a_task_that_was_deferred_goes_on_with_the_same_request(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    """In another process, which has resolved the references anew; and its result is kept."""
    cached = processing("Wait", writes("{}"), CacheConfig={"Enabled": True})
    run = Run(airflow, cached, name="deferred")
    run.dag.get_task("Wait").defer_after = timedelta()
    with pytest.raises(airflow.Deferred) as deferred:
        run.do("Wait")
    _, arguments = deferred.value.trigger.serialize()
    sagemaker = embedded_sagemaker.client("sagemaker")
    for _ in range(120):
        described = sagemaker.describe_processing_job(ProcessingJobName=arguments["job_name"])
        if described["ProcessingJobStatus"] == "Completed":
            break
        time.sleep(0.5)
    again = Run(airflow, cached, name="deferred")
    task, context = again.dag.get_task("Wait").prepare_for_execution(), again.context("Wait")
    task.render_template_fields(context)
    event = {"status": "Completed", **{k: arguments[k] for k in ("job_name", "step_key")}}
    assert task.execute_complete(context, event)["job_name"] == arguments["job_name"]
    later = Run(airflow, cached, name="deferred")
    later.run_id = "manual__2"
    assert later.do("Wait")["job_name"] == arguments["job_name"]


def test_an_output_that_a_later_run_wrote_over_stands_for_nothing(
    airflow: SimpleNamespace,
) -> None:
    """Where outputs go to one place, only the last run's are there."""

    def run(run_id: str, report: str) -> str:
        step = processing("Fixed", writes(report), CacheConfig={"Enabled": True})
        outputs = step["Arguments"]["ProcessingOutputConfig"]["Outputs"]
        outputs[0]["S3Output"]["S3Uri"] = "s3://steps/fixed/place"
        made = Run(airflow, step, name="fixed")
        made.run_id = run_id
        name: str = made.do("Fixed")["job_name"]
        return name

    first, second = run("one", '{"a": 1}'), run("two", '{"a": 2}')
    assert run("three", '{"a": 2}') == second
    assert run("four", '{"a": 1}') not in {first, second}


def test_a_cached_step_takes_the_job_of_an_earlier_run(airflow: SimpleNamespace) -> None:
    """By content, though the outputs of each run go elsewhere; and not once it is too old."""

    def run(name: str, run_id: str, expires: str) -> Any:
        cache = {"Enabled": bool(expires), **({"ExpireAfter": expires} if expires else {})}
        made = Run(airflow, processing("Same", writes("{}"), CacheConfig=cache), name=name)
        made.run_id = run_id
        return made

    first = run("cached", "one", "P1D").do("Same")
    assert run("cached", "two", "P1D").do("Same")["job_name"] == first["job_name"]
    others = [
        run("cached", "three", "").do("Same")["job_name"],
        run("cached", "four", "T0S").do("Same")["job_name"],
        run("cached", "two", "P1D").do("Same", clears=1)["job_name"],
    ]
    assert len({first["job_name"], *others}) == 4


def test_a_result_ages_from_its_jobs_end_however_often_it_was_taken(
    airflow: SimpleNamespace,
) -> None:
    def run(run_id: str, expires: str) -> Any:
        cache = {"Enabled": True, "ExpireAfter": expires}
        made = Run(airflow, processing("Aging", writes("{}"), CacheConfig=cache), name="aging")
        made.run_id = run_id
        return made.do("Aging")["job_name"]

    first = run("one", "T20S")
    ended = time.monotonic()
    # Of a time that no calendar has, too.
    assert run("two", "T20S") == run("three", "99999999D") == first
    time.sleep(max(0.0, 21 - (time.monotonic() - ended)))
    # Another attempt of the first run finds its own job, and makes it no younger.
    assert run("one", "T20S") == first
    assert run("four", "T20S") != first


def test_a_model_is_made_once(airflow: SimpleNamespace, embedded_sagemaker: Any) -> None:
    step = model("Make")
    step["Arguments"]["PrimaryContainer"] |= {"Image": IMAGE, "ModelDataUrl": "s3://steps/m.tar.gz"}
    embedded_sagemaker.client("s3").put_object(Bucket=BUCKET, Key="m.tar.gz", Body=b"")
    run = Run(airflow, step, name="made-once")
    made = run.do("Make")
    assert run.do("Make") == made
    assert run.do("Make", clears=1) == made
    found = embedded_sagemaker.client("sagemaker").list_models(NameContains="made-once")["Models"]
    assert [item["ModelName"] for item in found] == [made["model_name"]]


def test_a_version_is_registered_once_and_carries_its_snapshot(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    register = {"Name": "Register", "Type": "RegisterModel", "Arguments": {
        "ModelPackageGroupName": "registered-once",
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://steps/m.tar.gz"}],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
        },
        "ModelApprovalStatus": {GET: "Parameters.Approval"},
    }}  # fmt: skip
    embedded_sagemaker.client("s3").put_object(Bucket=BUCKET, Key="m.tar.gz", Body=b"")
    parameters = [
        {"Name": "Approval", "Type": "String", "DefaultValue": "PendingManualApproval"},
        {"Name": "Date", "Type": "String"},
    ]
    run = Run(
        airflow, register, name="registered", members={"Parameters": parameters}, snapshot="Date"
    )
    made = run.do("Register")
    assert run.do("Register") == made
    assert (made["group"], made["version"], made["snapshot"]) == (
        "registered-once",
        1,
        "2026-11-20",
    )
    described = embedded_sagemaker.client("sagemaker").describe_model_package(
        ModelPackageName=made["model_package_arn"]
    )
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    other = run.do("Register", Date="2026-11-19")
    assert (other["version"], other["snapshot"]) == (2, "2026-11-19")


def test_what_a_run_is_called_is_the_same_in_every_task_and_attempt(
    airflow: SimpleNamespace,
) -> None:
    names = ("PipelineName", "PipelineExecutionId", "PipelineArn", "PipelineExecutionArn",
             "StartDateTime", "CurrentDateTime")  # fmt: skip
    fail = {"Name": "Say", "Type": "Fail", "Arguments": {"ErrorMessage": {
        "Std:Join": {"On": " ", "Values": [{GET: f"Execution.{name}"} for name in names]}
    }}}  # fmt: skip
    said = set()
    for _ in range(2):
        with pytest.raises(airflow.Fail) as raised:
            Run(airflow, fail, name="Told").do("Say")
        said.add(str(raised.value))
    (told,) = said
    name, identity, arn, execution, *times = told.split()
    assert name == "Told"
    assert len(identity) == 12
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:pipeline/told"
    assert execution == f"{arn}/execution/{identity}"
    assert times == ["2026-11-20T03:00:00Z"] * 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"N": "2"}, "parameter N is '2', not of type Integer"),
        ({}, "parameter N is None, not of type Integer"),
    ],
)
def test_a_parameter_of_another_type_fails_the_step(
    airflow: SimpleNamespace, given: Any, message: str
) -> None:
    parameters = {"Parameters": [{"Name": "N", "Type": "Integer"}]}
    fail = {"Name": "Say", "Type": "Fail", "Arguments": {"ErrorMessage": {GET: "Parameters.N"}}}
    with pytest.raises(airflow.Fail, match=message):
        Run(airflow, fail, name="typed", members=parameters).do("Say", **given)


STATES = [
    ("Failed", "failed", "runs"), ("Failed", "success", "skips"), ("Failed", "skipped", "skips"),
    ("Failed", "upstream_failed", "fails"), ("Any", "failed", "runs"), ("Any", "success", "runs"),
    ("Any", "skipped", "skips"), ("Any", "upstream_failed", "fails"),
    ("Stopped", "failed", "fails"), ("Stopped", "success", "skips"),
]  # fmt: skip


@pytest.mark.parametrize(("trigger", "state", "does"), STATES)
def test_a_step_that_waits_for_a_failure_begins_only_then(
    airflow: SimpleNamespace, trigger: str, state: str, does: str
) -> None:
    tell = {"Name": "Tell", "Type": "Fail", "Arguments": {"ErrorMessage": "it ran"},
            "DependsOn": [{"Step": "Train", "Trigger": trigger}]}  # fmt: skip
    run = Run(airflow, model("Train"), tell, name="triggers")
    run.states = {"Train": state}
    error, message = {
        "runs": (airflow.Fail, "^it ran$"),
        "fails": (airflow.Fail, f"Train is {state}, not {trigger}"),
        "skips": (airflow.Skip, f"Train is {state}, not {trigger}"),
    }[does]
    with pytest.raises(error, match=message):
        run.do("Tell")


def test_a_branch_of_a_condition_that_is_not_executed_is_not_either(
    airflow: SimpleNamespace,
) -> None:
    """Though a step in it would begin whatever the end of another."""
    tell = model("Tell", DependsOn=[{"Step": "Apart", "Trigger": "Any"}])
    check = condition("Outer", then=[condition("Inner", then=[tell])])
    run = Run(airflow, model("Apart"), check, name="untaken")
    run.states = {"Inner": "skipped", "Apart": "success"}
    with pytest.raises(airflow.Skip, match="Inner is not executed"):
        run.do("Tell")


def test_a_date_that_is_none_fails_the_step(airflow: SimpleNamespace) -> None:
    parameters = {"Parameters": [{"Name": "Date", "Type": "String"}]}
    run = Run(airflow, condition("Check"), name="dated", members=parameters, snapshot="Date")
    with pytest.raises(airflow.Fail, match="parameter Date: snapshot '2026-13-01' is not a date"):
        run.do("Check", Date="2026-13-01")


def test_a_stopped_job_is_told_from_a_failed_one(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    work = processing("Long", "import time; time.sleep(60)")
    tell = {"Name": "Tell", "Type": "Fail", "Arguments": {"ErrorMessage": "it ran"},
            "DependsOn": [{"Step": "Long", "Trigger": "Stopped"}]}  # fmt: skip
    run = Run(airflow, work, tell, name="stopped")
    request = json.loads(json.dumps(run.dag.get_task("Long").config))
    request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"] = "s3://steps/stopped/"
    sagemaker = embedded_sagemaker.client("sagemaker")
    arn = sagemaker.create_processing_job(ProcessingJobName="stopped-by-hand", **request)[
        "ProcessingJobArn"
    ]
    sagemaker.stop_processing_job(ProcessingJobName="stopped-by-hand")
    run.results["Long", "job_arn"] = arn
    run.states = {"Long": "failed"}
    for _ in range(120):
        described = sagemaker.describe_processing_job(ProcessingJobName="stopped-by-hand")
        if described["ProcessingJobStatus"] == "Stopped":
            break
        time.sleep(0.5)
    with pytest.raises(airflow.Fail, match=r"^it ran$"):
        run.do("Tell")
