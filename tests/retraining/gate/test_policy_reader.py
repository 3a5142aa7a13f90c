"""A policy that was written down is read as it was meant, or refused with the place."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from retraining.gate.conditions import (
    Equals,
    GreaterThan,
    GreaterThanOrEqualTo,
    In,
    LessThanOrEqualTo,
    Metric,
    Not,
    Or,
    Parameter,
    PolicyError,
)
from retraining.gate.decision import Verdict, decide
from retraining.gate.policy import parameters_of
from retraining.gate.policy_reader import policy_in, policy_of_python

from tests.retraining.gate.test_any_policy import cases, checked, dumped

ROOT = Path(__file__).resolve().parents[3]
SCORE = {"Std:JsonGet": {"Path": "m.score"}}
LEAST = {"Type": "GreaterThanOrEqualTo", "LeftValue": SCORE, "RightValue": 0.6}


def read(told: Any) -> Any:
    return policy_in(json.dumps(told).encode())


@given(case=cases)
@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_the_policy_of_any_record_decides_the_same_again(
    case: tuple[object, list[Any], dict[str, Any]],
) -> None:
    report, policy, parameters = case
    content = dumped(report)
    try:
        checked(policy)
    except PolicyError:
        assume(False)
    decision = decide(content, policy, parameters=parameters)
    assume(decision.verdict is not Verdict.UNDECIDABLE)
    record = json.dumps({"conditions": [asdict(item) for item in decision.judgements]})
    try:
        again = policy_in(record.encode())
    except PolicyError:
        # With its value instead of a parameter a condition may say nothing any more.
        assert parameters_of(policy)
        return
    found = decide(content, again, parameters={})
    assert (found.verdict, found.explanation) == (decision.verdict, decision.explanation)
    assert found.policy_sha256 == decision.policy_sha256


@pytest.mark.parametrize(
    "told",
    [
        [LEAST],
        {"Conditions": [LEAST]},
        {"Name": "gate", "Type": "Condition", "Arguments": {"Conditions": [LEAST]}},
        {"Version": "2020-12-01", "Steps": [
            {"Name": "a", "Type": "Training", "Arguments": {}},
            {"Name": "gate", "Type": "Condition", "Arguments": {"Conditions": [LEAST]}},
        ]},
        {"verdict": "pass", "conditions": [{"condition": LEAST, "holds": True}]},
    ],
)  # fmt: skip
def test_conditions_are_found_wherever_they_are_kept(told: Any) -> None:
    assert read(told) == (GreaterThanOrEqualTo(Metric("m.score"), 0.6),)


def test_every_form_is_read() -> None:
    parameter = {"Get": "Parameters.least"}
    file = {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Report"}}
    b = {"Std:JsonGet": {**file, "Path": "m.b"}}
    several = {"Type": "In", "QueryValue": b, "Values": ["x", True, parameter]}
    told = [
        {"Type": "Or", "Conditions": [LEAST, {"Type": "Not", "Condition": several}]},
        {"Type": "In", "Value": SCORE, "In": [1, b]},
        {"Type": "Not", "Expression": {"Type": "Equals", "LeftValue": b, "RightValue": parameter}},
        {"Type": "GreaterThan", "LeftValue": {"Std:JsonGet": {"Path": parameter}}, "RightValue": 1},
    ]
    inner = In(Metric("m.b"), ("x", True, Parameter("least")))
    assert read(told) == (
        Or((GreaterThanOrEqualTo(Metric("m.score"), 0.6), Not(inner))),
        In(Metric("m.score"), (1, Metric("m.b"))),
        Not(Equals(Metric("m.b"), Parameter("least"))),
        GreaterThan(Metric(Parameter("least")), 1),
    )


def test_floors_return_to_their_metrics() -> None:
    b = {"Std:JsonGet": {"Path": "m.b"}}
    condition = {"Type": "In", "QueryValue": SCORE, "Values": [b, 1]}
    floors = [{"metric": "m.b", "rows": "n", "minimum": 3}, {"metric": "m.score", "minimum": 5}]
    (found,) = read([{"condition": condition, "minimum_rows": floors}])
    b3 = Metric("m.b", minimum_rows=3, rows="n")
    assert found == In(Metric("m.score", minimum_rows=5), (b3, 1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b'[{"Type": "Not", "Type": "Or"}]', "an object has a key twice, of .'Type', 'Type'"),
        (b"{}", "it has no conditions: a list of them"),
        (b"[]", "it has no conditions"),
        (b"0.6", "it has no conditions"),
        (b'{"verdict": "undecidable", "conditions": []}', "what could not be decided"),
        (b'{"Steps": []}', "it has 0 Condition steps, not one: none"),
        (
            b'{"Steps": [{"Type": "Condition", "Name": "a"}, {"Type": "Condition", "Name": "b"}]}',
            "it has 2 Condition steps, not one: 'a', 'b'",
        ),
        (b"[0.6]", r"conditions\[0\] is 0.6, not a condition"),
        (b'[{"Type": "Greater"}]', r"conditions\[0\]: 'Greater' is no type of condition"),
        (b'[{"Type": ["Or"]}]', "is no type of condition"),
    ],
)
def test_what_is_no_policy_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        policy_in(content)


def deep(levels: int) -> Any:
    return {"Type": "Not", "Condition": deep(levels - 1)} if levels else LEAST


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({**LEAST, "RightValue": float("nan")}, r"\[0\].RightValue is nan, not a finite number"),
        ({**LEAST, "RightValue": None}, r"\[0\].RightValue is null"),
        ({**LEAST, "RightValue": "0.6"}, "'0.6' is no number"),
        ({**LEAST, "LeftValue": 0.5}, "it compares 0.5 with values alone"),
        ({**LEAST, "LeftValue": {"Get": "Steps.Train.X"}}, "LeftValue is .*: neither a value, nor"),
        ({**LEAST, "LeftValue": {"Std:Join": {}}}, "neither a value"),
        ({**LEAST, "LeftValue": {"Std:JsonGet": {"Path": "a["}}}, r"'a\[' is no path"),
        ({**LEAST, "LeftValue": {"Std:JsonGet": {}}}, "None is no path"),
        ({**LEAST, "Extra": 1}, "has Extra, unknown there"),
        ({"Type": "Equals", "LeftValue": SCORE}, "lacks RightValue"),
        ({"Type": "Or", "Conditions": []}, "Conditions is .*, not a list"),
        ({"Type": "In", "QueryValue": SCORE, "Values": 3}, "Values is 3, not a list of values"),
        (deep(30), "nested deeper than 20"),
        ({"condition": LEAST, "minimum_rows": 5}, r"\[0\]: minimum_rows is 5, not a list"),
        ({"condition": LEAST, "minimum_rows": [{"metric": "m.score"}]}, "not a list of metric"),
        (
            {"condition": LEAST, "minimum_rows": [{"metric": "m.b", "minimum": 5}]},
            "minimum_rows names 'm.b', which is not in it",
        ),
        (
            {"condition": LEAST, "minimum_rows": [{"metric": "m.score", "minimum": 0.5}]},
            "minimum_rows=0.5 is no whole number",
        ),
        (
            {
                "Type": "Equals",
                "LeftValue": {"Std:JsonGet": {"PropertyFile": "a", "Path": "m"}},
                "RightValue": {"Std:JsonGet": {"PropertyFile": "b", "Path": "m"}},
            },
            "are of different files; a policy judges one report",
        ),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(condition: Any, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        read([condition])


def test_the_definitions_of_this_project_are_read() -> None:
    content = (ROOT / "include" / "pipelines" / "abalone.json").read_bytes()
    assert policy_in(content) == (
        LessThanOrEqualTo(Metric("regression_metrics.mse.value"), Parameter("MseThreshold")),
    )


def test_a_policy_in_python_is_a_tuple_or_what_has_one(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("LEAST = 0.6\n")
    file = tmp_path / "my_policy.py"
    file.write_text(
        "from types import SimpleNamespace\n"
        "from beside import LEAST\n"
        "from retraining import GreaterThanOrEqualTo, Metric\n"
        "POLICY = (GreaterThanOrEqualTo(Metric('m.score'), LEAST),)\n"
        "PIPELINE = SimpleNamespace(policy=POLICY)\n"
        "ALONE = POLICY[0]\n"
    )
    expected = (GreaterThanOrEqualTo(Metric("m.score"), 0.6),)
    assert policy_of_python(f"{file}:POLICY") == policy_of_python(f"{file}:PIPELINE") == expected
    for name, words in (("NONE", "has no NONE"), ("ALONE", "a tuple of conditions is wanted")):
        with pytest.raises(PolicyError, match=words):
            policy_of_python(f"{file}:{name}")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("POLICY = (", "SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_imported_is_said(tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "p.py").write_text(source)
    with pytest.raises(PolicyError, match=f"it cannot be imported: {words}"):
        policy_of_python(f"{tmp_path / 'p.py'}:POLICY")


@pytest.mark.parametrize("spelled", ["-", "a/b.json", "s3://bucket/key", "decision.json", "a:1b"])
def test_what_is_no_name_in_python_is_none(spelled: str) -> None:
    assert policy_of_python(spelled) is None
