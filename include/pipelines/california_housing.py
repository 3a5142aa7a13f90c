"""California housing's retraining, built with the SageMaker SDK: california_housing.json.

What comes of it, after a change too:
``python -m retraining.sagemaker_pipelines write include/pipelines/california_housing.py:pipeline``
``-o include/pipelines/california_housing.json``, with ``plugins`` on PYTHONPATH.
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
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.pipeline import Pipeline

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"


def pipeline() -> Pipeline:
    """Return the pipeline: preprocess, train, evaluate, and register where r2 is large enough."""
    data = Data("california-housing")
    threshold = ParameterFloat("R2Threshold", default_value=0.6)
    features = ParameterString(
        "Features", default_value="engineered", enum_values=["raw", "engineered"]
    )
    preprocess = processing_step(
        data, "Preprocess", "preprocess.py", image_uri=SKLEARN,
        inputs={"snapshot": data.snapshot},
        outputs=("train", "validation", "test", "preprocessor"),
        arguments=["--features", features],
    )  # fmt: skip
    train = training_step(
        data, "Train", image_uri=SKLEARN,
        channels={name: preprocess.output(name) for name in ("train", "preprocessor")},
        hyperparameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": Join("/", [data.code, "sourcedir.tar.gz"]),
            "fit-intercept": "true",
            "positive": "false",
        },
    )  # fmt: skip
    model_uri = train.properties.ModelArtifacts.S3ModelArtifacts
    evaluate = processing_step(
        data, "Evaluate", "evaluate.py", image_uri=SKLEARN,
        inputs={"model": model_uri, "test": preprocess.output("test")},
        outputs=("evaluation",),
        report=True,
    )  # fmt: skip
    register = registration_step(
        data, "RegisterModel", evaluate, SKLEARN, model_uri,
        group="california-housing-from-definition",
        environment={
            "SAGEMAKER_PROGRAM": "entry_point.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        },
    )  # fmt: skip
    check = ConditionStep(
        name="CheckQuality",
        conditions=[
            ConditionGreaterThanOrEqualTo(
                left=evaluation_metric(evaluate, "regression_metrics.r2_score.value"),
                right=threshold,
            )
        ],
        if_steps=[register],
        else_steps=[],
    )
    return Pipeline(
        name="CaliforniaHousing",
        parameters=[*data.parameters, threshold, features],
        steps=[preprocess.step, train, evaluate.step, check],
        sagemaker_session=pipeline_session(),
    )
