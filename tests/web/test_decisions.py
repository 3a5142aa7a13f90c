"""A row of the page, whatever the files of a run hold."""

from __future__ import annotations

import copy
import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining import naming
from retraining.aws import s3 as objects
from retraining.web import csv_download, decisions, json_views
from retraining.web.airflow_db import Run
from retraining.web.decisions import found_in, row_of

START = datetime(2026, 11, 20, 2, tzinfo=UTC)
URI = "s3://bucket/decision.json"
RECORD: dict[str, Any] = {
    "verdict": "reject",
    "explanation": "m.mse = 7.5 is not ≤ 6.0",
    "conditions": [
        {
            "condition": {
                "Type": "LessThanOrEqualTo",
                "LeftValue": {"Std:JsonGet": {"Path": "m.mse"}},
                "RightValue": 6.0,
            },
            "operands": {"m.mse": 7.5, "parameter mse_threshold": 6.0},
            "holds": False,
            "explanation": "m.mse = 7.5 is not ≤ 6.0",
        }
    ],
    "policy_sha256": "p" * 64,
    "pipeline": {
        "name": "shells",
        "headline": {"metric": "m.mse", "better": "lower"},
        "plots": ["residuals"],
    },
    "parameters": {"mse_threshold": 6.0, "depth": 5, "objective": "reg:squarederror"},
    "run": {"run_id": "manual__1", "code_sha256": "c" * 64, "training_image_uri": "i"},
    "registered": {"version": 3, "model_package_arn": "arn:aws:x"},
}
REPORT: dict[str, Any] = {
    "m": {"mse": {"value": 7.5, "standard_deviation": 0.5}, "mae": {"value": 2}},
    "rows": {"snapshot": 100, "test": 15},
}


def run(**more: Any) -> Run:
    told: dict[str, Any] = {
        "dag_id": "shells_retraining", "run_id": "manual__1", "pipeline": "shells",
        "state": "success", "run_type": "manual", "run_after": START, "started": START,
        "ended": START + timedelta(seconds=9), "snapshot": "2026-11-20",
        "jobs": {"train": "arn:1", "again": "arn:2"},
    }  # fmt: skip
    return Run(**told | more)


def shown(record: object, report: object) -> dict[str, Any]:
    """Return all that the page is told of a run with these files."""
    found = found_in(json.dumps(record).encode(), json.dumps(report).encode(), uri=URI)
    row = row_of(run(), found)
    return {
        **json_views.row(row, None, None),
        "conditions": json_views.conditions(row),
        "parameters": json_views.parameters(row),
        "fingerprint": json_views.fingerprint(row),
    }


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in RECORD.items() if key != name}


def test_metrics_are_the_leaves_with_a_value() -> None:
    report = {
        "regression_metrics": {
            "r2_score": {"value": 0.7, "standard_deviation": 0.01},
            "mae": {"value": 1},
            "broken": {"value": None},
            "words": {"value": "x"},
            "infinite": {"value": float("inf")},
        },
        "rows": {"train": 5},
    }
    found = found_in(json.dumps(RECORD).encode(), json.dumps(report).encode(), uri=URI)
    assert found.outcome is not None
    assert {
        path: (item.value, item.standard_deviation)
        for path, item in found.outcome.metrics.measures.items()
    } == {"regression_metrics.r2_score": (0.7, 0.01), "regression_metrics.mae": (1.0, None)}
    assert shown(RECORD, report)["unusable"] == {
        "regression_metrics.broken": "null",
        "regression_metrics.words": "a text",
        "regression_metrics.infinite": "inf",
    }


def test_a_row_is_shown_by_its_pipelines_headline() -> None:
    row = shown(RECORD, REPORT)
    assert row["metric"] == {
        "path": "m.mse",
        "name": "mse",
        "better": "lower",
        "sign": "≤",
        "threshold": 6.0,
        "value": 7.5,
        "standard_deviation": 0.5,
    }
    assert row["metrics"] == {"m.mse": 7.5, "m.mae": 2.0}
    assert row["rows"] == {"snapshot": 100, "test": 15}
    assert row["parameters"] == RECORD["parameters"]
    assert row["fingerprint"] == {
        "code_sha256": "c" * 64,
        "training_image_uri": "i",
        "policy_sha256": "p" * 64,
    }
    assert (row["version"], row["fault"]) == (3, "")


def test_a_record_of_long_ago_is_shown_by_what_its_gate_compares() -> None:
    old = {key: value for key, value in RECORD.items() if key not in {"pipeline", "parameters"}}
    row = shown(old, REPORT)
    assert row["metric"] == shown(RECORD, REPORT)["metric"]
    assert row["parameters"] == {}


def test_a_headline_of_which_the_gate_asks_nothing_has_no_threshold() -> None:
    record = copy.deepcopy(RECORD)
    record["pipeline"]["headline"] = {"metric": "m.mae", "better": "lower"}
    metric = shown(record, REPORT)["metric"]
    assert (metric["name"], metric["value"]) == ("mae", 2.0)
    assert (metric["sign"], metric["threshold"]) == (None, None)


@pytest.mark.parametrize(
    ("value", "word"), [(float("nan"), "NaN"), (True, "a truth value"), (None, "null")]
)
def test_what_is_no_number_is_said_and_is_no_value(value: object, word: str) -> None:
    row = shown(RECORD, {"m": {"mse": {"value": value}}})
    assert (row["metric"]["value"], row["unusable"]) == (None, {"m.mse": word})


def test_steps_come_in_the_order_in_which_they_started() -> None:
    assert shown(RECORD, REPORT)["jobs"] == ["train", "again"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b"1" * 5_000, "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"{}", "its verdict is None"),
        (b'{"verdict": ["pass"]}', "its verdict is ['pass']"),
    ],
)
def test_a_record_that_is_none_says_why(record: bytes, said: str) -> None:
    row = row_of(run(), found_in(record, None, uri=URI))
    assert row.verdict == "unknown"
    assert said in json_views.row(row, None, None)["explanation"]


@pytest.mark.parametrize("report", [b"{", b"[" * 100_000, b"1" * 5_000, b'{"a":' * 900, b"5"])
def test_a_broken_report_hides_no_verdict(report: bytes) -> None:
    row = row_of(run(), found_in(json.dumps(RECORD).encode(), report, uri=URI))
    assert row.verdict == "reject"
    assert json_views.row(row, None, None)["metric"]["value"] is None


def test_a_condition_within_conditions_without_an_end_hides_no_verdict() -> None:
    deep = b'{"Condition":' * 800 + b"1" + b"}" * 800
    record = b'{"verdict": "pass", "conditions": [{"condition": %b}]}' % deep
    row = row_of(run(), found_in(record, None, uri=URI))
    assert row.verdict in {"pass", "unknown"}
    assert json_views.row(row, None, None)["metric"] is None


def test_of_hundreds_of_metrics_the_gates_own_come_first_and_the_rest_is_counted() -> None:
    report = {"m": {**{f"n{at}": {"value": at} for at in range(500)}, **REPORT["m"]}}
    row = shown(RECORD, report)
    assert len(row["metrics"]) == 100
    assert row["metric"]["value"] == 7.5
    assert row["fault"] == "the report has 502 metrics; 100 of them are shown"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.sampled_from([10**400, "1e3", "NaN", "\ud800", "x" * 3_000, "=1+1", "pass", "toString"])
    | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "m", "mse", "Type", "Conditions", "Path", "rows", "\ud800"])
            | st.text(st.characters(), max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@st.composite
def spoiled(draw: st.DrawFn, sound: dict[str, Any]) -> object:
    """Return a sound value with one thing in it replaced by anything."""
    found = copy.deepcopy(sound)
    at: Any = found
    while True:
        key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if at[key] and isinstance(at[key], dict | list) and draw(st.booleans()):
            at = at[key]
            continue
        at[key] = draw(ANYTHING)
        return found


@given(ANYTHING | spoiled(RECORD), ANYTHING | spoiled(REPORT))
def test_whatever_the_files_hold_the_page_and_the_other_rows_are_told(
    record: object, report: object
) -> None:
    row, sound = shown(record, report), shown(RECORD, REPORT)
    assert row["verdict"] in decisions.VERDICTS
    told = json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    assert len(told) < 200_000
    text = csv_download.text([row, sound], {}).encode().decode()
    lines = [*csv.reader(io.StringIO(text, newline=""))]
    assert len(lines) == 3
    assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line)
    head, _, other = lines
    assert len(head) == len(other) == len({*head})
    assert other[head.index("verdict")] == "reject"
    assert "7.5" in other


LEAF = {"candidate": 7.5, "champion": 7.0, "value": 0.5, "low": 0.1, "high": 0.9, "better_share": 0}


def beside(difference: object, **champion: object) -> dict[str, Any]:
    """Return what the page is told of candidate and champion, with a headline in a section."""
    record = RECORD | {
        "pipeline": {"name": "s", "headline": {"metric": "a_metrics.mse", "better": "lower"}}
    }
    report = {
        "a_metrics": {"mse": {"value": 7.5}},
        "champion": {"outcome": "scored", "version": "arn:v/2", "rows": 15, **champion},
        "difference": difference,
    }
    row = row_of(run(), found_in(json.dumps(record).encode(), json.dumps(report).encode(), uri=URI))
    told = {"row": json_views.row(row, None, None), "told": json_views.comparison(row)}
    json.dumps(told, allow_nan=False).encode()
    return told


def test_candidate_and_champion_are_shown_with_their_difference() -> None:
    part = {"column": "size", "slice": "1 to 2", "rows": 4, "a_metrics": {"mse": LEAF}}
    found = beside(
        {"a_metrics": {"mse": LEAF}, "win_rate": 0.25, "slices": [part]},
        rows_unseen_by_champion=False,
        rows_unseen_reason="another seed",
    )
    assert found["row"]["champion"] == {"path": "a_metrics.mse", **LEAF}
    assert found["row"]["metrics"] == {"a_metrics.mse": 7.5}
    assert found["told"] == {
        "outcome": "scored",
        "reason": "",
        "version": "arn:v/2",
        "rows": 15,
        "unseen": False,
        "unseen_reason": "another seed",
        "win_rate": 0.25,
        "differences": {"a_metrics.mse": LEAF},
        "parts": [
            {"column": "size", "name": "1 to 2", "rows": 4, "differences": {"a_metrics.mse": LEAF}}
        ],
    }


@pytest.mark.parametrize(
    "difference",
    [
        None, 7, [], {"a_metrics": 7}, {"a_metrics": {"mse": None}}, {"slices": {"a": 1}},
        {"a_metrics": {"mse": {**LEAF, "low": float("nan")}}}, {"slices": [None, []]},
        {"a_metrics": {"mse": {**LEAF, "value": "0.5"}}, "win_rate": "most"},
        {"a_metrics": {"mse": {**LEAF, "high": float("inf")}}, "win_rate": True},
    ],
)  # fmt: skip
def test_what_is_no_difference_is_left_out(difference: object) -> None:
    found = beside(difference, reason=7, rows=float("inf"), version="\ud800" * 5_000)
    assert found["row"]["champion"] is None
    assert found["row"]["verdict"] == RECORD["verdict"]
    assert (found["told"]["differences"], found["told"]["parts"]) == ({}, [])
    assert (found["told"]["win_rate"], found["told"]["rows"]) == (None, None)


def test_a_report_of_before_there_were_champions_tells_of_none() -> None:
    row = row_of(run(), found_in(json.dumps(RECORD).encode(), json.dumps(REPORT).encode(), uri=URI))
    assert json_views.comparison(row) is None
    assert json_views.row(row, None, None)["champion"] is None


DATA = {
    **RECORD,
    "explanation": "distance.row_ratio = 0.5 is not ≥ 0.8",
    "parameters": {"when_data_differs": "stop"},
    "registered": None,
    "data": {"comparison": {}, "missing": {}},
}


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket="bucket")
    return client


def verdict_of(s3: Any, state: str, **written: object) -> tuple[str, str]:
    """Return what the page says of a run of this state that left these records, in their order."""
    run_id = f"manual__{naming.fingerprint(state, str(written))[:12]}"
    uri = naming.run_uri("bucket", "shells", "2026-11-20", run_id)
    places = {"model": naming.decision_uri(uri), "data": naming.data_decision_uri(uri)}
    for name, record in written.items():
        body = record if isinstance(record, bytes) else json.dumps(record).encode()
        objects.put(s3, places[name], body)
        time.sleep(1.1 if len(written) > 1 else 0)  # S3 tells time in seconds
    found = decisions._read(s3, uri, state=state)
    row = json_views.row(row_of(run(state=state), found), None, None)
    return row["verdict"], row["explanation"]


def test_a_run_that_its_data_stopped_has_a_verdict_and_a_reason(s3: Any) -> None:
    stopped = "stopped by its data: distance.row_ratio = 0.5 is not ≥ 0.8"
    assert verdict_of(s3, "failed", data=DATA) == ("reject", stopped)
    assert verdict_of(s3, "failed", data=DATA | {"verdict": "undecidable"}) == (
        "undecidable",
        stopped,
    )
    # Data that pass, or that a person lets pass, decide nothing by themselves.
    warned = DATA | {"parameters": {"when_data_differs": "warn"}}
    assert verdict_of(s3, "failed", data=warned)[0] == "failed"
    assert verdict_of(s3, "running", data=DATA | {"verdict": "pass"})[0] == "running"
    assert verdict_of(s3, "success", data=warned, model=RECORD)[1] == RECORD["explanation"]
    # The later one counts, where a run was cleared.
    passed = RECORD | {"verdict": "pass"}
    assert verdict_of(s3, "failed", model=passed, data=DATA) == ("reject", stopped)
    assert verdict_of(s3, "failed", data=DATA, model=passed)[0] == "pass"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"verdict": 1}', b"\xff", b"[" * 10**5])
def test_a_broken_decision_about_data_is_told(s3: Any, body: bytes) -> None:
    verdict, explanation = verdict_of(s3, "failed", data=body)
    assert verdict == "unknown"
    assert "data/decision.json" in explanation
