"""Runs a tuner: starts training jobs, reads what they have reached, and ends with them.

All that it knows is in the descriptions of its training jobs. A server that starts again goes on
where the last one was, whenever that ended: each turn looks at what is there, and does the next.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError, ServiceError
from local_sagemaker.jobs.operations import create_job, stop_job
from local_sagemaker.jobs.plan import End, JobFailedError, Outcome
from local_sagemaker.jobs.training import TRAINING
from local_sagemaker.requests import Request
from local_sagemaker.tags import get_tags
from local_sagemaker.tuning.children import training_request
from local_sagemaker.tuning.results import better, progress, results_of
from local_sagemaker.tuning.search import Search, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local_sagemaker.emulator import Emulator
    from local_sagemaker.jobs.plan import Control, JobKind, Reports
    from local_sagemaker.store import Position
    from local_sagemaker.tuning.results import Result

_LOOK_SECONDS = 0.1
_RETRY_SECONDS = 1.0
# So many training jobs in vain are enough.
_ATTEMPTS = 5
_BROKEN = (
    "InternalServerError: We encountered an internal error. Please try again. (The embedded"
    " SageMaker's own log has the traceback.)"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """Everything that is needed to run one tuner.

    Attributes:
        kind: Hyperparameter tuning jobs'.
        region: Where it was created.
        name: Its name.
        arn: Its ARN.
        emulator: Where its training jobs are made.
        job: Its description.
        search: What is searched.
        most: How many training jobs there are.
        parallel: How many at once.
        target: The objective that is good enough; None if there is none.
    """

    kind: JobKind
    region: str
    name: str
    arn: str
    emulator: Emulator
    job: Mapping[str, Any]
    search: Search
    most: int
    parallel: int
    target: float | None

    @property
    def role(self) -> str:
        """Its training jobs' role; of its own it does nothing."""
        return str(self.job["TrainingJobDefinition"]["RoleArn"])


def run(
    _tools: Any,
    plan: TuningPlan,
    folder: Path,
    /,
    *,
    control: Control,
    reports: Reports,  # noqa: ARG001 -- its name
) -> Outcome:
    """Take a tuner from its start, or from where the last server left it, to its end; see `Run`.

    Raises:
        JobFailedError: No training job succeeded, or none told the objective.
    """
    tuner = _Tuner(plan)
    while not control.shutdown:
        try:
            if tuner.turn(stop=control.stop):
                break
        except (OSError, sqlite3.Error):  # a disk that is full now may have room in a moment
            log.exception("%s: trying again", plan.arn)
            time.sleep(_RETRY_SECONDS)
        except Exception:  # first its training jobs are stopped
            if tuner.failure:
                raise
            log.exception("%s", plan.arn)
            tuner.failure = _BROKEN
        if control.told:
            time.sleep(_LOOK_SECONDS)
        else:
            control.wake.wait(_LOOK_SECONDS)
    if control.told:
        return Outcome(End.STOPPED, None, {}, folder)
    if tuner.failure:
        raise JobFailedError(tuner.failure)
    return Outcome(End.EXITED, 0, {}, folder)


class _Tuner:
    """A tuner at work.

    Attributes:
        failure: Why it has failed; empty if it has not.
    """

    def __init__(self, plan: TuningPlan) -> None:
        self.failure = ""
        self._plan = plan
        self._told: dict[str, object] = {}
        # The first training jobs that have ended, which change no more, and where the others begin.
        self._ended: list[Result] = []
        self._after: Position | None = None

    def turn(self, *, stop: bool) -> bool:
        """Do what is to be done now; return whether the tuner has ended."""
        results = self._results()
        self._tell(results)
        running = [result for result in results if result.runs]
        self.failure = self.failure or _in_vain(results, self._plan.most)
        if stop or self.failure or self._reached(results):
            for result in running:
                self._stop(result)
            return not running
        if len(results) == self._plan.most:
            return not running
        # What has become of these is the next turn's to see, even if they have ended at once.
        while len(running) < self._plan.parallel and len(results) < self._plan.most:
            if not self._start(results):
                break
            results = self._results()
            running = [result for result in results if result.runs]
        self._tell(results)
        return False

    def _results(self) -> list[Result]:
        store, job = self._plan.emulator.store, self._plan.job
        later: list[Result] = []
        for position, result in results_of(store, job, after=self._after):
            if later or result.runs:
                later.append(result)
            else:
                self._ended.append(result)
                self._after = position
        return [*self._ended, *later]

    def _reached(self, results: list[Result]) -> bool:
        target = self._plan.target
        return target is not None and any(
            result.objective is not None and better(self._plan.job, result.objective, target)
            for result in results
        )

    def _start(self, results: list[Result]) -> bool:
        """Start the next training job; return whether there was room for it."""
        plan = self._plan
        number = len(results) + 1
        trials = [
            Trial(result.values, result.objective)
            for result in results
            if result.objective_status != "Failed"
        ]
        members = {
            **training_request(
                plan.job, number=number, values=plan.search.next_values(number, trials)
            ),
            "Tags": get_tags(plan.emulator.store, plan.arn),
        }
        request = Request("CreateTrainingJob", plan.region, members)
        try:
            create_job(plan.emulator, request, kind=TRAINING, more={"TuningJobArn": plan.arn})
        except ServiceError as error:
            if error.code == "ResourceLimitExceeded":
                return False
            self.failure = f"ClientError: {error.message}"
            return False
        return True

    def _stop(self, result: Result) -> None:
        if result.status != "Stopping":
            request = Request(
                "StopTrainingJob", self._plan.region, {"TrainingJobName": result.name}
            )
            try:
                stop_job(self._plan.emulator, request, kind=TRAINING)
            except RequestInvalidError:
                return  # it has ended meanwhile

    def _tell(self, results: list[Result]) -> None:
        plan = self._plan
        told = progress(plan.job, results)
        if told != self._told:
            plan.emulator.store.update(
                plan.region,
                plan.kind.resource,
                name=plan.name.lower(),
                change=lambda held: {**held, **told, "LastModifiedTime": time.time()},
            )
            self._told = told


def _in_vain(results: list[Result], most: int) -> str:
    """Return why a tuner fails, if what has ended is enough to know; else nothing."""
    ended = [result.counted for result in results if not result.runs]
    over = len(ended) >= most
    completed, failed = ended.count("Completed"), ended.count("NonRetryableError")
    if over:  # an end of the server alone is no reason to give up before
        failed += ended.count("RetryableError")
    if any(result.objective is not None for result in results):
        return ""
    if completed and (over or completed >= _ATTEMPTS):
        return (
            f"No objective metrics found after running {completed} training jobs. Please ensure"
            " that the custom algorithm is emitting the objective metric as defined by the regular"
            " expression provided."
        )
    if failed and not completed and (over or failed >= _ATTEMPTS):
        return (
            f"No training job succeeded after {failed} attempts. Please take a look at the training"
            " job failures to get more details."
        )
    return ""
