"""What a pipeline says of itself, once: everything downstream reads it, or records made from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from retraining.gate.champion import is_of_champion
from retraining.gate.conditions import PolicyError
from retraining.gate.data import checked_data_policy
from retraining.gate.headline import HIGHER, LOWER, Headline
from retraining.gate.judging import check_parameters
from retraining.gate.policy import checked, chosen, metrics_of, parameters_of
from retraining.gate.report import canonical, is_path, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retraining.gate.conditions import Condition, Metric

PREDICTED_AGAINST_ACTUAL = "predicted_against_actual"
RESIDUALS = "residuals"
CONFUSION_MATRIX = "confusion_matrix"
# Of the report's members of the same names.
CLASS_METRICS = "class_metrics"
LEARNING_CURVES = "learning_curves"
WORST_ERRORS = "worst_errors"
PLOTS = (
    PREDICTED_AGAINST_ACTUAL, RESIDUALS, CONFUSION_MATRIX,
    CLASS_METRICS, LEARNING_CURVES, WORST_ERRORS,
)  # fmt: skip

# A folder in the bucket, a model package group and an endpoint bear the name.
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_VERSION = re.compile(r"[\w.-]+")
# What the library itself writes into the metadata of each version, of the 50 that there may be.
OWN_METADATA = frozenset({
    "snapshot", "fingerprint", "headline", "better", "tolerance", "run_id", "run_type",
    "training_job", "code_sha256", "data_fingerprint", "against_gate", "data_differs",
})  # fmt: skip
_LARGEST_METADATA = 50
_LONGEST_DESCRIPTION = 1024
# Without its comma, a tuple of one is that one, and a text is taken for its letters.
_SEVERAL = (
    "policy", "content_types", "response_types", "realtime_instance_types",
    "transform_instance_types", "metadata_parameters", "metadata_metrics", "plots",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Image:
    """A container image of AWS's, as the SageMaker SDK knows it.

    Attributes:
        framework: ``sklearn``, ``xgboost``, ``pytorch`` and so on.
        version: As the SDK names it: ``1.4-2-py312``, ``3.0-5``.
    """

    framework: str
    version: str

    def __str__(self) -> str:
        """Return ``framework:version``."""
        return f"{self.framework}:{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The declaration of a pipeline.

    Attributes:
        name: 1 to 63 letters, digits, and hyphens in between: its folder in the bucket, its model
            package group and, unless a deployment says otherwise, its endpoint. Its scripts lie in
            the folder of the same name, with underscores for hyphens.
        description: One line, for the registry; at most 1,024 characters.
        image: Of the processing jobs; or the URI of an image.
        policy: The quality gate's conditions, all of which must hold. A parameter of the run may
            choose their metrics.
        headline: The metric that models are shown and compared by.
        better: Whether a ``higher`` or a ``lower`` headline is better.
        training_image: Of the training job; None for ``image``.
        inference_image: Of the endpoint; None for the training job's.
        entry_point: The serving script in ``code/`` of the model's archive; None for the handlers
            of the image itself.
        content_types: What a request to a model may be.
        response_types: What an answer of it may be.
        realtime_instance_types: What may serve it.
        transform_instance_types: What may run batches of it.
        metadata_parameters: The run's parameters that go into the registry, besides the policy's.
        metadata_metrics: The paths of metrics that go there, besides the headline and the policy's.
        tolerance: How far a number of an answer may be from what evaluation predicted, relatively;
            a text must be the same.
        data_policy: The conditions on the data, all of which must hold before anything is trained;
            None for no such gate. See ``retraining.gate.data``.
        plots: What the page draws of ``predictions.csv`` and the report: some of ``PLOTS``.

    Raises:
        ValueError: A value cannot be used; the message names the pipeline and the value.
    """

    name: str
    description: str
    image: Image | str
    policy: tuple[Condition, ...]
    headline: Metric
    better: Literal["higher", "lower"]
    training_image: Image | str | None = None
    inference_image: Image | str | None = None
    entry_point: str | None = "entry_point.py"
    content_types: tuple[str, ...] = ("text/csv",)
    response_types: tuple[str, ...] = ("text/csv",)
    realtime_instance_types: tuple[str, ...] = ("ml.t2.medium", "ml.m5.large", "ml.m5.xlarge")
    transform_instance_types: tuple[str, ...] = ("ml.m5.large", "ml.m5.xlarge")
    metadata_parameters: tuple[str, ...] = ()
    metadata_metrics: tuple[str, ...] = ()
    tolerance: float = 1e-6
    data_policy: tuple[Condition, ...] | None = None
    plots: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what a DAG file can get wrong, when it is parsed and not in the night."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"pipeline {self.name!r}: a name is 1 to 63 letters, digits, and hyphens in between"
            )
        single = [name for name in _SEVERAL if not isinstance(getattr(self, name), tuple | list)]
        if single:
            raise ValueError(
                f"pipeline {self.name}: {', '.join(single)}: a tuple is wanted; one of a single"
                " item ends with a comma, (…,)"
            )
        try:
            # A list may change after it was checked.
            object.__setattr__(self, "policy", checked(self.policy))
            if self.data_policy is not None:
                object.__setattr__(self, "data_policy", checked_data_policy(self.data_policy))
        except PolicyError as error:
            raise ValueError(f"pipeline {self.name}: {error}") from error
        problems = [
            *(
                []
                if 0 < len(self.description) <= _LONGEST_DESCRIPTION
                and "\n" not in self.description
                else [f"description: it is not one line of 1 to {_LONGEST_DESCRIPTION} characters"]
            ),
            *(
                f"{path!r} is no path in a report"
                for path in (*self.metric_paths, self._headline_path)
                if not is_path(path)
            ),
            *(
                []
                if isinstance(self.headline.path, str)
                else ["headline: runs are compared by it, so none of them may choose it"]
            ),
            *(
                []
                if self.better in {HIGHER, LOWER}
                else [f"better={self.better!r} is neither {HIGHER!r} nor {LOWER!r}"]
            ),
            *(f"plots: {name!r} is none of {PLOTS}" for name in self.plots if name not in PLOTS),
            *(
                f"image {image!s}: framework and version are letters, digits, - and ."
                for image in (self.image, self.training_image, self.inference_image)
                if isinstance(image, Image)
                and not (_VERSION.fullmatch(image.framework) and _VERSION.fullmatch(image.version))
            ),
            *([] if self.tolerance >= 0 else [f"tolerance={self.tolerance} is not 0 or more"]),
            *(
                f"{name!r} is a parameter and the name of a metric; call the parameter otherwise"
                for name in sorted({*self.parameter_names} & {*names(self.metric_paths).values()})
            ),
        ]
        in_registry = {*self.parameter_names, *names(self.metric_paths).values()}
        problems += [
            f"{name!r} is what the library itself calls something in the registry's metadata"
            for name in sorted(in_registry & OWN_METADATA)
        ]
        kept = len(self.metric_paths) + len(self.metadata_parameters)
        if kept > _LARGEST_METADATA - len(OWN_METADATA):
            problems.append(
                f"{kept} metrics and parameters are too many for the registry's metadata; at most"
                f" {_LARGEST_METADATA - len(OWN_METADATA)} fit"
            )
        if problems:
            raise ValueError(f"pipeline {self.name}: {'; '.join(problems)}")

    @property
    def folder(self) -> str:
        """The name of its folder of scripts."""
        return self.name.replace("-", "_")

    @property
    def shown_by(self) -> Headline:
        """The headline with its direction."""
        return Headline(canonical(self._headline_path), self.better)

    @property
    def metric_paths(self) -> tuple[str, ...]:
        """The paths of the metrics that go into the registry, the headline first."""
        asked = (path for path in metrics_of(self.policy) if not is_of_champion(path))
        paths = (self._headline_path, *asked, *self.metadata_metrics)
        return tuple(dict.fromkeys(map(canonical, paths)))

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the parameters that go into the registry."""
        policies = (*self.policy, *(self.data_policy or ()))
        return tuple(dict.fromkeys((*parameters_of(policies), *self.metadata_parameters)))

    def for_run(self, parameters: Mapping[str, Any]) -> Pipeline:
        """Return the pipeline with the metrics that a run's parameters choose for its policy.

        Raises:
            UndecidableError: A parameter chooses none, or no report could be judged by its value;
                or the run lacks one of the policy's.
            ValueError: As of the declaration.
        """
        policy = chosen(self.policy, parameters)
        for condition in policy:
            check_parameters(condition, parameters)
        if policy == self.policy:
            return self
        # What has chosen is named by the policy no more.
        return replace(self, policy=policy, metadata_parameters=self.parameter_names)

    @property
    def _headline_path(self) -> str:
        return str(self.headline.path)

    def to_record(self) -> dict[str, object]:
        """Return what a decision record keeps of the declaration, for those who only read it."""
        return {
            "name": self.name,
            "headline": {"metric": self.shown_by.metric, "better": self.better},
            "plots": list(self.plots),
        }
