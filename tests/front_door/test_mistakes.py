"""What an author can get wrong is told when the DAG file is parsed, and not in the night."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG
from retraining import Equals, GreaterThan, Image, Metric, Parameter, dag_defaults, params, steps
from retraining.deployment.dag import deployment_dag

from tests.retraining.declarations import pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from retraining.runs.operators import ResolveRunOperator

SCORE = Metric("scores_metrics.score")


def in_a_dag(make: Callable[[ResolveRunOperator], Any], **declared: Any) -> Any:
    told = pipeline("tickets", **declared)
    parameters = params.retraining() | {"least": params.threshold(0.5, title="Least")}
    with DAG("tickets", schedule=None, params=parameters, **dag_defaults.retraining(told)):
        return make(steps.resolve_run(told))


def test_a_gate_on_data_has_all_that_it_needs() -> None:
    def check(run: ResolveRunOperator, outputs: tuple[str, ...] = ("data",)) -> Any:
        prepare = steps.processing(run, "preprocess.py", inputs={}, outputs=outputs)
        return steps.check_data(run, prepare, steps.find_champion(run))

    def register(run: ResolveRunOperator) -> Any:
        return steps.register_model(run, steps.training(run, None, channels={}))

    ratio = Metric("distance.row_ratio")
    policy = {"data_policy": (GreaterThan(ratio, 0.8),)}
    edges = in_a_dag(check, **policy).upstream_task_ids
    assert edges == {"preprocess", "find_champion"}
    assert in_a_dag(lambda run: (check(run), register(run))[1], **policy)
    with pytest.raises(ValueError, match="pipeline tickets declares no data_policy to judge data"):
        in_a_dag(check)
    with pytest.raises(ValueError, match="preprocess has no output 'data'; it has train"):
        in_a_dag(lambda run: check(run, ("train",)), **policy)
    with pytest.raises(ValueError, match="lacks the data policy's ratio"):
        in_a_dag(check, data_policy=(GreaterThan(ratio, Parameter("ratio")),))
    with pytest.raises(ValueError, match="step check_data is wanted before register_model"):
        in_a_dag(register, **policy)
    with pytest.raises(
        ValueError, match=r"data_policy: 'scores_metrics\.score' is no metric of data"
    ):
        in_a_dag(check, data_policy=(GreaterThan(SCORE, 0.8),))


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"policy": GreaterThan(SCORE, 1)}, "policy: a tuple is wanted; one of a single item ends"),
        ({"content_types": "text/csv", "plots": "residuals"}, "content_types, plots: a tuple"),
        ({"description": "two\nlines"}, "description: it is not one line of 1 to 1024 characters"),
        ({"tolerance": float("nan")}, "tolerance=nan is not 0 or more"),
        ({"policy": (GreaterThan(SCORE, Parameter("score")),)}, "'score' is a parameter and the"),
        ({"better": "most"}, "better='most' is neither 'higher' nor 'lower'"),
        ({"plots": ("pie",)}, "plots: 'pie' is none of"),
        ({"metadata_parameters": ("snapshot",)}, "'snapshot' is what the library itself calls"),
        ({"metadata_metrics": ("train.better",)}, "'better' is what the library itself calls"),
        ({"policy": ()}, "policy: no condition asks for a metric, so every model would pass"),
        ({"metadata_metrics": ("a[",)}, "'a[' is no path in a report"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(
    declared: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match="pipeline tickets: ") as refused:
        pipeline("tickets", **declared)
    assert words in str(refused.value)


def test_one_metric_is_one_however_its_path_is_spelled() -> None:
    told = pipeline(
        "tickets",
        headline=Metric('scores_metrics["score"].value'),
        policy=(GreaterThan(Metric("scores_metrics['score']"), 1),),
        metadata_metrics=("scores_metrics.score",),
    )
    assert told.metric_paths == ("scores_metrics.score",)


def test_a_step_has_outputs_and_an_id_of_its_own() -> None:
    def step(run: ResolveRunOperator, script: str, outputs: Any, **more: Any) -> Any:
        return steps.processing(run, script, inputs={}, outputs=outputs, **more)

    with pytest.raises(TypeError, match=r'a\.py: outputs="train" is one text; write'):
        in_a_dag(lambda run: step(run, "a.py", "train"))
    with pytest.raises(ValueError, match=r"b\.py: a writes the output 'x' already"):
        in_a_dag(lambda run: (step(run, "a.py", ("x",)), step(run, "b.py", ("x",))))
    with pytest.raises(Exception, match="'a' has already been added"):
        in_a_dag(lambda run: (step(run, "a.py", ("x",)), step(run, "a.py", ("y",))))
    with pytest.raises(ValueError, match="a has no output 'y'; it has x"):
        in_a_dag(lambda run: step(run, "a.py", ("x",)).only("y"))
    with pytest.raises(ValueError, match=r"image xgboost:3\.0-5 is not one of pipeline tickets"):
        in_a_dag(lambda run: step(run, "a.py", ("x",), image=Image("xgboost", "3.0-5")))
    with pytest.raises(ValueError, match="resolve_run settles no 'bucket' but snapshot, "):
        in_a_dag(lambda run: run.template("bucket"))
    with pytest.raises(
        ValueError, match=r"find_champion finds no champion\.bucket, but of champio"
    ):
        in_a_dag(lambda run: steps.find_champion(run).template("champion", "bucket"))
    with pytest.raises(ValueError, match="'a_b' is no endpoint name"):
        in_a_dag(lambda run: steps.find_champion(run, endpoint_name="a_b"))


def test_arguments_may_be_numbers() -> None:
    arguments = {"seed": 7, "share": 0.5}
    step = in_a_dag(
        lambda run: steps.processing(run, "a.py", inputs={}, outputs=("x",), arguments=arguments)
    )
    told = step.config["AppSpecification"]["ContainerArguments"]
    assert told == ["--seed", "7", "--share", "0.5"]


def test_every_way_out_of_the_gate_leads_somewhere() -> None:
    def check(run: ResolveRunOperator, *values: str) -> Any:
        train = steps.training(run, "train.py", channels={})
        tasks = {value: steps.reject_model(run, task_id=f"reject_{value}") for value in values}
        return steps.check_quality(run, passed=steps.register_model(run, train), rejected=tasks)

    branch = in_a_dag(lambda run: check(run, "skip", "fail"))
    assert branch.downstream_task_ids == {"register_model", "reject_skip", "reject_fail"}
    with pytest.raises(
        ValueError, match="when_rejected of tickets may be skip, fail, and rejected has"
    ):
        in_a_dag(lambda run: check(run, "skip"))


def test_the_policys_parameters_are_the_dags() -> None:
    policy = (GreaterThan(SCORE, Parameter("most")), Equals(SCORE, Parameter("least")))
    with pytest.raises(ValueError, match="tickets lacks the policy's parameters most"):
        in_a_dag(
            lambda run: steps.check_quality(
                run, passed=steps.skip_registration(run), rejected=steps.reject_model(run)
            ),
            policy=policy,
        )


def test_an_endpoint_must_be_called_so() -> None:
    with pytest.raises(ValueError, match="'my_tickets' is no endpoint name"):
        deployment_dag("my_tickets", doc_md=None)
    with pytest.raises(ValueError, match="'tickets_2' is no endpoint name"):
        deployment_dag("tickets", doc_md=None, endpoint_name="tickets_2")


def test_a_second_endpoint_has_a_dag_of_its_own() -> None:
    dag = deployment_dag("tickets", doc_md=None, endpoint_name="trial", dag_id="trial_deployment")
    assert (dag.dag_id, dag.params["endpoint_name"]) == ("trial_deployment", "trial")
    assert "tickets" in dag.tags


def test_a_table_of_parameters_stands_below_any_text() -> None:
    parameter = params.threshold(0.5, title="Least a | b", description="Or\nnot.")
    lines = f"One line.{params.table({'least': parameter})}".splitlines()
    assert lines[:3] == ["One line.", "", "### Parameters"]
    assert lines[-1] == r"| `least` | `0.5` | Least a \| b. Or not. |"


def test_a_switch_that_does_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"when_rejected, and one task .* leave it out"):
        in_a_dag(
            lambda run: steps.check_quality(
                run, passed=steps.skip_registration(run), rejected=steps.reject_model(run)
            )
        )
    left = params.retraining(ask_for_approval=None, when_rejected=None)
    assert set(params.retraining()) - set(left) == {
        "ask_for_approval", "approval_hours", "when_rejected",
    }  # fmt: skip
