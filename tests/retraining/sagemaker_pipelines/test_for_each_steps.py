"""ForEach steps: what is refused, how the tasks stand, and what each of them does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from retraining.sagemaker_pipelines.for_each import Selector, items_of
from retraining.sagemaker_pipelines.references import DefinitionError, Property, UnresolvedError

from tests.dags.place import new_place
from tests.retraining.sagemaker_pipelines.test_compiler import (
    GET,
    airflow,
    compiled,
    condition,
    edges,
    model,
    training,
)
from tests.retraining.sagemaker_pipelines.test_eject_runs import ends, side_by_side

if TYPE_CHECKING:
    from types import SimpleNamespace

__all__ = ["airflow"]
ITEM = {GET: "ForEach.CurrentItem"}


def ask(name: str, *outputs: str, **members: Any) -> dict[str, Any]:
    return {
        "Name": name, "Type": "Lambda", "FunctionArn": "arn", "Arguments": {"item": ITEM},
        "OutputParameters": [{"OutputName": n, "OutputType": "Float"} for n in outputs],
        **members,
    }  # fmt: skip


def each(*body: Any, items: Any = ("a", "b"), name: str = "Fan", **more: Any) -> dict[str, Any]:
    arguments = {"IterableItems": [*items] if isinstance(items, tuple) else items}
    arguments |= {"MaxConcurrency": 2, "ForEachBody": [*body]} | more.pop("arguments", {})
    return {"Name": name, "Type": "ForEach", "Arguments": arguments, **more}


def picks(field: str, pick: str = "MaxBy") -> dict[str, Any]:
    return {"arguments": {"Selector": {"Pick": pick, "Field": {GET: field}}}}


SCORE = "IterationOutput.Ask.OutputParameters['score']"


def test_the_sdk_writes_such_a_step(airflow: SimpleNamespace) -> None:
    from sagemaker.core.lambda_helper import Lambda  # noqa: PLC0415
    from sagemaker.mlops.workflow.for_each_step import (  # noqa: PLC0415
        CurrentItem,
        ForEachSelector,
        ForEachStep,
        IterationOutput,
    )
    from sagemaker.mlops.workflow.lambda_step import (  # noqa: PLC0415
        LambdaOutput,
        LambdaOutputTypeEnum,
        LambdaStep,
    )

    assert airflow
    inner = LambdaStep(
        "Ask",
        Lambda(function_arn="arn"),
        inputs={"item": CurrentItem()},
        outputs=[LambdaOutput("score", LambdaOutputTypeEnum.Float)],
    )
    step = ForEachStep(
        "Fan", ["a", "b"], 2, [inner],
        ForEachSelector("MaxBy", IterationOutput(inner).OutputParameters["score"]),
    )  # fmt: skip
    made = json.loads(json.dumps(step.to_request(), default=lambda value: value.expr))
    assert made == each(ask("Ask", "score"), **picks(SCORE))
    properties = step.properties
    assert properties.IterationOutputs[1].Ask.OutputParameters["score"].expr == {
        GET: "Steps.Fan.IterationOutputs[1].Ask.OutputParameters['score']"
    }
    assert properties.Selected.OutputParameters["score"].expr == {
        GET: "Steps.Fan.Selected.OutputParameters['score']"
    }


def test_the_iterations_stand_between_the_items_and_the_end(airflow: SimpleNamespace) -> None:
    step = each(training("Train"), model("Make", {GET: "Steps.Train.TrainingJobName"}))
    then = model("Then", {GET: "Steps.Fan.IterationOutputs[0].Make.ModelName"})
    before = model("Before")
    step["DependsOn"] = ["Before"]
    dag = compiled(airflow, before, step, then)
    assert edges(dag) == {
        ("Before", "Fan__items"), ("Fan__items", "Train"), ("Train", "Make"), ("Make", "Fan"),
        ("Fan", "Then"),
        # The group's, which says the same.
        ("Fan__items", "Make"), ("Train", "Fan"),
    }  # fmt: skip
    train = dag.get_task("Train")
    assert train.max_active_tis_per_dagrun == 2
    # Airflow does not count deferred tasks.
    assert not train.deferrable
    assert train.get_closest_mapped_task_group() is not None
    assert dag.get_task("Fan").get_closest_mapped_task_group() is None
    airflow.serialization.to_dict(dag)


def test_in_a_branch_the_items_wait_for_the_condition(airflow: SimpleNamespace) -> None:
    dag = compiled(airflow, condition("Check", [each(ask("Ask"))]))
    assert edges(dag) == {("Check", "Fan__items"), ("Fan__items", "Ask"), ("Ask", "Fan")}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([each(ask("Ask"), items=())], r"is \[\], not a list of 1 to 100 items"),
        ([each(ask("Ask"), items=("a",) * 101)], "not a list of 1 to 100 items"),
        ([each(ask("Ask"), items="a")], "is 'a', not a list"),
        ([each(ask("Ask"), items=({"a": 1},))], "not a single value"),
        ([each(ask("Ask"), arguments={"MaxConcurrency": 51})], "is 51, not 1 to 50"),
        ([each(ask("Ask"), arguments={"MaxConcurrency": True})], "not 1 to 50"),
        ([each(ask("Ask"), arguments={"Order": 1})], "Arguments has Order, which is unknown"),
        ([each()], "ForEachBody has no steps"),
        ([each(condition("C"))], "C is of type Condition, which a ForEachBody cannot have"),
        ([each(each(ask("Ask"), name="Inner"))], "of type ForEach"),
        ([each(ask("Ask"), ask("Ask"))], "steps: Ask is there more than once"),
        ([each({"Name": "E", "Type": "EMR", "Arguments": {}})], "step E: steps of the type EMR"),
        (
            [each(ask("A"), ask("B", DependsOn=[{"Step": "A", "Trigger": "Failed"}]))],
            "to be Completed only",
        ),
        ([each(ask("Ask")), ask("Out")], "step Out: ForEach.CurrentItem: .*in no ForEachBody"),
        (
            [each(ask("Ask", "x")), model("M", {GET: "Steps.Ask.OutputParameters['x']"})],
            r"Ask is executed by each iteration of Fan; write Steps.Fan.IterationOutputs",
        ),
        ([each(ask("Ask")), model("M", DependsOn=["Ask"])], "executed by each iteration of Fan"),
        (
            [each(ask("Ask", "x")), model("M", {GET: "Steps.Fan.IterationOutputs[2].Ask.A"})],
            "Fan has no more than 2 iterations",
        ),
        (
            [each(ask("Ask")), model("M", {GET: "Steps.Fan.IterationOutputs[0].Other.A"})],
            "Other is no step in the body of Fan",
        ),
        (
            [each(ask("Ask")), model("M", {GET: "Steps.Fan.IterationOutputs[0].Ask.Who"})],
            "the outputs of step Ask are nothing",
        ),
        (
            [each(ask("Ask")), model("M", {GET: "Steps.Fan.IterationOutputs.Ask"})],
            "write IterationOutputs",
        ),
        (
            [each(ask("Ask")), model("M", {GET: "Steps.Fan.Selected.ModelName"})],
            "Fan has no Selector",
        ),
        ([each(ask("Ask")), model("M", {GET: "Steps.Fan.Items"})], "has the properties Status,"),
        (
            [model("A"), model("M", {GET: "Steps.A.IterationOutputs[0].Ask.Who"})],
            "step A is no ForEach",
        ),
        ([each(ask("Ask"), **picks("Steps.Ask.A"))], "not a member of IterationOutput"),
        ([each(ask("Ask"), **picks("IterationOutput.Other.A"))], "not a member of IterationOut"),
        ([each(ask("Ask"), **picks("IterationOutput.Ask.Who"))], "outputs of step Ask are nothing"),
        ([each(ask("Ask", "score"), **picks(SCORE, "Best"))], "Pick is 'Best', none of MaxBy"),
        (
            [each(ask("Ask", "x"), ask("B", Arguments={"a": {GET: "Steps.Fan.Status"}}))],
            "waits for",
        ),
    ],
)
def test_what_means_nothing_is_refused(
    airflow: SimpleNamespace, steps: list[Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        compiled(airflow, *steps)


def test_nobody_can_be_asked_about_what_iterations_register(airflow: SimpleNamespace) -> None:
    register = {"Name": "R", "Type": "RegisterModel", "Arguments": {"ModelPackageGroupName": "g"}}
    with pytest.raises(DefinitionError, match="asked about what a ForEach registers"):
        compiled(airflow, each(register), ask_for_approval=True)


def test_items_are_a_list_or_the_json_of_one() -> None:
    assert items_of('["a", 1]', "x") == items_of(["a", 1], "x") == ["a", 1]
    for value in ('{"a": 1}', "a", 3, json.dumps(["a"] * 101)):
        with pytest.raises(UnresolvedError, match=r"^x is "):
            items_of(value, "x")


def test_the_selector_takes_the_first_of_equal_ones_and_texts_that_are_numbers() -> None:
    field = Property("Ask", ("score",))
    assert Selector("MaxBy", field, "Ask").chosen([1, "3.5", 3.5, -2], "f") == 1
    assert Selector("MinBy", field, "Ask").chosen([1, -2.0, "-2"], "f") == 1
    for value in ("much", None, float("nan"), True):
        with pytest.raises(UnresolvedError, match=r"f of iteration 1 is .*, not a number"):
            Selector("MaxBy", field, "Ask").chosen([1, value], "f")


def test_a_file_of_steps_refuses_what_a_definition_cannot_have(airflow: SimpleNamespace) -> None:
    assert airflow
    from airflow.sdk import DAG  # noqa: PLC0415
    from retraining.sagemaker_pipelines.ejected import Steps  # noqa: PLC0415

    arguments = {"IterableItems": ["a"], "MaxConcurrency": 2}

    def file(body: Any, **members: Any) -> None:
        with DAG("p", schedule=None), Steps("p", {}) as steps:
            steps.each("Fan", **{"Arguments": arguments, **members})(lambda: body(steps))

    def one(steps: Any) -> None:
        steps.add("Model", "M", Arguments=model("M")["Arguments"])

    for body, members, message in (
        (lambda _: None, {}, "ForEachBody has no steps"),
        (one, {"Arguments": arguments | {"MaxConcurrency": 0}}, "MaxConcurrency is 0, not 1 to 50"),
        (one, {"Arguments": arguments | {"IterableItems": []}}, "not a list of 1 to 100 items"),
        (one, {"Arguments": {}}, "MaxConcurrency is None"),
        (one, {"Arguments": ["a"]}, "its Arguments are what a definition says but for the ForEach"),
        (one, {"Arguments": arguments | {"ForEachBody": []}}, "which the function adds"),
        (one, {"DependsOn": ["M"]}, "DependsOn is said by >> and by Steps.after"),
        (lambda steps: steps.each("In", Arguments=arguments)(lambda: None), {}, "In stands in the"),
        (lambda steps: steps.add("ForEach", "In"), {}, "a ForEach step is said by Steps.each"),
        (lambda steps: [one(steps), one(steps)], {}, "step M is there more than once"),
        (lambda steps: steps.add("Condition", "C", Conditions=[]), {}, "Conditions"),
    ):
        with pytest.raises(DefinitionError, match=message):
            file(body, **members)


@pytest.mark.e2e
def test_airflow_runs_the_iterations_and_the_step_says_how_they_ended(
    tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any
) -> None:
    """All well; one that fails, without ending the others; a branch not taken; no item at all."""

    def items(*codes: int) -> str:
        return json.dumps([{"gb": 3 - i, "code": str(code)} for i, code in enumerate(codes)])

    confs = [{"Items": items(0, 2, 0)}, {"Items": items(0, 1, 0)}, {"Go": False}, {}]
    with new_place(tmp_path_factory.mktemp("for-each"), run_embedded_sagemaker) as place:
        file = Path(__file__).parent / "iterations" / "for_each.json"
        runs, own, log = side_by_side(place, file, *confs, name="for-each")
        client = place.client("sagemaker")
        jobs = client.list_processing_jobs(MaxResults=100)["ProcessingJobSummaries"]
    # The file that it was ejected into does the same.
    assert ends(own) == ends(runs), log[-5000:]
    well, failing, apart, empty = runs
    assert well["tasks"]["Fan"] == "success", log[-5000:]
    names = [job["ProcessingJobName"] for job in jobs]
    assert len(names) == len(set(names)) == 2 * (6 + 5)
    # The arguments of the third iteration's second job are the name of its first.
    message = rf"Succeeded 3 3 ({'|'.join(names)}) 6\b"
    assert re.search(message, log), log[-5000:]
    assert failing["tasks"]["Fan"] == "failed"
    assert "2 of 6 steps of its iterations have not succeeded" in log
    assert failing["tasks"]["Tell"] == "upstream_failed"
    assert failing["tasks"]["TellFailure"] == "failed"
    assert re.search(r"Failed 2\b", log)
    states = {"Fan__items", "Work", "After", "Fan", "Tell"}
    assert {apart["tasks"][task] for task in states} == {"skipped"}
    assert apart["state"] == "success"
    assert empty["tasks"]["Fan"] == "success"
