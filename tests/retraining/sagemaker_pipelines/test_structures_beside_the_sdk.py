"""What a graph can do: each definition through SageMaker's local executor, and as a DAG."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.dags.place import BUCKET, new_place
from tests.retraining.sagemaker_pipelines import conformance
from tests.retraining.sagemaker_pipelines.dag_processes import run_dags
from tests.retraining.sagemaker_pipelines.test_operators import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

HERE = Path(__file__).parent
# The definitions, and the parameters of their runs.
RUNS: dict[str, list[dict[str, Any]]] = {
    "if_only": [{"Number": 1}, {"Number": 2}],
    "if_else": [{}, {"Number": 2}],
    "else_only": [{"Number": 1}, {"Number": 2}],
    "empty_arms": [{"Number": 2}],
    "three_deep": [{"Number": 1}, {"Number": 2}, {"Number": 6}, {"Number": 4}],
    "join_of_both_arms": [{"Number": 1}, {"Number": 2}],
    "join_after_the_condition": [{"Number": 1}, {"Number": 2}],
    "join_of_one_arm": [{"Number": 1}, {"Number": 2}],
    "chain_in_an_arm": [{"Number": 1}, {"Number": 2}],
    "arm_that_waits_for_the_other": [{"Number": 1}, {"Number": 2}],
    "arm_that_waits_for_one_outside": [{"Number": 2}],
    "outcome_of_a_condition": [{"Number": 1}, {"Number": 2}],
    "fail_alone": [{"Number": 3}],
    "fail_in_an_arm": [{"Number": 1}, {"Number": 2}],
    "incomparable": [{"Number": 1}],
    "values": [{}, {"Number": -7, "Rate": 1e-05, "Text": "{{ ds }}", "Flag": True}],
}
CASES = [(name, number) for name, confs in RUNS.items() for number in range(len(confs))]


@dataclass(frozen=True)
class Ended:
    """How a run has ended.

    Attributes:
        executed: The steps that were, and succeeded.
        failed: The steps that failed, which fails the run.
        outcomes: What each condition decided.
        values: What each Model step was told, by step.
        why: What the failure said.
    """

    executed: frozenset[str]
    failed: frozenset[str]
    outcomes: Mapping[str, bool]
    values: Mapping[str, str]
    why: str


@dataclass
class Models:
    """Stands for the client of the SDK's local session: it keeps what models are made."""

    made: dict[str, Any] = field(default_factory=dict)

    def create_model(self, model_name: str, **request: Any) -> None:
        self.made[model_name] = {"ModelName": model_name, **request}

    def describe_model(self, model_name: str) -> Any:
        return self.made[model_name]


@pytest.fixture(scope="module")
def structures() -> Iterator[ModuleType]:
    """The SDK's pipelines; importing the SDK takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "unused")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "unused")
        patch.setenv("SAGEMAKER_VALIDATE_ROLE", "false")
        from sagemaker.core.telemetry import telemetry_logging  # noqa: PLC0415

        # It reports each call to AWS; its own switch costs seconds at each.
        patch.setattr(telemetry_logging, "_send_telemetry_request", lambda *_, **__: None)
        from tests.retraining.sagemaker_pipelines import structures  # noqa: PLC0415

        yield structures


@pytest.fixture(scope="module")
def there(structures: ModuleType) -> dict[tuple[str, int], Ended]:
    """How SageMaker's local executor ends each run."""
    from sagemaker.mlops.local.pipeline_entities import _LocalPipeline  # noqa: PLC0415 - seconds

    found = {}
    for name, pipeline in structures.pipelines().items():
        for number, conf in enumerate(RUNS[name]):
            client = Models()
            session: Any = SimpleNamespace(sagemaker_client=client)
            ended = _LocalPipeline(pipeline, local_session=session).start(PipelineParameters=conf)
            steps = ended.step_execution
            found[name, number] = Ended(
                executed=frozenset(n for n, step in steps.items() if step.status == "Succeeded"),
                failed=frozenset(n for n, step in steps.items() if step.status == "Failed"),
                why=(ended.failure_reason or "").partition("failed with message: ")[2],
                values={
                    n: step.properties["PrimaryContainer"]["Environment"]["VALUE"]
                    for n, step in steps.items()
                    if "PrimaryContainer" in step.properties
                },
                outcomes={
                    n: step.properties["Outcome"]
                    for n, step in steps.items()
                    if "Outcome" in step.properties
                },
            )
    return found


@pytest.fixture(scope="module")
def airflow(become_a_task: Any, embedded_sagemaker: Any) -> SimpleNamespace:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task(RETRAINING_BUCKET=BUCKET)
    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="structures/model.tar.gz", Body=b"no model")
    from airflow.sdk.exceptions import (  # noqa: PLC0415
        AirflowFailException,
        AirflowSkipException,
        DownstreamTasksSkipped,
    )
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return SimpleNamespace(
        pipeline_dag=pipeline_dag,
        Fail=AirflowFailException,
        Skip=AirflowSkipException,
        Skipped=DownstreamTasksSkipped,
    )


@pytest.fixture(scope="module")
def here(airflow: SimpleNamespace, embedded_sagemaker: Any) -> dict[tuple[str, int], Ended]:
    """How the DAGs end, task by task by Airflow's rule `all_success`."""
    found = {}
    for name, number in CASES:
        wire = json.loads((HERE / "definitions" / f"{name}.json").read_text(encoding="utf-8"))
        run = Run(
            airflow,
            *wire["Steps"],
            name=name.replace("_", "-"),
            members={"Parameters": wire["Parameters"]},
        )
        run.run_id = f"manual__{number}"
        why = _executed(airflow, run, RUNS[name][number])
        executed = frozenset(step for step, state in run.states.items() if state == "success")
        results = {step: run.results.get((step, "return_value")) or {} for step in executed}
        client = embedded_sagemaker.client("sagemaker")
        found[name, number] = Ended(
            executed=executed,
            failed=frozenset(step for step, state in run.states.items() if state == "failed"),
            outcomes={step: told["Outcome"] for step, told in results.items() if "Outcome" in told},
            values={
                step: client.describe_model(ModelName=told["model_name"])["PrimaryContainer"][
                    "Environment"
                ]["VALUE"]
                for step, told in results.items()
                if "model_name" in told
            },
            why=why,
        )
    return found


def _executed(airflow: SimpleNamespace, run: Run, conf: Mapping[str, Any]) -> str:
    """Execute a run's tasks, and return what a failure said."""
    why, not_taken = "", set()
    run.states = {}
    for task in run.dag.topological_sort():
        before = {run.states[name] for name in task.upstream_task_ids}
        if task.task_id in not_taken or "skipped" in before:
            state = "skipped"
        elif before - {"success"}:
            state = "upstream_failed"
        else:
            state = "success"
            try:
                run.do(task.task_id, **conf)
            except airflow.Skipped as skipped:
                not_taken |= set(skipped.tasks)
            except airflow.Skip:
                state = "skipped"
            except airflow.Fail as failed:
                state, why = "failed", str(failed)
        run.states[task.task_id] = state
    return why


def test_the_committed_definitions_are_what_the_sdk_writes(structures: ModuleType) -> None:
    for name, pipeline in structures.pipelines().items():
        committed = (HERE / "definitions" / f"{name}.json").read_text(encoding="utf-8")
        assert committed == structures.definition(pipeline), name
    assert {file.stem for file in (HERE / "definitions").glob("*.json")} == set(RUNS)


def test_a_pipeline_of_the_sdk_itself_is_its_definition(
    structures: ModuleType, airflow: SimpleNamespace
) -> None:
    file = airflow.pipeline_dag(HERE / "definitions" / "three_deep.json")
    built = airflow.pipeline_dag(structures.pipelines()["three_deep"])
    assert (built.dag_id, built.task_ids) == (file.dag_id, file.task_ids)
    assert built.tasks[0].compiled == file.tasks[0].compiled


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_a_run_executes_what_the_executor_does(
    there: Mapping[tuple[str, int], Ended], here: Mapping[tuple[str, int], Ended], case: Any
) -> None:
    expected, found = there[case], here[case]
    assert found.failed == expected.failed
    if expected.failed:
        # The executor goes through the steps one by one, and stops there.
        assert found.executed >= expected.executed
        assert not found.executed & {"Yes", "No"} or case[0] != "incomparable"
    else:
        assert found.executed == expected.executed
    assert found.outcomes == expected.outcomes
    if case[0] != "incomparable":
        assert expected.why in found.why


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_a_model_is_told_what_the_executor_tells_it(
    there: Mapping[tuple[str, int], Ended], here: Mapping[tuple[str, int], Ended], case: Any
) -> None:
    assert there[case].values.items() <= here[case].values.items()


def test_the_table_in_the_docs_is_what_became_of_the_runs(
    there: Mapping[tuple[str, int], Ended], here: Mapping[tuple[str, int], Ended]
) -> None:
    def row(name: str, number: int) -> list[str]:
        expected, found = there[name, number], here[name, number]
        given = ", ".join(f"`{key}` {value!r}" for key, value in RUNS[name][number].items())
        decided = ", ".join(f"{step}: {held}" for step, held in sorted(found.outcomes.items()))
        return [
            f"[{name}](../tests/retraining/sagemaker_pipelines/definitions/{name}.json)",
            given or "defaults",
            decided or "-",
            ", ".join(sorted(expected.executed - expected.outcomes.keys())) or "-",
            ", ".join(sorted(found.failed)) or "-",
        ]

    made = conformance.markdown(
        ["definition", "parameters", "decided", "executed", "failed"],
        [row(name, number) for name, number in CASES],
    )
    assert conformance.documented("structures", made) == made


@pytest.mark.e2e
def test_airflow_itself_ends_runs_so(
    there: Mapping[tuple[str, int], Ended],
    tmp_path_factory: pytest.TempPathFactory,
    run_embedded_sagemaker: Any,
) -> None:
    """Those with nested branches, a join, a chain in a branch, and a failure."""
    names = ("three_deep", "join_of_both_arms", "chain_in_an_arm", "arm_that_waits_for_the_other")
    with new_place(tmp_path_factory.mktemp("structures"), run_embedded_sagemaker) as place:
        place.client("s3").put_object(Bucket=BUCKET, Key="structures/model.tar.gz", Body=b"none")
        runs, log = run_dags(place, {name: RUNS[name] for name in names})
    cases = [case for case in CASES if case[0] in names]
    for case, run in zip(cases, runs, strict=True):
        expected, states = there[case], run["tasks"]
        assert run["state"] == ("failed" if expected.failed else "success"), case
        assert {task for task, state in states.items() if state == "failed"} == expected.failed
        executed = {task for task, state in states.items() if state == "success"}
        assert executed >= expected.executed, case
        assert executed == expected.executed or expected.failed, case
        assert expected.why in log
