"""Conditions as SageMaker's own local executor judges them, case by case, in one process.

Where the two differ on purpose, here the step fails and there it goes on: those cases are listed.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from retraining.gate.report import parse
from retraining.sagemaker_pipelines.conditions import judged, parsed_conditions
from retraining.sagemaker_pipelines.references import UnresolvedError

from tests.retraining.sagemaker_pipelines import conformance

FAILS = "fails"
URI = "s3://bucket/report/evaluation.json"
# A report, and each kind of value that an operand can have.
REPORT = (
    '{"integer": 2, "float": 0.5, "whole": 2.0, "text": "good", "numeral": "2", "empty": "",'
    ' "yes": true, "no": false, "null": null, "nan": NaN, "infinity": Infinity, "list": [1, 2],'
    ' "object": {"value": 1}, "big": 12345678901234567890123,'
    ' "nested": {"deep": [{"a.b": 1, "leaf": 3}]}}'
)
PARAMETERS: dict[str, Any] = {"Float": 0.5, "Integer": 2, "String": "good", "Boolean": True}
PROPERTIES = {
    "TrainingJobName": "job-1",
    "ResourceConfig": {"InstanceCount": 2},
    "FinalMetricDataList": [{"MetricName": "val:acc", "Value": 0.5}],
    "EnableNetworkIsolation": True,
}
OPERANDS = {
    **{f"report:{name}": {"report": name} for name in json.loads(REPORT)},
    "report:missing": {"report": "absent"},
    "report:deep": {"report": "nested.deep[0].leaf"},
    "report:no index": {"report": "nested.deep[5].leaf"},
    "report:through a number": {"report": "integer.x"},
    **{f"parameter:{name}": {"parameter": name} for name in PARAMETERS},
    "property:text": {"property": "TrainingJobName"},
    "property:integer": {"property": "ResourceConfig.InstanceCount"},
    "property:boolean": {"property": "EnableNetworkIsolation"},
    "property:missing": {"property": "FailureReason"},
    "execution:name": {"execution": "PipelineName"},
    "join": {"join": ["go", {"parameter": "String"}]},
    "literal:2": {"literal": 2},
    "literal:0.5": {"literal": 0.5},
    "literal:good": {"literal": "good"},
    "literal:true": {"literal": True},
}
COMPARISONS = (
    "Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo",
)  # fmt: skip
RIGHTS = ("literal:2", "literal:0.5", "literal:good", "literal:true", "parameter:Float")
# Here the step fails, where the executor goes on: no finite number, a truth value that is taken
# for 0 or 1, a value with no order, and what is no single value at all.
STRICTER = {"report:nan", "report:infinity", "report:list", "report:object"}


@pytest.fixture(scope="module")
def sdk() -> SimpleNamespace:
    """The SDK's conditions and its evaluator; importing them takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "unused",
            "AWS_SECRET_ACCESS_KEY": "unused",
        }.items():
            patch.setenv(name, value)
        from sagemaker.core.workflow import conditions, functions, parameters  # noqa: PLC0415
        from sagemaker.core.workflow.execution_variables import ExecutionVariables  # noqa: PLC0415
        from sagemaker.core.workflow.properties import Properties  # noqa: PLC0415
        from sagemaker.mlops.local import pipeline  # noqa: PLC0415
        from sagemaker.mlops.local.exceptions import StepExecutionException  # noqa: PLC0415
        from sagemaker.mlops.workflow.condition_step import ConditionStep  # noqa: PLC0415
    return SimpleNamespace(
        conditions=conditions,
        functions=functions,
        parameters=parameters,
        variables=ExecutionVariables,
        Properties=Properties,
        pipeline=pipeline,
        Failure=StepExecutionException,
        ConditionStep=ConditionStep,
    )


def operand(sdk: SimpleNamespace, name: str | dict[str, Any]) -> Any:
    """Return an operand as an author of the SDK writes it."""
    told = OPERANDS[name] if isinstance(name, str) else name
    ((kind, value),) = told.items()
    match kind:
        case "report":
            return sdk.functions.JsonGet(
                step_name="Evaluate", property_file="Report", json_path=value
            )
        case "parameter":
            kinds = {"Float": "ParameterFloat", "Integer": "ParameterInteger"}
            kinds |= {"String": "ParameterString", "Boolean": "ParameterBoolean"}
            return getattr(sdk.parameters, kinds[value])(name=value)
        case "property":
            return sdk.Properties(step_name="Train", path=value)
        case "execution":
            return sdk.variables.PIPELINE_NAME
        case "join":
            return sdk.functions.Join(on="-", values=[
                item if isinstance(item, str) else operand(sdk, item) for item in value
            ])  # fmt: skip
    return value


def by_the_sdk(sdk: SimpleNamespace, conditions: list[Any]) -> bool | str:
    """Judge conditions by SageMaker's local executor, its calls of AWS replaced."""

    def fail(step: str, message: str) -> None:
        raise sdk.Failure(step, message)

    properties = {
        "Train": SimpleNamespace(properties=PROPERTIES),
        "Evaluate": SimpleNamespace(properties={
            "ProcessingOutputConfig": {
                "Outputs": {"evaluation": {"S3Output": {"S3Uri": "s3://bucket/report"}}}
            }
        }),
    }  # fmt: skip
    executor = object.__new__(sdk.pipeline.LocalPipelineExecutor)
    executor.execution = SimpleNamespace(
        pipeline=SimpleNamespace(name="pipeline"),
        pipeline_parameters=PARAMETERS,
        step_execution=properties,
        update_step_failure=fail,
    )
    file = SimpleNamespace(name="Report", output_name="evaluation", path="evaluation.json")
    executor.pipeline_dag = SimpleNamespace(
        step_map={"Evaluate": SimpleNamespace(property_files=[file])},
        get_steps_in_sub_dag=lambda _: set(),
    )
    executor.sagemaker_session = SimpleNamespace(read_s3_file=lambda *_: REPORT)
    executor._blocked_steps = set()
    step = sdk.ConditionStep(name="Check", conditions=conditions)
    try:
        outcome: bool = sdk.pipeline._ConditionStepExecutor(executor, step).execute()["Outcome"]
    except sdk.Failure:
        return FAILS
    return outcome


@dataclass
class Run:
    """The same run for the conditions of the library."""

    asked: list[str] = field(default_factory=list)

    def parameter(self, name: str) -> object:
        return PARAMETERS[name]

    def execution(self, name: str) -> object:
        assert name == "PipelineName"
        return "pipeline"

    def described(self, step: str) -> Any:
        assert step == "Train"
        return PROPERTIES

    def property_file(self, step: str, name: str) -> str:
        assert (step, name) == ("Evaluate", "Report")
        return URI

    def report(self, uri: str) -> object:
        assert uri == URI
        self.asked.append(uri)
        return parse(REPORT.encode())


def by_the_library(conditions: list[Any]) -> bool | str:
    """Judge the wire form of conditions by the library."""
    wire = json.loads(
        json.dumps([condition.to_request() for condition in conditions], default=_expr)
    )
    try:
        judgements = judged(parsed_conditions(wire, "Conditions"), Run())
    except UnresolvedError:
        return FAILS
    return all(judgement.holds for judgement in judgements)


def _expr(value: Any) -> Any:
    return value.expr


def kind_of(name: str) -> str:
    ((kind, value),) = OPERANDS[name].items()
    told: Any = {
        "report": lambda: json.loads(REPORT).get(value, 0),
        "parameter": lambda: PARAMETERS[value],
        "property": lambda: True if value.startswith("Enable") else "" if "Name" in value else 0,
        "literal": lambda: value,
    }.get(kind, str)()
    return type(told).__name__


def is_stricter(left: str, right: str, comparison: str) -> bool:
    """Say whether the step fails here, where the executor goes on."""
    kinds = {kind_of(left), kind_of(right)}
    return bool(STRICTER & {left, right}) or (
        "bool" in kinds and (len(kinds) > 1 or comparison != "Equals")
    )


@pytest.fixture(scope="module")
def compared(sdk: SimpleNamespace) -> dict[tuple[str, str, str], tuple[Any, Any]]:
    """What the executor and the library say of each comparison of two operands."""
    found = {}
    for comparison, left, right in itertools.product(COMPARISONS, OPERANDS, RIGHTS):
        condition = getattr(sdk.conditions, f"Condition{comparison}")(
            left=operand(sdk, left), right=operand(sdk, right)
        )
        found[left, comparison, right] = by_the_sdk(sdk, [condition]), by_the_library([condition])
    return found


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("right", RIGHTS)
def test_a_comparison_says_what_the_executor_says(
    compared: dict[tuple[str, str, str], tuple[Any, Any]], comparison: str, right: str
) -> None:
    differ, said = {}, set()
    for left in OPERANDS:
        there, here = compared[left, comparison, right]
        said.add(here)
        if here != there and not (here == FAILS and is_stricter(left, right, comparison)):
            differ[left] = there, here
    assert differ == {}
    assert FAILS in said
    assert len(said) > 1 or (right == "literal:true" and comparison != "Equals")


SIGNS = dict(zip(COMPARISONS, ("=", ">", ">=", "<", "<="), strict=True))


def test_the_table_in_the_docs_is_what_both_say_of_comparisons(
    compared: dict[tuple[str, str, str], tuple[Any, Any]],
) -> None:
    def cell(left: str, right: str) -> str:
        said = {SIGNS[sign]: compared[left, sign, right] for sign in COMPARISONS}
        told = {
            "": [sign for sign, (_, here) in said.items() if here is True],
            "fails: ": [sign for sign, (there, here) in said.items() if there == here == FAILS],
            "fails here: ": [sign for sign, (there, here) in said.items() if there != here],
        }
        if len(told["fails: "]) == len(said):
            return "fails"
        return "; ".join(f"{words}`{' '.join(signs)}`" for words, signs in told.items() if signs)

    made = conformance.markdown(
        ["left", *(named(right) for right in RIGHTS)],
        [[named(left), *(cell(left, right) for right in RIGHTS)] for left in OPERANDS],
    )
    assert conformance.documented("comparisons", made) == made


def named(name: str) -> str:
    """Return an operand as the table tells it, with its value where it has one."""
    ((kind, value),) = OPERANDS[name].items()
    if kind == "literal":
        return f"`{value!r}`"
    words, told = name.replace(":", " "), {"report": json.loads(REPORT), "parameter": PARAMETERS}
    has_value = kind in told and value in told[kind]
    return f"{words}, `{json.dumps(told[kind][value])}`" if has_value else words


@pytest.mark.parametrize(
    ("left", "right", "comparison", "there"),
    [
        ("report:nan", "literal:2", "GreaterThan", False),
        ("report:infinity", "literal:2", "GreaterThan", True),
        ("report:yes", "literal:2", "LessThan", True),
        ("report:yes", "literal:2", "Equals", False),
        ("report:yes", "report:no", "GreaterThan", True),
        ("report:list", "report:list", "Equals", True),
        ("report:object", "report:object", "Equals", True),
    ],
)
def test_where_the_executor_lets_pass_what_has_no_meaning_the_step_fails(
    sdk: SimpleNamespace, left: str, right: str, comparison: str, *, there: bool
) -> None:
    kind = getattr(sdk.conditions, f"Condition{comparison}")
    condition = kind(left=operand(sdk, left), right=operand(sdk, right))
    assert by_the_sdk(sdk, [condition]) is there
    assert by_the_library([condition]) == FAILS


IN_CASES = [
    ("report:integer", ("literal:2",)),
    ("report:whole", ("literal:2",)),
    ("report:text", ("literal:good", "literal:2")),
    ("report:numeral", ("literal:2",)),
    ("report:float", ("parameter:Integer", "parameter:Float")),
    ("report:text", ("join", "property:text")),
    ("report:yes", ("literal:true",)),
    ("report:no", ("literal:true",)),
    ("report:missing", ("literal:2",)),
    ("report:null", ("literal:2",)),
    ("literal:2", ("report:missing", "literal:2")),
    ("property:text", ("property:missing",)),
]


@pytest.mark.parametrize(("value", "several"), IN_CASES)
@pytest.mark.parametrize("negated", [False, True])
def test_in_says_what_the_executor_says(
    sdk: SimpleNamespace, value: str, several: tuple[str, ...], *, negated: bool
) -> None:
    condition = sdk.conditions.ConditionIn(
        value=operand(sdk, value), in_values=[operand(sdk, item) for item in several]
    )
    if negated:
        condition = sdk.conditions.ConditionNot(condition)
    assert by_the_library([condition]) == by_the_sdk(sdk, [condition])


def test_both_spellings_of_in_mean_the_same() -> None:
    for query, several in (("QueryValue", "Values"), ("Value", "In")):
        wire = [{"Type": "In", query: 2, several: [1, {"Get": "Parameters.Integer"}]}]
        (judgement,) = judged(parsed_conditions(wire, "Conditions"), Run())
        assert judgement.holds
        assert judgement.explanation == "2 is in [1, Parameters.Integer = 2]"


def truth(sdk: SimpleNamespace, value: str) -> Any:
    right = {"true": "literal:2", "false": "literal:0.5", "missing": "report:missing"}[value]
    kind = sdk.conditions.ConditionGreaterThanOrEqualTo
    if value == "false":
        return kind(left=operand(sdk, right), right=operand(sdk, "report:integer"))
    return kind(left=operand(sdk, "report:integer"), right=operand(sdk, right))


TREES: list[tuple[Any, ...]] = [
    ("true",), ("false",), ("true", "true"), ("true", "false"), ("false", "true"),
    ("true", "missing"), ("missing", "true"), ("false", "missing"),
    (("Not", "true"),), (("Not", ("Not", "true")),), (("Not", ("Not", ("Not", "true"))),),
    (("Or", "false", "true"),), (("Or", "false", "false"),), (("Or", "true", "missing"),),
    (("Not", ("Or", "false", ("Not", "true"))),),
    (("Or", ("Not", ("Or", "true", "false")), ("Or", "false", ("Not", "false"))), "true"),
    (("Or", ("Not", "missing"), "true"),),
]  # fmt: skip


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_nested_conditions_say_what_the_executor_says(
    sdk: SimpleNamespace, tree: tuple[Any, ...]
) -> None:
    def built(node: Any) -> Any:
        if isinstance(node, str):
            return truth(sdk, node)
        name, *inner = node
        if name == "Not":
            return sdk.conditions.ConditionNot(built(inner[0]))
        return sdk.conditions.ConditionOr([built(item) for item in inner])

    conditions = [built(node) for node in tree]
    assert by_the_library(conditions) == by_the_sdk(sdk, conditions)


def test_what_cannot_be_compared_fails_the_step_wherever_it_stands(sdk: SimpleNamespace) -> None:
    """The executor looks no further than the first condition that does not hold."""
    wrong = sdk.conditions.ConditionGreaterThan(operand(sdk, "report:text"), 2)
    for conditions in (
        [truth(sdk, "false"), wrong],
        [sdk.conditions.ConditionOr([truth(sdk, "true"), wrong])],
    ):
        assert by_the_sdk(sdk, conditions) != FAILS
        assert by_the_library(conditions) == FAILS


def test_a_path_may_have_dots_in_brackets_which_the_executor_cannot_walk(
    sdk: SimpleNamespace,
) -> None:
    condition = sdk.conditions.ConditionEquals(operand(sdk, {"report": "nested.deep[0]['a.b']"}), 1)
    assert by_the_sdk(sdk, [condition]) == FAILS
    assert by_the_library([condition]) is True


def test_no_operand_is_judged_before_all_are_resolved(sdk: SimpleNamespace) -> None:
    wrong = sdk.conditions.ConditionGreaterThan(operand(sdk, "report:text"), 2)
    missing = sdk.conditions.ConditionEquals(operand(sdk, "report:missing"), 2)
    wire = json.loads(json.dumps([item.to_request() for item in (wrong, missing)], default=_expr))
    with pytest.raises(UnresolvedError, match="absent"):
        judged(parsed_conditions(wire, "Conditions"), Run())
