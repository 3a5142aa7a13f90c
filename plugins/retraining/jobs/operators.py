"""The provider's operators of jobs, with jobs that know whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerProcessingOperator,
    SageMakerTrainingOperator,
    SageMakerTransformOperator,
    SageMakerTuningOperator,
)

from retraining.jobs.kinds import PROCESSING, TRAINING, TRANSFORM, TUNING
from retraining.jobs.lifecycle import DEFER_AFTER, SageMakerJobTask
from retraining.runs.results import template

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import timedelta


class RetrainingProcessingOperator(SageMakerJobTask, SageMakerProcessingOperator):
    """A processing job that is created once, waited for, and explains its failure.

    Takes the arguments of ``SageMakerProcessingOperator``, but the config needs no job name, and

    * ``action_if_job_exists``, ``check_interval`` and ``max_attempts`` are without effect: a job
      is adopted, and looked at after one second and then ever less often;
    * ``output_files_to_xcom`` is refused, as the provider takes an unreadable file for a result.

    Args:
        pipeline: Under its name results are recorded, and found by later runs; None does neither.
        defer_after: So long a worker waits before the task is deferred.
        reuse: Not empty if the result of an earlier job with equal inputs, code, image and
            arguments may be taken instead of a new job: then how often the run had been cleared
            when it began. If that is more by now, a person wants this task done anew.
        optional_inputs: The names of the config's inputs that the job goes without where their URI
            renders to "": its request is then that of a job that never had them.
        arguments: As the provider's.

    Without ``deferrable`` a worker waits.

    Returns:
        The job's name and ARN.
    """

    job_type = PROCESSING

    template_fields = (*SageMakerProcessingOperator.template_fields, "reuse")

    def __init__(
        self,
        *,
        pipeline: str | None = None,
        reuse: str = "",
        defer_after: timedelta = DEFER_AFTER,
        optional_inputs: Collection[str] = (),
        **arguments: Any,
    ) -> None:
        self.pipeline = pipeline
        self.reuse = reuse
        self.defer_after = defer_after
        self.optional_inputs = frozenset(optional_inputs)
        if arguments.get("output_files_to_xcom"):
            raise ValueError(
                f"{arguments.get('task_id')}: output_files_to_xcom is not supported; let a task"
                " read the file, so that an unreadable one is an error"
            )
        super().__init__(**arguments)

    @property
    def outputs(self) -> dict[str, str]:
        """The S3 folder of each output by its name; templates until the task runs."""
        told = self.config.get("ProcessingOutputConfig", {}).get("Outputs", [])
        return {output["OutputName"]: output["S3Output"]["S3Uri"] for output in told}

    def only(self, *names: str) -> dict[str, str]:
        """Return some of the outputs, for a later step's inputs or channels.

        Raises:
            ValueError: The job has no such output.
        """
        outputs = self.outputs
        if missing := [name for name in names if name not in outputs]:
            raise ValueError(
                f"{self.task_id} has no output {missing[0]!r}; it has {', '.join(outputs)}"
            )
        return {name: outputs[name] for name in names}

    def _request(self) -> dict[str, Any]:
        request = super()._request()
        given = [
            item for item in request.get("ProcessingInputs", []) if not self._is_left_out(item)
        ]
        return {**request, "ProcessingInputs": given} if "ProcessingInputs" in request else request

    def _is_left_out(self, item: Mapping[str, Any]) -> bool:
        return item["InputName"] in self.optional_inputs and not item["S3Input"]["S3Uri"]


class RetrainingTrainingOperator(SageMakerJobTask, SageMakerTrainingOperator):
    """The same for a training job, with the arguments of ``SageMakerTrainingOperator``.

    Returns:
        The job's name, its ARN, and ``model_uri`` once it has completed.
    """

    job_type = TRAINING
    template_fields = (*SageMakerTrainingOperator.template_fields, "reuse")

    def __init__(
        self,
        *,
        pipeline: str | None = None,
        reuse: str = "",
        defer_after: timedelta = DEFER_AFTER,
        **arguments: Any,
    ) -> None:
        self.pipeline = pipeline
        self.reuse = reuse
        self.defer_after = defer_after
        super().__init__(**arguments)

    @property
    def result(self) -> dict[str, str]:
        """Templates of the job's name and of its model's URI."""
        return {name: template(self.task_id, name) for name in ("job_name", "model_uri")}

    @property
    def model_uri(self) -> str:
        """The template of the URI of ``model.tar.gz``."""
        return self.result["model_uri"]


class RetrainingTransformOperator(SageMakerJobTask, SageMakerTransformOperator):
    """The same for a batch transform job, with the arguments of ``SageMakerTransformOperator``.

    The config is that of the job; a model is made by another task.

    Returns:
        The job's name and ARN. Its result is not recorded for reuse.
    """

    job_type = TRANSFORM
    print_log = True
    template_fields = (*SageMakerTransformOperator.template_fields, "reuse")

    def __init__(
        self,
        *,
        pipeline: str | None = None,
        reuse: str = "",
        defer_after: timedelta = DEFER_AFTER,
        **arguments: Any,
    ) -> None:
        self.pipeline = pipeline
        self.reuse = reuse
        self.defer_after = defer_after
        if {"Transform", "Model"} & arguments.get("config", {}).keys():
            raise ValueError(f"{arguments.get('task_id')}: the config is that of a job, no more")
        super().__init__(**arguments)


class RetrainingTuningOperator(SageMakerJobTask, SageMakerTuningOperator):
    """The same for hyperparameter tuning, with the arguments of ``SageMakerTuningOperator``.

    Returns:
        The tuning job's name and ARN. Its result is not recorded for reuse.
    """

    job_type = TUNING
    print_log = True
    template_fields = (*SageMakerTuningOperator.template_fields, "reuse")

    def __init__(
        self,
        *,
        pipeline: str | None = None,
        reuse: str = "",
        defer_after: timedelta = DEFER_AFTER,
        **arguments: Any,
    ) -> None:
        self.pipeline = pipeline
        self.reuse = reuse
        self.defer_after = defer_after
        super().__init__(**arguments)
