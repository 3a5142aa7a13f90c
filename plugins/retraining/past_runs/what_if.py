"""What another policy would have said of past runs: their reports judged anew, without any job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining.gate.bounds import bounds
from retraining.gate.conditions import GreaterThanOrEqualTo, LessThanOrEqualTo, Metric
from retraining.gate.headline import HIGHER
from retraining.gate.policy import checked
from retraining.gate.replay import judged_anew
from retraining.gate.report import canonical, is_path, last_name
from retraining.gate.wire_form import to_wire
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
    """It is not known which metric a person means, or which of its sides is better.

    Attributes:
        metrics: The paths that may be meant; none if it is not the metric that is not known.
    """

    def __init__(self, message: str, metrics: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.metrics = tuple(metrics)


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
                " not always one way; say whether at least or at most so much is asked for"
            )
        is_least = sides.pop()
    return at_least(value, metric=path) if is_least else at_most(value, metric=path)


def path_of(runs: Sequence[PastRun], metric: str | None = None) -> str:
    """Return the path of the metric that a person means.

    Args:
        runs: The runs whose reports have it.
        metric: Its path, or the last part of it, or how that begins where no other begins so; None
            for the runs' headline. What no report has is taken to lie beside the headline.

    Raises:
        UnknownMetricError: There is no headline, several metrics have this name, or it is no path.
    """
    columns = columns_of(runs)
    beside = columns.headline.metric if columns.headline else ""
    if metric is None:
        if not beside:
            raise UnknownMetricError("no run tells by which metric it is shown", columns.every)
        return beside
    path = canonical(metric)
    if path in columns.every:
        return path
    exact = [other for other in columns.every if last_name(other) == metric]
    found = exact or [other for other in columns.every if last_name(other).startswith(metric)]
    if len(found) > 1:
        raise UnknownMetricError(f"several metrics are called {metric}", sorted(found))
    if found:
        return found[0]
    if not is_path(path):
        raise UnknownMetricError(f"{path!r} is no path in a report", columns.every)
    is_name = last_name(path) == path
    return f"{beside.removesuffix(last_name(beside))}{path}" if is_name else path


def what_if(
    runs: Iterable[PastRun],
    policy: Sequence[Condition],
    *,
    parameters: Mapping[str, object] | None = None,
) -> tuple[Rejudged, ...]:
    """Judge the reports of past runs by another policy; no job runs.

    Runs that were stopped by their data are left out: nobody knows what their models would be.

    Args:
        runs: The runs.
        policy: The conditions, all of which must hold.
        parameters: The values of its ``Parameter`` operands.

    Raises:
        PolicyError: The policy is empty, or names no metric.
    """
    policy, values = checked(policy), parameters or {}
    asked = bounds(to_wire(condition, values) for condition in policy)
    return tuple(
        Rejudged(run, judged_anew(run.report, policy, parameters=values), asked)
        for run in runs
        if not run.outcome.is_stopped
    )
