"""Retrain the California housing model every night, and register it only if it is good enough.

`resolve_run` waits until the night's snapshot of the raw data is complete. The snapshot is split and
cleaned (`preprocess`). `find_champion` finds the version that serves, or else the newest approved one,
and `check_data` compares the night's data with that version's: where they are others, the run stops
before anything is trained; the parameter `when_data_differs` may let it go on. A linear model is
trained (`train`) and scored, beside the champion, on rows that neither has seen (`evaluate`).
`check_quality` reads `evaluation.json` and lets a model pass with **r2 ≥ 0.6** that is worse than the
champion by no more than **0.02** (`champion_tolerance`): `register_model` makes it a new version in the
model registry. Any other model is left where it is: `skip_registration` ends the run well,
`reject_model` fails it; the parameter `when_rejected` chooses. On the first night there is no champion.

With the parameter `ask_for_approval`, the task of that name shows a person the evaluation beside
that of the version that serves, in Airflow under "Required actions", and waits without holding a
worker or the next night's run. `record_approval` writes the answer into the registry. A version that
is approved, there or at its registration, starts `california_housing_deployment`.

### When it fails
| task | why | what to do |
| --- | --- | --- |
| `resolve_run` | the snapshot was not complete by 20:00 UTC of its day, or a setting is missing | land the files and `_SUCCESS`, or set the variable that the message names; clear the task |
| `preprocess` | bad data: the message names file, column and row | land a corrected snapshot under another date and trigger a run for it |
| `find_champion` | SageMaker or S3 did not answer, or refuses | clear the task |
| `check_data` | the data differ from those of the version that serves: the message names distance and column; or they cannot be judged | look at `data/decision.json` of the run; land corrected data under another date, or trigger a run with `when_data_differs` |
| `train`, `evaluate` | the last lines of the job's log are in the message | mend the script; clear the task, which starts a new job |
| `check_quality` | the champion could not be scored: its archive is gone, or tonight's image cannot load it | restore the archive that the message names and clear `find_champion`; after a change of image, trigger a run with `unscored_champion: pass` |
| `check_quality` | the report cannot be judged: missing, not JSON, or without the metric | see `evaluation/decision.json` of the run, mend `evaluate.py`, clear `evaluate` |
| `reject_model` | the model is not good enough, and the run was asked to fail then | nothing was registered; compare the decision with earlier ones |
| `register_model` | no decision lets this model pass, as when `check_quality` was marked by hand; or the registry refused or did not answer | clear what the message names, or the task: it never registers twice |
| `ask_for_approval` | the evaluation to be shown is gone, or SageMaker did not answer | clear the task, or decide in the registry |
| `record_approval` | somebody decided otherwise before the answer came | nothing, or change the status in the registry |
"""  # noqa: E501 - Markdown tables have long lines

from __future__ import annotations

from airflow.sdk import DAG, Label, Param
from retraining import (
    GreaterThanOrEqualTo,
    Image,
    Metric,
    Parameter,
    Pipeline,
    dag_defaults,
    not_worse_than_champion,
    params,
    steps,
)
from retraining.gate.data import DEFAULT_DATA_POLICY

R2 = Metric("regression_metrics.r2_score", minimum_rows=500)
PIPELINE = Pipeline(
    name="california-housing",
    description="Median house values of California districts, 1990 census",
    image=Image("sklearn", "1.4-2-py312"),
    policy=(
        GreaterThanOrEqualTo(R2, Parameter("r2_threshold")),
        not_worse_than_champion(R2, by=Parameter("champion_tolerance")),
    ),
    headline=R2,
    better="higher",
    metadata_parameters=("features",),
    data_policy=DEFAULT_DATA_POLICY,
    plots=("predicted_against_actual", "residuals"),
)
PARAMETERS = {
    **params.retraining(),
    "r2_threshold": params.threshold(0.6, title="Least r2", maximum=1),
    "champion_tolerance": params.threshold(
        0.02, title="Greatest loss of r2 against the champion", minimum=0
    ),
    "features": Param(
        "engineered",
        type="string",
        enum=["engineered", "raw"],
        title="Feature set",
        description="The eight columns as they are, or what is made of them.",
    ),
}

with DAG(
    dag_id="california_housing_retraining",
    schedule="0 2 * * *",
    doc_md=__doc__ + params.table(PARAMETERS),
    params=PARAMETERS,
    **dag_defaults.retraining(PIPELINE),
) as dag:
    run = steps.resolve_run(PIPELINE)
    preprocess = steps.processing(
        run, "preprocess.py",
        arguments={"features": "{{ params.features }}"},
        inputs={"snapshot": run.snapshot_uri},
        outputs=("train", "validation", "test", "preprocessor", "data"),
    )  # fmt: skip
    champion = steps.find_champion(run)
    check_data = steps.check_data(run, preprocess, champion)
    train = steps.training(
        run, "train.py",
        channels=preprocess.only("train", "preprocessor"),
        hyperparameters={"fit-intercept": "true", "positive": "false"},
        metrics={"train:r2": "train:r2=([0-9.-]+);"},
    )  # fmt: skip
    evaluate = steps.processing(
        run, "evaluate.py",
        inputs={"model": train.model_uri, **preprocess.only("test")},
        optional_inputs=champion.inputs,
        arguments={"slices": "MedInc,HouseAge,Latitude", **champion.arguments},
        outputs=("evaluation",),
    )  # fmt: skip
    register = steps.register_model(run, train)
    ask = steps.ask_for_approval(run, register)
    check = steps.check_quality(
        run,
        passed=register,
        rejected={"skip": steps.skip_registration(run), "fail": steps.reject_model(run)},
    )

    run >> preprocess >> check_data >> train >> evaluate >> check
    register >> ask >> Label("answered") >> steps.record_approval(run, register, ask)
