"""Who may see the page and who may act on it, and what a browser is told about it."""

from __future__ import annotations

import pytest

from tests.web.conftest import GOOD
from tests.web.past import SHELLS_DAG
from tests.web.stack import DAG, DEPLOYMENT, OTHER_DAG, SHELLS_DEPLOYMENT, Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

RUN = {"dag_id": DAG, "run_id": GOOD.run_id}
READS = {
    "": {},
    "static/page.css": {},
    "static/page.js": {},
    "static/chart.umd.min.js": {},
    "data/pipelines": {},
    "data/start": {},
    "data/runs": {"dag_id": DAG},
    "data/jobs": RUN,
    "data/run": RUN,
    "data/predictions": RUN,
    "data/log": {**RUN, "task_id": "preprocess"},
    "data/versions": {"dag_id": DAG},
    "runs.csv": {"dag_id": DAG},
}
ACTIONS = ("approve", "reject", "deploy")
# Of no version, so that whoever may act only learns that there is none.
WISH = {"version": 999, "comment": "just looking", "seen": "Approved"}


def wish(action: str, **more: object) -> dict[str, object]:
    found = {**WISH, **more}
    if action == "deploy":
        del found["seen"]
    return found


@pytest.mark.parametrize("path", READS)
def test_nobody_reads_without_a_login(stack: Stack, path: str) -> None:
    assert stack.page(path, None, **READS[path]).status == 401


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("user", ["vera", "ute", "otto", "ada"])
def test_everybody_who_may_see_the_dag_reads(stack: Stack, path: str, user: str) -> None:
    answer = stack.page(path, user, **READS[path])
    assert answer.status == 200, answer.body


def test_the_cookie_of_the_ui_is_a_login(stack: Stack) -> None:
    assert stack.page("data/pipelines", "vera", cookie=True).status == 200


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("user", "status"), [(None, 401), ("vera", 403), ("ute", 404), ("otto", 404), ("ada", 404)]
)
def test_only_who_may_edit_the_dag_acts(
    stack: Stack, action: str, user: str | None, status: int
) -> None:
    answer = stack.act(action, user, body=wish(action))
    assert answer.status == status, answer.body


@pytest.mark.parametrize(
    ("user", "may"), [("vera", False), ("ute", True), ("otto", True), ("ada", True)]
)
def test_the_page_is_told_what_its_user_may_do(stack: Stack, user: str, may: bool) -> None:
    assert stack.page("data/pipelines", user).json() == [
        {
            "name": "abalone",
            "dag_id": SHELLS_DAG,
            "title": SHELLS_DAG,
            "deployment_dag_id": SHELLS_DEPLOYMENT,
            "may_edit": may,
            "may_deploy": may,
        },
        {
            "name": "california-housing",
            "dag_id": DAG,
            "title": DAG,
            "deployment_dag_id": DEPLOYMENT,
            "may_edit": may,
            "may_deploy": may,
        },
        {
            "name": "product-reviews",
            "dag_id": "product_reviews_retraining",
            "title": "product_reviews_retraining",
            "deployment_dag_id": "product_reviews_deployment",
            "may_edit": may,
            "may_deploy": may,
        },
    ]


@pytest.mark.parametrize(
    ("user", "status"), [(None, 401), ("vera", 403), ("ute", 404), ("otto", 404), ("ada", 404)]
)
def test_each_pipelines_dag_is_asked_about_by_itself(
    stack: Stack, user: str | None, status: int
) -> None:
    assert stack.page("data/runs", user, dag_id=SHELLS_DAG).status == (200 if user else 401)
    for dag_id in (SHELLS_DAG, SHELLS_DEPLOYMENT):
        assert stack.act("reject", user, body=wish("reject"), dag_id=dag_id).status == status


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-Model-Quality": "act", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-Model-Quality": "act", "Sec-Fetch-Site": "same-site"}, 403),
        ({"X-Model-Quality": "act", "Origin": "https://evil.example"}, 403),
        ({"X-Model-Quality": "act", "Origin": "null"}, 403),
        ({"X-Model-Quality": "act", "Content-Type": "text/plain"}, 415),
        (
            {"X-Model-Quality": "act", "Content-Type": "application/x-www-form-urlencoded"},
            415,
        ),
    ],
)
def test_another_site_cannot_act_with_the_cookie(
    stack: Stack, action: str, headers: dict[str, str], status: int
) -> None:
    answer = stack.act(action, cookie=True, body=wish(action), headers=headers)
    assert answer.status == status, answer.body


def test_the_pages_own_origin_acts_with_the_cookie(stack: Stack) -> None:
    headers = {
        "X-Model-Quality": "act",
        "Origin": stack.url,
        "Sec-Fetch-Site": "same-origin",
    }
    answer = stack.act("approve", cookie=True, body=wish("approve"), headers=headers)
    assert answer.status == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_no_link(stack: Stack, action: str) -> None:
    assert stack.page(f"actions/{action}", dag_id=DAG).status == 405


@pytest.mark.parametrize("path", ["", "data/pipelines", "static/page.js", "static/none"])
def test_every_answer_keeps_the_browser_on_this_host(stack: Stack, path: str) -> None:
    headers = stack.page(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy.pop("img-src") == "'self' data:"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert policy["default-src"] == "'none'"
    assert "script-src" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_a_refusal_has_the_headers_too(stack: Stack) -> None:
    assert stack.page("", None).headers["x-content-type-options"] == "nosniff"


def test_data_is_not_kept_by_browsers(stack: Stack) -> None:
    assert stack.page("data/pipelines").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["docs", "redoc", "openapi.json", "static/", "static/..%2fapp.py", "static/app.py"]
)
def test_there_is_nothing_else(stack: Stack, path: str) -> None:
    assert stack.page(path).status == 404


def test_no_file_names_another_host(stack: Stack) -> None:
    page = stack.page("").body.decode()
    assert "http" not in page.lower()
    assert "<script>" not in page


@pytest.mark.parametrize("dag_id", [OTHER_DAG, "no_such_dag", "~"])
def test_a_dag_without_a_model_has_nothing_to_show(stack: Stack, dag_id: str) -> None:
    assert stack.page("data/runs", dag_id=dag_id).status in {404, 422}
    assert stack.act("approve", body=wish("approve"), dag_id=dag_id).status in {404, 422}


def test_the_dag_that_is_checked_is_the_dag_that_is_read(stack: Stack) -> None:
    answer = stack.ask(f"/model-quality/data/runs?dag_id={DAG}&dag_id={OTHER_DAG}")
    assert answer.status == 404
