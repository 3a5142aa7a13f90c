"""Reads a policy that somebody wrote down: in SageMaker's wire form, in a record, or in Python."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from retraining.gate import conditions as gate
from retraining.gate import wire_reader
from retraining.gate.conditions import Metric, Operand, Parameter, PolicyError, fault_of, shown
from retraining.gate.policy import checked, metrics_of, with_operands
from retraining.gate.wire_reader import WireFormError

_IN_PYTHON = re.compile(r"(?P<home>.+\.py|[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)")
_PARAMETERS = "Parameters."


def policy_in(content: bytes) -> tuple[gate.Condition, ...]:
    """Read a policy from JSON.

    Args:
        content: A list of conditions in SageMaker's wire form; a step or an object that has them
            as ``Conditions``; a pipeline definition with one Condition step; or a decision record.
            An item of the list may be ``{"condition": …, "minimum_rows": […]}``, as records have
            it.

    Raises:
        PolicyError: It is none of these, or cannot be meant.
    """
    try:
        told = json.loads(content, object_pairs_hook=_said_once)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"it is not JSON (in Python it is FILE.py:NAME): {error}") from error
    return checked(tuple(_conditions(_listed(told))))


def policy_of_python(spelled: str) -> tuple[gate.Condition, ...] | None:
    """Return the policy that ``module:NAME`` or ``file.py:NAME`` means; None of another text.

    The attribute is a tuple of conditions, or has one as ``policy``, as a pipeline's declaration.

    Raises:
        PolicyError: It cannot be imported, or has no such attribute, or that is no policy.
    """
    found = _IN_PYTHON.fullmatch(spelled)
    if found is None:
        return None
    try:
        module = _imported(found["home"])
    except (Exception, SystemExit) as error:
        raise PolicyError(f"it cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, found["name"]):
        raise PolicyError(f"{found['home']} has no {found['name']}")
    value = getattr(module, found["name"])
    return checked(getattr(value, "policy", value))


def _said_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"an object has a key twice, of {shown([key for key, _ in pairs])}")
    return found


def _imported(home: str) -> object:
    if not home.endswith(".py"):
        return importlib.import_module(home)
    path = Path(home).resolve()
    spec = importlib.util.spec_from_file_location(f"policy_in_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(home)
    module = importlib.util.module_from_spec(spec)
    # A dataclass of the file looks for its own module; and a script finds what lies beside it.
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


def _listed(told: object) -> list[object]:
    """Find the list of conditions in what was read."""
    if isinstance(told, Mapping):
        steps = told.get("Steps")
        if isinstance(steps, list):
            known = [step for step in steps if isinstance(step, Mapping)]
            gates = [step for step in known if step.get("Type") == "Condition"]
            if len(gates) != 1:
                names = ", ".join(shown(step.get("Name")) for step in gates) or "none"
                raise PolicyError(f"it has {len(gates)} Condition steps, not one: {names}")
            told = gates[0]
    if isinstance(told, Mapping):
        inner = told.get("Arguments")
        told = inner if isinstance(inner, Mapping) else told
        if told.get("verdict") == "undecidable":
            raise PolicyError(
                "it is a record of what could not be decided, and has no conditions; take one that"
                " has passed or rejected a model"
            )
        told = told.get("Conditions", told.get("conditions"))
    if not isinstance(told, list) or not told:
        raise PolicyError(
            "it has no conditions: a list of them, a Condition step, a pipeline definition or a"
            " decision record is wanted"
        )
    return told


def _conditions(told: list[object]) -> list[gate.Condition]:
    items = [
        item if isinstance(item, Mapping) and "condition" in item else {"condition": item}
        for item in told
    ]
    reader = _Operands()
    wire = [item["condition"] for item in items]
    parsed = wire_reader.parsed(wire, "conditions", operand=reader.read, with_expressions=True)
    return [
        _with_floors(_meant(condition), item.get("minimum_rows", []), f"conditions[{number}]")
        for number, (condition, item) in enumerate(zip(parsed, items, strict=True))
    ]


def _meant(condition: wire_reader.Condition) -> gate.Condition:
    """Return the gate's own condition of what was parsed, whose operands are the gate's already."""
    match condition:
        case wire_reader.Or(conditions):
            return gate.Or(tuple(map(_meant, conditions)))
        case wire_reader.Not(inner):
            return gate.Not(_meant(inner))
        case wire_reader.In(value, values):
            return gate.In(value, values)  # type: ignore[arg-type]
        case wire_reader.Comparison(kind, left, right):
            made: gate.Condition = gate.KINDS[kind](left, right)
            return made


class _Operands:
    """Makes the gate's operands, and sees to it that all metrics are of one report."""

    def __init__(self) -> None:
        self._sources: dict[str, str] = {}

    def read(self, wire: object, where: str) -> Operand:
        if not isinstance(wire, Mapping):
            if fault := fault_of(wire):
                raise WireFormError(f"{where} is {fault}")
            return wire  # type: ignore[return-value]
        if set(wire) == {"Std:JsonGet"} and isinstance(wire["Std:JsonGet"], Mapping):
            return self._metric(wire["Std:JsonGet"], where)
        if set(wire) == {"Get"} and str(wire["Get"]).startswith(_PARAMETERS):
            return Parameter(str(wire["Get"]).removeprefix(_PARAMETERS))
        raise WireFormError(
            f"{where} is {shown(wire)}: neither a value, nor a metric of the report (Std:JsonGet),"
            f" nor a parameter (Get: {_PARAMETERS}…)"
        )

    def _metric(self, wire: Mapping[str, object], where: str) -> Metric:
        source = {name: value for name, value in wire.items() if name != "Path"}
        if source:
            self._sources.setdefault(shown(source), where)
        if len(self._sources) > 1:
            places = " and ".join(self._sources.values())
            raise WireFormError(f"{places} are of different files; a policy judges one report")
        path = wire.get("Path")
        return Metric(self.read(path, where) if isinstance(path, Mapping) else path)  # type: ignore[arg-type]


def _with_floors(condition: gate.Condition, told: object, where: str) -> gate.Condition:
    waiting: dict[str, list[Mapping[str, Any]]] = {}
    for item in told if isinstance(told, list) else [told]:
        floor: Mapping[str, Any] = item if isinstance(item, Mapping) else {}
        if not isinstance(floor.get("metric"), str) or floor.get("minimum") is None:
            raise WireFormError(
                f"{where}: minimum_rows is {shown(told)}, not a list of metric, rows and minimum"
            )
        waiting.setdefault(floor["metric"], []).append(floor)
    if unknown := sorted({*waiting} - {*metrics_of([condition])}):
        raise WireFormError(f"{where}: minimum_rows names {shown(unknown[0])}, which is not in it")

    def with_floor(operand: Operand) -> Operand:
        floors = waiting.get(str(operand.path)) if isinstance(operand, Metric) else None
        if not floors or not isinstance(operand, Metric):
            return operand
        # Where a metric stands several times, each time may ask for other rows.
        floor = floors.pop(0) if len(floors) > 1 else floors[0]
        return replace(operand, minimum_rows=floor["minimum"], rows=floor.get("rows", "rows.test"))

    return with_operands(condition, with_floor)
