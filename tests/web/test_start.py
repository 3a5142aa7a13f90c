"""The start page: how each pipeline stands, in one line."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.settings import settings
from retraining.web import decisions

from tests.web.conftest import GOOD, LIGHT, OPEN, History
from tests.web.past import SHELLS_DAG
from tests.web.stack import DAG, Stack
from tests.web.test_decisions import RECORD, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.web.past import Past


@pytest.fixture
def other_settings() -> Iterator[None]:
    """This process reads its settings anew, now and afterwards."""
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def states(stack: Stack) -> dict[str, Any]:
    answer = stack.page("data/start", "vera").json()
    assert answer["notices"] == []
    return {state["dag_id"]: state for state in answer["states"]}


@pytest.mark.e2e
@pytest.mark.timeout(400)
@pytest.mark.parametrize("past", [GOOD, LIGHT])
def test_a_pipelines_last_night_is_its_last_scheduled_run(
    states: dict[str, Any], past: Past
) -> None:
    # What somebody tried by hand since then is no night.
    assert OPEN.snapshot > GOOD.snapshot
    night = states[past.kind.dag_id]["night"]
    assert (night["run_id"], night["snapshot"]) == (past.run_id, past.snapshot)
    assert night["verdict"] == "pass"


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_it_says_what_serves_and_since_when(history: History, states: dict[str, Any]) -> None:
    assert states[DAG]["serving"]["number"] == history.versions[2]
    client = history.stack.client("sagemaker")
    endpoint = client.describe_endpoint(EndpointName=states[DAG]["serving"]["endpoint_name"])
    since = datetime.fromisoformat(states[DAG]["since"])
    assert abs(since - endpoint["LastModifiedTime"]) < timedelta(seconds=1)
    # Nothing has been deployed there.
    assert (states[SHELLS_DAG]["serving"]["status"], states[SHELLS_DAG]["since"]) == ("", None)


@pytest.mark.usefixtures("other_settings")
def test_runs_of_two_pipelines_may_have_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAINING_BUCKET", "bucket")
    monkeypatch.setenv("RETRAINING_ROLE_ARN", "arn:aws:iam::123456789012:role/retraining")
    shells, houses = run(), run(dag_id="houses_retraining", pipeline="houses")
    empty = run(dag_id="none_retraining", pipeline="none", snapshot=None)
    for one, verdict in ((shells, "reject"), (houses, "pass")):
        uri = naming.decision_uri(one.uri or "")
        content = json.dumps(RECORD | {"verdict": verdict}).encode()
        decisions._ENDED.keep(decisions._key(one), decisions.found_in(content, None, uri=uri))
    rows, notices = decisions.read([shells, houses, empty], seconds=1.0)
    assert [row.verdict for row in rows] == ["reject", "pass", "none"]
    assert notices == []
