"""Which run's tasks go first when there is no room for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.task.priority_strategy import PriorityWeightStrategy

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

_BACKFILL = 1
_OTHER = 1000
# More steps than a pipeline has, so that this never outweighs the difference above.
_STEPS = 100


class NightlyFirst(PriorityWeightStrategy):
    """Any run before those of a backfill, and a run's later steps before another run's first.

    So a backfill finishes the runs that it has begun instead of beginning them all. A night that
    a backfill takes over keeps its weight, as Airflow settles that before.
    """

    def get_weight(self, ti: TaskInstance) -> int:
        """Return the weight: the higher, the sooner."""
        if ti.task is None:
            return _BACKFILL
        steps_before = min(len(ti.task.get_flat_relative_ids(upstream=True)), _STEPS)
        # Airflow names the runs of a backfill so; their type is not known here.
        return (_BACKFILL if ti.run_id.startswith("backfill__") else _OTHER) + steps_before
