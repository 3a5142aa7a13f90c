"""What the definitions in this folder have in common: steps of the SageMaker SDK on our scripts.

The programs beside it need the SageMaker SDK and no AWS, if they are run as each of them says. What
comes of them is committed: importing the SDK takes seconds, and a DAG file must not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.training.configs import (
    Compute,
    InputData,
    OutputDataConfig,
    StoppingCondition,
)
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterInteger, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BUCKET = "gated-retraining-local"
ROLE_ARN = "arn:aws:iam::123456789012:role/gated-retraining-local"
_CACHE = CacheConfig(enable_caching=True, expire_after="30d")
_IN, _OUT = "/opt/ml/processing/input", "/opt/ml/processing/output"


def pipeline_session() -> PipelineSession:
    """Return a session that calls nothing."""
    session = PipelineSession(default_bucket=_BUCKET)
    session._default_bucket = _BUCKET  # noqa: SLF001 - else it asks S3
    return session


@dataclass
class Data:
    """Where a pipeline's data and code lie, as parameters of its own.

    Attributes:
        pipeline: The name of its folder in the bucket.
        session: For its steps.
    """

    pipeline: str
    session: PipelineSession = field(default_factory=pipeline_session)

    def __post_init__(self) -> None:
        """Make the parameters."""
        self.bucket = ParameterString("Bucket", default_value=_BUCKET)
        self.date = ParameterString("SnapshotDate")
        self.code = ParameterString("CodeUri")
        self.instance_type = ParameterString(
            "InstanceType",
            default_value="ml.m5.large",
            enum_values=["ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge"],
        )
        self.instance_count = ParameterInteger("InstanceCount", default_value=1)
        self.approval = ParameterString("ModelApprovalStatus", "PendingManualApproval")

    @property
    def parameters(self) -> list[Any]:
        """All of them."""
        return [
            self.bucket, self.date, self.code, self.instance_type, self.instance_count,
            self.approval,
        ]  # fmt: skip

    @property
    def snapshot(self) -> Join:
        """The folder of the raw data of the date."""
        return Join("/", ["s3:/", self.bucket, self.pipeline, "snapshots", self.date, ""])

    def output(self, *names: str) -> Join:
        """Return a folder of the execution's own."""
        execution = ExecutionVariables.PIPELINE_EXECUTION_ID
        return Join("/", ["s3:/", self.bucket, self.pipeline, "executions", execution, *names])


@dataclass(frozen=True)
class Processing:
    """A processing step and its evaluation report, if it writes one."""

    step: ProcessingStep
    report: PropertyFile | None

    def output(self, name: str) -> Any:
        """Return where an output lies."""
        return self.step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def processing_step(
    data: Data,
    name: str,
    script: str,
    *,
    image_uri: str,
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
    arguments: Sequence[Any] | None = None,
    report: bool = False,
) -> Processing:
    """Return the step that runs a script; it reads and writes where the repository's scripts do."""
    processor = Processor(
        role=ROLE_ARN,
        image_uri=image_uri,
        entrypoint=["python3", f"{_IN}/code/{script}"],
        instance_count=data.instance_count,
        instance_type=data.instance_type,
        max_runtime_in_seconds=3600,
        sagemaker_session=data.session,
    )
    step_args = processor.run(
        inputs=[
            ProcessingInput(
                input_name=input_name,
                s3_input=ProcessingS3Input(
                    s3_uri=uri,
                    local_path=f"{_IN}/{input_name}",
                    s3_data_type="S3Prefix",
                    s3_input_mode="File",
                ),
            )
            for input_name, uri in {"code": Join("/", [data.code, "scripts", ""]), **inputs}.items()
        ],
        outputs=[
            ProcessingOutput(
                output_name=output,
                s3_output=ProcessingS3Output(
                    s3_uri=data.output(output),
                    local_path=f"{_OUT}/{output}",
                    s3_upload_mode="EndOfJob",
                ),
            )
            for output in outputs
        ],
        arguments=list(arguments) if arguments else None,
    )
    file = (
        PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
        if report
        else None
    )
    return Processing(
        ProcessingStep(
            name=name,
            step_args=step_args,
            property_files=[file] if file else None,
            cache_config=_CACHE,
        ),
        file,
    )


def model_trainer(
    data: Data,
    name: str,
    *,
    image_uri: str,
    hyperparameters: Mapping[str, Any],
    environment: Mapping[str, Any] | None = None,
) -> ModelTrainer:
    """Return what trains with an image's own algorithm, or a script of hyperparameters."""
    return ModelTrainer(
        training_image=image_uri,
        role=ROLE_ARN,
        sagemaker_session=data.session,
        compute=Compute(instance_type=data.instance_type, instance_count=1, volume_size_in_gb=30),
        hyperparameters=dict(hyperparameters),
        environment=dict(environment or {}),
        output_data_config=OutputDataConfig(s3_output_path=data.output("model")),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=3600),
        base_job_name=name,
    )


def input_channels(channels: Mapping[str, Any]) -> list[InputData]:
    """Return the CSV channels of a job, from where their data lies."""
    return [
        InputData(channel_name=channel, data_source=uri, content_type="text/csv")
        for channel, uri in channels.items()
    ]


def training_step(
    data: Data, name: str, *, channels: Mapping[str, Any], **arguments: Any
) -> TrainingStep:
    """Return the step that trains a model; the arguments are those of ``model_trainer``."""
    trainer = model_trainer(data, name, **arguments)
    step_args = trainer.train(input_data_config=input_channels(channels))
    return TrainingStep(name=name, step_args=step_args, cache_config=_CACHE)


def evaluation_metric(evaluate: Processing, path: str) -> JsonGet:
    """Return a value of an evaluation report."""
    return JsonGet(step_name=evaluate.step.name, property_file=evaluate.report, json_path=path)


def registration_step(
    data: Data,
    name: str,
    evaluate: Processing,
    image_uri: str,
    model_uri: Any,
    *,
    group: str,
    environment: Mapping[str, str] | None = None,
) -> ModelStep:
    """Return the step that registers a model with its report."""
    report_uri = Join("/", [evaluate.output("evaluation"), "evaluation.json"])
    builder = ModelBuilder(
        image_uri=image_uri,
        s3_model_data_url=model_uri,
        env_vars=dict(environment or {}),
        role_arn=ROLE_ARN,
        sagemaker_session=data.session,
    )
    step_args = builder.register(
        model_package_group_name=group,
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.t2.medium", "ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_metrics=ModelMetrics(
            model_statistics=MetricsSource(content_type="application/json", s3_uri=report_uri)
        ),
        approval_status=data.approval,
    )
    return ModelStep(name=name, step_args=step_args)
