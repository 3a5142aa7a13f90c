"""Every form that a condition can have is written as the SageMaker SDK writes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from retraining.gate import conditions
from retraining.gate.bounds import first_bound
from retraining.gate.conditions import Metric, Parameter
from retraining.gate.wire_form import to_wire

PROGRAM = Path(__file__).with_name("programs") / "sdk_conditions.py"
SCORE, NAMED = {"metric": "m.score"}, {"metric": "classes[0]['f1.macro']"}
COMPARISONS = ("Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
SIDES = ((SCORE, 0.6), (1, NAMED), (NAMED, SCORE))
PLAIN = [
    *([kind, *sides] for kind in COMPARISONS for sides in SIDES),
    *(["Equals", SCORE, value] for value in (True, "linear", -1e-9, 3)),
    ["In", SCORE, [1, 0.5, "x", False, NAMED]],
    ["In", "x", [SCORE]],
]
FORMS = [
    *PLAIN,
    *(["Not", inner] for inner in PLAIN),
    # Not with their opposites, beside which it would always hold.
    ["Or", [form for form in PLAIN if not form[0].startswith("Less")]],
    ["Not", ["Or", [["Not", ["Not", PLAIN[0]]], ["Or", [PLAIN[1]]]]]],
    # A parameter is written as its value.
    ["LessThan", SCORE, {"parameter": "least"}],
    ["LessThan", {"metric": {"parameter": "path"}}, 1],
]
PARAMETERS = {"least": 0.25, "path": "m.chosen"}


def operand(told: Any) -> Any:
    if not isinstance(told, dict):
        return told
    return Parameter(told["parameter"]) if "parameter" in told else Metric(operand(told["metric"]))


def condition(told: list[Any]) -> Any:
    kind, *rest = told
    make = getattr(conditions, kind)
    if kind == "Not":
        return make(condition(rest[0]))
    if kind == "Or":
        return make(tuple(map(condition, rest[0])))
    if kind == "In":
        return make(operand(rest[0]), tuple(map(operand, rest[1])))
    return make(*map(operand, rest))


def with_values(told: Any) -> Any:
    if isinstance(told, list):
        return [with_values(item) for item in told]
    if isinstance(told, dict) and "parameter" in told:
        return PARAMETERS[told["parameter"]]
    return (
        {key: with_values(item) for key, item in told.items()} if isinstance(told, dict) else told
    )


def without_property_file(told: Any) -> Any:
    """Of a report ours names the path only, as it is always the run's own."""
    if isinstance(told, list):
        return [without_property_file(item) for item in told]
    if isinstance(told, dict):
        kept = {key: without_property_file(item) for key, item in told.items()}
        if "Path" in kept:
            del kept["PropertyFile"]
        return kept
    return told


@pytest.fixture(scope="module")
def sdks(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The SDK's, in a process of its own, as importing it takes seconds."""
    folder = tmp_path_factory.mktemp("sdk")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder / "written.json")],
        input=json.dumps(with_values(FORMS)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "HOME": str(folder), "AWS_DEFAULT_REGION": "us-east-1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "written.json").read_text())


def test_conditions_are_written_as_the_sdk_writes_them(sdks: list[Any]) -> None:
    ours = [to_wire(condition(form), PARAMETERS) for form in FORMS]
    assert ours == without_property_file(sdks)
    assert {item["Type"] for item in sdks} == {*COMPARISONS, "In", "Not", "Or"}


def test_what_the_sdk_writes_can_be_read_and_so_can_older_records(sdks: list[Any]) -> None:
    for form, written in zip(FORMS, sdks, strict=True):
        expected = first_bound([to_wire(condition(form), PARAMETERS)])
        assert first_bound([written]) == expected
        assert first_bound([_as_once_written(written)]) == expected


def _as_once_written(told: Any) -> Any:
    """With the key that records of a ``Not`` once had, and the service refuses."""
    if isinstance(told, list):
        return [_as_once_written(item) for item in told]
    if isinstance(told, dict):
        renamed = {"Condition": "Expression"} if told.get("Type") == "Not" else {}
        return {renamed.get(key, key): _as_once_written(item) for key, item in told.items()}
    return told
