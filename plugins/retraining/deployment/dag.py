"""The deployment DAG of any pipeline.

What is special about a pipeline's models, their content types, their smoke test and how exactly
its answers must match, comes with each version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Label, XComArg

from retraining import dag_defaults, naming, params
from retraining.deployment import tasks
from retraining.deployment.operators import DeployVersionOperator, FlipBackOperator
from retraining.python_tasks import PipelineBranch, PipelineTask
from retraining.registry.assets import approved_models

if TYPE_CHECKING:
    from airflow.sdk import Param

DOCUMENTATION = """
The registry is asked for the **approved** version with the newest snapshot (`choose_version`). Its
model and endpoint config are made, and the endpoint is created or updated while the old config goes
on serving (`deploy_version`). `verify_version` sends the endpoint the first rows of that version's
own test split, and wants the answers that evaluation recorded. A version that gives them is
kept (`keep_version`, which also deletes old models and configs); any other is taken back:
`flip_back` puts the last verified config back, waits until it serves, marks the version as Rejected
and fails the run with the reason. `nothing_to_do` ends a run for which there is nothing to deploy.

It starts when a version is approved, in Airflow or elsewhere, once an hour in case that was missed,
and by hand. Nothing is ever approved here.

To roll back, run it with `version`. Newer versions that were approved by then are not deployed
again unless one is asked for; the next one that is approved is.

{parameters}

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


def deployment_dag(
    pipeline: str,
    *,
    doc_md: str | None,
    endpoint_name: str | None = None,
    parameters: dict[str, Param] | None = None,
    **arguments: Any,
) -> DAG:
    """Return the DAG that deploys the newest approved version, verifies it, and flips back.

    Args:
        pipeline: The pipeline's name. The DAG's id is it with underscores, and ``_deployment``.
        doc_md: What is special about it; what every such DAG does is added.
        endpoint_name: The default of the parameter; None for the pipeline's name.
        parameters: Instead of some of ``params.deployment``.
        arguments: Those of ``airflow.sdk.DAG``, instead of some of ``dag_defaults.deployment``.
            Another endpoint of the same pipeline has another ``dag_id``.

    Raises:
        InvalidNameError: No endpoint can be called so.
    """
    for name in (pipeline, endpoint_name or pipeline):
        naming.deployment_stem(name)
    of_run = params.deployment(endpoint_name or pipeline) | (parameters or {})
    told = DOCUMENTATION.format(parameters=params.table(of_run))
    defaults = {
        "dag_id": f"{pipeline.replace('-', '_')}_deployment",
        "schedule": AssetOrTimeSchedule(
            timetable=CronTriggerTimetable("45 * * * *", timezone="UTC"),
            assets=[approved_models(pipeline)],
        ),
        **dag_defaults.deployment(pipeline),
    } | arguments
    with DAG(  # noqa: AIR002 - the schedule is among the defaults
        doc_md=f"{(doc_md or '').strip()}\n{told}",
        params=of_run,
        **defaults,
    ) as dag:
        choose_version = PipelineBranch(
            task_id="choose_version",
            python_callable=tasks.choose_version,
            op_kwargs={"group": pipeline},
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
            op_kwargs={"plan": plan, "deployed": deploy_version.output},
        )
        keep_version = PipelineTask(
            task_id="keep_version",
            python_callable=tasks.keep_version,
            op_kwargs={"plan": plan, "verified": XComArg(verify_version, key="verified")},
        )
        flip_back = FlipBackOperator(
            task_id="flip_back",
            plan=plan,
            faulty=XComArg(verify_version, key="faulty"),
            reason=XComArg(verify_version, key="reason"),
        )

        choose_version >> Label("nothing new") >> nothing_to_do
        choose_version >> Label("a version") >> deploy_version >> verify_version
        verify_version >> Label("good") >> keep_version
        verify_version >> Label("bad") >> flip_back
    return dag
