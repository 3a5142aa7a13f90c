"""What the page shows of a run's data, whatever the record holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining import naming
from retraining.aws import s3 as objects
from retraining.gate.data import DEFAULT_DATA_POLICY, DataDecision, Other, decide_data
from retraining.runs import records
from retraining.web import data_distances
from retraining.web.decisions import BrokenFileError

from tests.retraining.gate.test_data import report

BUCKET = "distances"
BASELINE = {"version": "7", "snapshot": "2026-11-19", "why": "serves on endpoint x", "arn": "arn:x"}


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def decided(baseline: object | None) -> DataDecision:
    return decide_data(
        json.dumps(report(factor=10)).encode(),
        DEFAULT_DATA_POLICY,
        baseline=Other(json.dumps(baseline).encode() if baseline else None, "it has no report"),
        reference=Other(None, "nobody is approved"),
        parameters={},
    )


def written(s3: Any, made: DataDecision, run_id: str) -> str:
    uri = naming.run_uri(BUCKET, "p", "2026-11-20", run_id)
    records.write_decision(
        s3,
        uri,
        decision=made.decision,
        report=None,
        pipeline={},
        parameters={},
        run={"run_id": run_id},
        data={"comparison": made.comparison, "missing": made.missing, "baseline": BASELINE},
    )
    return uri


def test_the_columns_are_shown_with_the_farthest_first(s3: Any) -> None:
    found = data_distances.read(s3, written(s3, decided(report()), "far"))
    assert found is not None
    assert found["verdict"] == "reject"
    assert [item["holds"] for item in found["conditions"]].count(False) == 2
    first, second = found["columns"]
    assert (first["name"], second["name"]) == ("value", "sex")
    assert first["baseline"]["median_change"] == pytest.approx(9)
    assert first["reference"] == {}
    assert found["baseline"] == {
        "version": "7",
        "snapshot": "2026-11-19",
        "why": "serves on endpoint x",
        "missing": "",
        "of_table": {"row_ratio": 1.0, "duplicate_share_increase": 0.0},
    }
    assert found["reference"] == {"missing": "nobody is approved", "of_table": {}}
    assert found["more"] == 0


def test_a_rubber_stamp_is_shown_as_one(s3: Any) -> None:
    found = data_distances.read(s3, written(s3, decided(None), "stamp"))
    assert found is not None
    assert found["verdict"] == "pass"
    assert found["explanation"].startswith("no baseline: rubber stamp (it has no report)")
    assert found["baseline"]["missing"] == "it has no report"
    assert found["columns"] == []


def test_a_run_without_such_a_decision_shows_nothing_and_a_broken_one_is_told(s3: Any) -> None:
    uri = naming.run_uri(BUCKET, "p", "2026-11-20", "broken")
    assert data_distances.read(s3, uri) is None
    for body in (b"", b"[]", b"\xff", b"[" * 10**5, b" " * 1_000_001):
        objects.put(s3, naming.data_decision_uri(uri), body)
        with pytest.raises(BrokenFileError, match=r"data/decision\.json"):
            data_distances.read(s3, uri)


def test_of_very_many_columns_the_farthest_are_shown() -> None:
    columns = {f"c{number}": {"stability_index": number / 1e3} for number in range(5_000)}
    found = data_distances.shown({"data": {"comparison": {"distance": {"columns": columns}}}})
    assert [item["name"] for item in found["columns"][:2]] == ["c4999", "c4998"]
    assert (len(found["columns"]), found["more"]) == (100, 4_900)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ANYTHING, ANYTHING, ANYTHING)
def test_whatever_a_record_holds_can_be_shown(one: Any, two: Any, three: Any) -> None:
    for data in (
        one,
        {"comparison": one, "missing": two, "baseline": three},
        {"comparison": {"distance": one, "drift": {"columns": two}}},
        {"comparison": {"distance": {"columns": {"\ud800": one, "b": {"stability_index": two}}}}},
    ):
        found = data_distances.shown({"data": data, "verdict": one, "explanation": two})
        json.dumps(found, allow_nan=False).encode()
