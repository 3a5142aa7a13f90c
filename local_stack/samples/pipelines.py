"""The pipelines that have real data here: their tables, and what the demo of each shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Literal

from local_stack.errors import LocalStackError
from local_stack.programs.places import SAMPLE_DATA
from local_stack.samples.pretrained_model import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path


class UnknownPipelineError(LocalStackError):
    """There is no data for a pipeline of this name; the message says for which there is."""


@dataclass(frozen=True, slots=True)
class DemoRun:
    """A run of a demo, and what must come of it.

    Attributes:
        name: What the demo's table calls it.
        about: What sets it apart, to be said after "the run with".
        params: Its parameters, besides the snapshot.
        outcome: What becomes of its model: it passes the gate and is registered, it is rejected, or
            it is never trained because the gate on data stops the run. Only what is certain on
            every machine can be shown.
        state: How it ends.
        fault: What is wrong with its data, by the name of the sample history's fault; it works on
            the snapshot of the day after the others'.
    """

    name: str
    about: str
    params: Mapping[str, object]
    outcome: Literal["registered", "rejected", "stopped"]
    state: str = "success"
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class SamplePipeline:
    """A pipeline with real data.

    Attributes:
        name: As keys and the registry spell it.
        table: The file that ``make setup`` puts there; it is landed as it is, under its name.
        hour: When its nightly run begins, UTC.
        demo: The runs of its demo.
        pretrained: The folder of the pretrained model that it begins with, if it does; it is landed
            under its name.
    """

    name: str
    table: Path
    hour: int
    demo: tuple[DemoRun, ...]
    pretrained: Path | None = None

    @property
    def dag_id(self) -> str:
        """The DAG that retrains it."""
        return f"{_underscored(self.name)}_retraining"

    def latest_night(self, now: datetime) -> str:
        """Return the date of its latest nightly run, which Airflow starts as soon as it can."""
        return (now.astimezone(UTC) - timedelta(hours=self.hour)).date().isoformat()


CALIFORNIA_HOUSING = SamplePipeline(
    "california-housing",
    SAMPLE_DATA / "california_housing.csv",
    hour=2,
    demo=(
        # On the eight columns as they are, a linear model has an r2 of 0.5869.
        DemoRun("raw", "raw features", {"features": "raw"}, "rejected"),
        DemoRun("engineered", "engineered features", {"features": "engineered"}, "registered"),
        # Ten times the value in all rows would give the same r2.
        DemoRun(
            "other unit",
            "another unit",
            {"features": "engineered"},
            "stopped",
            state="failed",
            fault="value_unit_everywhere",
        ),
    ),
)
ABALONE = SamplePipeline(
    "abalone",
    SAMPLE_DATA / "abalone.csv",
    hour=3,
    demo=(
        # Over 40 splits the MSE of boosted trees lies between 4.1 and 6.0, at 4.9 on average.
        DemoRun("strict", "a strict threshold", {"mse_threshold": 3.0}, "rejected"),
        DemoRun("tutorial", "the tutorial's threshold", {"mse_threshold": 6.0}, "registered"),
    ),
)
PRODUCT_REVIEWS = SamplePipeline(
    "product-reviews",
    SAMPLE_DATA / "product_reviews.csv",
    hour=5,
    demo=(
        # People themselves do not agree so often; and what is pretrained only gets a new layer.
        DemoRun(
            "frozen",
            "a frozen encoder and a strict threshold",
            {"least_accuracy": 0.95, "freeze_encoder": True, "epochs": 1, "train_steps": 10},
            "rejected",
            state="failed",
        ),
        # Half of the reviews an epoch, so that it is done in two minutes; the accuracy was 0.70.
        DemoRun(
            "fine-tuned",
            "a fine-tuned encoder",
            {"least_accuracy": 0.6, "train_steps": 46},
            "registered",
        ),
    ),
    pretrained=SAMPLE_DATA / NAME,
)
PIPELINES = (CALIFORNIA_HOUSING, ABALONE)
# What they need is large, so they are set up, landed and shown only where they are named.
LARGE_PIPELINES = (PRODUCT_REVIEWS,)


def chosen_pipelines(name: str | None) -> tuple[SamplePipeline, ...]:
    """Return the pipeline of a name, or all but the large ones without one.

    Args:
        name: With hyphens, or with underscores as folders and DAGs have them.

    Raises:
        UnknownPipelineError: None is called so.
    """
    if not name:
        return PIPELINES
    known_ones = PIPELINES + LARGE_PIPELINES
    found = tuple(p for p in known_ones if _underscored(p.name) == _underscored(name))
    if not found:
        known = ", ".join(pipeline.name for pipeline in known_ones)
        raise UnknownPipelineError(
            f"there is no data for a pipeline {name!r}; there is for {known}"
        )
    return found


def full_name(name: str) -> str:
    """Return a pipeline's name as it is spelled; one that has no data here is taken as it is."""
    known = {_underscored(p.name): p.name for p in PIPELINES + LARGE_PIPELINES}
    return known.get(_underscored(name), name)


def _underscored(name: str) -> str:
    return name.replace("-", "_")
