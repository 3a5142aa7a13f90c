"""The abalone pipeline of SageMaker's tutorial, built with the SageMaker SDK: abalone.json.

What comes of it, after a change too:
``python -m retraining.sagemaker_pipelines write include/pipelines/abalone.py:pipeline``
``-o include/pipelines/abalone.json``, with ``plugins`` on PYTHONPATH.
"""

from __future__ import annotations

from building import (
    Data,
    evaluation_metric,
    pipeline_session,
    processing_step,
    registration_step,
    training_step,
)
from sagemaker.core.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterFloat
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.pipeline import Pipeline

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"


def pipeline() -> Pipeline:
    """Return the pipeline: process, train, evaluate, and register where the error is small."""
    data = Data("abalone")
    threshold = ParameterFloat("MseThreshold", default_value=6.0)
    process = processing_step(
        data, "AbaloneProcess", "preprocess.py", image_uri=SKLEARN,
        inputs={"snapshot": data.snapshot},
        outputs=("train", "validation", "test", "preprocessor"),
    )  # fmt: skip
    train = training_step(
        data, "AbaloneTrain", image_uri=XGBOOST,
        channels={name: process.output(name) for name in ("train", "validation")},
        hyperparameters={
            "objective": "reg:squarederror", "num_round": "50", "max_depth": "5", "eta": "0.2",
            "gamma": "4", "min_child_weight": "6", "subsample": "0.7",
        },
    )  # fmt: skip
    model_uri = train.properties.ModelArtifacts.S3ModelArtifacts
    evaluate = processing_step(
        data, "AbaloneEval", "evaluate.py", image_uri=XGBOOST,
        inputs={"model": model_uri, **{n: process.output(n) for n in ("test", "preprocessor")}},
        outputs=("evaluation",),
        report=True,
    )  # fmt: skip
    register = registration_step(
        data, "AbaloneRegisterModel", evaluate, XGBOOST, model_uri, group="abalone-from-definition"
    )
    fail = FailStep(
        name="AbaloneMSEFail",
        error_message=Join(on=" ", values=["Execution failed due to MSE >", threshold]),
    )
    check = ConditionStep(
        name="AbaloneMSECond",
        conditions=[
            ConditionLessThanOrEqualTo(
                left=evaluation_metric(evaluate, "regression_metrics.mse.value"), right=threshold
            )
        ],
        if_steps=[register],
        else_steps=[fail],
    )
    return Pipeline(
        name="AbalonePipeline",
        parameters=[*data.parameters, threshold],
        steps=[process.step, train, evaluate.step, check],
        sagemaker_session=pipeline_session(),
    )
