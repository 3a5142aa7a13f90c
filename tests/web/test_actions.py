"""Approving, rejecting and deploying: what it changes, and who is said to have done it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.conftest import BETTER, FAILED, GOOD, OTHER, REJECTED, UNDECIDABLE, History
from tests.web.stack import DAG, DEPLOYMENT, OTHER_DAG, PIPELINE, Stack

if TYPE_CHECKING:
    from tests.web.past import Past

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PENDING = "PendingManualApproval"


def described(stack: Stack, number: int) -> dict[str, Any]:
    found: dict[str, Any] = stack.client("sagemaker").describe_model_package(
        ModelPackageName=f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{PIPELINE}/{number}"
    )
    return found


def test_an_approval_says_who_and_why_everywhere(history: History) -> None:
    stack = history.stack
    wish = {"version": 2, "comment": " r2 is\nfine <b>now</b> ", "seen": PENDING}
    answer = stack.act("approve", "ute", body=wish)
    assert (answer.status, answer.json()) == (200, {"version": 2, "approval": "Approved"})
    found = described(stack, 2)
    assert found["ModelApprovalStatus"] == "Approved"
    reason = "Approved by ute in Airflow, page Model quality: r2 is fine <b>now</b>"
    assert found["ApprovalDescription"] == reason

    shown = stack.page("data/versions", "vera", dag_id=DAG).json()["versions"]
    assert [item["approval_reason"] for item in shown if item["number"] == 2] == [reason]
    listed = stack.page("data/runs", "vera", dag_id=DAG).json()["rows"]
    assert [row["approval"] for row in listed if row["run_id"] == BETTER.run_id] == ["Approved"]

    events = stack.ask("/api/v2/eventLogs", event="approve_model_version").json()["event_logs"]
    assert [(event["owner"], event["dag_id"]) for event in events] == [("ute", DAG)]
    assert '"version": 2' in events[0]["extra"]


def test_a_rejection_says_who_and_why(history: History) -> None:
    wish = {"version": 1, "comment": "too few rows", "seen": PENDING}
    assert history.stack.act("reject", "otto", body=wish).status == 200
    found = described(history.stack, 1)
    assert found["ModelApprovalStatus"] == "Rejected"
    assert found["ApprovalDescription"].endswith(
        "by otto in Airflow, page Model quality: too few rows"
    )


def test_a_decision_on_what_has_changed_meanwhile_changes_nothing(history: History) -> None:
    client = history.stack.client("sagemaker")
    arn = described(history.stack, 3)["ModelPackageArn"]
    client.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Rejected", ApprovalDescription="by a colleague"
    )
    wish = {"version": 3, "comment": "good", "seen": PENDING}
    answer = history.stack.act("approve", body=wish)
    assert answer.status == 409
    assert "Rejected by now (by a colleague)" in answer.json()["detail"]
    assert described(history.stack, 3)["ModelApprovalStatus"] == "Rejected"


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_who_decide_at_once_by_the_same_sight_one_is_refused(
    history: History, attempt: int
) -> None:
    stack = history.stack
    arn = described(stack, 3)["ModelPackageArn"]
    stack.client("sagemaker").update_model_package(ModelPackageArn=arn, ModelApprovalStatus=PENDING)
    wish = {"version": 3, "comment": f"attempt {attempt}", "seen": PENDING}
    for user in ("ada", "otto"):
        stack.token(user)
    with ThreadPoolExecutor(2) as pool:
        asked = {
            action: pool.submit(stack.act, action, user, body=wish)
            for action, user in (("approve", "ada"), ("reject", "otto"))
        }
        answers = {action: future.result() for action, future in asked.items()}
    assert sorted(answer.status for answer in answers.values()) == [200, 409]
    (done,) = [action for action, answer in answers.items() if answer.status == 200]
    found = described(stack, 3)
    assert found["ModelApprovalStatus"] == {"approve": "Approved", "reject": "Rejected"}[done]


def test_only_an_approved_version_is_deployed(history: History) -> None:
    arn = described(history.stack, 3)["ModelPackageArn"]
    history.stack.client("sagemaker").update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus=PENDING
    )
    answer = history.stack.act("deploy", body={"version": 3, "comment": "now"})
    assert answer.status == 409
    assert f"version 3 is {PENDING} and Completed" in answer.json()["detail"]
    assert runs(history.stack) == []


def test_a_deployment_starts_the_dag_with_the_version(history: History) -> None:
    stack = history.stack
    arn = described(stack, 2)["ModelPackageArn"]
    stack.client("sagemaker").update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved"
    )
    answer = stack.act("deploy", "ute", body={"version": 2, "comment": "it is better"})
    assert answer.status == 200, answer.body
    (run,) = runs(stack)
    assert answer.json() == {
        "dag_id": DEPLOYMENT,
        "run_id": run["dag_run_id"],
        "is_paused": False,
    }
    assert run["conf"]["version"] == 2
    assert run["triggering_user_name"] == "ute"
    assert run["note"] == "Version 2, asked for by ute on the page Model quality: it is better"


def runs(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.ask(f"/api/v2/dags/{DEPLOYMENT}/dagRuns").json()["dag_runs"]
    return found


@pytest.mark.parametrize(
    "body",
    [
        {},
        b"{",
        [1],
        {"version": 1, "seen": PENDING},
        {"version": 1, "seen": PENDING, "comment": ""},
        {"version": 1, "seen": PENDING, "comment": " \n "},
        {"version": 1, "seen": PENDING, "comment": "x" * 501},
        {"version": "1", "seen": PENDING, "comment": "x"},
        {"version": "arn:aws:sagemaker:us-east-1:123456789012:model-package/other/1",
         "seen": PENDING, "comment": "x"},
        {"version": 0, "seen": PENDING, "comment": "x"},
        {"version": 1, "seen": "Whatever", "comment": "x"},
        {"version": 1, "seen": PENDING, "comment": "x", "arn": "another"},
        {"version": 1, "seen": PENDING, "comment": "a\0b"},
        b'{"version": NaN, "seen": "Approved", "comment": "x"}',
        b'{"version": 1, "seen": "Approved", "comment": NaN}',
        b'{"version": 1e400, "seen": "Approved", "comment": "x"}',
        b'{"version": %s, "seen": "Approved", "comment": "x"}' % (b"9" * 5_000),
        b'{"version": 1, "seen": "Approved", "comment": "\\ud800"}',
        b'{"version": 1, "seen": "Approved", "comment": "\xff"}',
        b'{"version": 1, "seen": "\\ud800", "comment": "x"}',
        b'{"\\ud800": 1, "version": 1, "seen": "Approved", "comment": "x"}',
        b'{"version": %s, "seen": "Approved", "comment": "x"}' % (b"[" * 10_000),
        b"",
    ],
)  # fmt: skip
def test_a_wish_that_is_none_is_refused(stack: Stack, body: Any) -> None:
    for action in ("approve", "reject"):
        answer = stack.act(action, body=body)
        assert answer.status == 422, answer.body
        assert all(item["msg"] for item in answer.json()["detail"])
    if isinstance(body, bytes):
        plain = body.replace(b'"seen": "Approved", ', b"")
        assert stack.act("deploy", body=plain).status == 422
    if isinstance(body, dict):
        plain = {name: value for name, value in body.items() if name != "seen"}
        if body.get("seen") in {PENDING, None}:
            assert stack.act("deploy", body=plain).status == 422


def test_the_buttons_on_a_task_lead_to_the_page(history: History) -> None:
    stack = history.stack
    path = f"/api/v2/dags/{DAG}/dagRuns/{GOOD.run_id}/taskInstances/preprocess/links"
    links = stack.ask(path, "vera").json()["extra_links"]
    page = f"/plugin/model-quality/model-quality/?dag_id={DAG}&run_id="
    assert {name for name, url in links.items() if url} == {
        "SageMaker job", "Job log", "Evaluation report", "Decision",
    }  # fmt: skip
    assert all(url.startswith(page) for url in links.values() if url)
    assert links["Job log"].endswith("#log-preprocess")


def test_the_task_that_registered_leads_to_version_and_endpoint(stack: Stack) -> None:
    path = f"/api/v2/dags/{DAG}/dagRuns/{GOOD.run_id}/taskInstances/register_model/links"
    links = stack.ask(path, "vera").json()["extra_links"]
    assert links["Model version"] == links["Endpoint"]
    assert links["Endpoint"] == f"/plugin/model-quality/model-quality/?dag_id={DAG}#versions"


def test_a_run_and_its_gate_have_a_note_with_the_verdict(stack: Stack) -> None:
    def note(past: Past, rest: str = "") -> Any:
        return stack.ask(f"/api/v2/dags/{DAG}/dagRuns/{past.run_id}{rest}").json()["note"]

    assert note(GOOD) == "r2_score 0.7 ≥ 0.6: registered as version 1"
    assert note(GOOD, "/taskInstances/check_quality") == note(GOOD)
    assert note(GOOD, "/taskInstances/preprocess") is None
    assert note(REJECTED) == "r2_score 0.55 < 0.6: not registered"
    assert note(UNDECIDABLE) == "r2_score None < 0.6: not registered"
    assert note(FAILED) is None


def test_tasks_of_other_dags_have_no_buttons(stack: Stack) -> None:
    path = f"/api/v2/dags/{OTHER_DAG}/dagRuns/{OTHER.run_id}/taskInstances"
    (task,) = stack.ask(path).json()["task_instances"]
    links = stack.ask(f"{path}/{task['task_id']}/links").json()["extra_links"]
    assert {url for url in links.values() if url} == set()


def test_the_views_are_where_they_should_be(stack: Stack) -> None:
    plugins = stack.ask("/api/v2/plugins").json()["plugins"]
    (ours,) = [plugin for plugin in plugins if plugin["name"] == "retraining"]
    assert {view["destination"] for view in ours["external_views"]} == {
        "nav", "dag", "dag_run", "task_instance",
    }  # fmt: skip
