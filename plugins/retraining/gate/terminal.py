"""What a gate says on a terminal, and as JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from retraining.gate.decision import Verdict
from retraining.gate.judging import judge
from retraining.gate.policy import chosen
from retraining.gate.replay import totals
from retraining.gate.report import UndecidableError, parse
from retraining.gate.wire_form import minimum_rows, to_wire
from retraining.gate.words import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retraining.gate.conditions import Condition
    from retraining.gate.decision import Decision
    from retraining.gate.replay import Fault, Replayed

_WIDTH = 100
_LONGEST_NAME = 60
_HOLDS = {True: "holds", False: "does not hold", None: "undecidable"}


@dataclass(frozen=True, slots=True)
class Told:
    """One condition of a policy, as far as it can be judged by itself.

    Attributes:
        condition: In SageMaker's wire form.
        operands: Their values by how the policy names them; none if it cannot be judged.
        holds: Whether it is true; None if it cannot be judged.
        explanation: Why.
        minimum_rows: As of ``Judgement``.
    """

    condition: Mapping[str, object]
    operands: Mapping[str, Any]
    holds: bool | None
    explanation: str
    minimum_rows: Sequence[Mapping[str, object]]


def conditions_of(
    report: bytes, policy: Sequence[Condition], parameters: Mapping[str, object]
) -> list[Told]:
    """Judge each condition by itself, so that one that cannot be hides no other."""
    return [_told(condition, report, parameters) for condition in policy]


def judgement_text(decision: Decision, conditions: Sequence[Told]) -> str:
    """Return what to print of one report that was judged."""
    lines = [decision.verdict.value]
    for told in conditions:
        lines += ["", *_wrapped(f"{_HOLDS[told.holds]}: {told.explanation}", "  ")]
        floors = {str(item["rows"]): item["minimum"] for item in told.minimum_rows}
        for name, value in told.operands.items():
            floor = f", at least {floors[name]} wanted" if name in floors else ""
            lines += _wrapped(f"{one_line(name, 200)} = {_shown(value)}{floor}", "      ")
    # Where not even a single condition could be looked at.
    if not conditions:
        lines += ["", *_wrapped(decision.explanation, "  ")]
    return "\n".join(lines)


def judgement_json(decision: Decision, conditions: Sequence[Told], *, report: str) -> str:
    """Return the same for a program."""
    return _json(
        {
            "report": report,
            "verdict": decision.verdict.value,
            "explanation": decision.explanation,
            "policy_sha256": decision.policy_sha256,
            "conditions": [asdict(told) for told in conditions],
        }
    )


def replay_text(replayed: Sequence[Replayed], faults: Sequence[Fault]) -> str:
    """Return what to print of past runs: those whose verdict changes, the totals, broken files."""
    lines: list[str] = []
    for item in filter(lambda item: item.differs, replayed):
        run = one_line(item.run, _LONGEST_NAME)
        lines.append(f"{item.snapshot}  {item.then or 'no verdict'} → {item.now.verdict}  {run}")
        lines += _wrapped(item.now.explanation.removeprefix("undecidable: "), "    ")
    snapshots = len({item.snapshot for item in replayed})
    lines += [
        *([""] if lines else []),
        f"runs: {len(replayed)}, snapshots: {snapshots}",
        f"then: {totals(item.then for item in replayed)}",
        f"now:  {totals(item.now.verdict for item in replayed)}",
        f"differing: {sum(item.differs for item in replayed)}",
    ]
    if faults:
        lines += ["", f"could not be used: {len(faults)}"]
    for fault in faults:
        lines += _wrapped(f"{one_line(str(fault.path), 500)}: {one_line(fault.reason, 200)}", "  ")
    return "\n".join(lines)


def replay_json(replayed: Sequence[Replayed], faults: Sequence[Fault]) -> str:
    """Return the same for a program, with all runs."""
    return _json(
        {
            "runs": [
                {
                    "snapshot": item.snapshot,
                    "run": item.run,
                    "then": item.then,
                    "now": item.now.verdict,
                    "differs": item.differs,
                    "explanation": item.now.explanation,
                    "policy_sha256": item.now.policy_sha256,
                }
                for item in replayed
            ],
            "then": _counted(item.then for item in replayed),
            "now": _counted(item.now.verdict for item in replayed),
            "differing": sum(item.differs for item in replayed),
            "faults": [{"path": str(fault.path), "reason": fault.reason} for fault in faults],
        }
    )


def _told(condition: Condition, report: bytes, parameters: Mapping[str, object]) -> Told:
    try:
        (settled,) = chosen([condition], parameters)
        found = judge(settled, parse(report), parameters)
    except UndecidableError as error:
        wire, floors = to_wire(condition, parameters), minimum_rows(condition, parameters)
        return Told(wire, {}, None, one_line(str(error)), floors)
    return Told(found.condition, found.operands, found.holds, found.explanation, found.minimum_rows)


def _counted(verdicts: Any) -> dict[str, int]:
    counts = Counter(verdicts)
    return {verdict.value: counts[verdict] for verdict in Verdict} | {"none": counts[None]}


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )


def _shown(value: object) -> str:
    return one_line(json.dumps(value, ensure_ascii=False), 200)


def _json(content: object) -> str:
    # In ASCII: a report may hold half a letter.
    return json.dumps(content, indent=2, allow_nan=False)
