"""The gate on data: verdicts, words, and reports that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining import Equals, GreaterThan, LessThan, Metric, Or, Parameter
from retraining.gate import data_report
from retraining.gate.conditions import PolicyError
from retraining.gate.data import (
    DEFAULT_DATA_POLICY,
    DataDecision,
    Other,
    checked_data_policy,
    decide_data,
)
from retraining.gate.decision import Verdict
from retraining.gate.report import UndecidableError

NOBODY = Other(None, "it is the first night")


def report(factor: float = 1.0, **changes: Any) -> dict[str, Any]:
    column = {
        "kind": "number",
        "nulls": {"count": 0, "share": 0.0},
        "infinite": 0,
        "standard_deviation": 10 * factor,
        "values": [value * factor for value in (10.0, 20.0, 30.0, 40.0)],
        "counts": [250, 250, 250, 250],
    }
    sexes = {
        "kind": "category",
        "nulls": {"count": 0, "share": 0.0},
        "values": [{"value": "a", "count": 600}, {"value": "b", "count": 400}],
        "others": {"values": 0, "count": 0},
    }
    return {
        "schema": 1,
        "rows": 1_000,
        "duplicates": {"count": 0, "share": 0.0},
        "columns": {"value": column, "sex": sexes},
    } | changes


def judged(
    tonight: Any,
    baseline: Any = None,
    policy: Any = DEFAULT_DATA_POLICY,
    **parameters: Any,
) -> DataDecision:
    content = tonight if isinstance(tonight, bytes) else json.dumps(tonight).encode()
    other = NOBODY if baseline is None else Other(json.dumps(baseline).encode())
    return decide_data(content, policy, baseline=other, reference=NOBODY, parameters=parameters)


def test_the_same_data_pass() -> None:
    found = judged(report(), report())
    assert found.decision.verdict is Verdict.PASS
    assert len(found.decision.judgements) == len(DEFAULT_DATA_POLICY)
    assert found.missing == {"reference": "it is the first night"}


@pytest.mark.parametrize(
    ("tonight", "words"),
    [
        (
            report(factor=10),
            "distance.greatest_median_change.value = 9.0 is not ≤ 1 (column value)",
        ),
        (report(rows=700), "distance.row_ratio = 0.7 is not ≥ 0.8"),
        (
            report(duplicates={"count": 500, "share": 0.5}),
            "distance.duplicate_share_increase = 0.5 is not ≤ 0.1",
        ),
        (
            report(columns={"value": report()["columns"]["value"]}),
            "distance.columns_vanished.value = 1 is not = 0 (column sex)",
        ),
        (
            report(columns=report()["columns"] | {"value": report()["columns"]["sex"]}),
            "distance.columns_vanished.value = 1 is not = 0 (column value)",
        ),
        (
            report(
                columns=report()["columns"]
                | {"value": report()["columns"]["value"] | {"nulls": {"count": 200, "share": 0.2}}}
            ),
            "distance.greatest_null_share_increase.value = 0.2 is not ≤ 0.1 (column value)",
        ),
    ],
)
def test_other_data_are_rejected_with_the_column(tonight: Any, words: str) -> None:
    found = judged(tonight, report())
    assert found.decision.verdict is Verdict.REJECT
    assert words in found.decision.explanation


def test_without_a_baseline_it_is_a_rubber_stamp_and_the_rest_is_judged() -> None:
    found = judged(report())
    assert found.decision.verdict is Verdict.PASS
    assert found.decision.explanation.startswith(
        "no baseline: rubber stamp (it is the first night); data.duplicate_share = 0.0 is < 0.5"
    )
    assert found.missing == dict.fromkeys(("baseline", "reference"), "it is the first night")
    twice = judged(report(duplicates={"count": 500, "share": 0.5})).decision
    assert twice.verdict is Verdict.REJECT
    assert twice.explanation.startswith("data.duplicate_share = 0.5 is not < 0.5; no baseline:")
    assert twice.policy_sha256 == found.decision.policy_sha256
    alone = judged(report(), policy=(GreaterThan(Metric("distance.row_ratio"), 0.5),))
    assert alone.decision.verdict is Verdict.PASS
    assert alone.decision.explanation == "no baseline: rubber stamp (it is the first night)"


@pytest.mark.parametrize(
    "broken", [b"", b"[]", b'{"schema": 2}', b"\xff", b'{"schema":1,"schema":1}', b"[" * 10**5]
)
def test_a_broken_baseline_is_none_and_a_broken_report_cannot_be_judged(broken: bytes) -> None:
    content = json.dumps(report()).encode()
    found = decide_data(
        content, DEFAULT_DATA_POLICY, baseline=Other(broken), reference=NOBODY, parameters={}
    )
    assert found.decision.verdict is Verdict.PASS
    assert "no baseline: rubber stamp (the data report" in found.decision.explanation
    mine = judged(broken, report()).decision
    assert mine.verdict is Verdict.UNDECIDABLE
    assert "the data report" in mine.explanation
    assert mine.policy_sha256 == found.decision.policy_sha256


def test_a_policy_has_parameters_and_a_column_of_its_own_and_drift() -> None:
    policy = (
        LessThan(Metric("distance.columns.value.median_change"), Parameter("most")),
        Or((Equals(Parameter("most"), 3), LessThan(Metric("drift.row_ratio"), 2))),
    )
    found = judged(report(factor=1.1), report(), policy, most=3)
    assert found.decision.verdict is Verdict.PASS
    assert "no reference: rubber stamp (it is the first night)" in found.decision.explanation
    assert judged(report(factor=9), report(), policy, most=3).decision.verdict is Verdict.REJECT
    missing = judged(report(), report(), policy).decision
    assert missing.verdict is Verdict.UNDECIDABLE
    gone = report(columns={"sex": report()["columns"]["sex"]})
    assert "has no 'value'" in judged(gone, report(), policy, most=3).decision.explanation


def test_metrics_of_a_model_are_none_of_data() -> None:
    with pytest.raises(PolicyError, match=r"'scores\.r2' is no metric of data; these begin with"):
        checked_data_policy((GreaterThan(Metric("scores.r2"), 0.6),))
    with pytest.raises(PolicyError, match="data_policy: no condition asks for a metric"):
        checked_data_policy(())
    assert checked_data_policy([*DEFAULT_DATA_POLICY]) == DEFAULT_DATA_POLICY


def test_hostile_names_of_columns_stay_one_line() -> None:
    name = "a\n\x00b" * 1_000 + "\ud800"
    column = report()["columns"]["value"]
    far = report(factor=10)["columns"]["value"]
    found = judged(report(columns={name: far}), report(columns={name: column})).decision
    assert found.verdict is Verdict.REJECT
    assert found.explanation.isprintable()
    assert len(found.explanation) <= 900


PLACES = (
    ("rows",), ("duplicates",), ("duplicates", "share"), ("columns",), ("columns", "value"),
    ("columns", "value", "kind"), ("columns", "value", "nulls"), ("columns", "value", "values"),
    ("columns", "value", "counts"), ("columns", "value", "infinite"),
    ("columns", "value", "values", 1), ("columns", "value", "counts", 1),
    ("columns", "value", "standard_deviation"), ("columns", "sex", "values"),
    ("columns", "sex", "values", 0), ("columns", "sex", "values", 0, "count"),
    ("columns", "sex", "others"), ("columns", "sex", "others", "count"), ("schema",),
)  # fmt: skip
ODD = (None, True, -1, -0.5, 1e999, float("nan"), 10**400, "text", [], {}, [[]], {"value": 1})


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_a_report_of_another_shape_is_told_by_its_path(place: tuple[Any, ...], odd: Any) -> None:
    told = report()
    inner: Any = told
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = odd
    # A number may be negative, and a column may have no category that is told.
    if place[-2:] == ("values", 1) and isinstance(odd, float) and odd == -0.5:
        inner[1] = 1e9  # which is no order
    if (place, odd) in ((("columns",), {}), (("columns", "sex", "values"), [])):
        data_report.read(json.dumps(told).encode())
        return
    with pytest.raises(UndecidableError) as refused:
        data_report.read(json.dumps(told).encode())
    assert str(place[0]) in str(refused.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_is_in_a_column_a_decision_comes_of_it(anything: Any) -> None:
    told = report(columns={"value": anything})
    found = judged(told, report())
    assert found.decision.verdict in Verdict
    json.dumps(found.comparison, allow_nan=False)
