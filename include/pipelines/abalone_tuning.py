"""Abalone with a tuned model, built with the SageMaker SDK: abalone_tuning.json.

What comes of it, after a change too:
``python -m retraining.sagemaker_pipelines write include/pipelines/abalone_tuning.py:pipeline``
``-o include/pipelines/abalone_tuning.json``, with ``plugins`` on PYTHONPATH.
"""

from __future__ import annotations

from building import (
    ROLE_ARN,
    Data,
    input_channels,
    model_trainer,
    pipeline_session,
    processing_step,
)
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.core.transformer import Transformer
from sagemaker.core.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.endpoint_step import EndpointConfigStep, EndpointStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import TransformStep, TuningStep
from sagemaker.serve import ModelBuilder
from sagemaker.train.tuner import HyperparameterTuner

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"


def pipeline() -> Pipeline:
    """Return the pipeline: process, tune; where the best is good, score with it and deploy it."""
    data = Data("abalone")
    threshold = ParameterFloat("RmseThreshold", default_value=2.5)
    endpoint_name = ParameterString("EndpointName", default_value="abalone-tuned")
    process = processing_step(
        data, "Process", "preprocess.py", image_uri=SKLEARN,
        inputs={"snapshot": data.snapshot},
        outputs=("train", "validation", "test", "preprocessor"),
    )  # fmt: skip
    tuner = HyperparameterTuner(
        model_trainer(
            data, "Tune", image_uri=XGBOOST,
            hyperparameters={"objective": "reg:squarederror", "num_round": "50"},
        ),
        objective_metric_name="validation:rmse",
        hyperparameter_ranges={
            "max_depth": IntegerParameter(2, 8), "eta": ContinuousParameter(0.05, 0.5),
        },
        metric_definitions=[
            {"Name": "validation:rmse", "Regex": ".*validation-rmse:([-+]?[0-9]*[.]?[0-9]+).*"}
        ],
        strategy="Random",
        objective_type="Minimize",
        max_jobs=4,
        max_parallel_jobs=2,
        random_seed=7,
    )  # fmt: skip
    channels = {name: process.output(name) for name in ("train", "validation")}
    tune = TuningStep(name="Tune", step_args=tuner.tune(inputs=input_channels(channels)))
    best = tune.properties.TrainingJobSummaries[0]
    model = ModelStep(
        name="Model",
        step_args=ModelBuilder(
            image_uri=XGBOOST,
            s3_model_data_url=Join(
                "/", [data.output("model"), best.TrainingJobName, "output", "model.tar.gz"]
            ),
            role_arn=ROLE_ARN,
            sagemaker_session=data.session,
        ).build(),
    )
    transformer = Transformer(
        model_name=model.properties.ModelName,
        instance_count=1,
        instance_type="ml.m5.large",
        accept="text/csv",
        assemble_with="Line",
        output_path=data.output("scores"),
        sagemaker_session=data.session,
    )
    score = TransformStep(
        name="Score",
        step_args=transformer.transform(
            data=process.output("test"),
            content_type="text/csv",
            split_type="Line",
            # The label is the first column; of a result only it and the prediction are kept.
            input_filter="$[1:]",
            join_source="Input",
            output_filter="$[0,-1]",
        ),
    )
    config = EndpointConfigStep(
        name="EndpointConfig",
        step_args=data.session.create_endpoint_config(
            name="abalone-tuned",
            production_variants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": model.properties.ModelName,
                    "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
                }
            ],
        ),
    )
    endpoint = EndpointStep(
        name="Endpoint",
        step_args=data.session.create_endpoint(
            endpoint_name=endpoint_name,
            config_name=config.properties.EndpointConfigName,
            tags=[{"Key": "pipeline", "Value": "abalone-tuning"}],
        ),
        depends_on=[score],
    )
    check = ConditionStep(
        name="CheckRmse",
        conditions=[
            ConditionLessThanOrEqualTo(
                left=tune.properties.BestTrainingJob.FinalHyperParameterTuningJobObjectiveMetric.Value,
                right=threshold,
            )
        ],
        if_steps=[model, score, config, endpoint],
        else_steps=[
            FailStep(
                name="RmseTooLarge",
                error_message=Join(" ", ["RMSE >", threshold, "in", best.TrainingJobName]),
            )
        ],
    )
    return Pipeline(
        name="AbaloneTuning",
        parameters=[*data.parameters, threshold, endpoint_name],
        steps=[process.step, tune, check],
        sagemaker_session=pipeline_session(),
    )
