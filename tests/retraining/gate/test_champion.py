"""What a gate asks of a candidate beside the champion, and what is read of hostile reports."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining import Metric, Parameter, better_than_champion, not_worse_than_champion
from retraining.gate.comparison import comparison_in
from retraining.gate.conditions import Condition, PolicyError
from retraining.gate.decision import Verdict, decide
from retraining.gate.report import metrics_in
from retraining.gate.verdict_line import verdict_line
from retraining.gate.wire_form import to_wire

ERROR = Metric("a_metrics.error")
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/a/7"


def report(outcome: str, *, worse_by: float = 0.0, share: float = 0.5, **changes: Any) -> bytes:
    """What an evaluation job writes, of a metric of which less is better."""
    is_scored = outcome == "scored"
    leaf = {
        "candidate": 2.0 + worse_by, "champion": 2.0, "value": worse_by, "low": worse_by - 0.5,
        "high": worse_by + 0.5, "worse_by": worse_by, "better_share": share,
    }  # fmt: skip
    compared = {"none": "no champion", "scored": ARN}.get(outcome)
    told = {
        "a_metrics": {"error": {"value": 2.0 + worse_by}},
        "champion": {
            "outcome": outcome, "reason": "" if is_scored else "so it is", "version": ARN,
            "compared_with": compared, "rows": 100, "a_metrics": {"error": {"value": 2.0}},
        },
        "difference": {"rows": 100, "a_metrics": {"error": leaf}} if is_scored else None,
        "against_champion": {
            "a_metrics": {"error": {"worse_by": worse_by, "better_share": share}}
        },
    }  # fmt: skip
    return json.dumps(told | changes).encode()


def judged(content: bytes, condition: Condition, **parameters: Any) -> tuple[str, str]:
    decision = decide(content, (condition,), parameters=parameters)
    return decision.verdict.value, decision.explanation


UNSCORED = ("gone", "cannot_be_loaded", "other_columns", "failed")


@pytest.mark.parametrize(
    ("worse_by", "by", "verdict", "words"),
    [
        (0.2, 0.1, "reject", "error is worse than the champion's by 0.2, more than 0.1 (2.2 again"),
        (0.1, 0.1, "pass", "error is worse than the champion's by 0.1, not more than 0.1 (2.1"),
        (-0.3, 0.0, "pass", "error is better than the champion's by 0.3 (1.7 against 2, diff"),
        (0.0, 0.0, "pass", "error is equal to the champion's"),
        (1e-9, 0, "reject", "error is worse than the champion's by 1e-09, more than 0"),
    ],
)
def test_a_candidate_may_be_worse_by_so_much(
    worse_by: float, by: float, verdict: str, words: str
) -> None:
    content = report("scored", worse_by=worse_by)
    found, said = judged(content, not_worse_than_champion(ERROR, by))
    assert (found, said[: len(words)]) == (verdict, words)
    assert said.endswith("version 7)") or worse_by == 0
    condition = not_worse_than_champion(ERROR, by=Parameter("t"))
    assert judged(content, condition, t=by) == (found, said)


@pytest.mark.parametrize(("share", "verdict"), [(0.95, "pass"), (0.949, "reject")])
def test_a_candidate_may_have_to_be_better_for_sure(share: float, verdict: str) -> None:
    found, said = judged(report("scored", share=share), better_than_champion(ERROR))
    assert found == verdict
    assert f"error is better than the champion's in {share} of the draws" in said


def test_without_a_champion_both_hold_and_say_so() -> None:
    for condition in (not_worse_than_champion(ERROR, 0), better_than_champion(ERROR)):
        assert judged(report("none"), condition) == ("pass", "error: no champion")


@pytest.mark.parametrize("outcome", UNSCORED)
def test_one_that_could_not_be_scored_is_what_the_run_says(outcome: str) -> None:
    for make in (not_worse_than_champion, better_than_champion):
        found, said = judged(report(outcome), make(ERROR))
        assert found == "undecidable"
        assert f"the champion {ARN} could not be scored: {outcome}: so it is" in said
        let_pass = json.loads(report(outcome))
        let_pass["champion"]["compared_with"] = "no champion"
        found, said = judged(json.dumps(let_pass).encode(), make(ERROR))
        assert found == "pass"
        assert f"let pass: the champion {ARN} could not be scored: {outcome}" in said


@pytest.mark.parametrize("outcome", ["none", *UNSCORED])
def test_a_condition_that_forgets_the_first_night_is_no_pass(outcome: str) -> None:
    from retraining import LessThanOrEqualTo  # noqa: PLC0415

    condition = LessThanOrEqualTo(Metric("difference.a_metrics.error"), 1)
    assert judged(report(outcome), condition)[0] == "undecidable"


def test_a_report_of_before_there_were_champions_is_undecidable() -> None:
    found, said = judged(b'{"a_metrics": {"error": 2}}', not_worse_than_champion(ERROR))
    assert (found, said) == (
        "undecidable",
        "undecidable: the report has no 'champion'; it has a_metrics",
    )


def test_the_wire_form_is_sagemakers() -> None:
    said = {"Std:JsonGet": {"Path": "against_champion.a_metrics.error.worse_by"}}
    assert to_wire(not_worse_than_champion(ERROR, Parameter("t")), {"t": 0.5}) == {
        "Type": "Or",
        "Conditions": [
            {
                "Type": "Equals",
                "LeftValue": {"Std:JsonGet": {"Path": "champion.compared_with"}},
                "RightValue": "no champion",
            },
            {"Type": "LessThanOrEqualTo", "LeftValue": said, "RightValue": 0.5},
        ],
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: not_worse_than_champion(ERROR, -1), "by=-1 is no number of 0 or more"),
        (lambda: not_worse_than_champion(ERROR, float("nan")), "by=nan is no number"),
        (lambda: not_worse_than_champion(ERROR, "1"), "by='1' is no number"),
        (lambda: not_worse_than_champion(ERROR, True), "by=True is no number"),
        (lambda: not_worse_than_champion("a.b"), "'a.b' is no Metric with a path"),
        (lambda: not_worse_than_champion(Metric(Parameter("m"))), "is no Metric with a path"),
        (lambda: not_worse_than_champion(Metric("difference.x")), "is no metric of a model"),
        (lambda: better_than_champion(ERROR, 0.4), "confidence=0.4 is no share of 0.5 to 1"),
        (lambda: better_than_champion(ERROR, 95), "confidence=95 is no share"),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Any, words: str) -> None:
    with pytest.raises(PolicyError) as refused:
        make()
    assert words in str(refused.value)


def test_a_metric_with_another_name_has_a_path_all_the_same() -> None:
    condition = not_worse_than_champion(Metric("a_metrics['f1.macro'].value"))
    told = {"champion": {"compared_with": ARN, "outcome": "scored"}}
    told["against_champion"] = {"a_metrics": {"f1.macro": {"worse_by": 1}}}
    found, said = judged(json.dumps(told).encode(), condition)
    assert (found, said[:48]) == ("reject", "f1.macro is worse than the champion's by 1, more")


def test_the_champions_numbers_are_no_metrics_of_the_run() -> None:
    content = json.loads(report("scored", worse_by=1))
    assert list(metrics_in(content).measures) == ["a_metrics.error"]
    decision = decide(
        json.dumps(content).encode(), (not_worse_than_champion(ERROR),), parameters={}
    )
    assert verdict_line(decision).startswith("error is worse than the champion's by 1")


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["outcome", "a_metrics", "slices", "rows", "error", "value", "x'"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(anything, anything, anything)
def test_whatever_a_report_holds_it_is_judged_and_read(
    champion: Any, difference: Any, against: Any
) -> None:
    changes = {"champion": champion, "difference": difference, "against_champion": against}
    content = report("scored", **changes)
    condition = not_worse_than_champion(ERROR)
    decision = decide(content, (condition,), parameters={})
    assert decision.verdict in set(Verdict)
    for read in (comparison_in(json.loads(content)), comparison_in(champion)):
        if read is not None:
            json.dumps(read.to_record(), allow_nan=False)


def test_of_a_huge_report_so_much_is_read_as_a_page_can_show() -> None:
    leaf = json.loads(report("scored"))["difference"]["a_metrics"]["error"]
    many = {f"m{number}": leaf for number in range(500)} | {"x" * 1000: leaf}
    part = {"column": "c" * 10_000, "slice": 7, "rows": 5, "a_metrics": many}
    told = comparison_in(
        {
            "champion": {"outcome": "scored" * 1000, "reason": ["x"], "rows": -1},
            "difference": {"a_metrics": many, "slices": [part, None, {"rows": "5"}] * 100},
        }
    )
    assert told is not None
    assert len(told.differences) == 40
    assert (len(told.outcome), told.reason, told.rows) == (500, "", None)
    assert {(len(each.column), each.name, each.rows) for each in told.parts} == {(500, "", 5)}
    assert len(told.parts) <= 20
