"""Retrain the California housing model every night, and register it only if it is good enough.

`resolve_run` waits until the night's snapshot of the raw data is complete. The snapshot is split and
cleaned (`preprocess`), a linear model is trained on it (`train`) and scored on the rows that it has
not seen (`evaluate`). `check_quality` reads `evaluation.json` and lets a model with **r2 ≥ 0.6**
pass: `register_model` makes it a new version in the model registry. Any other model is left where
it is: `skip_registration` ends the run well, `reject_model` fails it; the parameter `when_rejected`
chooses. `report_history` brings the page about all runs up to date.

With the parameter `ask_for_approval`, the task of that name shows a person the evaluation beside
that of the version that serves, in Airflow under "Required actions", and waits without holding a
worker or the next night's run. `record_approval` writes the answer into the registry. A version that
is approved, there or at its registration, starts `california_housing_deployment`.

| parameter | what it means |
| --- | --- |
| `snapshot` | the day whose data is used; empty: the run's own date, or by hand the newest |
| `r2_threshold` | the least r2 that passes |
| `features` | `engineered`, or `raw` for the eight columns as they are |
| `instance_type` | the SageMaker instance of each job |
| `approval_status` | what a registered version starts as |
| `backfill_approval_status` | the same for a version that a backfill registers |
| `ask_for_approval` | whether a person is asked about a version that is pending |
| `approval_hours` | so long an answer is waited for; without one the version stays pending |
| `when_rejected` | `skip`: the run succeeds with nothing registered; `fail`: it fails |
| `reuse_steps` | which runs take the results of equal earlier steps: `backfills`, `always`, `never` |

### When it fails
| task | why | what to do |
| --- | --- | --- |
| `resolve_run` | the snapshot was not complete by 20:00 UTC of its day, or a setting is missing | land the files and `_SUCCESS`, or set the variable that the message names; clear the task |
| `preprocess` | bad data: the message names file, column and row | land a corrected snapshot under another date and trigger a run for it |
| `train`, `evaluate` | the last lines of the job's log are in the message | mend the script; clear the task, which starts a new job |
| `check_quality` | the report cannot be judged: missing, not JSON, or without the metric | see `evaluation/decision.json` of the run, mend `evaluate.py`, clear `evaluate` |
| `reject_model` | the model is not good enough, and the run was asked to fail then | nothing was registered; compare the decision with earlier ones |
| `register_model` | the registry refused or did not answer | clear the task: it never registers twice |
| `ask_for_approval` | the evaluation to be shown is gone, or SageMaker did not answer | clear the task, or decide in the registry |
| `report_history` | the history's page could not be written | nothing: the run is judged without it, and the next run writes it |
| `record_approval` | somebody decided otherwise before the answer came | nothing, or change the status in the registry |
"""  # noqa: E501 - Markdown tables have long lines

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Label, Param
from retraining import notifications, retries
from retraining.approval import operators
from retraining.approval.operators import AskForApprovalOperator, RegisterModelOperator
from retraining.gate.conditions import GreaterThanOrEqualTo, Metric, Parameter
from retraining.jobs.operators import RetrainingProcessingOperator, RetrainingTrainingOperator
from retraining.jobs.requests import input_path, output_path, processing_job, training_job
from retraining.naming import output_uri
from retraining.past_runs import tasks as past_runs_tasks
from retraining.python_tasks import PipelineBranch, PipelineTask
from retraining.registry import tasks as registry_tasks
from retraining.registry.assets import approvals
from retraining.runs import tasks
from retraining.runs.operators import ResolveRunOperator, resolved
from retraining.settings import job_pool

PIPELINE = "california-housing"
QUALITY_POLICY = (
    GreaterThanOrEqualTo(Metric("regression_metrics.r2_score"), Parameter("r2_threshold")),
)
MESSAGE = "/opt/ml/output/message"

with DAG(
    dag_id="california_housing_retraining",
    dag_display_name="California housing: retraining",
    doc_md=__doc__,
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow takes it as UTC
    catchup=False,
    max_active_runs=4,
    deadline=notifications.deadline(),
    default_args={
        **retries.retry_arguments(),
        "on_failure_callback": notifications.failure_callbacks(),
        "weight_rule": "retraining.plugin.priority.NightlyFirst",
    },
    user_defined_macros={"resolved": resolved},
    tags=["retraining", PIPELINE],
    params={
        "snapshot": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Snapshot",
            description="The day whose data is used. Empty: the run's own date, or the newest.",
        ),
        "r2_threshold": Param(
            0.6,
            type="number",
            maximum=1,
            title="Least r2",
            description="A model below it is not registered.",
        ),
        "features": Param(
            "engineered",
            type="string",
            enum=["engineered", "raw"],
            title="Feature set",
            description="The eight columns as they are, or what is made of them.",
        ),
        "instance_type": Param(
            "ml.m5.large",
            type="string",
            pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$",
            title="Instance type of the jobs",
            description="Each of the three jobs runs on one of these.",
        ),
        "approval_status": Param(
            "PendingManualApproval",
            type="string",
            enum=["PendingManualApproval", "Approved", "Rejected"],
            title="Approval status of a registered version",
            description="One that is Approved is deployed without anybody having looked at it.",
        ),
        "backfill_approval_status": Param(
            "PendingManualApproval",
            type="string",
            enum=["PendingManualApproval", "Approved", "Rejected"],
            title="Approval status of a version that a backfill registers",
            description="Instead of the one above, so that history is not deployed unasked.",
        ),
        "ask_for_approval": Param(
            False,
            type="boolean",
            title="Ask a person to approve a pending version",
            description='In Airflow, under "Required actions". Not in backfills.',
        ),
        "approval_hours": Param(
            24,
            type="number",
            exclusiveMinimum=0,
            maximum=336,
            title="Hours to wait for an answer",
            description="Without one the version stays pending.",
        ),
        "when_rejected": Param(
            "skip",
            type="string",
            enum=["skip", "fail"],
            title="What a rejected model does",
            description="Skip: the run succeeds with nothing registered. Fail: the run fails.",
        ),
        "reuse_steps": Param(
            "backfills",
            type="string",
            enum=["backfills", "always", "never"],
            title="Which runs take the results of equal steps of earlier runs",
            description="Equal in data, code, image and arguments; each costs no job then.",
        ),
    },
) as dag:
    resolve_run = ResolveRunOperator(
        task_id="resolve_run", pipeline=PIPELINE, patience=timedelta(hours=20)
    )
    run = {
        name: f"{{{{ resolved(ti).{name} }}}}"
        for name in (
            "snapshot", "snapshot_uri", "data_fingerprint", "code_uri", "code_sha256",
            "image_uri", "role_arn", "run_uri",
        )
    }  # fmt: skip
    in_pool = {
        "deferrable": True,
        "pool": job_pool(),
        "pipeline": PIPELINE,
        "reuse": "{{ resolved(ti).reuse }}",
    }
    job = {
        "image_uri": run["image_uri"],
        "role_arn": run["role_arn"],
        "code_uri": run["code_uri"],
        "instance_type": "{{ params.instance_type }}",
    }
    training = {
        name: f"{{{{ ti.xcom_pull('train')['{name}'] }}}}" for name in ("job_name", "model_uri")
    }

    preprocess = RetrainingProcessingOperator(
        task_id="preprocess",
        **in_pool,
        config=processing_job(
            **job,
            script="preprocess.py",
            arguments=[
                "--snapshot", input_path("snapshot"),
                "--output", output_path(),
                "--features", "{{ params.features }}",
                "--message", MESSAGE,
            ],
            inputs={"snapshot": run["snapshot_uri"]},
            outputs={
                name: output_uri(run["run_uri"], name)
                for name in ("train", "validation", "test", "preprocessor")
            },
        ),
    )  # fmt: skip
    train = RetrainingTrainingOperator(
        task_id="train",
        **in_pool,
        config=training_job(
            **job,
            script="train.py",
            hyperparameters={"fit-intercept": "true", "positive": "false"},
            channels={name: output_uri(run["run_uri"], name) for name in ("train", "preprocessor")},
            output_uri=output_uri(run["run_uri"], "model"),
            metrics={"train:r2": "train:r2=([0-9.-]+);"},
        ),
    )
    evaluate = RetrainingProcessingOperator(
        task_id="evaluate",
        **in_pool,
        config=processing_job(
            **job,
            script="evaluate.py",
            arguments=[
                "--model", input_path("model"),
                "--test", input_path("test"),
                "--output", output_path("evaluation"),
                "--message", MESSAGE,
            ],
            inputs={
                "model": training["model_uri"],
                "test": output_uri(run["run_uri"], "test"),
            },
            outputs={"evaluation": output_uri(run["run_uri"], "evaluation")},
        ),
    )  # fmt: skip
    check_quality = PipelineBranch(
        task_id="check_quality",
        python_callable=tasks.check_quality,
        op_kwargs={"run": run, "policy": QUALITY_POLICY},
    )
    register_model = RegisterModelOperator(
        task_id="register_model",
        python_callable=registry_tasks.register_model,
        op_kwargs={
            "pipeline": PIPELINE,
            "description": "Median house values of California districts, 1990 census",
            "run": run,
            "training": training,
        },
        outlets=[approvals(PIPELINE)],
    )
    ask_for_approval = AskForApprovalOperator(
        task_id="ask_for_approval", registered=register_model.output, endpoint_name=PIPELINE
    )
    record_approval = PipelineTask(
        task_id="record_approval",
        python_callable=operators.record_approval,
        op_kwargs={"registered": register_model.output, "answer": ask_for_approval.output},
        outlets=[approvals(PIPELINE)],
    )
    skip_registration = PipelineTask(
        task_id="skip_registration",
        python_callable=tasks.skip_registration,
        op_kwargs={"run": run},
    )
    reject_model = PipelineTask(
        task_id="reject_model",
        python_callable=tasks.reject_model,
        op_kwargs={"run": run},
    )
    report_history = PipelineTask(
        task_id="report_history",
        python_callable=past_runs_tasks.report_history,
        op_kwargs={"pipeline": PIPELINE},
    ).as_teardown()

    resolve_run >> preprocess >> train >> evaluate >> check_quality
    check_quality >> Label("passed") >> register_model
    register_model >> ask_for_approval >> Label("answered") >> record_approval
    check_quality >> Label("rejected: skip") >> skip_registration
    check_quality >> Label("rejected: fail") >> reject_model
    # A teardown, so that it follows whatever came, and a failed run stays one.
    [register_model, skip_registration, reject_model] >> report_history
