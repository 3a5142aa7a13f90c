"""A slow or dead AWS gives a page with what is known, soon."""

from __future__ import annotations

import csv
import io
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.conftest import GOOD, UNREAD
from tests.web.stack import DAG, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

# The reads' 2.5 s, and what a loaded machine adds.
BOUND_S = 6.0
READS: dict[str, dict[str, Any]] = {
    "data/start": {},
    "data/runs": {"dag_id": DAG},
    "data/run": {"dag_id": DAG, "run_id": GOOD.run_id},
    "data/versions": {"dag_id": DAG},
    "data/jobs": {"dag_id": DAG, "run_id": GOOD.run_id},
    "data/predictions": {"dag_id": DAG, "run_id": GOOD.run_id},
    "data/log": {"dag_id": DAG, "run_id": GOOD.run_id, "task_id": "preprocess"},
}


# So long the page remembers what it read of the registry and of open runs.
MEMORY_S = 5.2


@pytest.fixture(autouse=True)
def _it_comes_back(stack: Stack) -> Iterator[None]:
    """When AWS is there again, so is all that the page shows, without a restart."""
    # What has ended is remembered from here on.
    _read_all(stack)
    time.sleep(MEMORY_S)
    yield
    deadline = time.monotonic() + 30
    while _read_all(stack):
        assert time.monotonic() < deadline, "it does not come back"
        time.sleep(0.5)


def _read_all(stack: Stack) -> list[str]:
    answers = [stack.page(path, "vera", **query).json() for path, query in READS.items()]
    return [notice for answer in answers for notice in answer["notices"]]


def timed(stack: Stack, path: str) -> dict[str, Any]:
    begin = time.monotonic()
    answer = stack.page(path, "vera", **READS[path])
    took = time.monotonic() - begin
    assert answer.status == 200, answer.body
    assert took < BOUND_S, f"{path} took {took:.1f} s"
    found: dict[str, Any] = answer.json()
    return found


def test_an_aws_that_does_not_answer_costs_seconds_only(stack: Stack) -> None:
    with stack.silent_sagemaker():
        for path in ("data/runs", "data/versions", "data/predictions"):
            assert timed(stack, path)["notices"], path
        rows = {row["run_id"]: row for row in timed(stack, "data/runs")["rows"]}
    assert rows[UNREAD.run_id]["verdict"] == "unknown"
    assert rows[GOOD.run_id]["verdict"] == "pass"
    assert rows[GOOD.run_id]["approval"] is None


def test_a_file_says_what_could_not_be_read(stack: Stack) -> None:
    with stack.silent_sagemaker():
        answer = stack.page("runs.csv", "vera", dag_id=DAG, verdict="undecidable")
    assert answer.status == 200
    found = [*csv.DictReader(io.StringIO(answer.body.decode()))]
    notices = [row["explanation"] for row in found if row["verdict"] == "notice"]
    assert any("decision records: S3 does not answer" in notice for notice in notices)
    assert {row["verdict"] for row in found} == {"notice", "undecidable"}


def test_an_action_while_aws_sleeps_says_so(stack: Stack) -> None:
    wish = {"version": 1, "comment": "x", "seen": "Rejected"}
    with stack.silent_sagemaker():
        answer = stack.act("approve", body=wish)
    assert answer.status == 503
    assert "SageMaker does not answer" in answer.json()["detail"]


def test_a_dead_aws_gives_a_partial_page(stack: Stack) -> None:
    with stack.dead_sagemaker():
        for path in READS:
            found = timed(stack, path)
            # The job has ended and was asked for, so what it cost is known.
            assert found["notices"] or path == "data/jobs", path
        rows = {row["run_id"]: row for row in timed(stack, "data/runs")["rows"]}
        assert rows[UNREAD.run_id]["verdict"] == "unknown"
        assert rows[UNREAD.run_id]["explanation"].startswith("S3 does not answer")
        assert rows[GOOD.run_id]["verdict"] == "pass"
        assert stack.page("runs.csv", dag_id=DAG).status == 200
        assert stack.page("").status == 200
