"""A definition as a DAG: its graph, its form, and what is refused when it is parsed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from retraining.sagemaker_pipelines.definition import read
from retraining.sagemaker_pipelines.references import DefinitionError

from tests.dags.place import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PIPELINES = ROOT / "include" / "pipelines"
DEFINITIONS = Path(__file__).with_name("definitions")
ROLE = "arn:aws:iam::123456789012:role/retraining"


@pytest.fixture(scope="module")
def airflow(become_a_task: Any) -> Iterator[SimpleNamespace]:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task()
    from airflow import plugins_manager, settings  # noqa: PLC0415
    from airflow.sdk import Label  # noqa: PLC0415
    from airflow.serialization.serialized_objects import DagSerialization  # noqa: PLC0415
    from retraining.sagemaker_pipelines import compiler  # noqa: PLC0415

    def forget_plugins() -> None:
        plugins_manager._get_plugins.cache_clear()
        plugins_manager.get_priority_weight_strategy_plugins.cache_clear()

    with pytest.MonkeyPatch.context() as patch:
        # Another module of tests may have imported Airflow, which reads this only once.
        patch.setattr(settings, "PLUGINS_FOLDER", str(ROOT / "plugins"))
        forget_plugins()
        yield SimpleNamespace(
            pipeline_dag=compiler.pipeline_dag, serialization=DagSerialization, Label=Label
        )
    forget_plugins()


def training(name: str = "Train", **members: Any) -> dict[str, Any]:
    arguments = {
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/model"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
        "RoleArn": ROLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    return {"Name": name, "Type": "Training", "Arguments": arguments, **members}


def model(name: str, value: object = "x", **members: Any) -> dict[str, Any]:
    arguments = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Environment": {"V": value}}}
    return {"Name": name, "Type": "Model", "Arguments": arguments, **members}


def condition(name: str, then: Any = (), otherwise: Any = (), **members: Any) -> dict[str, Any]:
    conditions = [{"Type": "Equals", "LeftValue": 1, "RightValue": 1}]
    arguments = {"Conditions": conditions, "IfSteps": [*then], "ElseSteps": [*otherwise]}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **members}


def compiled(airflow: SimpleNamespace, *steps: Any, parameters: Any = (), **arguments: Any) -> Any:
    wire = {"Version": "2020-12-01", "Parameters": [*parameters], "Steps": [*steps]}
    return airflow.pipeline_dag(read(json.dumps(wire), "p"), **arguments)


def edges(dag: Any) -> set[tuple[str, str]]:
    return {(task.task_id, below) for task in dag.tasks for below in task.downstream_task_ids}


def test_the_dag_says_which_steps_run_each_time_though_they_ask_for_a_cache(
    airflow: SimpleNamespace,
) -> None:
    cached = {"CacheConfig": {"Enabled": True}}
    transform = {"Name": "Score", "Type": "Transform", "Arguments": {
        "ModelName": "m",
        "TransformInput": {"DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}}},
        "TransformOutput": {"S3OutputPath": "s3://b/out"},
        "TransformResources": {"InstanceCount": 1, "InstanceType": "ml.m5.large"},
    }, **cached}  # fmt: skip
    said = "`CacheConfig` is not used, and they run each time: `Score` (Transform)."
    assert said in compiled(airflow, transform, training(**cached)).doc_md
    assert "CacheConfig" not in compiled(airflow, training(**cached)).doc_md


def test_the_tutorials_pipeline_is_the_graph_that_its_author_knows(
    airflow: SimpleNamespace,
) -> None:
    dag = airflow.pipeline_dag(PIPELINES / "abalone.json", snapshot="SnapshotDate")
    assert dag.dag_id == "abalone"
    assert edges(dag) == {
        ("AbaloneProcess", "AbaloneTrain"), ("AbaloneProcess", "AbaloneEval"),
        ("AbaloneTrain", "AbaloneEval"), ("AbaloneTrain", "AbaloneRegisterModel"),
        ("AbaloneEval", "AbaloneMSECond"), ("AbaloneEval", "AbaloneRegisterModel"),
        ("AbaloneMSECond", "AbaloneRegisterModel"), ("AbaloneMSECond", "AbaloneMSEFail"),
    }  # fmt: skip
    groups = {name: set(group.children) for name, group in dag.task_group_dict.items()}
    assert groups == {
        "AbaloneMSECond__if": {"AbaloneRegisterModel"},
        "AbaloneMSECond__else": {"AbaloneMSEFail"},
    }
    wire = airflow.serialization.to_dict(dag)
    assert wire["dag"]["edge_info"]["AbaloneMSECond"] == {
        "AbaloneRegisterModel": {"label": "if"},
        "AbaloneMSEFail": {"label": "else"},
    }


def test_nested_branches_are_the_edges_of_their_steps_and_no_others(
    airflow: SimpleNamespace,
) -> None:
    dag = airflow.pipeline_dag(DEFINITIONS / "three_deep.json")
    dag.check_cycle()
    assert edges(dag) == {
        ("C1", "Shallow"), ("C1", "C2"), ("C1", "Beside"), ("C2", "Middle"), ("C2", "C3"),
        ("C3", "Deep"), ("C3", "Stop"),
    }  # fmt: skip
    told = airflow.serialization.to_dict(dag)["dag"]["edge_info"]
    labels = {
        (before, after): told[before][after]["label"] for before in told for after in told[before]
    }
    assert labels == {
        ("C1", "Shallow"): "if", ("C1", "C2"): "else", ("C1", "Beside"): "else",
        ("C2", "Middle"): "if", ("C2", "C3"): "else", ("C3", "Deep"): "if", ("C3", "Stop"): "else",
    }  # fmt: skip


def test_each_definition_has_the_edges_of_the_sdks_own_graph(airflow: SimpleNamespace) -> None:
    """Whatever groups its steps stand in; the graph is told by the definition's JSON."""

    def expected(steps: Any, condition: str | None) -> Any:
        for step in steps:
            for name in step.get("DependsOn", []):
                yield name, step["Name"]
            if condition:
                yield condition, step["Name"]
            own = {k: v for k, v in step["Arguments"].items() if not k.endswith("Steps")}
            for name in re.findall(r"Steps\.([A-Za-z0-9_-]+)\.", json.dumps(own)):
                yield name, step["Name"]
            for arm in ("IfSteps", "ElseSteps"):
                yield from expected(step["Arguments"].get(arm, []), step["Name"])

    for file in [*DEFINITIONS.glob("*.json"), *PIPELINES.glob("*.json")]:
        dag = airflow.pipeline_dag(file)
        dag.check_cycle()
        assert edges(dag) == set(expected(json.loads(file.read_text())["Steps"], None)), file


def test_parameters_are_a_form(airflow: SimpleNamespace) -> None:
    dag = airflow.pipeline_dag(PIPELINES / "abalone.json", snapshot="SnapshotDate")
    schemas = {name: dag.params.get_param(name).schema for name in dag.params}
    assert schemas["InstanceType"]["enum"] == ["ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge"]
    assert schemas["MseThreshold"]["type"] == "number"
    assert schemas["InstanceCount"]["type"] == "integer"
    assert dag.params["MseThreshold"] == 6.0
    # Airflow asks for one without a default, and refuses a run that does not give it.
    assert not dag.params.get_param("CodeUri").has_value
    assert dag.params["SnapshotDate"] is None
    for name in dag.params:
        assert f"| `{name}` |" in dag.doc_md


def test_a_schedule_is_refused_where_a_run_would_lack_a_value(airflow: SimpleNamespace) -> None:
    with pytest.raises(DefinitionError, match=r"pipeline abalone: .* a value for CodeUri"):
        airflow.pipeline_dag(PIPELINES / "abalone.json", snapshot="SnapshotDate", schedule="@daily")
    with pytest.raises(DefinitionError, match="a value for SnapshotDate, CodeUri"):
        airflow.pipeline_dag(PIPELINES / "abalone.json", schedule="@daily")


@pytest.mark.parametrize("snapshot", ["Nothing", "InstanceCount"])
def test_a_snapshot_is_a_text_of_the_definition(airflow: SimpleNamespace, snapshot: str) -> None:
    with pytest.raises(DefinitionError, match="is no String parameter"):
        airflow.pipeline_dag(PIPELINES / "abalone.json", snapshot=snapshot)


def test_the_same_definition_is_the_same_dag_and_another_is_another(
    airflow: SimpleNamespace,
) -> None:
    files = [*sorted(DEFINITIONS.glob("*.json")), *sorted(PIPELINES.glob("*.json"))]
    first, second = (
        [airflow.serialization.to_dict(airflow.pipeline_dag(file)) for file in files]
        for _ in range(2)
    )
    assert first == second
    # Also where the steps have the same names and edges.
    assert len({json.dumps(dag["dag"]["tasks"]) for dag in first}) == len(files)
    for wire in first:
        airflow.serialization.from_dict(wire)


def test_a_change_that_airflow_cuts_off_is_another_dag_too(airflow: SimpleNamespace) -> None:
    first, second = (
        airflow.serialization.to_dict(compiled(airflow, model("A", "x" * 10_000 + last)))
        for last in "ab"
    )
    assert first["dag"]["tasks"] == second["dag"]["tasks"]
    assert first != second


def test_names_that_could_collide_do_not(airflow: SimpleNamespace) -> None:
    inner = condition("Check__if", [model("A")])
    dag = compiled(airflow, condition("Check", [inner], [model("Check__else")]))
    assert set(dag.task_ids) == {"Check", "Check__if", "A", "Check__else"}
    assert set(dag.task_group_dict) == {"Check__if_", "Check__else_", "Check__if__if"}
    airflow.serialization.to_dict(dag)


def test_titles_and_words_of_the_author_are_kept(airflow: SimpleNamespace) -> None:
    step = model("A", DisplayName="Make it", Description="Why *so*")
    task = compiled(airflow, step, dag_id="own", tags=["mine"]).get_task("A")
    assert (task.task_display_name, task.doc_md) == ("Make it", "Why *so*")
    assert (task.dag.dag_id, task.dag.tags) == ("own", {"mine"})


def test_a_text_that_looks_like_a_template_is_no_template(airflow: SimpleNamespace) -> None:
    step = training()
    step["Arguments"]["HyperParameters"] = {"x": "{{ ds }}"}
    task = compiled(airflow, step).get_task("Train")
    assert task.template_ext == ()
    assert task.config == step["Arguments"]


def test_a_step_that_waits_for_a_failure_begins_whatever_the_end(
    airflow: SimpleNamespace,
) -> None:
    wait = model("Tell", DependsOn=[{"Step": "Train", "Trigger": "Failed"}])
    dag = compiled(airflow, training(), wait, model("Plain", DependsOn=["Train"]))
    assert dag.get_task("Tell").trigger_rule == "all_done"
    assert dag.get_task("Plain").trigger_rule == "all_success"
    assert airflow.serialization.to_dict(dag)["dag"]["edge_info"] == {
        "Train": {"Tell": {"label": "Failed"}}
    }


def test_an_explicit_dependency_says_how_a_referred_step_must_end(
    airflow: SimpleNamespace,
) -> None:
    refers = model(
        "Tell", {"Get": "Steps.Train.TrainingJobName"},
        DependsOn=[{"Step": "Train", "Trigger": "Any"}],
    )  # fmt: skip
    dag = compiled(airflow, training(), refers)
    assert dag.get_task("Tell").trigger_rule == "all_done"


GET = "Get"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([model("A", {GET: "Parameters.N"})], "step A: Parameters.N: there is no parameter N"),
        ([model("A", {GET: "Steps.B.ModelName"})], "step A: Steps.B.ModelName: there is no step B"),
        ([model("A", {GET: "Steps.A.ModelName"})], "cannot refer to itself"),
        ([model("A", DependsOn=["B"])], "step A: DependsOn names B, which is no step"),
        ([model("A", DependsOn=["B"]), model("B", DependsOn=["A"])], "waits for .*: nothing"),
        ([condition("C", [model("A")], DependsOn=["A"])], "nothing begins"),
        ([training(), model("A", {GET: "Steps.Train.ModelArtifact.S3ModelArtifacts"})],
         "DescribeTrainingJob answers with no 'ModelArtifact' there"),
        ([training(), model("A", {GET: "Steps.Train.ModelArtifacts.S3ModelArtifact"})],
         "no 'S3ModelArtifact' there"),
        ([training(), model("A", {GET: "Steps.Train.TrainingJobName.X"})], "no 'X' there"),
        ([training(), model("A", {GET: "Steps.Train.PropertyFiles.R"})],
         "step Train declares no property file R"),
        ([condition("C"), model("A", {GET: "Steps.C.Result"})], "has the property Outcome only"),
        ([{"Name": "F", "Type": "Fail", "Arguments": {}}, model("A", {GET: "Steps.F.Status"})],
         "of type Fail has no properties"),
        ([{"Name": "R", "Type": "RegisterModel", "Arguments": {}}], "no ModelPackageGroupName"),
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_refused_when_the_dag_is_parsed(
    airflow: SimpleNamespace, steps: list[Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message) as raised:
        compiled(airflow, *steps)
    assert str(raised.value).startswith("pipeline p: ")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Hyperparameters": {}}, "Arguments has Hyperparameters, which the service does not know"),
        ({"InputDataConfig": [{"ChannelName": "a"}]}, r"InputDataConfig\[0\] lacks DataSource"),
        ({"InputDataConfig": [{"ChannelName": "a", "DataSource": {"S3": {}}}]},
         r"Arguments.InputDataConfig\[0\].DataSource has S3, which"),
        ({"InputDataConfig": {"a": 1}}, "Arguments.InputDataConfig is {'a': 1}, not a list"),
        ({"RoleArn": None}, None),
        ({"RoleArn": {"a": 1}}, "Arguments.RoleArn is {'a': 1}, not a string"),
        ({"RoleArn": ["a"]}, "Arguments.RoleArn is .*, not a string"),
        ({"ResourceConfig": {GET: "Parameters.N"}}, "there is no parameter N"),
    ],
)  # fmt: skip
def test_a_request_that_the_service_would_refuse_is_refused_when_the_dag_is_parsed(
    airflow: SimpleNamespace, changed: dict[str, Any], message: str | None
) -> None:
    step = training()
    step["Arguments"] |= changed
    if message is None:
        compiled(airflow, step)
        return
    with pytest.raises(DefinitionError, match=message) as raised:
        compiled(airflow, step)
    assert str(raised.value).startswith("pipeline p: step Train: ")


def test_a_property_file_lies_in_an_output_of_its_step(airflow: SimpleNamespace) -> None:
    process = {
        "Name": "P", "Type": "Processing", "Arguments": {
            "AppSpecification": {"ImageUri": "image"},
            "ProcessingResources": {"ClusterConfig": {
                "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": {
                "S3Uri": "s3://b/o", "LocalPath": "/o", "S3UploadMode": "EndOfJob"}}]},
            "RoleArn": ROLE,
        },
        "PropertyFiles": [{"PropertyFileName": "R", "OutputName": "other", "FilePath": "r.json"}],
    }  # fmt: skip
    get = {"Std:JsonGet": {"PropertyFile": {GET: "Steps.P.PropertyFiles.R"}, "Path": "a"}}
    with pytest.raises(DefinitionError, match="step P has no output other"):
        compiled(airflow, process, model("A", get))
    process["PropertyFiles"][0]["OutputName"] = "out"  # type: ignore[index]
    assert edges(compiled(airflow, process, model("A", get))) == {("P", "A")}


@pytest.mark.parametrize(
    "path",
    [
        "Steps.Train.FinalMetricDataList['val:acc'].Value", "Steps.Train.HyperParameters['a.b']",
        "Steps.Train.ModelArtifacts.S3ModelArtifacts", "Steps.Train.InputDataConfig[0].ChannelName",
    ],
)  # fmt: skip
def test_what_describe_answers_may_be_referred_to(airflow: SimpleNamespace, path: str) -> None:
    assert edges(compiled(airflow, training(), model("A", {GET: path}))) == {("Train", "A")}


def test_a_tuning_step_has_the_training_jobs_too(airflow: SimpleNamespace) -> None:
    config = {"Strategy": "Random", "ResourceLimits": {"MaxParallelTrainingJobs": 1}}
    arguments = {"HyperParameterTuningJobConfig": config}
    tune = {"Name": "Tune", "Type": "Tuning", "Arguments": arguments}
    for path in ("TrainingJobSummaries[0].TrainingJobName", "BestTrainingJob.TrainingJobName"):
        dag = compiled(airflow, tune, model("A", {GET: f"Steps.Tune.{path}"}))
        assert edges(dag) == {("Tune", "A")}


def test_a_relative_path_is_looked_for_above_the_dags_file(airflow: SimpleNamespace) -> None:
    assert airflow.pipeline_dag("include/pipelines/abalone.json").dag_id == "abalone"
    with pytest.raises(FileNotFoundError, match="lies neither beside"):
        airflow.pipeline_dag("include/pipelines/none.json")


def test_the_dags_files_are_stable() -> None:
    from airflow.utils.dag_version_inflation_checker import (  # noqa: PLC0415
        check_dag_file_stability,
    )

    for file in Path(__file__).with_name("dags").glob("*.py"):
        assert not check_dag_file_stability(str(file)).warnings


def test_a_person_is_asked_about_what_is_registered(airflow: SimpleNamespace) -> None:
    path = PIPELINES / "california_housing.json"
    dag = airflow.pipeline_dag(path, snapshot="SnapshotDate", ask_for_approval=True)
    asks, records = "RegisterModel__ask_for_approval", "RegisterModel__record_approval"
    assert {("CheckQuality", "RegisterModel"), ("RegisterModel", asks), (asks, records)} <= edges(
        dag
    )
    assert dag.params["ask_for_approval"] is True
    assert dag.params["approval_hours"] == 24
    # Its approvals start what the group's own approvals start.
    assert dag.get_task(records).outlets == dag.get_task("RegisterModel").outlets
    assert dag.get_task(asks).endpoint_name == "california-housing-from-definition"
    assert dag.tags == {"retraining", "california-housing-from-definition"}
    airflow.serialization.to_dict(dag)
    plain = airflow.pipeline_dag(path, snapshot="SnapshotDate")
    assert asks not in plain.task_ids
    assert "ask_for_approval" not in plain.params


def test_nobody_is_asked_about_nothing_or_under_a_taken_name(airflow: SimpleNamespace) -> None:
    with pytest.raises(DefinitionError, match="and no step registers a model"):
        compiled(airflow, model("M"), ask_for_approval=True)
    register = {"Name": "R", "Type": "RegisterModel", "Arguments": {"ModelPackageGroupName": "g"}}
    taken = {"Name": "approval_hours", "Type": "Integer", "DefaultValue": 1}
    with pytest.raises(DefinitionError, match="a parameter approval_hours of its own"):
        compiled(airflow, register, parameters=[taken], ask_for_approval=True)
