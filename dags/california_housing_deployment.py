"""Deploy the newest approved California housing model, verify it, and flip back if it is bad.

The registry is asked for the **approved** version with the newest snapshot (`choose_version`). Its
model and endpoint config are made, and the endpoint is created or updated while the old config goes
on serving (`deploy_version`). `verify_version` sends the endpoint the first rows of that version's
own test split, and wants the predictions that evaluation recorded. A version that answers them is
kept (`keep_version`, which also deletes old models and configs); any other is taken back:
`flip_back` puts the last verified config back, waits until it serves, marks the version as Rejected
and fails the run with the reason. `nothing_to_do` ends a run for which there is nothing to deploy.

It starts when a version is approved, in Airflow or elsewhere, once an hour in case that was missed,
and by hand. Nothing is ever approved here.

| parameter | what it means |
| --- | --- |
| `version` | the number or ARN to deploy or to roll back to; empty: the newest approved one |
| `endpoint_name` | the endpoint |
| `memory_size_mb` | of a serverless endpoint |
| `max_concurrency` | so many requests at once a serverless endpoint takes |
| `instance_type` | empty for a serverless endpoint, else such as `ml.m5.large` |
| `reject_when_broken` | whether a version that is taken back is marked as Rejected |
| `smoke_rows` | so many test rows the endpoint must answer; 0 only looks whether it serves |
| `tolerance` | so far, relatively, a prediction may be from evaluation's |
| `keep` | so many endpoint configs, with their models, stay |

To roll back, run it with `version`. Newer versions that were approved by then are not deployed
again unless one is asked for; the next one that is approved is.

### When it fails
| task | why | what to do |
| --- | --- | --- |
| `choose_version` | the version is not approved or does not exist, or its test rows are gone; nothing was changed | approve it, or run with another `version`, or with `smoke_rows` 0 |
| `deploy_version` | the version was rejected meanwhile, the endpoint was changed by another run, or SageMaker refused | what the message says, then a new run; the old config serves |
| `verify_version` | the endpoint could not be asked, for example without `sagemaker:InvokeEndpoint` | mend that and clear the task: until then a version serves that nobody verified |
| `flip_back` | the version is bad: the message says what it did, and what serves now | see its log group `/aws/sagemaker/Endpoints/…`; mend the model and train anew |
| `keep_version` | SageMaker did not answer | clear the task |

A run that is ended by hand changes nothing more: the endpoint stays as it is, and a version that
was not verified yet is verified, or taken back, by the next run.
"""  # noqa: E501 - Markdown tables have long lines

from __future__ import annotations

from datetime import datetime

from airflow.sdk import (
    DAG,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    Label,
    Param,
    XComArg,
)
from retraining import notifications, retries
from retraining.deployment import tasks
from retraining.deployment.operators import DeployVersionOperator, FlipBackOperator
from retraining.python_tasks import PipelineBranch, PipelineTask
from retraining.registry.assets import approved_models

PIPELINE = "california-housing"
TARGET = "MedHouseVal"

with DAG(
    dag_id="california_housing_deployment",
    dag_display_name="California housing: deployment",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("45 * * * *", timezone="UTC"),
        assets=[approved_models(PIPELINE)],
    ),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow takes it as UTC
    catchup=False,
    max_active_runs=1,
    default_args={
        **retries.retry_arguments(),
        "on_failure_callback": notifications.failure_callbacks(),
    },
    tags=["deployment", PIPELINE],
    params={
        "version": Param(
            None,
            type=["null", "integer", "string"],
            title="Version",
            description="Its number or ARN, to deploy or to roll back to. Empty: the newest.",
        ),
        "endpoint_name": Param(
            PIPELINE,
            type="string",
            pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$",
            title="Endpoint",
            description="It is made if there is none.",
        ),
        "memory_size_mb": Param(
            2048,
            type="integer",
            minimum=1024,
            maximum=6144,
            multipleOf=1024,
            title="Memory in MB",
            description="Of a serverless endpoint.",
        ),
        "max_concurrency": Param(
            5,
            type="integer",
            minimum=1,
            maximum=200,
            title="Requests at once",
            description="That a serverless endpoint answers.",
        ),
        "instance_type": Param(
            "",
            type="string",
            pattern=r"^(ml\.[a-z0-9-]+\.[a-z0-9]+)?$",
            title="Instance type",
            description="Empty: serverless.",
        ),
        "reject_when_broken": Param(
            True,
            type="boolean",
            title="Mark a broken version as Rejected",
            description="One that does not answer its own test rows; it is not tried again.",
        ),
        "smoke_rows": Param(
            20,
            type="integer",
            minimum=0,
            maximum=1000,
            title="Test rows",
            description="So many rows of its own test split the version must answer.",
        ),
        "tolerance": Param(
            1e-6,
            type="number",
            minimum=0,
            maximum=1,
            title="Relative tolerance",
            description="Between an answer and what evaluation predicted for the row.",
        ),
        "keep": Param(
            5,
            type="integer",
            minimum=1,
            title="Endpoint configs that are kept",
            description="The newest, to roll back to.",
        ),
    },
) as dag:
    choose_version = PipelineBranch(
        task_id="choose_version",
        python_callable=tasks.choose_version,
        op_kwargs={"group": PIPELINE, "target": TARGET},
    )
    plan = XComArg(choose_version, key="plan")
    nothing_to_do = PipelineTask(
        task_id="nothing_to_do",
        python_callable=tasks.nothing_to_do,
        op_kwargs={"reason": XComArg(choose_version, key="reason")},
    )
    deploy_version = DeployVersionOperator(task_id="deploy_version", plan=plan)
    verify_version = PipelineBranch(
        task_id="verify_version",
        python_callable=tasks.verify_version,
        op_kwargs={"plan": plan, "target": TARGET},
    )
    keep_version = PipelineTask(
        task_id="keep_version",
        python_callable=tasks.keep_version,
        op_kwargs={"plan": plan},
    )
    flip_back = FlipBackOperator(
        task_id="flip_back", plan=plan, reason=XComArg(verify_version, key="reason")
    )

    choose_version >> Label("nothing new") >> nothing_to_do
    choose_version >> Label("a version") >> deploy_version >> verify_version
    verify_version >> Label("good") >> keep_version
    verify_version >> Label("bad") >> flip_back
