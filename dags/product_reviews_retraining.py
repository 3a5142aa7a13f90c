"""Fine-tune a BERT that tells whether a product review is good; **accuracy ≥ 0.65**, or the run fails.

`preprocess` checks the reviews of a snapshot (columns `review_text` and `rating`, 1 to 5), makes a
sentiment of each rating (-1, 0, 1), keeps texts apart that repeat each other, splits, and writes the
tokens that BERT reads as Parquet. `find_champion` finds the version that serves, or else the newest
approved one, and `check_data` stops the run where the night's reviews are others than that one's.
`train` fine-tunes a pretrained BERT with PyTorch and keeps what the validation split finds best; it goes
on from a checkpoint where it was interrupted. `evaluate` writes accuracy, precision, recall and F1 with
their deviations, the confusion matrix, the worst errors, what lesser models reach on the same splits, and
what the champion does on the same test rows. `check_quality` lets a model pass to `register_model` that
is accurate, and worse than the champion by no more than **0.05** (`champion_tolerance`); any other fails
the run in `reject_model`, with the reason. On the first night there is no champion.

The pretrained model is an input like the snapshot: its files lie on S3, and no job downloads any.
This DAG is paused until somebody has reviews to land: it wants the PyTorch image.

### When it fails
| task | why | what to do |
| --- | --- | --- |
| `resolve_run` | there is no snapshot or no pretrained model, or a setting is missing | land what the message names; clear the task |
| `preprocess` | bad data: the message names file, line and column | land a corrected snapshot under another date and trigger a run for it |
| `find_champion` | SageMaker or S3 did not answer, or refuses | clear the task |
| `check_data` | the data differ from those of the version that serves: the message names distance and column; or they cannot be judged | look at `data/decision.json` of the run; land corrected data under another date, or trigger a run with `when_data_differs` |
| `train` | a hyperparameter, the pretrained model or a checkpoint cannot be used, in the script's own words | mend what it names; clear the task |
| `evaluate` | the last lines of the job's log are in the message | mend the script; clear the task |
| `check_quality` | the champion could not be scored: its archive is gone, or tonight's image cannot load it | restore the archive that the message names and clear `find_champion`; after a change of image, trigger a run with `unscored_champion: pass` |
| `check_quality` | the report cannot be judged | see `evaluation/decision.json` of the run, mend `evaluate.py`, clear `evaluate` |
| `reject_model` | the model is not accurate enough | nothing was registered; look at the learning curves and the worst errors on the run's page |
| `register_model` | the registry refused or did not answer | clear the task: it never registers twice |
"""  # noqa: E501 - Markdown tables have long lines

from __future__ import annotations

from airflow.sdk import DAG, Param
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

JSON = "application/json"
METRICS = ("train:loss", "train:accuracy", "validation:loss", "validation:accuracy")
ACCURACY = Metric("multiclass_classification_metrics.accuracy", minimum_rows=50)
PIPELINE = Pipeline(
    name="product-reviews",
    description="Whether a product review is good, bad or neither",
    image=Image("pytorch", "2.6.0"),
    policy=(
        GreaterThanOrEqualTo(ACCURACY, Parameter("least_accuracy")),
        not_worse_than_champion(ACCURACY, by=Parameter("champion_tolerance")),
    ),
    headline=ACCURACY,
    better="higher",
    content_types=(JSON,),
    response_types=(JSON,),
    metadata_parameters=("pretrained",),
    tolerance=1e-3,  # sums of 32-bit floats, in another order on another machine
    data_policy=DEFAULT_DATA_POLICY,
    plots=("confusion_matrix", "class_metrics", "learning_curves", "worst_errors"),
)
TRAIN_SHARE = "{{ 1 - params.validation_share - params.test_share }}"
SPLITTING = {
    "validation_share": params.number(0.1, "Share of reviews to validate with", 0.001, 0.9),
    "test_share": params.number(0.1, "Share of reviews to test with", 0.001, 0.9),
    "max_sequence_length": params.number(64, "Longest text, in tokens", 3, 65_536),
    "balance": Param(False, type="boolean", title="Train on as many reviews of each sentiment"),
}
FITTING = {
    "epochs": params.number(2, "Epochs", 1, 1_000),
    "learning_rate": params.number(1e-4, "Learning rate", 1e-9, 1),
    "batch_size": params.number(32, "Batch size", 1, 65_536),
    "train_steps": params.number(0, "Train steps an epoch; 0: all rows", 0, 10**9),
    "validation_steps": params.number(0, "Validation steps; 0: all rows", 0, 10**9),
    "freeze_encoder": Param(False, type="boolean", title="Train the last layer alone"),
}
PARAMETERS = {
    **params.retraining(ask_for_approval=None, when_rejected=None),
    "least_accuracy": params.threshold(0.65, title="Least accuracy", minimum=0, maximum=1),
    "champion_tolerance": params.threshold(
        0.05, title="Greatest loss of accuracy against the champion", minimum=0
    ),
    "pretrained": params.pretrained("all-minilm-l6-v2-53aa51172d14"),
    **SPLITTING,
    **FITTING,
    "seed": params.number(42, "Seed", 0, 2**32 - 1),
}

with DAG(
    dag_id="product_reviews_retraining",
    schedule="0 5 * * *",
    is_paused_upon_creation=True,
    doc_md=__doc__ + params.table(PARAMETERS),
    params=PARAMETERS,
    **dag_defaults.retraining(PIPELINE),
) as dag:
    run = steps.resolve_run(PIPELINE)
    pretrained = {"pretrained": run.pretrained_uri}
    preprocess = steps.processing(
        run, "preprocess.py",
        arguments={"train-share": TRAIN_SHARE, **params.arguments(*SPLITTING, "seed")},
        inputs={"snapshot": run.snapshot_uri, **pretrained},
        outputs=("train", "validation", "test", "preprocessor", "data"),
    )  # fmt: skip
    champion = steps.find_champion(run)
    check_data = steps.check_data(run, preprocess, champion)
    train = steps.training(
        run, "train.py",
        channels=pretrained | preprocess.only("train", "validation", "preprocessor"),
        hyperparameters=params.arguments(*FITTING, "seed"),
        metrics={name: f"{name}=([0-9.]+);" for name in METRICS},
        checkpoints=True,
    )  # fmt: skip
    evaluate = steps.processing(
        run, "evaluate.py",
        inputs={"model": train.model_uri, **preprocess.only("test", "train")},
        optional_inputs=champion.inputs,
        arguments={"slices": "sentiment,words", **champion.arguments},
        outputs=("evaluation",),
    )  # fmt: skip
    register, reject = steps.register_model(run, train), steps.reject_model(run)
    check = steps.check_quality(run, passed=register, rejected=reject)

    run >> preprocess >> check_data >> train >> evaluate >> check
