"""Predict an abalone's age by its rings, with XGBoost; register the model where **MSE ≤ 6**.

The pipeline of SageMaker's own tutorial: `preprocess` imputes, scales and one-hot encodes, and
splits 70/15/15; `find_champion` finds the version that serves, or else the newest approved one;
`check_data` stops the run where the night's data are others than that one's; `train` is the image's
built-in algorithm; `evaluate` writes the mean squared error and its standard deviation, also of the
champion on the same rows; `check_quality` lets a model pass whose error is small enough, and greater
than the champion's by no more than **0.8** (`champion_tolerance`). On the first night there is none.
`register_model` registers it with its metrics, and `create_model` makes the SageMaker model. Any
other is left where it is: `skip_registration` ends the run well, `reject_model` fails it, as the
parameter `when_rejected` says.

### When it fails
| task | why | what to do |
| --- | --- | --- |
| `resolve_run` | the snapshot was not complete by 20:00 UTC of its day, or a setting is missing | land the files and `_SUCCESS`, or set the variable that the message names; clear the task |
| `preprocess` | bad data: the message names file, line and column | land a corrected snapshot under another date and trigger a run for it |
| `find_champion` | SageMaker or S3 did not answer, or refuses | clear the task |
| `check_data` | the data differ from those of the version that serves: the message names distance and column; or they cannot be judged | look at `data/decision.json` of the run; land corrected data under another date, or trigger a run with `when_data_differs` |
| `train` | the algorithm refused the data or a hyperparameter, in its own words | mend what it names; clear the task |
| `evaluate` | the last lines of the job's log are in the message | mend the script; clear the task |
| `check_quality` | the champion could not be scored: its archive is gone, or tonight's image cannot load it | restore the archive that the message names and clear `find_champion`; after a change of image, trigger a run with `unscored_champion: pass` |
| `check_quality` | the report cannot be judged | see `evaluation/decision.json` of the run, mend `evaluate.py`, clear `evaluate` |
| `register_model` | no decision lets this model pass, as when `check_quality` was marked by hand | clear what the message names |
| `register_model`, `create_model` | the registry refused or did not answer | clear the task: it never registers twice |
"""  # noqa: E501 - Markdown tables have long lines

from __future__ import annotations

from airflow.sdk import DAG
from retraining import (
    Image,
    LessThanOrEqualTo,
    Metric,
    Parameter,
    Pipeline,
    dag_defaults,
    not_worse_than_champion,
    params,
    steps,
)
from retraining.gate.data import DEFAULT_DATA_POLICY

XGBOOST = Image("xgboost", "3.0-5")
MSE = Metric("regression_metrics.mse", minimum_rows=200)
PIPELINE = Pipeline(
    name="abalone",
    description="Rings of an abalone from its measures",
    image=Image("sklearn", "1.4-2-py312"),
    training_image=XGBOOST,
    entry_point=None,  # the image serves its own models
    policy=(
        LessThanOrEqualTo(MSE, Parameter("mse_threshold")),
        not_worse_than_champion(MSE, by=Parameter("champion_tolerance")),
    ),
    headline=MSE,
    better="lower",
    data_policy=DEFAULT_DATA_POLICY,
    plots=("predicted_against_actual", "residuals"),
    content_types=("text/csv", "text/libsvm"),
)
PARAMETERS = {
    **params.retraining(ask_for_approval=None),
    "mse_threshold": params.threshold(6.0, title="Greatest mean squared error", minimum=0),
    "champion_tolerance": params.threshold(
        0.8, title="Greatest increase of the mean squared error", minimum=0
    ),
}

with DAG(
    dag_id="abalone_retraining",
    schedule="0 3 * * *",
    doc_md=__doc__ + params.table(PARAMETERS),
    params=PARAMETERS,
    **dag_defaults.retraining(PIPELINE),
) as dag:
    run = steps.resolve_run(PIPELINE)
    preprocess = steps.processing(
        run, "preprocess.py",
        inputs={"snapshot": run.snapshot_uri},
        outputs=("train", "validation", "test", "preprocessor", "data"),
    )  # fmt: skip
    champion = steps.find_champion(run)
    check_data = steps.check_data(run, preprocess, champion)
    train = steps.training(
        run, None,
        channels=preprocess.only("train", "validation"),
        content_type="text/csv",
        hyperparameters={
            "objective": "reg:squarederror", "num_round": "50", "max_depth": "5", "eta": "0.2",
            "gamma": "4", "min_child_weight": "6", "subsample": "0.7",
        },
    )  # fmt: skip
    evaluate = steps.processing(
        run, "evaluate.py", image=XGBOOST,
        inputs={"model": train.model_uri, **preprocess.only("test", "preprocessor")},
        optional_inputs=champion.inputs,
        arguments={"slices": "length,sex_I", **champion.arguments},
        outputs=("evaluation",),
    )  # fmt: skip
    register = steps.register_model(run, train)
    check = steps.check_quality(
        run,
        passed=register,
        rejected={"skip": steps.skip_registration(run), "fail": steps.reject_model(run)},
    )

    run >> preprocess >> check_data >> train >> evaluate >> check
    register >> steps.create_model(run, register)
