"""The deployment DAG of any pipeline.

What is special about a pipeline's models, their content types, their smoke test and how exactly
its answers must match, comes with each version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    DAG,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    Label,
    TriggerRule,
    XComArg,
)

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
kept (`keep_version`, which also deletes old models and configs). One that does not, or that
somebody has rejected meanwhile, is taken back: `flip_back` marks it as Rejected, puts the last
verified config back, waits until it serves, and fails the run with the reason. What is not the
model's fault, such as no capacity or somebody's hand on the endpoint, fails the run and rejects
nothing. `nothing_to_do` ends a run for which there is nothing to deploy.

It starts when a version is approved, in Airflow or elsewhere, once an hour in case that was missed,
and by hand. Nothing is ever approved here.

To roll back, run it with `version`. Newer versions that were approved by then are not deployed
again unless one is asked for; the next one that is approved is. A version that serves though it was
rejected is replaced by the next approved one; without one it goes on serving, and each run fails.

{parameters}

### When it fails
| task | why | what to do |
| --- | --- | --- |
| `choose_version` | the version asked for is not approved, does not exist, or its model or test rows are gone; nothing was changed | approve it, or run with another `version`, or with `smoke_rows` 0 |
| `choose_version` | what serves was rejected, or was never verified, and nothing can take its place; nothing was changed | approve another version, or this one again, or delete the endpoint |
| `deploy_version` | the version was rejected meanwhile, the endpoint was changed by another run, or SageMaker refused | what the message says, then a new run; the old config serves |
| `verify_version` | the endpoint does not serve the version, and not by its fault: no capacity, an internal error, somebody deleted or changed the endpoint | what the message says; the next run deploys it again |
| `verify_version` | the endpoint could not be asked, for example without `sagemaker:InvokeEndpoint` | mend that and clear the task: until then a version serves that nobody verified |
| `flip_back` | the version is bad, or was rejected meanwhile: the message says what it did, and what serves now | see its log group `/aws/sagemaker/Endpoints/…`; mend the model and train anew |
| `flip_back` | it COULD NOT BE FLIPPED BACK: the bad version serves, Rejected | approve another version, or delete the endpoint: the next run goes on from there |
| `keep_version` | SageMaker did not answer, or the endpoint was changed meanwhile | clear the task, or start a new run |

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
            faulty=_found("faulty"),
            reason=_found("reason"),
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        )

        choose_version >> Label("nothing new") >> nothing_to_do
        choose_version >> Label("a version") >> deploy_version >> verify_version
        verify_version >> Label("good") >> keep_version
        [verify_version, keep_version] >> Label("bad, or rejected meanwhile") >> flip_back
    return dag


def _found(key: str) -> str:
    """Return a template of what ``verify_version``, or else ``keep_version``, has found; or ""."""
    tasks = ("verify_version", "keep_version")
    pulls = (f"ti.xcom_pull(task_ids='{task}', key='{key}')" for task in tasks)
    return f"{{{{ {' or '.join(pulls)} or '' }}}}"
