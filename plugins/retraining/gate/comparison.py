"""What a report says of candidate and champion, for those who show it; it may hold anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from retraining.gate.report import finite, metric_path

# No more than a page can show, whatever a report has.
_PARTS, _METRICS, _TEXT = 20, 40, 500
_NUMBERS = ("candidate", "champion", "value", "low", "high", "better_share")


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one metric, candidate beside champion.

    Attributes:
        candidate: The candidate's value.
        champion: The champion's.
        value: The first minus the second.
        low: The lower end of its 95 % interval.
        high: The upper end.
        better_share: The share of draws in which the candidate is better.
    """

    candidate: float
    champion: float
    value: float
    low: float
    high: float
    better_share: float


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the test rows.

    Attributes:
        column: By which they were cut.
        name: What is in the column.
        rows: How many they are.
        differences: By the metric's path.
    """

    column: str
    name: str
    rows: int
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidate and champion on the same rows.

    Attributes:
        outcome: ``scored``, ``none``, or why the champion was not scored.
        reason: That in words.
        version: The champion's ARN.
        rows: How many rows both were asked about.
        unseen: Whether it was trained on none of them: ``True``, ``False``, ``unknown``.
        unseen_reason: Why.
        win_rate: The share of rows on which the candidate is better; None if that is not told.
        differences: By the metric's path.
        parts: Of the rows.
    """

    outcome: str
    reason: str
    version: str
    rows: int | None
    unseen: bool | str
    unseen_reason: str
    win_rate: float | None = None
    differences: Mapping[str, Difference] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    def to_record(self) -> dict[str, object]:
        """Return what a decision record keeps of it."""
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "version": self.version,
            "rows": self.rows,
            "rows_unseen_by_champion": self.unseen,
        }


def comparison_in(report: object) -> Comparison | None:
    """Read a parsed report; None if it tells no outcome, as those of before there was one."""
    told = report.get("champion") if isinstance(report, Mapping) else None
    outcome = told.get("outcome") if isinstance(told, Mapping) else None
    if not isinstance(report, Mapping) or not isinstance(told, Mapping):
        return None
    if not isinstance(outcome, str) or not outcome:
        return None
    found = report.get("difference")
    difference = found if isinstance(found, Mapping) else {}
    slices = difference.get("slices")
    unseen = told.get("rows_unseen_by_champion")
    return Comparison(
        outcome=_text(outcome),
        reason=_text(told.get("reason")),
        version=_text(told.get("version")),
        rows=_count(told.get("rows")),
        unseen=unseen if isinstance(unseen, bool) else "unknown",
        unseen_reason=_text(told.get("rows_unseen_reason")),
        win_rate=finite(difference.get("win_rate")),
        differences=dict(_differences(difference)),
        parts=tuple(_parts(slices if isinstance(slices, list) else [])),
    )


def _parts(slices: list[object]) -> Iterator[Part]:
    for told in slices[:_PARTS]:
        if isinstance(told, Mapping) and (rows := _count(told.get("rows"))) is not None:
            yield Part(
                _text(told.get("column")), _text(told.get("slice")), rows, dict(_differences(told))
            )


def _differences(told: Mapping[str, object]) -> Iterator[tuple[str, Difference]]:
    left = _METRICS
    for section, metrics in told.items():
        if not isinstance(metrics, Mapping) or not section.endswith("metrics"):
            continue
        for name, leaf in metrics.items():
            path = metric_path(section, name)
            numbers = (
                [finite(leaf.get(member)) for member in _NUMBERS]
                if isinstance(leaf, Mapping)
                else [None]
            )
            known = [number for number in numbers if number is not None]
            if left and path and len(path) <= _TEXT and len(known) == len(_NUMBERS):
                left -= 1
                yield path, Difference(*known)


def _text(told: object) -> str:
    return told[:_TEXT] if isinstance(told, str) else ""


def _count(told: object) -> int | None:
    number = finite(told)
    return int(number) if number is not None and number >= 0 else None
