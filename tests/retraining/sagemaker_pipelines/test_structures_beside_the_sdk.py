"""What a graph can do: each definition through SageMaker's local executor, and as a DAG."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.dags.place import BUCKET, Place, new_place
from tests.retraining.sagemaker_pipelines.dag_processes import run_dags

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

pytestmark = pytest.mark.e2e


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        from tests.retraining.sagemaker_pipelines import structures  # noqa: PLC0415 - seconds

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
def place(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Place]:
    with new_place(tmp_path_factory.mktemp("structures"), run_embedded_sagemaker) as place:
        place.client("s3").put_object(
            Bucket="gated-retraining-local", Key="structures/model.tar.gz", Body=b"no model"
        )
        yield place


@pytest.fixture(scope="module")
def here(place: Place) -> dict[tuple[str, int], Ended]:
    """How the DAGs end, all in one process."""
    runs, log = run_dags(place, RUNS)
    return {case: _ended(place, run, log) for case, run in zip(CASES, runs, strict=True)}


def _ended(place: Place, run: Mapping[str, Any], log: str) -> Ended:
    """Return how a run ended, from what it left."""
    tasks, dag_id = run["tasks"], run["dag_id"]
    failed = frozenset(task for task, state in tasks.items() if state == "failed")
    assert (run["state"] == "success") == (not failed)
    records = [
        (key.split("/")[-3], json.loads(place.body(f"s3://{BUCKET}/{key}")))
        for key in place.objects(f"{dag_id.replace('_', '-')}/runs/")
    ]
    return Ended(
        executed=frozenset(task for task, state in tasks.items() if state == "success"),
        failed=failed,
        outcomes={
            step: record["verdict"] == "pass"
            for step, record in records
            if record["run"]["run_id"] == run["run_id"] and record["verdict"] != "undecidable"
        },
        values={},
        why=log,
    )


def test_the_committed_definitions_are_what_the_sdk_writes(structures: ModuleType) -> None:
    for name, pipeline in structures.pipelines().items():
        committed = (HERE / "definitions" / f"{name}.json").read_text(encoding="utf-8")
        assert committed == structures.definition(pipeline), name
    assert {file.stem for file in (HERE / "definitions").glob("*.json")} == set(RUNS)


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


def test_a_model_is_told_what_the_executor_tells_it(
    place: Place, there: Mapping[tuple[str, int], Ended], here: object
) -> None:
    assert here
    client = place.client("sagemaker")
    told = Counter()
    for page in client.get_paginator("list_models").paginate(NameContains="values-"):
        for item in page["Models"]:
            model = client.describe_model(ModelName=item["ModelName"])
            step = item["ModelName"].removeprefix("values-").partition("-")[0]
            told[step, model["PrimaryContainer"]["Environment"]["VALUE"]] += 1
    assert told == Counter(
        told for (name, _), run in there.items() if name == "values" for told in run.values.items()
    )
