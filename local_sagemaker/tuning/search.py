"""Which hyperparameters the next training job gets; the same seed gives the same ones."""

from __future__ import annotations

import logging
import math
import random
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_sagemaker.tuning.ranges import Choices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_sagemaker.tuning.ranges import Range

# So many jobs are chosen at random before the results of others are looked at.
_FIRST = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """A training job of a tuner.

    Attributes:
        values: Its tuned hyperparameters.
        objective: What it has reached; None while it runs.
    """

    values: Mapping[str, str]
    objective: float | None


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched, and how.

    Attributes:
        strategy: ``Random``, ``Grid`` or ``Bayesian``.
        ranges: Of the hyperparameters.
        maximize: Greater objectives are better.
        seed: Of the tuner.
    """

    strategy: str
    ranges: tuple[Range, ...]
    maximize: bool
    seed: str

    def next_values(self, number: int, trials: Sequence[Trial]) -> dict[str, str]:
        """Return the hyperparameters of a training job.

        Args:
            number: The job's, from 1.
            trials: Those before it that run, or have reached something. Only Bayesian looks.
        """
        # Each number has a seed of its own: a server that starts again goes on as it would have.
        seed = zlib.crc32(f"{self.seed}/{number}".encode())
        if self.strategy == "Grid":
            return self._combination(number - 1)
        known = sum(trial.objective is not None for trial in trials)
        if self.strategy == "Bayesian" and known >= _FIRST:
            return self._sample(seed, trials)
        chance = random.Random(seed)  # noqa: S311 -- no secret
        return {
            one.name: chance.choice(one.values)
            if isinstance(one, Choices)
            else one.value(chance.random())
            for one in self.ranges
        }

    def _combination(self, index: int) -> dict[str, str]:
        found = {}
        for one in reversed(self.ranges):
            assert isinstance(one, Choices)  # noqa: S101 -- a grid has no others
            index, place = divmod(index, len(one.values))
            found[one.name] = one.values[place]
        return {one.name: found[one.name] for one in self.ranges}

    def _sample(self, seed: int, trials: Sequence[Trial]) -> dict[str, str]:
        import optuna  # noqa: PLC0415 -- a second, which a server without tuners spares

        logging.getLogger("optuna").setLevel(logging.WARNING)
        distributions: dict[str, optuna.distributions.BaseDistribution] = {
            one.name: optuna.distributions.CategoricalDistribution(one.values)
            if isinstance(one, Choices)
            else optuna.distributions.FloatDistribution(0, 1)
            for one in self.ranges
        }
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True
            ),
            direction="maximize" if self.maximize else "minimize",
        )
        states = optuna.trial.TrialState
        for trial in trials:
            study.add_trial(
                optuna.trial.create_trial(
                    state=states.RUNNING if trial.objective is None else states.COMPLETE,
                    value=trial.objective,
                    params={
                        one.name: trial.values[one.name]
                        if isinstance(one, Choices)
                        else one.place(trial.values[one.name])
                        for one in self.ranges
                    },
                    distributions=distributions,
                )
            )
        asked = study.ask(distributions).params
        return {
            one.name: asked[one.name] if isinstance(one, Choices) else one.value(asked[one.name])
            for one in self.ranges
        }


def combinations(ranges: Sequence[Range]) -> int:
    """Return how many a grid has."""
    return math.prod(len(one.values) for one in ranges if isinstance(one, Choices))
