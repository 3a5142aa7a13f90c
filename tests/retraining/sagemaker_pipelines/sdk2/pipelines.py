"""Pipelines as the documentation of the SageMaker SDK 2 writes them: the JSON files beside this.

SDK 2 cannot be installed beside SDK 3. So these were built once, with 2.257.7 on Python 3.12 in an
environment of its own, and against an embedded SageMaker, on which the SDK puts the scripts of
``code``; in a copy of this folder, for it puts files of its own there, too:

    uv venv --python 3.12 sdk2 && uv pip install --python sdk2 'sagemaker==2.257.*'
    .venv/bin/python -m local_sagemaker --state state
    export AWS_ENDPOINT_URL=… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_DEFAULT_REGION=…
    export SAGEMAKER_USER_CONFIG_OVERRIDE=…/plugins/retraining/sagemaker_pipelines/no_telemetry.yaml
    PYTHONPATH=…/plugins sdk2/bin/python -m retraining.sagemaker_pipelines write --with-aws \
        pipelines.py:script_mode -o …/script_mode.json

``repack_model.txt`` is what the SDK adds to the scripts of a repack step, under another name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import CreateModelInput, TrainingInput, TransformInput
from sagemaker.lambda_helper import Lambda
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.sklearn.model import SKLearnModel
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.transformer import Transformer
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter
from sagemaker.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import (
    ConditionEquals,
    ConditionGreaterThan,
    ConditionGreaterThanOrEqualTo,
    ConditionIn,
    ConditionLessThan,
    ConditionLessThanOrEqualTo,
    ConditionNot,
    ConditionOr,
)
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import (
    ParameterBoolean,
    ParameterFloat,
    ParameterInteger,
    ParameterString,
)
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.pipeline_experiment_config import PipelineExperimentConfig
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.workflow.step_collections import RegisterModel
from sagemaker.workflow.steps import (
    CacheConfig,
    CreateModelStep,
    ProcessingStep,
    TrainingStep,
    TransformStep,
    TuningStep,
)
from sagemaker.xgboost.estimator import XGBoost

BUCKET = "gated-retraining-local"
ROLE = "arn:aws:iam::123456789012:role/gated-retraining-local"
# A repack step keeps how it is written.
CODE = Path("code")
SKLEARN = "1.4-2"
CACHE = CacheConfig(enable_caching=True, expire_after="P30D")

INSTANCE_TYPE = ParameterString(
    name="InstanceType", default_value="ml.m5.large", enum_values=["ml.m5.large", "ml.m5.xlarge"]
)
INSTANCE_COUNT = ParameterInteger(name="InstanceCount", default_value=1)
INPUT_DATA = ParameterString(name="InputData")
APPROVAL = ParameterString(name="ModelApprovalStatus", default_value="PendingManualApproval")
THRESHOLD = ParameterFloat(name="MseThreshold", default_value=6.0)


def session() -> PipelineSession:
    return PipelineSession(default_bucket=BUCKET)


def preprocessing(at: PipelineSession, **more: Any) -> ProcessingStep:
    processor = SKLearnProcessor(
        framework_version=SKLEARN,
        instance_type=INSTANCE_TYPE,
        instance_count=INSTANCE_COUNT,
        base_job_name="sklearn-process",
        role=ROLE,
        sagemaker_session=at,
    )
    return ProcessingStep(
        name="Process",
        step_args=processor.run(
            inputs=[
                ProcessingInput(source=INPUT_DATA, destination="/opt/ml/processing/input"),
            ],
            outputs=[
                ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
                ProcessingOutput(output_name="test", source="/opt/ml/processing/test"),
            ],
            code=str(CODE / "preprocess.py"),
            arguments=["--test-share", "0.25"],
        ),
        **more,
    )


def output(step: ProcessingStep, name: str) -> Any:
    return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def evaluation(at: PipelineSession, train: TrainingStep, process: ProcessingStep) -> Any:
    report = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
    processor = ScriptProcessor(
        image_uri=image_uris.retrieve("sklearn", "us-east-1", version=SKLEARN),
        command=["python3"],
        instance_type="ml.m5.large",
        instance_count=1,
        base_job_name="script-eval",
        role=ROLE,
        sagemaker_session=at,
    )
    step = ProcessingStep(
        name="Evaluate",
        step_args=processor.run(
            inputs=[
                ProcessingInput(
                    source=train.properties.ModelArtifacts.S3ModelArtifacts,
                    destination="/opt/ml/processing/model",
                ),
                ProcessingInput(
                    source=output(process, "test"), destination="/opt/ml/processing/test"
                ),
            ],
            outputs=[
                ProcessingOutput(output_name="evaluation", source="/opt/ml/processing/evaluation")
            ],
            code=str(CODE / "evaluate.py"),
        ),
        property_files=[report],
    )
    return step, report


def script_mode() -> Pipeline:
    """Return a pipeline of one's own scripts, whose model is repacked with its inference script."""
    at = session()
    process = preprocessing(at, cache_config=CACHE)
    estimator = SKLearn(
        entry_point="train.py",
        source_dir=str(CODE),
        framework_version=SKLEARN,
        instance_type=INSTANCE_TYPE,
        instance_count=1,
        hyperparameters={"alpha": 0.5, "features": "a,b", "fit-intercept": True},
        output_path=f"s3://{BUCKET}/sdk2/models",
        role=ROLE,
        sagemaker_session=at,
    )
    train = TrainingStep(
        name="Train",
        step_args=estimator.fit(
            inputs={"train": TrainingInput(output(process, "train"), content_type="text/csv")}
        ),
        retry_policies=[
            SageMakerJobStepRetryPolicy(
                exception_types=[SageMakerJobExceptionTypeEnum.CAPACITY_ERROR], max_attempts=3
            )
        ],
    )
    evaluate, report = evaluation(at, train, process)
    model = SKLearnModel(
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
        entry_point="inference.py",
        source_dir=str(CODE),
        framework_version=SKLEARN,
        role=ROLE,
        sagemaker_session=at,
        # Then the archive must have the script, and the SDK adds a step that repacks it.
        enable_network_isolation=True,
    )
    metrics = ModelMetrics(
        model_statistics=MetricsSource(
            s3_uri=Join(on="/", values=[output(evaluate, "evaluation"), "evaluation.json"]),
            content_type="application/json",
        )
    )
    register = ModelStep(
        name="Register",
        step_args=model.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.t2.medium", "ml.m5.large"],
            transform_instances=["ml.m5.large"],
            model_package_group_name="sdk2-script-mode",
            approval_status=APPROVAL,
            model_metrics=metrics,
        ),
        repack_model_step_settings={"framework_version": SKLEARN},
    )
    fail = FailStep(
        name="TooLarge",
        error_message=Join(on=" ", values=["Execution failed due to MSE >", THRESHOLD]),
    )
    check = ConditionStep(
        name="CheckMse",
        conditions=[
            ConditionLessThanOrEqualTo(
                left=JsonGet(
                    step_name=evaluate.name,
                    property_file=report,
                    json_path="regression_metrics.mse.value",
                ),
                right=THRESHOLD,
            )
        ],
        if_steps=[register],
        else_steps=[fail],
    )
    return Pipeline(
        name="Sdk2ScriptMode",
        parameters=[INSTANCE_TYPE, INSTANCE_COUNT, INPUT_DATA, APPROVAL, THRESHOLD],
        steps=[process, train, evaluate, check],
        sagemaker_session=at,
    )


def built_in_xgboost(at: PipelineSession, **more: Any) -> Estimator:
    return Estimator(
        image_uri=image_uris.retrieve("xgboost", "us-east-1", version="3.0-5"),
        instance_type="ml.m5.large",
        instance_count=1,
        output_path=f"s3://{BUCKET}/sdk2/models",
        role=ROLE,
        sagemaker_session=at,
        hyperparameters={"objective": "reg:squarederror", "num_round": 10},
        **more,
    )


def tuning() -> Pipeline:
    """Return a pipeline that tunes the built-in algorithm, makes the best model, and scores."""
    at = session()
    process = preprocessing(at)
    tuner = HyperparameterTuner(
        built_in_xgboost(at),
        objective_metric_name="validation:rmse",
        objective_type="Minimize",
        hyperparameter_ranges={
            "eta": ContinuousParameter(0.1, 0.5),
            "max_depth": IntegerParameter(2, 4),
        },
        max_jobs=2,
        max_parallel_jobs=2,
        strategy="Random",
        random_seed=7,
    )
    tune = TuningStep(
        name="Tune",
        step_args=tuner.fit(
            inputs={
                "train": TrainingInput(output(process, "train"), content_type="text/csv"),
                "validation": TrainingInput(output(process, "test"), content_type="text/csv"),
            }
        ),
    )
    best = Model(
        image_uri=image_uris.retrieve("xgboost", "us-east-1", version="3.0-5"),
        model_data=tune.get_top_model_s3_uri(top_k=0, s3_bucket=BUCKET, prefix="sdk2/models"),
        role=ROLE,
        sagemaker_session=at,
    )
    create = ModelStep(name="Best", step_args=best.create(instance_type="ml.m5.large"))
    transformer = Transformer(
        model_name=create.properties.ModelName,
        instance_type="ml.m5.large",
        instance_count=1,
        output_path=f"s3://{BUCKET}/sdk2/scores",
        accept="text/csv",
        assemble_with="Line",
        sagemaker_session=at,
    )
    score = TransformStep(
        name="Score",
        step_args=transformer.transform(
            data=output(process, "test"),
            content_type="text/csv",
            split_type="Line",
            input_filter="$[1:]",
        ),
    )
    register = ModelStep(
        name="Register",
        step_args=best.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.m5.large"],
            transform_instances=["ml.m5.large"],
            model_package_group_name="sdk2-tuning",
            approval_status=APPROVAL,
            description="The best of a tuning job",
        ),
        depends_on=[score],
    )
    return Pipeline(
        name="Sdk2Tuning",
        parameters=[INSTANCE_TYPE, INSTANCE_COUNT, INPUT_DATA, APPROVAL],
        steps=[process, tune, create, score, register],
        sagemaker_session=at,
    )


def step_classes() -> Pipeline:
    """Return a pipeline of the older step classes, which take estimators and models themselves."""
    at = session()
    estimator = XGBoost(
        entry_point="train.py",
        source_dir=str(CODE),
        framework_version="1.7-1",
        instance_type="ml.m5.large",
        instance_count=INSTANCE_COUNT,
        hyperparameters={"max_depth": 5},
        output_path=f"s3://{BUCKET}/sdk2/models",
        role=ROLE,
        sagemaker_session=at,
        environment={"OWNER": "{{ team }}"},
        tags=[{"Key": "team", "Value": "ml"}],
    )
    train = TrainingStep(
        name="Train",
        estimator=estimator,
        inputs={"train": TrainingInput(INPUT_DATA, content_type="text/csv")},
        cache_config=CACHE,
        display_name="Train it",
        description="With a script",
        retry_policies=[
            StepRetryPolicy(
                exception_types=[
                    StepExceptionTypeEnum.SERVICE_FAULT,
                    StepExceptionTypeEnum.THROTTLING,
                ],
                expire_after_mins=10,
                interval_seconds=10,
                backoff_rate=2.0,
            ),
            SageMakerJobStepRetryPolicy(
                exception_types=[SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT],
                expire_after_mins=120,
                interval_seconds=60,
                backoff_rate=2.0,
            ),
        ],
    )
    model = Model(
        image_uri=estimator.training_image_uri(),
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
        role=ROLE,
        sagemaker_session=at,
    )
    create = CreateModelStep(
        name="Create",
        model=model,
        inputs=CreateModelInput(instance_type="ml.m5.large", accelerator_type="ml.eia1.medium"),
    )
    score = TransformStep(
        name="Score",
        transformer=Transformer(
            model_name=create.properties.ModelName,
            instance_type="ml.m5.large",
            instance_count=1,
            output_path=f"s3://{BUCKET}/sdk2/scores",
            sagemaker_session=at,
        ),
        inputs=TransformInput(data=INPUT_DATA, content_type="text/csv"),
    )
    register = RegisterModel(
        name="Register",
        estimator=estimator,
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name="sdk2-step-classes",
        approval_status=APPROVAL,
        entry_point="inference.py",
        source_dir=str(CODE),
    )
    return Pipeline(
        name="Sdk2StepClasses",
        parameters=[INSTANCE_COUNT, INPUT_DATA, APPROVAL],
        steps=[train, create, score, register],
        pipeline_experiment_config=PipelineExperimentConfig(
            ExecutionVariables.PIPELINE_NAME,
            Join(on="-", values=["trial", ExecutionVariables.PIPELINE_EXECUTION_ID]),
        ),
        sagemaker_session=at,
    )


def model(at: PipelineSession, name: str, value: Any, **more: Any) -> ModelStep:
    """Return a step that makes a model which is told a value."""
    made = Model(
        image_uri=image_uris.retrieve("sklearn", "us-east-1", version=SKLEARN),
        model_data=f"s3://{BUCKET}/structures/model.tar.gz",
        env={"VALUE": value},
        role=ROLE,
        sagemaker_session=at,
    )
    return ModelStep(name=name, step_args=made.create(), **more)


def conditions() -> Pipeline:
    """Return a pipeline of all conditions and types of parameters."""
    at = session()
    flag = ParameterBoolean(name="Flag", default_value=True)
    text = ParameterString(name="Text", default_value="good")
    check = ConditionStep(
        name="Check",
        display_name="All of them",
        conditions=[
            ConditionEquals(left=flag, right=True),
            ConditionGreaterThan(left=THRESHOLD, right=1.5),
            ConditionGreaterThanOrEqualTo(left=INSTANCE_COUNT, right=1),
            ConditionLessThan(left=THRESHOLD, right=10),
            ConditionLessThanOrEqualTo(left=INSTANCE_COUNT, right=5),
            ConditionIn(value=text, in_values=["good", "better"]),
            ConditionNot(ConditionEquals(left=text, right="bad")),
            ConditionOr(
                conditions=[
                    ConditionEquals(left=text, right="best"),
                    ConditionEquals(left=ExecutionVariables.PIPELINE_NAME, right="sdk2-conditions"),
                ]
            ),
        ],
        if_steps=[model(at, "Yes", Join(on="|", values=[text, INSTANCE_COUNT, THRESHOLD, flag]))],
        else_steps=[model(at, "No", "no")],
    )
    return Pipeline(
        name="Sdk2Conditions",
        parameters=[INSTANCE_COUNT, THRESHOLD, flag, text],
        steps=[check, model(at, "After", text, depends_on=[check])],
        sagemaker_session=at,
    )


def outside() -> Pipeline:
    """Return a pipeline that calls a function and asks another system."""
    at = session()
    double = LambdaStep(
        name="Double",
        lambda_func=Lambda(
            function_arn="arn:aws:lambda:us-east-1:123456789012:function:double", session=at
        ),
        inputs={"number": INSTANCE_COUNT},
        outputs=[LambdaOutput(output_name="twice", output_type=LambdaOutputTypeEnum.Integer)],
        cache_config=CACHE,
    )
    ask = CallbackStep(
        name="Ask",
        sqs_queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/queue",
        inputs={"number": double.properties.Outputs["twice"], "text": "good"},
        outputs=[CallbackOutput(output_name="answer", output_type=CallbackOutputTypeEnum.String)],
    )
    return Pipeline(
        name="Sdk2Outside",
        parameters=[INSTANCE_COUNT],
        steps=[double, ask, model(at, "Told", ask.properties.Outputs["answer"])],
        sagemaker_session=at,
    )
