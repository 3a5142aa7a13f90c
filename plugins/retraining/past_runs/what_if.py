"""What another policy would have said of past runs: their reports judged anew, without any job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining.gate import decision as gate
from retraining.gate.bounds import bounds
from retraining.gate.conditions import GreaterThanOrEqualTo, LessThanOrEqualTo, Metric, to_wire
from retraining.gate.headline import HIGHER
from retraining.gate.report import canonical, last_name
from retraining.past_runs.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retraining.gate.bounds import Bound
    from retraining.gate.conditions import Condition
    from retraining.gate.decision import Decision
    from retraining.past_runs.reading import PastRun


@dataclass(frozen=True, slots=True)
class Rejudged:
    """A past run and what another policy says of it.

    Attributes:
        run: The run.
        decision: The other policy's.
        bounds: What that policy asks of single metrics.
    """

    run: PastRun
    decision: Decision
    bounds: tuple[Bound, ...]

    @property
    def differs(self) -> bool:
        """Whether the verdict is another one."""
        return self.decision.verdict is not self.run.outcome.verdict


class UnknownMetricError(LookupError):
    """What a person calls a metric is none, or more than one, or its better side is not known."""


def at_least(value: float, *, metric: str) -> tuple[Condition, ...]:
    """Return the policy that asks for at least ``value`` of the metric at a path."""
    return (GreaterThanOrEqualTo(Metric(metric), value),)


def at_most(value: float, *, metric: str) -> tuple[Condition, ...]:
    """Return the policy that asks for at most ``value`` of the metric at a path."""
    return (LessThanOrEqualTo(Metric(metric), value),)


def limit(
    runs: Sequence[PastRun], value: float, *, metric: str | None = None
) -> tuple[Condition, ...]:
    """Return the policy that sets a limit on a metric's good side.

    Args:
        runs: The runs that are to be judged by it.
        value: The limit: the least value if more is better, else the greatest.
        metric: As a person calls it; None for the runs' headline.

    Raises:
        UnknownMetricError: There is no such metric, or nothing says which side is better.
    """
    path = path_of(runs, metric)
    headline = columns_of(runs).headline
    if headline and headline.metric == path:
        is_least = headline.better == HIGHER
    else:
        sides = {
            bound.sign in {"≥", ">"}
            for run in runs
            for bound in run.outcome.bounds
            if bound.metric == path
        }
        if len(sides) != 1:
            raise UnknownMetricError(
                f"whether more of {path} is better is not known: the gate did not compare it, or"
                " not always one way; say whether it is to be at least or at most so much"
            )
        is_least = sides.pop()
    return at_least(value, metric=path) if is_least else at_most(value, metric=path)


def path_of(runs: Sequence[PastRun], metric: str | None = None) -> str:
    """Return the path of the metric that a person means.

    Args:
        runs: The runs whose reports have it.
        metric: The short name by which a report calls it, or its path, which need not be a metric's
            that is shown; None for the runs' headline.

    Raises:
        UnknownMetricError: There is no headline, or several metrics have this name.
    """
    columns = columns_of(runs)
    if metric is None:
        if columns.headline is None:
            raise UnknownMetricError("no run tells by which metric it is shown; name one")
        return columns.headline.metric
    path = canonical(metric)
    named = [
        other for other in columns.every if metric in {columns.called[other], last_name(other)}
    ]
    if path in columns.every or not named:
        return path
    if len(named) > 1:
        raise UnknownMetricError(f"{metric} may be {' or '.join(named)}; say which")
    return named[0]


def what_if(
    runs: Iterable[PastRun],
    policy: Sequence[Condition],
    *,
    parameters: Mapping[str, object] | None = None,
) -> tuple[Rejudged, ...]:
    """Judge the reports of past runs by another policy; no job runs.

    Args:
        runs: The runs.
        policy: The conditions, all of which must hold.
        parameters: The values of its ``Parameter`` operands.

    Raises:
        ValueError: The policy is empty.
    """
    values = parameters or {}
    asked = bounds(to_wire(condition, values) for condition in policy)
    return tuple(
        Rejudged(
            run,
            gate.undecidable("there is no evaluation report", policy, values)
            if run.report is None
            else gate.decide(run.report, policy, parameters=values),
            asked,
        )
        for run in runs
    )
