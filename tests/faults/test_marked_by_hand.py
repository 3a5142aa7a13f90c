"""A task whose forerunner was marked by hand changes nothing, fails at once, and says what to do.

The runs are marked while their DAG is paused, so that no task has begun before its mark.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.deployment import endpoints
from retraining.registry import versions

from local_stack.samples.pipelines import CALIFORNIA_HOUSING
from local_stack.services import environment
from tests.faults.runs import OURS, Run, jobs_by_run, versions_by_run
from tests.faults.stack import poll

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ABALONE, DEPLOYMENT = "abalone_retraining", "california_housing_deployment"
STEPS = (
    "resolve_run", "find_champion", "preprocess", "check_data", "train", "evaluate",
    "check_quality", "register_model",
)  # fmt: skip
DEPLOYS = ("choose_version", "deploy_version", "verify_version")
NO_RESULT, NO_XCOM = "left no result", "is not found"
# Of a branch that was marked, Airflow follows every arm.
ARMS = {"skip_registration": NO_RESULT, "reject_model": NO_RESULT}
# The tasks that are marked as success, and what each of those that run then fails with.
SUCCESS: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {
    **{
        (OURS, STEPS[:number]): {following: "resolve_run left no result"}
        for number, following in enumerate(STEPS[2:7], start=2)
    },
    (OURS, STEPS[:1]): dict.fromkeys(STEPS[1:3], "resolve_run left no result"),
    (OURS, STEPS[:7]): {"register_model": NO_RESULT, **ARMS},
    (OURS, STEPS): {"ask_for_approval": "no version was registered", **ARMS},
    (OURS, (*STEPS, "ask_for_approval")): {"record_approval": NO_RESULT, **ARMS},
    # Of that pipeline's steps only one is another.
    (ABALONE, STEPS): {"create_model": NO_RESULT, **ARMS},
    (DEPLOYMENT, DEPLOYS[:1]): {"deploy_version": NO_XCOM, "nothing_to_do": NO_XCOM},
    (DEPLOYMENT, DEPLOYS[:2]): {"verify_version": NO_XCOM, "nothing_to_do": NO_XCOM},
    (DEPLOYMENT, DEPLOYS): {"keep_version": NO_XCOM, "nothing_to_do": NO_XCOM},
}
# The last of these tasks is marked so, after the others are marked as success.
ENDED = [
    (dag_id, tasks, state)
    for dag_id, every in (
        (OURS, [STEPS[:number] for number in (1, *range(3, 9))]),
        (OURS, [(*STEPS, "ask_for_approval")]),
        (ABALONE, [STEPS]),
        (DEPLOYMENT, [DEPLOYS[:number] for number in range(1, 4)]),
    )
    for tasks in every
    for state in ("failed", "skipped")
]
FOLLOW = {
    OURS: ("ask_for_approval", "record_approval"),
    ABALONE: ("create_model",),
    DEPLOYMENT: ("keep_version", "flip_back"),
}


@dataclass(slots=True)
class Marked:
    """A run with marks.

    Attributes:
        run: The run.
        tasks: Those that are marked.
        state: What the last of them is marked as; the others are as success.
        ended: All of its tasks in the end.
    """

    run: Run
    tasks: tuple[str, ...]
    state: str
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)

    def start(self) -> None:
        """Start it and mark its tasks."""
        run = self.run
        conf: dict[str, Any] = {"snapshot": run.snapshot, "ask_for_approval": True}
        if run.dag_id == DEPLOYMENT:
            conf = {"endpoint_name": self.endpoint, "smoke_rows": 0}
        elif run.dag_id == ABALONE:
            del conf["ask_for_approval"]
        airflow, (*before, last) = run.stack.airflow, self.tasks
        airflow.start(run.dag_id, run.run_id, conf)
        if before:
            airflow.mark_succeeded(run.dag_id, run.run_id, before)
        # The last, as a mark as success clears what has failed after it.
        airflow.mark(run.dag_id, run.run_id, task_id=last, state=self.state)

    @property
    def endpoint(self) -> str:
        """Of a deployment."""
        return f"by-hand-{self.run.snapshot}"

    def said(self, task_id: str) -> str:
        """Return what a task wrote into the log of its only attempt."""
        assert self.ended[task_id]["try_number"] == 1, f"{task_id} was tried again"
        return self.run.log(task_id)


@pytest.fixture(scope="module")
def approved(stack: Stack) -> str:
    """The ARN of a version of snapshots long gone, so that no other run is about it."""
    client = stack.client("sagemaker")
    versions.ensure_group(client, CALIFORNIA_HOUSING.name, description="x")
    image = (
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
    )
    url = f"s3://{environment.BUCKET}/by-hand/model.tar.gz"
    stack.client("s3").put_object(
        Bucket=environment.BUCKET, Key="by-hand/model.tar.gz", Body=b"none"
    )
    arn: str = client.create_model_package(
        ModelPackageGroupName=CALIFORNIA_HOUSING.name,
        InferenceSpecification={
            "Containers": [{"Image": image, "ModelDataUrl": url}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={versions.SNAPSHOT: "1998-01-01"},
    )["ModelPackageArn"]
    return arn


@pytest.fixture(scope="module")
def undecided(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose report nobody can judge; ``marked`` starts it."""
    run = Run(stack, tmp_path_factory.mktemp("undecided"))
    run.report("{}")
    return run


@pytest.fixture(scope="module")
def marked(
    stack: Stack, approved: str, undecided: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[Any, ...], Marked]]:
    """All runs, which run at the same time, when they have ended."""
    folder = tmp_path_factory.mktemp("marked")
    found = {
        (dag_id, tasks, state): Marked(Run(stack, folder, dag_id), tasks, state)
        for dag_id, tasks, state in [*((*case, "success") for case in SUCCESS), *ENDED]
    }
    dags = (OURS, ABALONE, DEPLOYMENT)
    for dag_id in dags:
        stack.airflow.pause(dag_id, is_paused=True)
    try:
        for one in found.values():
            one.start()
    finally:
        for dag_id in dags:
            stack.airflow.pause(dag_id, is_paused=False)
    undecided.start()
    for one in found.values():
        one.run.wait_ended()
        one.ended = one.run.tasks()
    yield found
    versions.reject(stack.client("sagemaker"), approved, reason="the test is over")


def names(case: tuple[Any, ...]) -> str:
    return "-".join([case[0], case[1][-1], *case[2:]])


@pytest.mark.parametrize("case", SUCCESS, ids=names)
def test_after_a_mark_as_success_the_next_task_fails_at_once_and_says_why(
    marked: dict[tuple[Any, ...], Marked], case: tuple[str, tuple[str, ...]]
) -> None:
    one, expected = marked[*case, "success"], SUCCESS[case]
    failed = {name for name, task in one.ended.items() if task["state"] == "failed"}
    assert failed == set(expected)
    assert one.run.state() == "failed"
    for task, words in expected.items():
        assert words in one.said(task)


@pytest.mark.parametrize("case", ENDED, ids=names)
def test_after_a_mark_as_failed_or_skipped_nothing_follows(
    marked: dict[tuple[Any, ...], Marked], case: tuple[str, tuple[str, ...], str]
) -> None:
    dag_id, tasks, state = case
    following = FOLLOW[dag_id][-1:] if tasks[-1] == FOLLOW[dag_id][0] else FOLLOW[dag_id]
    states = {task: marked[case].ended[task]["state"] for task in following}
    if "flip_back" in states and state == "skipped" and len(tasks) > 1:
        # It needs one of those before it, and choose_version is marked as success.
        assert states.pop("flip_back") == "failed"
        assert NO_XCOM in marked[case].said("flip_back")
    assert set(states.values()) == {{"failed": "upstream_failed"}.get(state, state)}


def test_nothing_was_made_or_changed(
    stack: Stack, approved: str, marked: dict[tuple[Any, ...], Marked]
) -> None:
    runs = {one.run.snapshot for one in marked.values()}
    assert runs & {*jobs_by_run(stack)} == set()
    assert runs & {*versions_by_run(stack)} == set()
    client = stack.client("sagemaker")
    for one in marked.values():
        if one.run.dag_id == DEPLOYMENT:
            assert endpoints.find(client, one.endpoint) is None
    assert versions.describe(client, approved).approval == versions.APPROVED


@pytest.mark.usefixtures("marked")
def test_a_gate_that_failed_and_is_marked_as_success_registers_nothing(
    stack: Stack, undecided: Run
) -> None:
    run = undecided
    assert run.wait_ended() == "failed"
    s3 = stack.client("s3")
    uri = naming.run_uri(environment.BUCKET, CALIFORNIA_HOUSING.name, run.snapshot, run.run_id)
    metric = {"r2_score": {"value": 0.7}}
    beside = {"r2_score": {"worse_by": 0.0, "better_share": 0.5}}
    good = json.dumps(
        {
            "regression_metrics": metric,
            "rows": {"test": 1_000},
            "champion": {"outcome": "none", "compared_with": "no champion"},
            "against_champion": {"regression_metrics": beside},
        }
    ).encode()
    bucket, key = naming.split_s3_uri(naming.report_uri(uri))
    s3.put_object(Bucket=bucket, Key=key, Body=good)
    stack.airflow.mark(run.dag_id, run.run_id, task_id="check_quality", state="success")
    poll(lambda: run.tasks()["register_model"]["state"] == "failed", what="its failure")
    assert "is about a report with the ETag" in run.log("register_model")
    assert run.wait_ended() == "failed"
    # It is judged as it lies there now when the gate is cleared, and only then registered.
    assert versions_by_run(stack)[run.snapshot] == 0
    stack.airflow.clear(run.dag_id, run.run_id, task_id="check_quality")
    poll(lambda: run.state() == "success", what="the run's success")
    assert versions_by_run(stack)[run.snapshot] == 1
