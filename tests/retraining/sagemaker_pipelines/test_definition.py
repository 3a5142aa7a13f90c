"""Reading a definition: what it says, and what is refused of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from retraining.sagemaker_pipelines.definition import Dependency, Parameter, read
from retraining.sagemaker_pipelines.references import DefinitionError
from retraining.sagemaker_pipelines.refusals import INSTEAD, SUPPORTED

from tests.dags.place import ROOT

FAIL = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}
CONDITION = {"Type": "Equals", "LeftValue": 1, "RightValue": {"Get": "Parameters.N"}}


def definition(*steps: dict[str, Any], **members: Any) -> str:
    return json.dumps({"Version": "2020-12-01", "Steps": list(steps or [FAIL]), **members})


def condition(name: str, *, then: Any = (), otherwise: Any = ()) -> dict[str, Any]:
    arguments = {"Conditions": [CONDITION], "IfSteps": list(then), "ElseSteps": list(otherwise)}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def step(name: str = "Train", kind: str = "Training", **members: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "Arguments": {}, **members}


def test_what_the_sdk_writes_is_read_whole() -> None:
    found = read((ROOT / "include" / "pipelines" / "abalone.json").read_bytes(), "abalone")
    assert [item.name for item in found.all_steps()] == [
        "AbaloneProcess", "AbaloneTrain", "AbaloneEval", "AbaloneMSECond", "AbaloneRegisterModel",
        "AbaloneMSEFail",
    ]  # fmt: skip
    assert Parameter("MseThreshold", "Float", 6.0) in found.parameters
    assert Parameter("SnapshotDate", "String") in found.parameters
    evaluate = found.steps[2]
    assert (evaluate.caches, evaluate.cache_expires_after) == (True, timedelta(days=30))
    (file,) = evaluate.property_files
    assert (file.name, file.output, file.path) == (
        "EvaluationReport", "evaluation", "evaluation.json",
    )  # fmt: skip


def test_what_describe_pipeline_answers_is_read_with_its_name() -> None:
    answer = {"PipelineName": "Told", "PipelineDefinition": definition(), "PipelineArn": "arn:…"}
    assert read(json.dumps(answer), "file").name == "Told"


def test_conditions_are_nested() -> None:
    inner = condition("Inner", then=[FAIL])
    found = read(definition(condition("Outer", otherwise=[inner])), "p")
    assert [item.name for item in found.all_steps()] == ["Outer", "Inner", "Stop"]
    (outer,) = found.steps
    assert outer.branch is not None
    assert outer.branch.if_steps == ()
    assert [item.name for item in outer.branch.else_steps] == ["Inner"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("30d", timedelta(days=30)), ("P30d", timedelta(days=30)), ("p30d", timedelta(days=30)),
        ("P4DT12H", timedelta(days=4, hours=12)), ("T12H", timedelta(hours=12)),
        ("PT1H30M", timedelta(hours=1, minutes=30)), ("PT30M", timedelta(minutes=30)),
        ("P2W", timedelta(weeks=2)),
    ],
)  # fmt: skip
def test_a_cache_expires_as_iso_8601_says_and_as_people_write_it(
    text: str, told: timedelta
) -> None:
    wire = step(CacheConfig={"Enabled": True, "ExpireAfter": text})
    (found,) = read(definition(wire), "p").steps
    assert found.cache_expires_after == told


def test_retry_policies_name_their_exceptions_as_text_or_list() -> None:
    policies = [
        {"ExceptionType": "Step.THROTTLING", "IntervalSeconds": 5, "MaxAttempts": 3},
        {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "BackoffRate": 1.5, "ExpireAfterMin": 60},
    ]
    (found,) = read(definition(step(RetryPolicies=policies)), "p").steps
    first, second = found.retry_policies
    assert (first.exceptions, first.interval, first.attempts) == (
        {"Step.THROTTLING"}, timedelta(seconds=5), 3,
    )  # fmt: skip
    assert (second.backoff_rate, second.expires_after) == (1.5, timedelta(hours=1))


def test_a_step_may_wait_for_a_failure() -> None:
    wire = step("Tell", DependsOn=["A", {"Step": "Train", "Trigger": "Failed"}])
    assert read(definition(step(), wire), "p").steps[1].depends_on == (
        Dependency("A"),
        Dependency("Train", "Failed"),
    )


@pytest.mark.parametrize("kind", sorted(INSTEAD))
def test_a_type_that_cannot_be_had_is_refused_with_what_to_do(kind: str) -> None:
    assert kind not in SUPPORTED
    # In a branch, and with members that only such a step has.
    wire = definition(condition("Check", then=[{"Name": "Own", "Type": kind, "SqsQueueUrl": "x"}]))
    with pytest.raises(DefinitionError) as raised:
        read(wire, "p")
    assert str(raised.value).startswith(
        f"pipeline p: step Own: steps of the type {kind} do not run here; {INSTEAD[kind]}"
    )


def test_all_steps_that_cannot_be_had_are_named_at_once() -> None:
    with pytest.raises(DefinitionError, match=r"step A: .*; step B: 'Dance' is no type of step"):
        read(definition(step("A", "EMR"), step("B", "Dance")), "p")


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ("[]", "the definition is a list|is \\[\\], not an object"),
        ("{", "not JSON"),
        ('{"Version": NaN}', "NaN is no number that JSON has"),
        ('{"Version": 1e999}', "1e999 is no number that JSON has"),
        ('{"Version": "2020-12-01", "Version": "2020-12-01"}', "Version is there more than once"),
        (definition(Version="2099-01-01"), "its Version is '2099-01-01'"),
        (definition(Stages=[]), "the definition has Stages, which is unknown"),
        (definition(MlflowConfig={"MlflowResourceArn": "arn"}), "MlflowConfig"),
        (definition(Steps=[]), "it has no steps"),
        (definition(FAIL, FAIL), "steps: Stop is there more than once"),
        (definition(FAIL, condition("C", then=[FAIL])), "steps: Stop is there more than once"),
        (definition(step("a b")), "its Name is 'a b'"),
        (definition(step(Wait=1)), "step Train has Wait, which is unknown"),
        (definition({**FAIL, "RetryPolicies": [{}]}), "step Stop: a step of type Fail has no"),
        (definition({**step(), "Arguments": None}), "step Train: Arguments is None, not an object"),
        (definition(step(DependsOn=[{"Step": "A", "Trigger": "Late"}])), "how it must end"),
        (definition(step(DependsOn=["A", {"Step": "A", "Trigger": "Any"}])), "in two ways at once"),
        (definition(step(CacheConfig={"Enabled": 1})), "CacheConfig.Enabled is 1"),
        (definition(step(CacheConfig={"Enabled": True, "ExpireAfter": "P1M"})), "is 'P1M'; write"),
        (definition(step(CacheConfig={"Enabled": True, "ExpireAfter": "P"})), "is 'P'; write"),
        (definition(step(RetryPolicies=[{"ExceptionType": "Step.BAD"}])), "is 'Step.BAD'; known"),
        (definition(step(RetryPolicies=[{"ExceptionType": "Step.THROTTLING"}])), "either MaxAtt"),
        (definition(step(PropertyFiles=[{}])), "a step of type Training has no PropertyFiles"),
        (definition(Parameters=[{"Name": "N", "Type": "Date"}]), "parameter N: its Type is 'Date'"),
        (definition(Parameters=[{"Name": "N", "Type": "Integer", "DefaultValue": "1"}]),
         "DefaultValue: parameter N is '1', not of type Integer"),
        (definition(Parameters=[{"Name": "N", "Type": "String", "DefaultValue": "c",
                                 "EnumValues": ["a", "b"]}]), "'c', none of a, b"),
        (definition(step(Arguments={"A": [{"Get": "Nowhere.X"}]})),
         r"step Train: Arguments.A\[0\]: 'Nowhere.X' is no reference"),
        (definition(step(Arguments={"A": {"Get": "Execution.TrainingJobName"}})),
         "computed from its request"),
        (definition(step(Arguments={"A": {"Std:Join": {"On": "/"}}})), "a list of Values"),
        (definition(step(Arguments={"A": {"Std:JsonGet": {"Path": "a"}}})), "either a Prop"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused_with_its_place(wire: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as raised:
        read(wire, "p")
    assert str(raised.value).startswith("pipeline p: ")


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ([], "not a list of conditions"),
        ([{"Type": "Equals", "LeftValue": 1}], r"Conditions\[0\] \(Equals\) lacks RightValue"),
        ([{**CONDITION, "Extra": 1}], "has Extra, unknown there"),
        ([{"Type": "Not", "Expression": CONDITION}], "the member is Condition"),
        ([{"Type": "Near", "LeftValue": 1, "RightValue": 2}], "'Near' is no type of condition"),
        ([{"Type": "In", "QueryValue": 1, "Values": []}], "not a list of values"),
        ([{"Type": "Or", "Conditions": []}], "not a list"),
        ([{**CONDITION, "LeftValue": None}], "LeftValue is null, not a number"),
        ([{**CONDITION, "LeftValue": {"a": 1}}], "LeftValue is an object"),
    ],
)
def test_a_malformed_condition_is_refused_with_its_place(wire: Any, message: str) -> None:
    own = condition("Check")
    own["Arguments"]["Conditions"] = wire
    with pytest.raises(DefinitionError, match=message) as raised:
        read(definition(own), "p")
    assert "step Check: Conditions" in str(raised.value)


def test_a_depth_that_no_one_means_is_refused_and_does_not_end_the_parser() -> None:
    wire: Any = CONDITION
    for _ in range(60):
        wire = {"Type": "Not", "Condition": wire}
    own = condition("Check")
    own["Arguments"]["Conditions"] = [wire]
    with pytest.raises(DefinitionError, match="nested deeper than 20"):
        read(definition(own), "p")
    with pytest.raises(DefinitionError, match="not JSON"):
        read("[" * 100_000, "p")
    inner = FAIL
    for number in range(240):
        inner = condition(f"C{number}", then=[inner])
    with pytest.raises(DefinitionError, match="nested too deeply"):
        read(definition(inner), "p")


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("Float", 6, 6.0), ("Float", 0.5, 0.5), ("Integer", 2, 2), ("Integer", 2.0, 2),
        ("String", "a", "a"), ("Boolean", False, False),
    ],
)  # fmt: skip
def test_a_value_is_of_its_parameters_type(kind: str, given: object, value: object) -> None:
    found = Parameter("N", kind).value_of(given)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("Float", True), ("Float", "1"), ("Float", float("nan")), ("Integer", 2.5),
        ("Integer", True), ("Integer", 1e400), ("String", 1), ("Boolean", 1), ("Boolean", None),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(kind: str, given: object) -> None:
    with pytest.raises(ValueError, match="parameter N is"):
        Parameter("N", kind).value_of(given)
