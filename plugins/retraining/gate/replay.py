"""What another policy says of reports that were judged before; no job runs for it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
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
class Replayed:
    """A past run and what another policy says of it.

    Attributes:
        snapshot: The day whose data it had, YYYY-MM-DD.
        run: Its folder's name.
        then: What its decision record says; None if there is none that tells.
        now: The other policy's decision.
        faults: What of its files cannot be used.
    """

    snapshot: str
    run: str
    then: Verdict | None
    now: Decision
    faults: tuple[Fault, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the verdict is another one, or there was none."""
        return self.now.verdict is not self.then


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


def replayed_below(
    folder: Path, policy: Sequence[Condition], *, parameters: Mapping[str, object]
) -> tuple[list[Replayed], list[Fault]]:
    """Judge the runs in a local copy of a pipeline's prefix, or of a part of it, anew.

    Args:
        folder: Has ``<snapshot>/<run>/evaluation/`` at any depth, with ``evaluation.json``,
            ``decision.json`` or both.
        policy: The conditions, all of which must hold.
        parameters: The values of its ``Parameter`` operands. One that is not among them has the
            value that the run's record tells.

    Returns:
        The runs by snapshot, the earliest first; and what cannot be used, of runs, too.

    Raises:
        PolicyError: The policy is empty, or names no metric.
    """
    places, faults = _places_below(folder)
    # One after the other: reports may be large.
    replayed = [_replayed(place, policy, parameters) for place in places]
    return replayed, [*faults, *(fault for item in replayed for fault in item.faults)]


def _places_below(folder: Path) -> tuple[list[Path], list[Fault]]:
    found: list[Path] = []
    faults: list[Fault] = []

    def told(error: OSError) -> None:
        faults.append(Fault(Path(str(error.filename)), str(error.strerror)))

    for path, folders, files in os.walk(folder.resolve(), onerror=told):
        place = Path(path)
        there = {_REPORT.name, _DECISION.name} & {*files, *folders}
        if place.name != _REPORT.parent.name or not there:
            continue
        try:
            naming.checked_snapshot(place.parent.parent.name)
        except naming.InvalidNameError as error:
            faults.append(Fault(place, f"it lies in no snapshot's folder: {error}"))
        else:
            found.append(place)
    return sorted(found, key=lambda place: (place.parent.parent.name, place.parent.name)), faults


def _replayed(place: Path, policy: Sequence[Condition], given: Mapping[str, object]) -> Replayed:
    faults: list[Fault] = []

    def read(path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            faults.append(Fault(path, str(error.strerror)))
            return None

    report, record = read(place / _REPORT.name), read(place / _DECISION.name)
    then: Verdict | None = None
    own: Mapping[str, object] = {}
    if record is not None:
        try:
            then, own = _decided(record)
        except (ValueError, RecursionError) as error:
            faults.append(Fault(place / _DECISION.name, f"it is no decision record: {error}"))
    now = judged_anew(report, policy, parameters={**own, **given})
    return Replayed(place.parent.parent.name, place.parent.name, then, now, tuple(faults))


def _decided(content: bytes) -> tuple[Verdict, Mapping[str, Any]]:
    record = json.loads(content)
    if not isinstance(record, Mapping):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - a file's fault
    told = record.get("parameters")
    return Verdict(str(record.get("verdict"))), told if isinstance(told, Mapping) else {}
