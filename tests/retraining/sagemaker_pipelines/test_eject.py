"""A DAG file made of a definition: it reads well, and is the same DAG as the definition's."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from retraining.sagemaker_pipelines import shapes
from retraining.sagemaker_pipelines.definition import Dependency, read
from retraining.sagemaker_pipelines.eject import ejected
from retraining.sagemaker_pipelines.graph import nodes
from retraining.sagemaker_pipelines.notation import from_templates, to_templates
from retraining.sagemaker_pipelines.python_text import lines, on_one_line
from retraining.sagemaker_pipelines.references import DefinitionError, parsed, resolved
from retraining.sagemaker_pipelines.shared_texts import shared_texts

from tests.dags.place import ROOT
from tests.retraining.sagemaker_pipelines.test_check import MALFORMED
from tests.retraining.sagemaker_pipelines.test_compiler import (
    GET,
    condition,
    edges,
    model,
    training,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
FILES = [*sorted((ROOT / "include/pipelines").glob("*.json")), *sorted(HERE.glob("*/*.json"))]
SNAPSHOTS = {"abalone": "SnapshotDate", "abalone_tuning": "SnapshotDate"}
JOIN, JSON_GET = "Std:Join", "Std:JsonGet"
HOSTILE = [
    "", "{{ ds }}", "{{{", "{{ '{{' }}", "}}", "{% raw %}", "{{ params.Text }}", 'a"""b', "'", '"',
    "\\", "\\n", "a\nb\r\n", "\ttab", "é≥漢字🙂", "\u2028", "\x00\x7f\xa0", "\ud800", "{", "{{",
    "$(rm)", "#", "/tmp/x", "0.0.0.0", "漢" * 99, "x" * 300, "a b/" * 60, "{" * 200, '"' * 150,
]  # fmt: skip


def wire(*steps: Any, parameters: Any = ()) -> str:
    return json.dumps({"Version": "2020-12-01", "Parameters": [*parameters], "Steps": [*steps]})


def join(on: str, *values: Any) -> Any:
    return {JOIN: {"On": on, "Values": [*values]}}


def processing(name: str, *files: str, **members: Any) -> Any:
    output = {"S3Uri": "s3://b/o", "LocalPath": "/o", "S3UploadMode": "EndOfJob"}
    return {
        "Name": name, "Type": "Processing", "Arguments": {
            "AppSpecification": {"ImageUri": "image"},
            "ProcessingResources": {"ClusterConfig": {
                "InstanceCount": {GET: "Parameters.Count"}, "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1}},
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
            "RoleArn": "arn:aws:iam::123456789012:role/r",
        },
        "PropertyFiles": [
            {"PropertyFileName": file, "OutputName": "out", "FilePath": "r.json"} for file in files
        ],
        **members,
    }  # fmt: skip


def comparison(kind: str, left: Any, right: Any) -> Any:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


def json_get(step: str, file: str, path: str) -> Any:
    return {JSON_GET: {"PropertyFile": {GET: f"Steps.{step}.PropertyFiles.{file}"}, "Path": path}}


COUNT = {"Name": "Count", "Type": "Integer", "DefaultValue": 1}
TEXT = {"Name": "Text", "Type": "String", "DefaultValue": "{{ ds }}", "EnumValues": HOSTILE}
ODD = {"Name": 'it\'s {{ "odd" }}', "Type": "Float", "DefaultValue": 6}
FLAG = {"Name": "Flag", "Type": "Boolean", "DefaultValue": False}


def judging(*conditions: Any, **arms: Any) -> Any:
    step = condition("Check", **arms)
    step["Arguments"]["Conditions"] = [*conditions]
    return step


def asking(name: str, **members: Any) -> Any:
    output = {"OutputName": "o", "OutputType": "Float"}
    return {"Name": name, "Type": "Lambda", "FunctionArn": "arn", "Arguments": {},
            "OutputParameters": [output], **members}  # fmt: skip


def each(name: str, *body: Any, items: Any = ("a", 2), selector: Any = None, **members: Any) -> Any:
    told = {
        "IterableItems": items, "MaxConcurrency": 2, "Selector": selector, "ForEachBody": [*body],
    }  # fmt: skip
    return {"Name": name, "Type": "ForEach", "Arguments": told, **members}


# What the definitions beside this file have not.
MADE = {
    "hostile": wire(
        *(model(f"M{number}", text, Description=text) for number, text in enumerate(HOSTILE)),
        model("J", join("{", {GET: "Parameters.Text"}, "{ x", "}", {GET: "Parameters.Text"}, "{{")),
        parameters=[TEXT],
    ),
    "references": wire(
        processing("my-step", "R.x", "it's"),
        model("Join", join("/", "s3:/", {GET: "Parameters.Count"}, True, 1.5, None, "")),
        model("One", join("/", {GET: "Parameters.Count"})),
        model("None", join("/")),
        model("Texts", join("-", "a", "b")),
        model("Nested", join("/", join("-", {GET: "Parameters.Flag"}, 2), "x", join("", "y", "z"))),
        model("Odd", {GET: "Parameters.it's {{ \"odd\" }}"}),
        model("OddToo", join("", "a", {GET: "Parameters.it's {{ \"odd\" }}"})),
        model("Path", {GET: "Steps.my-step.ProcessingOutputConfig.Outputs[0].S3Output.S3Uri"}),
        model("Key", join("", {GET: 'Steps.my-step.Environment["a}} b"]'}, "!")),
        model("File", {GET: "Steps.my-step.PropertyFiles.R.x"}),
        model("Read", join(" ", "is", json_get("my-step", "R.x", "a['b.c'][0]"))),
        model("ReadToo", json_get("my-step", "it's", 'a["b\'c"]')),
        model("ReadUri", {JSON_GET: {"S3Uri": join("/", "s3://b", {GET: "Parameters.Text"}),
                                     "Path": "a"}}),
        model("Id", {GET: "Execution.PipelineExecutionId"}),
        parameters=[COUNT, TEXT, ODD, FLAG],
    ),
    "conditions": wire(
        processing("P", "R"),
        model("A"),
        judging(
            comparison("Equals", {GET: "Steps.A.ModelName"}, "{{ '{{' }}"),
            comparison("GreaterThan", json_get("P", "R", "a['{{ b }}']"), 2.5),
            {"Type": "In", "Value": {GET: "Parameters.it's {{ \"odd\" }}"}, "In": [1, 2.0]},
            {"Type": "Or", "Conditions": [
                {"Type": "Not", "Condition": comparison("LessThan", 1, {GET: "Parameters.Count"})},
                {"Type": "In", "QueryValue": join("/", "a", {GET: "Parameters.Text"}),
                 "Values": ["{{", True]},
                comparison(
                    "LessThanOrEqualTo", {JSON_GET: {"S3Uri": "s3://b/{{k", "Path": "x"}}, 1),
                comparison("GreaterThanOrEqualTo", {GET: "Steps.P.PropertyFiles.R"}, "s3://b"),
            ]},
            then=[model("Yes")],
        ),
        parameters=[COUNT, TEXT, ODD],
    ),
    "triggers": wire(
        training(),
        training("Other", CacheConfig={"Enabled": True, "ExpireAfter": "T12H"}, RetryPolicies=[
            {"ExceptionType": ["Step.THROTTLING"], "IntervalSeconds": 5, "BackoffRate": 1.5,
             "MaxAttempts": 3},
            {"ExceptionType": "SageMaker.CAPACITY_ERROR", "ExpireAfterMin": 60},
        ]),
        model("Failed", DependsOn=[{"Step": "Train", "Trigger": "Failed"}, "Other"]),
        model("Any", {GET: "Steps.Train.TrainingJobName"},
              DependsOn=[{"Step": "Train", "Trigger": "Any"}]),
        condition("Check", [model("Stopped", DependsOn=[
            {"Step": "Other", "Trigger": "Stopped"}, {"Step": "Check", "Trigger": "Any"}])],
            [model("Own", DependsOn=["Check"])]),
    ),
    "names": wire(
        condition("Check", [condition("Check__if", [model("A"), model("a")])],
                  [model("Check__else")]),
        model("class"), model("Filter"), model("dag"), model("steps"), model("1st"), model("_"),
        model("My-Model", DependsOn=["class", "Filter", "dag", "steps", "1st", "_"]),
        model("MyModel", DependsOn=["My-Model"]), model("my_model", DependsOn=["MyModel", "a"]),
        *(model(f"{'Long' * 15}{number}", DependsOn=["my_model"]) for number in range(9)),
        model("Last", DependsOn=[f"{'Long' * 15}{number}" for number in range(9)],
              DisplayName='Make "it"', Description="Why *so*\n\n{{ ds }}"),
    ),
    "lambda": wire(
        {"Name": "L", "Type": "Lambda", "FunctionArn": "arn:aws:lambda:us-east-1:1:function:f",
         "Arguments": {"n": {GET: "Parameters.Count"}, "t": "/tmp/x",
                       "not one": {GET: "x", JOIN: "{{"}, "far": [-0.0, 1e300, 10**30]},
         "OutputParameters": [{"OutputName": "o", "OutputType": "Float"}]},
        {"Name": "R", "Type": "RegisterModel", "Arguments": {
            "ModelPackageGroupName": join("-", "g", {GET: "Steps.L.OutputParameters['o']"})}},
        {"Name": "S", "Type": "RegisterModel", "Arguments": {"ModelPackageGroupName": "g"}},
        {"Name": "C", "Type": "EndpointConfig", "Arguments": {"ProductionVariants": [
            {"VariantName": "v", "ModelName": "m"}]}},
        {"Name": "E", "Type": "Endpoint", "Arguments": {
            "EndpointName": "e", "EndpointConfigName": {GET: "Steps.C.EndpointConfigName"}}},
        parameters=[COUNT],
    ),
    "fans": wire(
        training(),
        each("Fan", asking("Ask", Arguments={
            "item": join("-", {GET: "ForEach.CurrentItem"}, "x"), "ForEachBody": []}),
            training("Inner", DependsOn=["Late", "Ask"]), model("Made", {
                GET: "Steps.Inner.TrainingJobName"}),
            asking("Alone"),
            selector={"Pick": "MinBy", "Field": {GET: "IterationOutput.Ask.OutputParameters['o']"}},
            DependsOn=["Train"], DisplayName="Fan out", RetryPolicies=[]),
        model("Late"),
        model("Fan__items"),
        condition("Check", [model("A"), each("Only", asking("Asked"), items={
            GET: "Parameters.Text"}, DependsOn=["Fan"])],
            [each("Other", model("B", {GET: "ForEach.CurrentItem"})), model("C")]),
        model("After", {GET: "Steps.Fan.Selected.OutputParameters['o']"}),
        model("Then", {GET: "Steps.Fan.IterationOutputs[1].Inner.TrainingJobName"}),
        each("Last", asking("Final"), DependsOn=[
            {"Step": "Fan", "Trigger": "Failed"}, "Fan__items"]),
        parameters=[TEXT],
    ),
}  # fmt: skip
ALL = [
    *((f"{'sdk2_' if file.parent.name == 'sdk2' else ''}{file.stem}", file.read_text("utf-8"))
      for file in FILES),
    *MADE.items(),
]  # fmt: skip


def refused(source: str) -> str | None:
    """Return why a definition cannot be had; None if it can."""
    try:
        nodes(read(source, "p"))
    except DefinitionError as error:
        return str(error)
    return None


SOURCES = [(name, source) for name, source in ALL if not refused(source)]


@pytest.fixture(scope="module")
def airflow(become_a_task: Any) -> SimpleNamespace:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task(RETRAINING_BUCKET="ejected")
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return SimpleNamespace(pipeline_dag=pipeline_dag)


def text_of(name: str, source: str) -> str:
    return ejected(source, name.replace("_", "-"), dag_id=name, snapshot=SNAPSHOTS.get(name))


def dag_of(text: str) -> Any:
    """Execute a DAG file, as Airflow does."""
    names: dict[str, Any] = {"__name__": "ejected", "__doc__": ast.get_docstring(ast.parse(text))}
    exec(compile(text, "ejected.py", "exec"), names)
    return names["dag"]


class Led:
    """A run in which each reference leads to something of its own."""

    def parameter(self, name: str) -> object:
        return {"Count": 3, "Flag": True}.get(name, f"<{name}>")

    def execution(self, name: str) -> object:
        return f"<{name}>"

    def described(self, step: str) -> Any:
        del step

        class Anything(dict[str, Any]):
            def __contains__(self, key: object) -> bool:
                return True

            def __getitem__(self, key: str) -> Any:
                return "found" if key.endswith(("Name", "Uri", "]")) or "}" in key else Anything()

        return Anything()

    def property_file(self, step: str, name: str) -> str:
        return f"s3://{step}/{name}"

    def report(self, uri: str) -> object:
        del uri
        return json.loads('{"a": {"b.c": [7], "b\'c": 8}}')


def requests(value: object) -> Any:
    """Return a request as it is sent, or why it cannot be."""
    try:
        return resolved(parsed(value, ""), Led())
    except Exception as error:
        return type(error), str(error)


def doubled(dag: Any) -> set[tuple[str, str]]:
    """Return the edges at a body's ends that follow from those between its steps."""
    nodes, found = dag.tasks[0].compiled.nodes, edges(dag)
    inside = {(a, b) for a, b in found if all(n in nodes and nodes[n].each for n in (a, b))}
    return {
        *((a, nodes[a].each) for a, _ in inside),
        *((nodes[nodes[b].each].begins, b) for _, b in inside),
    }


def told(dag: Any) -> dict[str, Any]:
    """Return all that Airflow and the tasks know of a DAG, but for how its requests are written."""
    pipeline = dag.tasks[0].compiled
    params = [dag.params.get_param(name) for name in dag.params]
    found: dict[str, Any] = {
        "edges": edges(dag) - doubled(dag),
        "labels": dag.edge_info,
        "groups": {name: set(group.children) for name, group in dag.task_group_dict.items()},
        "titles": {name: group.group_display_name for name, group in dag.task_group_dict.items()},
        "params": [(*dag.params,), [param.dump() for param in params]],
        "arguments": (dag.dag_id, dag.tags, dag.max_active_runs, dag.schedule, dag.catchup),
        "name": pipeline.definition.name,
        "snapshot": pipeline.snapshot,
        "declared": [
            (item.name, item.kind, item.values) for item in pipeline.definition.parameters
        ],
        "order": dag.task_ids,
    }
    for name, node in pipeline.nodes.items():
        step, task = node.step, dag.get_task(name)
        assert task.compiled is pipeline
        own = node.arm and node.arm.condition
        begins = dag.get_task(node.begins)
        assert begins.compiled is pipeline
        found[f"task {name}"] = {
            "operator": (type(task), task.task_display_name, task.doc_md, task.pool),
            "pipeline": getattr(task, "pipeline", None),
            "tries": (task.retries, type(task.retry_policy), vars(task.retry_policy)),
            "rule": (task.trigger_rule, task.outlets, task.max_active_tis_per_dagrun),
            "begins": (type(begins), begins.task_display_name, begins.trigger_rule),
            "each": (node.each, task.get_closest_mapped_task_group() is not None),
            "arm": node.arm,
            "waits": {item for item in node.waits_for if item != Dependency(own or "")},
            "request": requests(step.arguments),
            "conditions": step.branch and step.branch.conditions,
            "step": (step.name, step.kind, step.display_name, step.description, step.caches,
                     step.cache_expires_after, step.retry_policies, step.property_files,
                     step.function, step.outputs),
        }  # fmt: skip
    return found


def test_one_definition_at_most_is_left_out_and_refused_when_it_is_ejected() -> None:
    left = [(name, source) for name, source in ALL if (name, source) not in SOURCES]
    assert {name for name, _ in left} <= {"sdk2_outside"}
    for name, source in left:
        with pytest.raises(DefinitionError) as raised:
            ejected(source, "p", dag_id=name)
        assert str(raised.value) == refused(source)


@pytest.mark.parametrize(("name", "source"), SOURCES, ids=[name for name, _ in SOURCES])
def test_an_ejected_dag_is_the_definitions(
    airflow: SimpleNamespace, name: str, source: str
) -> None:
    definition = read(source, name.replace("_", "-"))
    compiled = airflow.pipeline_dag(definition, snapshot=SNAPSHOTS.get(name), dag_id=name)
    assert told(dag_of(text_of(name, source))) == told(compiled)


def test_the_files_please_the_formatter_the_linter_and_the_type_checker(tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    for name, source in SOURCES:
        (folder / f"{name}.py").write_text(text_of(name, source), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", str(folder)]
    for command in (["check", "--output-format", "concise"], ["format", "--check", "--diff"]):
        ended = subprocess.run(
            [*ruff, *command, *settings], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    files = [
        str(folder / f"{name}.py")
        for name in ("abalone", "conditions", "fans", "names", "triggers")
    ]
    ended = subprocess.run(
        [*mypy, *files],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout


def test_the_table_says_what_is_executed_for_each_item() -> None:
    rows = text_of("fans", MADE["fans"]).split("\n")
    assert "| `Inner` | Training | `Late`, `Ask`, each item of `Fan` |" in rows
    assert "| `Only` | ForEach | `Fan`, `Check`: if |" in rows
    assert "| `Asked` | Lambda | each item of `Only` |" in rows


def test_the_tutorials_file_is_one_that_a_person_reads() -> None:
    text = text_of("abalone", dict(SOURCES)["abalone"])
    assert len(text.split("\n")) < 200
    assert '{"Get"' not in text
    assert JOIN not in text
    for line in (
        "| `AbaloneMSECond` | Condition | `AbaloneEval` |",
        "| `AbaloneMSEFail` | Fail | `AbaloneMSECond`: else |",
        '    "MseThreshold": Param(6.0, type="number", title="MseThreshold"),',
        '        Metric("AbaloneEval", "EvaluationReport", "regression_metrics.mse.value"),',
        '                "InstanceCount": "{{ params.InstanceCount }}", "VolumeSizeInGB": 30,',
        "    abalone_process >> [abalone_train, abalone_eval]",
    ):
        assert line in text.split("\n")


# A busy machine draws slowly.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(HOSTILE)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(UNHURRIED)
@given(JSON)
@example({"long" * 30: "", "longer" * 20: "x" * 90})
def test_python_reads_back_what_was_written(value: object) -> None:
    for text in (on_one_line(value), "\n".join(lines(value)), "\n".join(lines(value, depth=3))):
        assert ast.literal_eval(text.strip()) == value
        text.encode()


REFERENCES = st.recursive(
    st.text(st.sampled_from("a{} '\\\n/"), max_size=8).map(lambda n: {GET: f"Parameters.{n}x"})
    | st.sampled_from(["PipelineName", "PipelineArn"]).map(lambda n: {GET: f"Execution.{n}"})
    | st.text(st.sampled_from("ab}{. "), min_size=1, max_size=6).map(
        lambda key: {GET: f"Steps.S-1.Environment['{key}']"})
    | st.text(st.sampled_from("a'\"{}.[]0)"), max_size=6).map(lambda p: json_get("S", "f,g", p)),
    lambda inner: st.tuples(
        st.text(st.sampled_from("/{ }"), max_size=3),
        st.lists(inner | JSON.filter(lambda v: not isinstance(v, dict | list)), max_size=4),
    ).map(lambda made: join(made[0], *made[1])),
    max_leaves=6,
)  # fmt: skip


URIS = st.sampled_from([*HOSTILE, f"s3://{'b' * 40}/a", f"s3://{'b' * 40}/c/"]) | REFERENCES
MORE = st.dictionaries(
    st.sampled_from(["name", "uri", "path", "AppManaged", "a b", "class", "S3Input"]),
    JSON | URIS, max_size=2,
)  # fmt: skip
SHAPES = st.builds(
    lambda kind, name, uri, path, more: {
        "input": {**more, **shapes.processing_input(name, uri, path)},
        "output": {**more, **shapes.processing_output(name, uri, path)},
        "channel": {**more, **shapes.channel(name, uri)},
    }[kind],
    st.sampled_from(["input", "output", "channel"]), st.sampled_from(["a", "it's", "{{"]),
    URIS,
    st.sampled_from([None, "", "/x", "/opt/ml/processing/input/a"]), MORE,
)  # fmt: skip
REQUESTS = st.recursive(
    JSON | URIS | SHAPES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(UNHURRIED, max_examples=300)
@given(REQUESTS)
@example({**shapes.channel("a", "u"), "class": 1})
@example({**shapes.processing_input("a", "u", "/x"), "path": "/y"})
def test_what_a_file_says_of_a_request_leads_where_its_references_do(value: object) -> None:
    templates = to_templates(value)
    constants = shared_texts([templates, templates])
    text = "\n".join(lines(constants.put_into(shapes.abridged(templates)), before="made = "))
    names = {**vars(shapes), **{name: told for told, name in constants.names.items()}}
    exec(compile(text, "made.py", "exec"), names)
    assert requests(from_templates(json.loads(json.dumps(names["made"])), "")) == requests(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"{{ params.CodeUri }}/scripts/"', '"{{ ds }}"'),
         r"AbaloneProcess.Arguments.ProcessingInputs\[0\].S3Input.S3Uri: {{ ds }} is no template"),
        (('"{{ params.CodeUri }}/scripts/"', '"{{ params.CodeUri"'), "a template is not closed"),
        (('"{{ params.CodeUri }}/scripts/"', '"{{ params.Code }}"'), "there is no parameter Code"),
        (("abalone_process >> [abalone_train, abalone_eval]\n", "pass\n"),
         "step AbaloneTrain refers to AbaloneProcess and does not wait for it"),
        (('"Training", ', '"EMR", '), "steps of the type EMR do not run here; split"),
        (('"Training", ', '"Traning", '), "'Traning' is no type of step"),
        (('"AbaloneTrain", Cache', '"AbaloneProcess", Cache'), "there more than once"),
        (('"RoleArn": ROLE_ARN', '"RolArn": ROLE_ARN'), "has RolArn, which the service does not"),
        (('"RoleArn": ROLE_ARN', '"RoleArn": DAG'), "step AbaloneProcess: Object of type"),
        (("Parameter(", "Metric("), "Metric.. missing"),
        (('(abalone_mse_cond, "if")', '(abalone_mse_cond, "then")'), "has no branch 'then'"),
        (('type="number"', 'type="array"'), "parameter MseThreshold: its type is 'array'"),
        (('snapshot="SnapshotDate"', 'snapshot="Date"'), "is no String parameter"),
        (("CacheConfig", "DependsOn=[], CacheConfig"), "DependsOn is said by >>"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("airflow")
def test_a_slip_of_the_owners_hand_is_told_when_the_file_is_parsed(
    change: tuple[str, str], message: str
) -> None:
    text = text_of("abalone", dict(SOURCES)["abalone"])
    changed = text.replace(*change, 1) if "Train" not in change[0] else text.replace(*change)
    assert changed != text
    with pytest.raises((DefinitionError, TypeError), match=message):
        dag_of(changed)


@pytest.mark.usefixtures("airflow")
def test_other_tasks_may_stand_between_steps() -> None:
    text = text_of("abalone", dict(SOURCES)["abalone"])
    wiring = "    abalone_process >> [abalone_train, abalone_eval]\n"
    changed = text.replace(
        wiring,
        """\
    from airflow.providers.standard.operators.empty import EmptyOperator

    own = EmptyOperator(task_id="own")
    abalone_process >> own >> [abalone_train, abalone_eval]
""",
    )
    assert changed != text
    dag = dag_of(changed)
    assert dag.get_task("AbaloneTrain").upstream_task_ids == {"own"}
    assert dag.get_task("AbaloneTrain").compiled.nodes.keys() == {*dag.task_ids} - {"own"}


@pytest.mark.parametrize(("depth", "is_had"), [(15, True), (30, False)])
def test_what_is_nested_too_deeply_for_python_is_refused(depth: int, is_had: bool) -> None:
    step = model("A")
    for number in range(depth):
        step = condition(f"C{number}", [step])
    if is_had:
        assert text_of("deep", wire(step))
        return
    with pytest.raises(DefinitionError, match="pipeline deep: it is nested too deeply for a file"):
        text_of("deep", wire(step))


def eject(*arguments: object, **environment: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "retraining.sagemaker_pipelines", "eject", *map(str, arguments)],
        env={"PYTHONPATH": str(ROOT / "plugins"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    # Nothing that is half written is left.
    assert not list(tmp_path.glob(".*"))


def test_a_file_is_written_once_and_replaced_only_by_force(place: Path) -> None:
    source, target = ROOT / "include/pipelines/abalone.json", place / "abalone.py"
    ended = eject(source, "-o", target, "--snapshot", "SnapshotDate")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert target.read_text() == text_of("abalone", source.read_text())
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
    target.write_text("mine")
    ended = eject(source, "-o", target)
    assert (ended.returncode, ended.stderr) == (1, f"{target}: it exists; --force replaces it\n")
    assert target.read_text() == "mine"
    assert eject(source, "-o", target, "--force").returncode == 0
    assert target.read_text() == eject(source).stdout


def test_what_cannot_be_had_is_told_in_the_compilers_words_and_nothing_is_written(
    airflow: SimpleNamespace, place: Path
) -> None:
    for name, steps in MALFORMED.items():
        file, target = place / f"{name}.json", place / f"{name}.py"
        file.write_text(json.dumps({"Version": "2020-12-01", "Steps": steps}))
        with pytest.raises(DefinitionError) as raised:
            airflow.pipeline_dag(file)
        ended = eject(file, "-o", target)
        assert (ended.returncode, ended.stderr) == (1, f"{file}: {raised.value}\n")
        assert not target.exists()
    source = ROOT / "include/pipelines/abalone.json"
    ended = eject(source, "--snapshot", "InstanceCount")
    assert "snapshot='InstanceCount' is no String parameter of it" in ended.stderr
    ended = eject(source, "-o", place / "none" / "x.py")
    assert ended.returncode == 1
    assert re.fullmatch(f"{place}/none/.*: No such file or directory\n", ended.stderr)


def test_what_describe_pipeline_answers_is_ejected_under_its_own_name(place: Path) -> None:
    file = place / "answer.json"
    told = {"PipelineName": "Own", "PipelineDefinition": wire(model("A"))}
    file.write_text(json.dumps(told))
    assert 'Steps("Own", PARAMETERS)' in eject(file).stdout
