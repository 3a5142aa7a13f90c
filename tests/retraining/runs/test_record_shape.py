"""What a decision record must be, and what is said of one that is something else."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.gate import decision as gate
from retraining.gate.conditions import GreaterThanOrEqualTo, Metric
from retraining.gate.decision import Verdict
from retraining.runs import records
from retraining.runs.outcomes import outcome_of
from retraining.runs.record_shape import ShapeError, checked, fitting

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "record-shapes"
POLICY = (GreaterThanOrEqualTo(Metric("m.score"), 0.6),)
REPORT = {"m": {"score": {"value": 0.7, "standard_deviation": 0.1}}, "rows": {"test": 15}}
PIPELINE = {
    "name": "p",
    "headline": {"metric": "m.score", "better": "higher"},
    "plots": ["residuals"],
}
RUN = {"run_id": "r", "snapshot": "2026-11-20", "run_type": "manual", "code_sha256": "c"}


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def record(s3: Any) -> dict[str, Any]:
    """A record as the gate's task and the registration write it."""
    uri = naming.run_uri(BUCKET, "p", "2026-11-20", "r")
    bucket, key = naming.split_s3_uri(naming.report_uri(uri))
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(REPORT).encode())
    write(s3, uri)
    records.add_registration(s3, uri, arn="arn:7", version=7, report_etag="")
    return records.read_decision(s3, uri)


def write(s3: Any, uri: str, **other: Any) -> None:
    report = records.read_report(s3, uri)
    told: dict[str, Any] = {"pipeline": PIPELINE, "parameters": {"least": 0.6}, "run": RUN}
    decision = gate.decide(report.content, POLICY, parameters={})
    records.write_decision(s3, uri, decision=decision, report=report, **told | other)


def members(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything within a record."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from members(inner, (*path, key))


def with_other(record: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    found = copy.deepcopy(record)
    at: Any = found
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return found


def test_what_the_library_writes_fits(record: dict[str, Any]) -> None:
    assert fitting(record) == (record, ())
    assert checked(record) is record
    assert outcome_of(record, json.dumps(REPORT).encode()).faults == ()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"pipeline": {"headline": {"metric": "m", "better": "more"}}}, "pipeline.headline.better"),
        ({"run": {"snapshot": "2026-11-20"}}, "run.run_id is missing"),
        ({"run": RUN | {"run_id": 7}}, "run.run_id is 7, not a text"),
        ({"parameters": []}, "parameters is a list, not an object"),
    ],
)
def test_a_record_that_does_not_fit_is_not_written(
    s3: Any, record: dict[str, Any], other: dict[str, Any], said: str
) -> None:
    uri = naming.run_uri(BUCKET, "p", "2026-11-20", "r")
    with pytest.raises(ShapeError, match=said):
        write(s3, uri, **other)
    assert records.read_decision(s3, uri) == record


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("registered",), "v7", "registered is 'v7', not an object"),
        (("registered", "version"), True, "registered.version is a truth value, not a whole"),
        (("conditions",), {"a": 1}, "conditions is an object, not a list"),
        (("conditions", 0), None, "conditions[0] is null, not an object"),
        (("conditions", 0, "holds"), 1, "conditions[0].holds is 1, not true or false"),
        (("pipeline", "headline", "better"), [], "pipeline.headline.better is a list, not one of"),
        (("pipeline", "plots", 0), 10**400, "pipeline.plots[0] is too large a number, not a text"),
        (("run",), "\ud800", r"run is '\ud800', not an object"),
        (("explanation",), float("nan"), "explanation is NaN, not a text"),
    ],
)
def test_what_does_not_fit_is_left_out_and_said_and_all_else_is_read(
    record: dict[str, Any], path: tuple[Any, ...], value: object, said: str
) -> None:
    outcome = outcome_of(with_other(record, path, value), json.dumps(REPORT).encode())
    (fault,) = outcome.faults
    assert said in fault
    assert outcome.unreadable == f"unreadable: {fault}"
    assert outcome.verdict is Verdict.PASS
    assert outcome.metrics.measures["m.score"].value == 0.7


@pytest.mark.parametrize("deep", [b'{"a":' * 900 + b"1" + b"}" * 900, b"[" * 900 + b"]" * 900])
def test_a_condition_without_an_end_is_left_out_and_said(
    record: dict[str, Any], deep: bytes
) -> None:
    condition = json.loads(deep)
    told = with_other(record, ("conditions", 0, "condition"), condition)
    outcome = outcome_of(told, json.dumps(REPORT).encode())
    (fault,) = outcome.faults
    assert fault.startswith("conditions[0].condition is ")
    assert outcome.bounds == ()
    assert outcome.headline is not None


def test_no_member_of_another_kind_breaks_the_reading(record: dict[str, Any]) -> None:
    values = (None, 7, "x", True, "\ud800", 10**400, [], [[{}]], {}, {"a": [None]})
    for path in members(record):
        for value in values:
            told = with_other(record, path, value)
            if path == ("verdict",):
                continue
            assert outcome_of(told, json.dumps(REPORT).encode()).verdict is Verdict.PASS


def test_a_record_from_before_there_was_a_schema_may_lack_members(record: dict[str, Any]) -> None:
    old = {name: record[name] for name in ("verdict", "explanation", "run")}
    assert fitting(old) == (old, ())
    assert "conditions is missing" in fitting(old | {"schema": 1})[1]


def test_members_that_nobody_here_knows_are_kept(record: dict[str, Any]) -> None:
    newer = record | {"schema": 2, "judge": {"name": "x"}, "run": record["run"] | {"more": [1]}}
    kept, faults = fitting(newer)
    assert kept == newer
    assert faults == ("schema is 2, and this version reads 1",)


@pytest.mark.parametrize("rows", [20_640, "x", [1], None])
def test_row_counts_of_another_shape_are_said(record: dict[str, Any], rows: object) -> None:
    outcome = outcome_of(record, json.dumps(REPORT | {"rows": rows}).encode())
    (fault,) = outcome.faults
    assert fault.startswith("the report's rows is ")
    assert outcome.metrics.measures["m.score"].value == 0.7


def test_of_many_faults_a_few_are_told_and_the_rest_is_counted(record: dict[str, Any]) -> None:
    outcome = outcome_of(record | {"conditions": ["x" * 500] * 50}, None)
    assert len(outcome.faults) == 6
    assert outcome.faults[-1] == "45 more"
    assert len(outcome.unreadable) < 1_000
