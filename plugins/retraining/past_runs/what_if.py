"""What another policy would have said of past runs: their reports judged anew, without any job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining.gate import decision as gate
from retraining.gate.bounds import bounds
from retraining.gate.conditions import GreaterThanOrEqualTo, LessThanOrEqualTo, Metric, to_wire
from retraining.past_runs.reading import R2

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
        return self.decision.verdict is not self.run.verdict


def at_least(value: float, *, metric: str = R2) -> tuple[Condition, ...]:
    """Return the policy that asks for at least ``value`` of a metric, as a what-if."""
    return (GreaterThanOrEqualTo(Metric(metric), value),)


def at_most(value: float, *, metric: str) -> tuple[Condition, ...]:
    """Return the policy that asks for at most ``value`` of a metric: one that measures an error."""
    return (LessThanOrEqualTo(Metric(metric), value),)


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
