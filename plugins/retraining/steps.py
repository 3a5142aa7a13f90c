"""The steps of a retraining DAG: each function returns an Airflow operator.

``resolve_run`` comes first and settles what the run works on; the others take what it returned.
Outputs are templates, made where the operator is made. Whoever wants a request of their own uses
the operators of ``retraining.jobs`` with ``retraining.jobs.requests``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow.sdk import Label

from retraining import naming
from retraining.approval import operators as approval
from retraining.champion import tasks as champion
from retraining.deployment import tasks as deployment_tasks
from retraining.gate.policy import parameters_of
from retraining.jobs import requests
from retraining.jobs.operators import RetrainingProcessingOperator, RetrainingTrainingOperator
from retraining.params import WHEN_REJECTED
from retraining.python_tasks import PipelineBranch, PipelineTask
from retraining.registry import tasks as registry_tasks
from retraining.registry.assets import approvals
from retraining.runs import data_tasks
from retraining.runs import tasks as run_tasks
from retraining.runs.kinds import WHEN_DATA_DIFFERS
from retraining.runs.operators import ResolveRunOperator
from retraining.settings import job_pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import BaseOperator

    from retraining.pipeline import Image, Pipeline

# By the generation of the task's jobs, which attempts share and a clear changes.
_CHECKPOINTS = "checkpoints/{{ ti.max_tries - task.retries }}/"
_INSTANCE_TYPE = "{{ params.instance_type }}"


def resolve_run(
    pipeline: Pipeline, *, patience: timedelta = timedelta(hours=20), **arguments: Any
) -> ResolveRunOperator:
    """Settle snapshot, code, images and where the run writes; wait for a late snapshot.

    Args:
        pipeline: The declaration.
        patience: How long after the begin of its day (UTC) a snapshot may become complete.
        arguments: Those that every operator takes.
    """
    return ResolveRunOperator(
        pipeline=pipeline, patience=patience, **{"task_id": "resolve_run", **arguments}
    )


def find_champion(
    run: ResolveRunOperator, *, endpoint_name: str | None = None, **arguments: Any
) -> champion.FindChampionTask:
    """Find the versions that the run is measured by: what serves, and whose data to compare with.

    Args:
        run: The task ``resolve_run``.
        endpoint_name: Where a version serves; None for the pipeline's name.
        arguments: Those of ``PythonOperator``.

    Raises:
        ValueError: It is no endpoint's name.
    """
    endpoint_name = endpoint_name or run.pipeline.name
    naming.deployment_stem(endpoint_name)
    found = champion.FindChampionTask(
        python_callable=champion.find_champion,
        op_kwargs={
            "pipeline": run.pipeline.name,
            "endpoint_name": endpoint_name,
            "run": run.settled,
        },
        **{"task_id": "find_champion", **arguments},
    )
    run >> found
    return found


def processing(
    run: ResolveRunOperator,
    script: str,
    *,
    inputs: Mapping[str, str],
    outputs: Sequence[str],
    optional_inputs: Mapping[str, str] | None = None,
    arguments: Mapping[str, object] | None = None,
    image: Image | str | None = None,
    instance_type: str = _INSTANCE_TYPE,
    max_runtime_s: int = requests.MAX_RUNTIME_S,
    **operator_arguments: Any,
) -> RetrainingProcessingOperator:
    """Run one of the pipeline's scripts in a processing job.

    The script finds an input in ``/opt/ml/processing/input/<name>``, and what it writes into
    ``/opt/ml/processing/output/<name>`` becomes an output of the run.

    Args:
        run: The task ``resolve_run``.
        script: Its file name; without ``.py`` it is the task's id.
        inputs: The S3 folder or object of each input by its name.
        outputs: The names of the folders that it writes; no other step of the DAG writes them.
        optional_inputs: Further inputs, which the job goes without where the URI renders to "".
        arguments: The values of the script's own options, ``--name value`` each.
        image: One of those that the pipeline declares; None for its ``image``.
        instance_type: Of the job.
        max_runtime_s: After so many seconds the service stops the job.
        operator_arguments: Those of the operator.

    Raises:
        TypeError: The outputs are one text.
        ValueError: The pipeline declares no such image, another step has such an output, or an
            input is optional and not.
    """
    optional = dict(optional_inputs or {})
    if both := sorted(optional.keys() & inputs.keys()):
        raise ValueError(f"{script}: the input {both[0]!r} is optional and not")
    if isinstance(outputs, str):
        raise TypeError(f'{script}: outputs="{outputs}" is one text; write ("{outputs}",)')
    for task in run.dag.tasks:
        taken = set(getattr(task, "outputs", ())) & set(outputs)
        if taken and isinstance(task, RetrainingProcessingOperator):
            raise ValueError(f"{script}: {task.task_id} writes the output {taken.pop()!r} already")
    return RetrainingProcessingOperator(
        config=requests.processing_job(
            image_uri=run.template(_image_member(run.pipeline, image)),
            role_arn=run.template("role_arn"),
            instance_type=instance_type,
            code_uri=run.template("code_uri"),
            script=script,
            arguments=[
                part
                for name, value in (arguments or {}).items()
                for part in (f"--{name}", str(value))
            ],
            inputs={**inputs, **optional},
            outputs={name: run.output_uri(name) for name in outputs},
            max_runtime_s=max_runtime_s,
        ),
        optional_inputs=optional,
        **_job_arguments(run, PurePosixPath(script).stem) | operator_arguments,
    )


def training(
    run: ResolveRunOperator,
    script: str | None,
    *,
    channels: Mapping[str, str],
    hyperparameters: Mapping[str, str] | None = None,
    content_type: str | None = None,
    metrics: Mapping[str, str] | None = None,
    instance_type: str = _INSTANCE_TYPE,
    max_runtime_s: int = requests.MAX_RUNTIME_S,
    checkpoints: bool = False,
    spot_wait_s: int | None = None,
    **operator_arguments: Any,
) -> RetrainingTrainingOperator:
    """Train a model, by a script of the pipeline's or by the image's own algorithm.

    Args:
        run: The task ``resolve_run``.
        script: Its file name; None for the image's own algorithm. The task's id is ``train``.
        channels: The S3 folder of each input channel by its name.
        hyperparameters: The script's options, or what the algorithm takes.
        content_type: Of the channels' objects; None leaves it to the image.
        metrics: A regular expression over the log for each metric by its name.
        instance_type: Of the job.
        max_runtime_s: After so many seconds the service stops the job.
        checkpoints: Keep what the script writes to ``/opt/ml/checkpoints``. An interrupted job and
            the next attempt go on from it; who clears the task begins anew.
        spot_wait_s: Train on spare capacity, which the service may take back, with so many seconds
            for waiting and running together; None for capacity that nobody takes back.
        operator_arguments: Those of the operator.

    Raises:
        ValueError: ``spot_wait_s`` is less than ``max_runtime_s``.
    """
    config = requests.training_job(
        image_uri=run.template("training_image_uri"),
        role_arn=run.template("role_arn"),
        instance_type=instance_type,
        code_uri=run.template("code_uri"),
        script=script,
        hyperparameters=hyperparameters or {},
        channels=channels,
        output_uri=run.output_uri("model"),
        metrics=metrics or {},
        content_type=content_type,
        max_runtime_s=max_runtime_s,
    )
    if checkpoints:
        config = requests.with_checkpoints(config, f"{run.output_uri('model')}{_CHECKPOINTS}")
    if spot_wait_s is not None:
        config = requests.on_spare_capacity(config, wait_s=spot_wait_s)
    return RetrainingTrainingOperator(
        config=config, **_job_arguments(run, "train") | operator_arguments
    )


def check_data(
    run: ResolveRunOperator,
    preprocess: RetrainingProcessingOperator,
    find: champion.FindChampionTask,
    **arguments: Any,
) -> PipelineTask:
    """Judge the run's data by the pipeline's ``data_policy`` before anything is trained on them.

    It follows ``preprocess`` and ``find``; what trains follows it.

    Args:
        run: The task ``resolve_run``.
        preprocess: What writes the report on the data, into its output ``data``.
        find: The task ``find_champion``.
        arguments: Those of ``PythonOperator``.

    Raises:
        ValueError: The pipeline has no such policy, ``preprocess`` no such output, or the DAG lacks
            a parameter of the policy or ``when_data_differs``.
    """
    policy = run.pipeline.data_policy
    if policy is None:
        raise ValueError(f"pipeline {run.pipeline.name} declares no data_policy to judge data by")
    preprocess.only("data")
    wanted = (WHEN_DATA_DIFFERS, *parameters_of(policy))
    if missing := [name for name in wanted if name not in run.dag.params]:
        raise ValueError(f"{run.dag.dag_id} lacks the data policy's {', '.join(missing)}")
    check = PipelineTask(
        python_callable=data_tasks.check_data,
        op_kwargs={"pipeline": run.pipeline, "run": run.settled, "found": find.output},
        **{"task_id": "check_data", **arguments},
    )
    [preprocess, find] >> check
    return check


def check_quality(
    run: ResolveRunOperator,
    *,
    passed: BaseOperator,
    rejected: BaseOperator | Mapping[str, BaseOperator],
    **arguments: Any,
) -> PipelineBranch:
    """Judge ``evaluation.json`` by the pipeline's policy, write the decision down, and branch.

    The tasks that follow are wired here, so that the branch can choose no other.

    Args:
        run: The task ``resolve_run``.
        passed: What follows when the policy holds.
        rejected: What follows when it does not; or one task for each value of the parameter
            ``when_rejected``.
        arguments: Those of ``BranchPythonOperator``.

    Raises:
        ValueError: The DAG lacks a parameter of the policy, a value of ``when_rejected`` would lead
            nowhere, or all of them would lead to the same task.
    """
    params = run.dag.params
    if missing := [name for name in parameters_of(run.pipeline.policy) if name not in params]:
        raise ValueError(f"{run.dag.dag_id} lacks the policy's parameters {', '.join(missing)}")
    arms: dict[str, BaseOperator] = {"passed": passed}
    if isinstance(rejected, Mapping):
        told = params.get_param(WHEN_REJECTED).schema if WHEN_REJECTED in params else {}
        if set(values := told.get("enum", ())) != set(rejected):
            raise ValueError(
                f"{WHEN_REJECTED} of {run.dag.dag_id} may be {', '.join(values) or 'nothing'},"
                f" and rejected has a task for {', '.join(rejected)}"
            )
        arms |= {f"rejected: {value}": task for value, task in rejected.items()}
        chosen: object = {value: task.task_id for value, task in rejected.items()}
    else:
        if WHEN_REJECTED in params:
            raise ValueError(
                f"{run.dag.dag_id} has the parameter {WHEN_REJECTED}, and one task for a rejected"
                f" model: leave it out, params.retraining({WHEN_REJECTED}=None)"
            )
        arms["rejected"] = rejected
        chosen = rejected.task_id
    branch = PipelineBranch(
        python_callable=run_tasks.check_quality,
        op_kwargs={
            "pipeline": run.pipeline,
            "run": run.settled,
            "passed": passed.task_id,
            "rejected": chosen,
        },
        **{"task_id": "check_quality", **arguments},
    )
    for label, task in arms.items():
        branch >> Label(label) >> task
    return branch


def register_model(
    run: ResolveRunOperator, train: RetrainingTrainingOperator, **arguments: Any
) -> approval.RegisterModelOperator:
    """Register the trained model as a new version with ``create_model_package``, once.

    Args:
        run: The task ``resolve_run``.
        train: The training job.
        arguments: Those of ``PythonOperator``.

    Raises:
        ValueError: The pipeline has a ``data_policy``, and the DAG no step ``check_data`` so far:
            nothing would ever be registered.
    """
    is_checked = data_tasks.check_data in (
        getattr(task, "python_callable", None) for task in run.dag.tasks
    )
    if run.pipeline.data_policy is not None and not is_checked:
        raise ValueError(
            f"{run.dag.dag_id}: pipeline {run.pipeline.name} has a data_policy, so the step"
            " check_data is wanted before register_model; or data_policy=None"
        )
    return approval.RegisterModelOperator(
        python_callable=registry_tasks.register_model,
        op_kwargs={"pipeline": run.pipeline, "run": run.settled, "training": train.result},
        outlets=[approvals(run.pipeline.name)],
        **{"task_id": "register_model", **arguments},
    )


def create_model(
    run: ResolveRunOperator, register: approval.RegisterModelOperator, **arguments: Any
) -> PipelineTask:
    """Make the SageMaker model of the registered version, once, for batch jobs and the like.

    A deployment does not need it: it makes its own from the registered version.

    Args:
        run: The task ``resolve_run``.
        register: The registration.
        arguments: Those of ``PythonOperator``.
    """
    return PipelineTask(
        python_callable=deployment_tasks.create_model,
        op_kwargs={"pipeline": run.pipeline.name, "registered": register.output},
        **{"task_id": "create_model", **arguments},
    )


def ask_for_approval(
    run: ResolveRunOperator,
    register: approval.RegisterModelOperator,
    *,
    endpoint_name: str | None = None,
    **arguments: Any,
) -> approval.AskForApprovalOperator:
    """Ask a person about a pending version, if the parameter ``ask_for_approval`` says so.

    Args:
        run: The task ``resolve_run``.
        register: The registration.
        endpoint_name: Where the version would be deployed; None for the pipeline's name.
        arguments: Those of ``HITLOperator``.

    Raises:
        ValueError: The DAG lacks the parameter.
    """
    if "ask_for_approval" not in run.dag.params:
        raise ValueError(f"{run.dag.dag_id} lacks the parameter ask_for_approval")
    return approval.AskForApprovalOperator(
        registered=register.output,
        endpoint_name=endpoint_name or run.pipeline.name,
        **{"task_id": "ask_for_approval", **arguments},
    )


def record_approval(
    run: ResolveRunOperator,
    register: approval.RegisterModelOperator,
    ask: approval.AskForApprovalOperator,
    **arguments: Any,
) -> PipelineTask:
    """Write the person's answer into the registry.

    Args:
        run: The task ``resolve_run``.
        register: The registration.
        ask: The question.
        arguments: Those of ``PythonOperator``.
    """
    return PipelineTask(
        python_callable=approval.record_approval,
        op_kwargs={"registered": register.output, "answer": ask.output},
        outlets=[approvals(run.pipeline.name)],
        **{"task_id": "record_approval", **arguments},
    )


def skip_registration(run: ResolveRunOperator, **arguments: Any) -> PipelineTask:
    """Say why nothing is registered; the run succeeds."""
    return _of_run(run, "skip_registration", run_tasks.skip_registration, arguments)


def reject_model(run: ResolveRunOperator, **arguments: Any) -> PipelineTask:
    """Fail the run with the gate's explanation."""
    return _of_run(run, "reject_model", run_tasks.reject_model, arguments)


def _of_run(
    run: ResolveRunOperator, task_id: str, python_callable: Any, arguments: Mapping[str, Any]
) -> PipelineTask:
    return PipelineTask(
        python_callable=python_callable,
        op_kwargs={"run": run.settled},
        **{"task_id": task_id, **arguments},
    )


def _image_member(pipeline: Pipeline, image: Image | str | None) -> str:
    if image is None or image == pipeline.image:
        return "image_uri"
    if image == pipeline.training_image:
        return "training_image_uri"
    raise ValueError(
        f"image {image} is not one of pipeline {pipeline.name}: it declares {pipeline.image}"
        + (f" and {pipeline.training_image}" if pipeline.training_image else "")
    )


def _job_arguments(run: ResolveRunOperator, task_id: str) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "pipeline": run.pipeline.name,
        "pool": job_pool(),
        "deferrable": True,
        "reuse": run.template("reuse"),
    }
