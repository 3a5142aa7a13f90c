"""What a gate asks of a candidate beside the champion, which the report has on the same rows.

The job that evaluates scores both and writes three members into its report:

* ``champion``: the ``outcome`` (``scored``, ``none``, ``gone``, ``cannot_be_loaded``,
  ``other_columns`` or ``failed``), the reason, and the champion's own metrics. Its
  ``compared_with`` is the version; ``no champion`` where there is none, or the run lets one pass
  that could not be scored; and otherwise null where it could not.
* ``difference``: of each metric candidate − champion, with its interval; null unless it was scored.
* ``against_champion``: of each metric ``worse_by``, the same without its direction, and
  ``better_share``, the share of draws in which the candidate is better. They are always there, as
  the operands of all conditions are resolved first: 0 and a half where nobody was scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retraining.gate.conditions import (
    Condition,
    Equals,
    GreaterThanOrEqualTo,
    LessThanOrEqualTo,
    Metric,
    Or,
    Parameter,
    PolicyError,
    shown,
)
from retraining.gate.report import (
    OF_CHAMPION,
    UndecidableError,
    canonical,
    finite,
    last_name,
    value_at,
)
from retraining.gate.words import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

CHAMPION, DIFFERENCE, AGAINST = OF_CHAMPION
SCORED, NONE, NO_CHAMPION = "scored", "none", "no champion"
WORSE_BY, BETTER_SHARE = "worse_by", "better_share"
_COMPARED_WITH = Metric("champion.compared_with")
_LONGEST_REASON = 300


def not_worse_than_champion(metric: Metric, by: float | Parameter = 0.0) -> Or:
    """Return the condition that the candidate is not worse than the champion by more than a number.

    Where there is no champion it holds; where one could not be scored it cannot be decided, unless
    the run lets that pass.

    Args:
        metric: One of the report's that has a direction there.
        by: In the metric's unit, 0 or more.

    Raises:
        PolicyError: A value cannot be meant.
    """
    if not isinstance(by, Parameter) and not (finite(by) is not None and by >= 0):
        raise PolicyError(f"not_worse_than_champion: by={shown(by)} is no number of 0 or more")
    return _or_no_champion(LessThanOrEqualTo(_against(metric, WORSE_BY), by))


def better_than_champion(metric: Metric, confidence: float | Parameter = 0.95) -> Or:
    """Return the condition that the candidate is better in so large a share of the draws.

    Without a champion that was scored it is as ``not_worse_than_champion``.

    Args:
        metric: As of ``not_worse_than_champion``.
        confidence: The share, 0.5 to 1.

    Raises:
        PolicyError: A value cannot be meant.
    """
    is_share = isinstance(confidence, Parameter) or (
        finite(confidence) is not None and 0.5 <= confidence <= 1
    )
    if not is_share:
        raise PolicyError(
            f"better_than_champion: confidence={shown(confidence)} is no share of 0.5 to 1"
        )
    return _or_no_champion(GreaterThanOrEqualTo(_against(metric, BETTER_SHARE), confidence))


def is_of_champion(path: str) -> bool:
    """Say whether a path leads to one of the three members, and so to no metric of the model."""
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for name in OF_CHAMPION)


def in_words(condition: Condition, report: object, operands: Mapping[str, Any]) -> str | None:
    """Return what one of the conditions above comes to; None of any other.

    Args:
        condition: A condition.
        report: The parsed report.
        operands: The condition's, by name.
    """
    comparison = _comparison(condition)
    if comparison is None:
        return None
    metric = _metric(comparison)
    name = one_line(last_name(metric), 60)
    if operands[str(_COMPARED_WITH.path)] == NO_CHAMPION:
        why = why_unscored(report)
        return f"{name}: let pass: {why}" if why else f"{name}: {NO_CHAMPION}"
    found, limit = _operands(comparison, operands)
    if isinstance(comparison, GreaterThanOrEqualTo):
        beside = "not fewer" if found >= limit else "fewer"
        said = f"better than the champion's in {found} of the draws, {beside} than {limit}"
    elif found > limit or found > 0:
        beside = "more" if found > limit else "not more"
        said = f"worse than the champion's by {found}, {beside} than {limit}"
    else:
        said = f"better than the champion's by {-found}" if found else "equal to the champion's"
    return f"{name} is {said} ({', '.join(_figures(report, metric))})"


def why_unscored(report: object) -> str:
    """Return which champion could not be scored, and why; "" of any other report."""
    outcome = _text(report, "champion.outcome")
    if not outcome or outcome in {SCORED, NONE}:
        return ""
    reason = one_line(_text(report, "champion.reason"), _LONGEST_REASON)
    version = one_line(_text(report, "champion.version"), _LONGEST_REASON)
    return f"the champion {version} could not be scored: {one_line(outcome, 60)}: {reason}"


def asks_for_champion(condition: Condition) -> bool:
    """Say whether a condition is one of those above."""
    return _comparison(condition) is not None


def _or_no_champion(condition: Condition) -> Or:
    return Or((Equals(_COMPARED_WITH, NO_CHAMPION), condition))


def _against(metric: Metric, member: str) -> Metric:
    if not isinstance(metric, Metric) or not isinstance(metric.path, str):
        raise PolicyError(f"{shown(metric)} is no Metric with a path")
    path = canonical(metric.path)
    if is_of_champion(path):
        raise PolicyError(f"{shown(metric)} is no metric of a model")
    return Metric(_joined(AGAINST, path) + f".{member}")


def _joined(member: str, path: str) -> str:
    return member + ("" if path.startswith("[") else ".") + path


def _comparison(condition: Condition) -> LessThanOrEqualTo | GreaterThanOrEqualTo | None:
    match condition:
        case Or((first, LessThanOrEqualTo(left=Metric(path=str(path))) as found)):
            pass
        case Or((first, GreaterThanOrEqualTo(left=Metric(path=str(path))) as found)):
            pass
        case _:
            return None
    is_against = path.startswith(AGAINST) and first == Equals(_COMPARED_WITH, NO_CHAMPION)
    return found if is_against else None


def _metric(comparison: LessThanOrEqualTo | GreaterThanOrEqualTo) -> str:
    path = str(comparison.left.path) if isinstance(comparison.left, Metric) else ""
    return path.removeprefix(AGAINST).removeprefix(".").rpartition(".")[0]


def _operands(comparison: Any, operands: Mapping[str, Any]) -> tuple[Any, Any]:
    limit = comparison.right
    if isinstance(limit, Parameter):
        limit = operands[f"parameter {limit.name}"]
    return operands[comparison.left.path], limit


def _figures(report: object, metric: str) -> list[str]:
    at = _joined(DIFFERENCE, metric)
    ours, theirs, low, high = (
        _number(report, f"{at}.{name}") for name in ("candidate", "champion", "low", "high")
    )
    told = []
    if ours is not None and theirs is not None:
        told.append(f"{ours:.4g} against {theirs:.4g}")
    if low is not None and high is not None:
        told.append(f"difference {low:.3g} to {high:.3g} at 95 %")
    version = _text(report, "champion.version").rpartition("/")[2]
    return [*told, f"version {one_line(version or 'unknown', 60)}"]


def _text(report: object, path: str) -> str:
    try:
        found = value_at(report, path)
    except UndecidableError:
        return ""
    return found if isinstance(found, str) else ""


def _number(report: object, path: str) -> float | None:
    try:
        return finite(value_at(report, path))
    except UndecidableError:
        return None
