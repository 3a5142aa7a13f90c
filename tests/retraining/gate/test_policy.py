"""What a policy names, and metrics that a run's parameters choose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from retraining.gate.conditions import (
    Equals,
    GreaterThanOrEqualTo,
    In,
    Metric,
    Not,
    Or,
    Parameter,
    PolicyError,
)
from retraining.gate.decision import Verdict, decide
from retraining.gate.policy import chosen, metrics_of, parameters_of

from tests.retraining.declarations import pipeline

CHOSEN = GreaterThanOrEqualTo(Metric(Parameter("metric")), Parameter("least"))
REPORT = json.dumps({"class_metrics": {"f1": {"value": 0.7}, "accuracy": 0.9}}).encode()


@pytest.mark.parametrize(
    ("path", "verdict", "said"),
    [
        ("class_metrics.f1", Verdict.REJECT, "class_metrics.f1 = 0.7 is not ≥ 0.8"),
        ("class_metrics['accuracy']", Verdict.PASS, "class_metrics['accuracy'] = 0.9 is ≥ 0.8"),
        ("class_metrics.auc", Verdict.UNDECIDABLE, "class_metrics has no 'auc'"),
        ("a[", Verdict.UNDECIDABLE, "parameter metric='a[' chooses no metric"),
        ("", Verdict.UNDECIDABLE, "parameter metric='' chooses no metric"),
        (None, Verdict.UNDECIDABLE, "parameter metric=None chooses no metric"),
        (
            ["class_metrics.f1"],
            Verdict.UNDECIDABLE,
            "parameter metric=['class_metrics.f1'] chooses no metric",
        ),
        ([10**5_000], Verdict.UNDECIDABLE, "parameter metric=a list chooses no metric"),
        ("['class_metrics']f1", Verdict.UNDECIDABLE, "chooses no metric"),
    ],
)
def test_a_parameter_chooses_the_metric(path: object, verdict: Verdict, said: str) -> None:
    decision = decide(REPORT, [CHOSEN], parameters={"metric": path, "least": 0.8})
    assert decision.verdict is verdict
    assert said in decision.explanation


def test_a_choice_that_compares_a_metric_with_itself_is_undecidable() -> None:
    policy = [GreaterThanOrEqualTo(Metric(Parameter("metric")), Metric("class_metrics.f1"))]
    decision = decide(REPORT, policy, parameters={"metric": "class_metrics['f1'].value"})
    assert decision.verdict is Verdict.UNDECIDABLE
    assert "is compared with itself" in decision.explanation


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ((), "no condition asks for a metric, so every model would pass"),
        ([GreaterThanOrEqualTo(Parameter("a"), 1)], "no condition asks for a metric"),
        ([Not(Or([Equals(Parameter("a"), 1)]))], "no condition asks for a metric"),
        ("abc", "is no condition"),
        ([CHOSEN, 0.6], "policy: 0.6 is no condition"),
        ([CHOSEN, (CHOSEN,)], "is no condition"),
    ],
)
def test_a_policy_that_would_judge_nothing_is_refused_declared_and_decided(
    policy: Any, words: str
) -> None:
    with pytest.raises(PolicyError, match=words):
        decide(REPORT, policy, parameters={"a": 1})
    with pytest.raises(ValueError, match="pipeline texts: policy: "):
        pipeline("texts", policy=policy)


def test_a_policy_that_can_be_walked_once_judges_like_any_other() -> None:
    parameters = {"metric": "class_metrics.f1", "least": 0.8}
    assert decide(REPORT, iter([CHOSEN]), parameters=parameters) == decide(
        REPORT, [CHOSEN], parameters=parameters
    )
    with pytest.raises(ValueError, match="policy: a tuple is wanted"):
        pipeline("texts", policy=iter([CHOSEN]))


def test_a_declaration_does_not_change_with_a_list() -> None:
    conditions = [CHOSEN]
    declared = pipeline("texts", policy=conditions)
    conditions.clear()
    assert declared.policy == (CHOSEN,)


def test_a_record_names_the_chosen_metric_and_another_choice_is_another_policy() -> None:
    decisions = [
        decide(REPORT, [CHOSEN], parameters={"metric": f"class_metrics.{name}", "least": 0.8})
        for name in ("f1", "accuracy")
    ]
    (judgement,) = decisions[1].judgements
    assert judgement.condition["LeftValue"] == {"Std:JsonGet": {"Path": "class_metrics.accuracy"}}
    assert judgement.operands == {"class_metrics.accuracy": 0.9, "parameter least": 0.8}
    assert decisions[0].policy_sha256 != decisions[1].policy_sha256


def test_without_the_parameter_it_is_undecidable() -> None:
    decision = decide(REPORT, [CHOSEN], parameters={"least": 0.8})
    assert "has no parameter metric, which chooses a metric" in decision.explanation


def test_a_metric_is_chosen_wherever_it_stands() -> None:
    which = Metric(Parameter("metric"))
    policy = (Not(Or((In(which, (1, Metric("b"))), Equals(2, which)))), CHOSEN)
    assert parameters_of(policy) == ("metric", "metric", "metric", "least")
    assert metrics_of(policy) == ("b",)
    settled = chosen(policy, {"metric": "a.x", "least": 1})
    assert metrics_of(settled) == ("a.x", "b", "a.x", "a.x")
    assert parameters_of(settled) == ("least",)
    assert settled == chosen(settled, {})


def test_a_declaration_keeps_what_its_runs_choose() -> None:
    declared = pipeline("texts", policy=(CHOSEN,))
    assert declared.metric_paths == ("scores_metrics.score",)
    assert declared.parameter_names == ("metric", "least")
    of_run = declared.for_run({"metric": "class_metrics.f1", "least": 0.8})
    assert of_run.metric_paths == ("scores_metrics.score", "class_metrics.f1")
    assert set(of_run.parameter_names) == {"metric", "least"}
    assert of_run.for_run({"least": 0.8}) is of_run
    with pytest.raises(ValueError, match="headline: runs are compared by it"):
        pipeline("texts", headline=Metric(Parameter("metric")))
