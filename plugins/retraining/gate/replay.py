"""What another policy says of reports that were judged before; no job runs for it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.gate.decision import Decision, Verdict, decide, undecidable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retraining.gate.conditions import Condition

WORDS = {
    Verdict.PASS: "passed",
    Verdict.REJECT: "rejected",
    Verdict.UNDECIDABLE: "could not be judged",
}
_REPORT, _DECISION = Path(naming.report_uri("")), Path(naming.decision_uri(""))


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that cannot be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Past:
    """A run as a local copy of a pipeline's prefix has it.

    Attributes:
        snapshot: The day whose data it had, YYYY-MM-DD.
        run: Its folder's name.
        verdict: What its decision record says; None if there is none that tells.
        parameters: Those that the record has.
        report: The evaluation report; None if there is none.
        faults: What of it cannot be used.
    """

    snapshot: str
    run: str
    verdict: Verdict | None
    parameters: Mapping[str, object]
    report: bytes | None = field(repr=False)
    faults: tuple[Fault, ...] = ()


def judged_anew(
    report: bytes | None, policy: Sequence[Condition], *, parameters: Mapping[str, object]
) -> Decision:
    """Judge a past run's report, or that there is none.

    Raises:
        PolicyError: The policy is empty, or names no metric.
    """
    if report is None:
        return undecidable("there is no evaluation report", policy, parameters)
    return decide(report, policy, parameters=parameters)


def totals(verdicts: Iterable[Verdict | None]) -> str:
    """Say how many runs have come to which verdict."""
    counts = Counter(verdicts)
    said = [f"{counts[verdict]} {word}" for verdict, word in WORDS.items()]
    return ", ".join([*said, *([f"{counts[None]} without a verdict"] if counts[None] else [])])


def runs_below(folder: Path) -> tuple[list[Past], list[Fault]]:
    """Find the runs in a local copy of a pipeline's prefix, or of a part of it.

    Args:
        folder: Has ``<snapshot>/<run>/evaluation/`` at any depth, with ``evaluation.json``,
            ``decision.json`` or both.

    Returns:
        The runs by snapshot, the earliest first; and the folders that cannot be used. A file of a
        run that cannot be is told by the run.
    """
    found, faults = [], []

    def told(error: OSError) -> None:
        faults.append(Fault(Path(str(error.filename)), str(error.strerror)))

    for path, folders, files in os.walk(folder.resolve(), onerror=told):
        folders.sort()
        place = Path(path)
        if place.name != _REPORT.parent.name or not {_REPORT.name, _DECISION.name} & {*files}:
            continue
        run, snapshot = place.parent.name, place.parent.parent.name
        try:
            naming.checked_snapshot(snapshot)
        except naming.InvalidNameError as error:
            faults.append(Fault(place, f"it lies in no snapshot's folder: {error}"))
            continue
        found.append(_past(place, snapshot, run))
    return sorted(found, key=lambda past: (past.snapshot, past.run)), faults


def _past(place: Path, snapshot: str, run: str) -> Past:
    faults: list[Fault] = []

    def read(path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            faults.append(Fault(path, str(error.strerror)))
            return None

    report, content = read(place / _REPORT.name), read(place / _DECISION.name)
    verdict: Verdict | None = None
    parameters: Mapping[str, object] = {}
    if content is not None:
        try:
            verdict, parameters = _decided(content)
        except (ValueError, RecursionError) as error:
            faults.append(Fault(place / _DECISION.name, f"it is no decision record: {error}"))
    return Past(snapshot, run, verdict, parameters, report, tuple(faults))


def _decided(content: bytes) -> tuple[Verdict, Mapping[str, Any]]:
    record = json.loads(content)
    if not isinstance(record, Mapping):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - a file's fault
    told = record.get("parameters")
    return Verdict(str(record.get("verdict"))), told if isinstance(told, Mapping) else {}
