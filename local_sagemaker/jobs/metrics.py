"""Finds metrics in the lines of a job's log, in bounded time."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_sagemaker.jobs.logs import Line
    from local_sagemaker.jobs.plan import Plan

# An expression of a caller's may take for ever. Of the process's processor time, says `regex`.
_SEARCH_SECONDS = 1.0


class Metrics:
    """The metrics of one job.

    Attributes:
        found: Name to the last value in the log and its time, in epoch seconds.
    """

    def __init__(self, plan: Plan, tell: Callable[[str], None]) -> None:
        """Look for a plan's metrics.

        Args:
            plan: The job.
            tell: Takes a line for the job's log.
        """
        self.found: dict[str, tuple[float, float]] = {}
        self._image_metric = plan.image_metric
        self._wanted = list(plan.metrics)
        self._tell = tell
        self._until = float("inf")

    def end_by(self, moment: float) -> None:
        """Look no longer than until then, on `time.monotonic`'s clock."""
        self._until = moment

    def look(self, line: Line) -> None:
        """Look for every metric in a line; an expression that takes too long is dropped."""
        timestamp, text = line
        if self._image_metric:
            for part, name, value in re.findall(self._image_metric, text):
                self.found[f"{part}:{name}"] = float(value), timestamp / 1000
        for wanted in list(self._wanted):
            name, pattern = wanted
            left = self._until - time.monotonic()
            if left <= 0:
                self._wanted.clear()
                self._tell("There was no time to look for metrics in the rest of this log.")
                return
            try:
                match = pattern.search(text, timeout=min(_SEARCH_SECONDS, left))
                if match and match.lastindex:
                    self.found[name] = float(match[1]), timestamp / 1000
            except TimeoutError:
                self._wanted.remove(wanted)
                self._tell(
                    f"The Regex of the metric {name} took more than {_SEARCH_SECONDS:g} s for one"
                    " line of this log; it is not looked for any more."
                )
            except ValueError:  # what it has found is no number
                continue
