"""The report on past runs of pipelines of every kind, by the records that their gates wrote."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from retraining.gate import decision as gate
from retraining.gate.conditions import (
    GreaterThanOrEqualTo,
    LessThan,
    LessThanOrEqualTo,
    Metric,
)
from retraining.gate.decision import Verdict
from retraining.gate.wire_form import to_wire
from retraining.past_runs import what_if
from retraining.past_runs.columns import columns_of
from retraining.past_runs.reading import History, PastRun
from retraining.past_runs.report import make_report, write_report
from retraining.runs.outcomes import outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

# Matplotlib keeps a list of fonts, else in the home folder. It is imported with the first plot.
os.environ["MPLCONFIGDIR"] = str(Path(__file__).resolve().parents[3] / ".local/tests/matplotlib")

MSE, ACCURACY = "regression_metrics.mse", "multiclass_classification_metrics.accuracy"
AT_MOST = (LessThanOrEqualTo(Metric(MSE), 6),)
AT_LEAST = (GreaterThanOrEqualTo(Metric(ACCURACY), 0.8),)


def leaf(value: object, spread: object = 0.1) -> dict[str, object]:
    return {"value": value, "standard_deviation": spread}


def judged(
    day: int,
    report: object,
    policy: Any = AT_MOST,
    *,
    headline: tuple[str, str] | None = (MSE, "lower"),
) -> PastRun:
    """A run as it is read from what its gate wrote; without a headline, from an old record."""
    body = json.dumps(report).encode()
    decision = gate.decide(body, policy, parameters={})
    record: dict[str, Any] = {
        "verdict": decision.verdict.value,
        "explanation": decision.explanation,
        "conditions": [{"condition": item.condition} for item in decision.judgements],
    }
    if headline:
        record["pipeline"] = {"headline": {"metric": headline[0], "better": headline[1]}}
    snapshot = (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
    uri = f"s3://b/p/runs/{snapshot}/{day}/evaluation/decision.json"
    decided = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(minutes=day)
    return PastRun(uri, snapshot, f"r{day}", None, decided, outcome_of(record, body), body)


def regression(mse: object) -> dict[str, Any]:
    metrics = {"mae": 1.5, "rmse": leaf(2.2), "mse": leaf(mse), "r2": leaf(0.5), "medae": 1.1}
    return {"regression_metrics": metrics, "rows": {"snapshot": 4177, "test": 627}}


def classification(accuracy: float) -> dict[str, Any]:
    return {
        "multiclass_classification_metrics": {
            "confusion_matrix": {"a": {"a": 90, "b": 10}, "b": {"a": 5, "b": 95}},
            "weighted_recall": leaf(0.9),
            "accuracy": leaf(accuracy),
        },
        "train_metrics": {"accuracy": 0.99},
    }


ABALONE = tuple(judged(day, regression(mse)) for day, mse in enumerate((4.9, 6.5, 5.5)))
REVIEWS = tuple(
    judged(day, classification(value), AT_LEAST, headline=(ACCURACY, "higher"))
    for day, value in enumerate((0.9, 0.7))
)


def page_of(runs: Sequence[PastRun], **options: Any) -> str:
    return make_report(History(tuple(runs), ()), pipeline="p", **options).page


def rows_of(runs: Sequence[PastRun], **options: Any) -> list[dict[str, str]]:
    text = make_report(History(tuple(runs), ()), pipeline="p", **options).table
    header, *_ = csv.reader(io.StringIO(text))
    assert len(header) == len(set(header))
    return list(csv.DictReader(io.StringIO(text)))


def heads(page: str) -> list[str]:
    found = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page)
    return [head.replace("<wbr>", "") for head in found]


def titles(page: str) -> list[str]:
    return re.findall(r'<h2 id="plot-\d+">(.*?)</h2>', page)


def test_an_error_is_shown_first_with_its_upper_bound() -> None:
    page = page_of(ABALONE)
    assert heads(page)[2:6] == ["mse", "mae", "rmse", "r2"]
    assert titles(page)[0] == "mse by snapshot: lower is better"
    assert "Dashed: the gate asks for ≤ 6, an upper bound." in page
    assert ">≤ 6</text>" in page
    assert "history.csv has 1 more: medae." in page
    assert [run.outcome.verdict.value for run in ABALONE] == ["pass", "reject", "pass"]


def test_a_classification_is_shown_by_its_metrics_and_not_by_its_tables() -> None:
    page = page_of(REVIEWS)
    assert heads(page)[2:5] == [ACCURACY, "weighted_recall", "train_metrics.accuracy"]
    assert "Dashed: the gate asks for ≥ 0.8, a lower bound." in page
    assert "Rows by snapshot" not in page
    (first, _) = rows_of(REVIEWS)
    assert (first[ACCURACY], first["train_metrics.accuracy"]) == ("0.9", "0.99")
    assert first["asked"] == f"{ACCURACY} ≥ 0.8"
    assert not [name for name in first if "confusion" in name]


def test_the_table_has_all_metrics_of_all_runs() -> None:
    other = judged(5, {"regression_metrics": {"mse": 5, "new": 1}})
    rows = rows_of([*ABALONE, other])
    assert [*rows[0]][5:7] == ["mse", "mse_standard_deviation"]
    assert (rows[0]["medae"], rows[0]["new"]) == ("1.1", "")
    assert (rows[-1]["medae"], rows[-1]["new"]) == ("", "1.0")


def test_a_metric_may_be_called_as_another_column_is() -> None:
    metrics = {
        "version": 1, "metric version": 2, "rmse": 3, "rmse_standard_deviation": 4,
        "rows_test": 5, "=cmd": 6,
    }  # fmt: skip
    (row,) = rows_of([judged(1, {"metrics": metrics, "rows": {"test": 7}}, headline=None)])
    assert row["version"] == ""
    assert row["metrics.version"] == "1.0"
    assert row["metric version"] == "2.0"
    assert (row["rmse"], row["metrics.rmse_standard_deviation"]) == ("3.0", "4.0")
    assert (row["rows_test"], row["metrics.rows_test"]) == ("7", "5.0")
    assert row["'=cmd"] == "6.0"


@pytest.mark.parametrize(
    ("value", "said"), [(float("nan"), "NaN"), (True, "a truth value"), ("4.9", "a text")]
)
def test_what_is_no_number_is_shown_as_what_it_is(value: object, said: str) -> None:
    runs = [*ABALONE, judged(4, regression(value))]
    assert runs[-1].outcome.verdict is Verdict.UNDECIDABLE
    page = page_of(runs)
    assert f'<td class="number">{said}</td>' in page
    assert rows_of(runs)[-1]["mse"] == said


def test_old_records_are_shown_beside_new_ones() -> None:
    old = [judged(day, regression(5.0), headline=None) for day in (1, 2)]
    assert columns_of(old).headline == columns_of(ABALONE).headline
    assert heads(page_of([*old, *ABALONE]))[2] == "mse"


def test_the_headline_is_that_of_the_run_decided_last() -> None:
    later = judged(9, regression(5.0), headline=("regression_metrics.mae", "lower"))
    assert heads(page_of([later, *ABALONE]))[2:4] == ["mae", "mse"]


def test_runs_without_a_headline_are_shown_by_what_most_of_them_have() -> None:
    runs = [judged(day, {"mse": 4.9, "mae": 1.5}, AT_MOST, headline=None) for day in range(3)]
    assert columns_of(runs).headline is None
    page = page_of(runs)
    assert heads(page)[2:4] == ["mse", "mae"]
    assert titles(page) == ["mse by snapshot", "mae by snapshot"]


@pytest.mark.parametrize(
    "report",
    [
        [],
        [1, 2],
        "text",
        None,
        {"metrics": [0.5, {"f1": 0.7}]},
        {"metrics": {"<script>": 1, "a['b']": 2, "\ud800": 3, "x" * 500: 4}},
        {"metrics": {"mse": 1e308, "mae": leaf(-1e308, 1e308)}},
        {"metrics": {"mse": 5e-324, "mae": leaf(0, 0)}},
        regression(4.9) | {"predictions": [[number, number / 3] for number in range(200_000)]},
        {"regression_metrics": {f"m{number}": number for number in range(3_000)}},
    ],
    ids=["none", "list", "text", "null", "listed", "names", "huge", "tiny", "5 MB", "many"],
)
def test_a_report_of_any_shape_is_shown(report: Any, tmp_path: Path) -> None:
    policy = (LessThan(Metric("metrics.mse"), 1e308),)
    runs = [judged(day, report, policy, headline=("metrics.mse", "lower")) for day in (1, 2)]
    made = make_report(History((*ABALONE, *runs), ()), pipeline="p")
    page, _ = write_report(tmp_path, made)
    assert "<script" not in page.read_text()
    for svg in re.findall(r"<svg.*?</svg>", made.page, flags=re.DOTALL):
        ET.fromstring(svg)
    assert len(rows_of((*ABALONE, *runs))) == 5


def test_small_and_large_numbers_keep_their_digits() -> None:
    metrics = {"mse": 4.9, "mae": 0.0000123, "sse": 1234567.8, "ape": 3e15}
    page = page_of([judged(1, {"regression_metrics": metrics})])
    cells = re.findall(r'<td class="number">(.*?)</td>', page)
    assert cells[:4] == ["4.9000", "1.23e-05", "1,234,568", "3e+15"]


def test_a_what_if_is_about_the_headline_on_its_good_side() -> None:
    assert what_if.limit(ABALONE, 5.0) == what_if.at_most(5.0, metric=MSE)
    assert what_if.limit(REVIEWS, 0.85) == what_if.at_least(0.85, metric=ACCURACY)
    rejudged = what_if.what_if(ABALONE, what_if.limit(ABALONE, 5.0))
    page = page_of(ABALONE, rejudged=rejudged)
    assert heads(page)[2] == "If mse ≤ 5"
    assert "What if the gate asked for mse ≤ 5: 1 passed, 2 rejected" in page
    assert (
        "Dashed: the gate asks for ≤ 6, an upper bound; the what-if asks for ≤ 5, an upper bound."
        in page
    )
    assert ">if ≤ 5</text>" in page


def test_a_what_if_about_another_metric_shows_it() -> None:
    path = what_if.path_of(ABALONE, "medae")
    rejudged = what_if.what_if(ABALONE, what_if.at_most(1.0, metric=path))
    page = page_of(ABALONE, rejudged=rejudged)
    assert heads(page)[2:5] == ["If medae ≤ 1", "mse", "medae"]
    assert "medae by snapshot" in titles(page)
    # Nothing says which side of it is better.
    with pytest.raises(what_if.UnknownMetricError, match="at least or at most"):
        what_if.limit(ABALONE, 1.0, metric="medae")


def test_the_good_side_of_another_metric_is_what_the_gate_says() -> None:
    policy = (*AT_MOST, GreaterThanOrEqualTo(Metric("regression_metrics.r2"), 0.4))
    runs = [judged(1, regression(4.9), policy)]
    assert what_if.limit(runs, 0.6, metric="r2") == what_if.at_least(
        0.6, metric="regression_metrics.r2"
    )


@pytest.mark.parametrize(
    ("called", "path"),
    [
        (None, ACCURACY),
        (ACCURACY, ACCURACY),
        (f"{ACCURACY}.value", ACCURACY),
        ("weighted_recall", "multiclass_classification_metrics.weighted_recall"),
        ("weigh", "multiclass_classification_metrics.weighted_recall"),
        ("f1", "multiclass_classification_metrics.f1"),
        ("other.f1", "other.f1"),
    ],
)
def test_a_metric_is_found_by_what_people_call_it(called: str | None, path: str) -> None:
    assert what_if.path_of(REVIEWS, called) == path


def test_a_name_of_several_metrics_is_told_with_their_paths() -> None:
    with pytest.raises(what_if.UnknownMetricError, match="several") as raised:
        what_if.path_of(REVIEWS, "accuracy")
    assert raised.value.metrics == (ACCURACY, "train_metrics.accuracy")
    with pytest.raises(what_if.UnknownMetricError, match="no run tells"):
        what_if.path_of([judged(1, {"mse": 1}, headline=None)])
    with pytest.raises(what_if.UnknownMetricError, match=r"'a\[' is no path in a report"):
        what_if.limit(REVIEWS, 1, metric="a[")


def test_the_conditions_of_a_record_may_be_anything() -> None:
    wire = to_wire(AT_MOST[0], {})
    for conditions in (None, "x", [None], [{"condition": None}], [{"condition": [wire]}]):
        record = {"verdict": "pass", "conditions": conditions}
        run = PastRun("u", "2026-11-20", "r", None, datetime(2026, 12, 1, tzinfo=UTC),
                      outcome_of(record, b'{"mse": 1}'), None)  # fmt: skip
        assert heads(page_of([run]))[2] == "mse"
