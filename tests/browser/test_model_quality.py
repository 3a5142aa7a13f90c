"""The page "Model quality" in a real browser, in the running Airflow of ``make up``."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from tests.browser.place import BAD_RUN, DEPLOYMENT, ERRORS, OTHER_DAG, ROLES, Site, until
from tests.browser.visitor import NARROW, PAGE, TALL, WIDE, Visitor, page_frame
from tests.web.past import DAG
from tests.web.stack import PIPELINE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Route

    from tests.browser.conftest import Visit
    from tests.browser.pictures import Camera

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

OVERVIEW = f"Model quality: {PIPELINE}"
HOME = f"/plugin/model-quality{PAGE}?dag_id={DAG}"
_LOOK = """(canvas) => {
    const chart = window.Chart.getChart(canvas);
    const set = chart.data.datasets.find(({ label }) => label === "threshold");
    return {
        axis: chart.options.scales.y.title.text,
        legend: chart.legend.legendItems.map(({ text }) => text),
        shade: set.fill,
        limits: [...new Set(set.data.map(({ y }) => y))],
    };
}"""


def column(place: Any, name: str) -> list[str]:
    """Return the texts of a column of the runs' table."""
    table = place.get_by_role("region", name="Runs").locator("table")
    heads = [text.rstrip(" ↓↑") for text in table.locator("thead th").all_inner_texts()]
    return table.locator(f"tbody tr td:nth-child({heads.index(name) + 1})").all_inner_texts()


def heading(place: Any, name: str | re.Pattern[str]) -> Locator:
    found: Locator = place.get_by_role("heading", level=1, name=name)
    return found


def version_row(place: Any, number: int) -> Locator:
    found: Locator = place.locator("#versions tbody tr").filter(
        has=place.locator(f"xpath=self::tr[th[starts-with(normalize-space(), '{number}')]]")
    )
    return found


def description(site: Site, number: int) -> tuple[str, str]:
    """Return a version's approval and the reason, as the registry has them."""
    found = site.client("sagemaker").describe_model_package(
        ModelPackageName=f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{PIPELINE}/{number}"
    )
    return found["ModelApprovalStatus"], found.get("ApprovalDescription", "")


def test_a_person_logs_in_and_finds_the_page_in_the_navigation(visiting: Visit, site: Site) -> None:
    with visiting(None) as visitor:
        visitor.go("/")
        page = visitor.page
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", site.password)
        page.click("button[type=submit]")
        page.get_by_role("button", name="Browse").click()
        page.get_by_role("menuitem", name="Model quality").click()
        frame = visitor.frame()
        frame.get_by_label("Pipeline").select_option(PIPELINE)
        heading(frame, OVERVIEW).wait_for()
        assert urlsplit(page.url).path.startswith("/plugin/model-quality")


def test_nobody_gets_in_without_a_login(visiting: Visit, site: Site) -> None:
    with visiting(None) as visitor:
        for path in (PAGE, f"{PAGE}data/pipelines", f"{PAGE}static/page.js"):
            assert visitor.page.request.get(f"{site.url}{path}").status == 401
        visitor.go("/plugin/model-quality")
        visitor.page.locator("input[name=username]").wait_for()


@pytest.mark.parametrize(
    ("path", "title"),
    [
        (f"/dags/{DAG}", OVERVIEW),
        (f"/dags/{DAG}/runs/{{run}}", "Snapshot {snapshot}"),
        (f"/dags/{DAG}/runs/{{run}}/tasks/check_quality", "Snapshot {snapshot}"),
        (f"/dags/{DAG}/runs/{{run}}/tasks/register_model", "Snapshot {snapshot}"),
        (f"/dags/{DEPLOYMENT}", OVERVIEW),
        (f"/dags/{OTHER_DAG}", "Model quality"),
    ],
)
def test_it_is_a_tab(admin: Visitor, site: Site, path: str, title: str) -> None:
    served = site.history.served
    admin.go(path.format(run=quote(served.run_id)))
    admin.page.get_by_role("link", name="Model quality").click()
    frame = admin.frame()
    heading(frame, re.compile(f"^{title.format(snapshot=served.snapshot)}$")).wait_for()
    if OTHER_DAG in path:
        said = f"There is nothing to show here: {OTHER_DAG} trains and deploys no model."
        assert frame.locator("main").inner_text().endswith(said)


def test_the_table_is_sorted_by_any_column(admin: Visitor) -> None:
    admin.go(HOME)
    frame = admin.frame()
    snapshots = column(frame, "Snapshot")
    assert snapshots == sorted(snapshots, reverse=True)

    def values() -> list[float]:
        # A report without a usable value says so in words.
        return [float(text) for text in column(frame, "r2_score") if text[:1].isdigit()]

    for sign, is_down in (("↓", True), ("↑", False)):
        frame.get_by_role("button", name=re.compile("^r2_score")).click()
        frame.get_by_role("button", name=f"r2_score {sign}").wait_for()
        assert values() == sorted(values(), reverse=is_down)
        assert len(values()) > 10


def test_the_table_is_filtered_and_downloaded(admin: Visitor, site: Site, tmp_path: Path) -> None:
    admin.go(HOME)
    frame = admin.frame()
    assert {"passed", "rejected", "undecidable", "failed"} <= {
        text[2:] for text in column(frame, "Verdict")
    }
    frame.get_by_role("checkbox", name="passed").uncheck()
    frame.get_by_role("checkbox", name="failed").uncheck()
    assert {text[2:] for text in column(frame, "Verdict")} == {"rejected", "undecidable"}
    with admin.page.expect_download() as event:
        frame.get_by_role("link", name="Download CSV").click()
    file = tmp_path / "runs.csv"
    event.value.save_as(file)
    assert event.value.suggested_filename == f"{PIPELINE}-runs.csv"
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert {row["verdict"] for row in rows} == {"reject", "undecidable"}
    assert site.history.rejected.run_id in {row["run_id"] for row in rows}


def test_the_important_columns_fit_and_the_others_can_be_chosen(visiting: Visit) -> None:
    with visiting("admin", viewport={"width": 1400, "height": 900}) as visitor:
        visitor.go(HOME)
        frame = visitor.frame()
        table = frame.get_by_role("region", name="Runs")
        overflow = "(region) => region.scrollWidth - region.clientWidth"
        hint = frame.locator(".hint:visible")
        assert table.evaluate(overflow) == 0
        heads = table.locator("thead th").all_inner_texts()
        important = {"Verdict", "Run", "r2_score", "Version", "Approval", "Deployed"}
        assert {*heads} >= important
        assert column(frame, "Deployed").count("serves now") == 1
        assert hint.count() == 0
        # What is not shown is counted; the first column is for comparing.
        columns = frame.locator(".columns")
        usual = columns.locator("summary").inner_text()
        boxes = columns.get_by_role("checkbox", include_hidden=True)
        assert usual == f"Columns: {len(heads) - 1} of {boxes.count()}"
        assert len(heads) - 1 < boxes.count()
        columns.locator("summary").focus()
        visitor.page.keyboard.press("Enter")
        columns.get_by_role("checkbox", name="evaluate").check()
        assert len(column(frame, "evaluate")) > 10
        # It is kept, by Airflow's frame, too; and where there is too little room, that is said.
        visitor.page.set_viewport_size(NARROW)
        visitor.open()
        page = visitor.page
        hint = page.locator(".hint:visible")
        assert len(column(page, "evaluate")) > 10
        assert "more columns to the right →" in hint.all_inner_texts()
        table = page.get_by_role("region", name="Runs")
        assert table.evaluate(overflow) > 0
        table.evaluate("(region) => { region.scrollLeft = region.scrollWidth }")
        hint.get_by_text("← more columns to the left").wait_for()
        columns = page.locator(".columns")
        columns.locator("summary").click()
        columns.get_by_role("button", name="The usual ones").click()
        page.set_viewport_size({"width": 1400, "height": 900})
        until(lambda: table.evaluate(overflow) == 0, "table that fits")
        heads = table.locator("thead th").all_inner_texts()
        assert {*heads} >= important
        assert "evaluate" not in heads


def test_two_runs_are_laid_side_by_side(admin: Visitor, site: Site) -> None:
    good, served = site.history.good, site.history.served
    admin.open()
    page = admin.page
    page.get_by_text("Choose two runs to compare them.").wait_for()
    for run_id in (good, served.run_id):
        page.get_by_role("checkbox", name=f"Compare {run_id}").focus()
        page.keyboard.press("Space")
    others = page.locator("[data-focus^=pair]:enabled")
    assert others.count() == 2
    page.get_by_role("link", name=f"Compare {served.snapshot} with").focus()
    page.keyboard.press("Enter")
    heading(page, f"Two runs side by side: {PIPELINE}").wait_for()
    heads = page.locator("#differs thead th").all_inner_texts()
    assert served.run_id in heads[1]
    assert good in heads[2]

    def lines(section: str) -> dict[str, list[str]]:
        found = page.locator(f"#{section} tbody tr")
        cells = [row.locator("th, td").all_inner_texts() for row in found.all()]
        return {name: values for _, name, *values in cells}

    differs, same = lines("differs"), lines("same")
    left, right, change = differs["r2_score"]
    assert left == f"{served.value:.5f}"
    assert float(right) > 0.7
    assert re.fullmatch(r"\+0\.\d+ better|−0\.\d+ worse", change)
    assert differs["version"][:2] == [
        str(site.history.versions[run_id]) for run_id in (served.run_id, good)
    ]
    assert differs["code's SHA-256"][0] == "c" * 64
    assert {"snapshot", "data's fingerprint", "code's SHA-256"} <= set(differs)
    assert {"verdict", "r2_threshold", "rows: snapshot"} <= set(same)
    assert not set(differs) & set(same)
    top = "(section) => section.getBoundingClientRect().top"
    tops = [page.locator(f"#{name}").evaluate(top) for name in ("differs", "plots", "same")]
    assert tops == sorted(tops)
    scale = """(canvas) => {
        const { x, y } = window.Chart.getChart(canvas)?.scales ?? {};
        return x ? [x.min, x.max, y.min, y.max] : [];
    }"""
    plots = page.locator("#plots canvas")
    assert plots.count() == 4
    for one, other in ((0, 2), (1, 3)):
        assert until(lambda n=one: plots.nth(n).evaluate(scale), "plot") == until(
            lambda n=other: plots.nth(n).evaluate(scale), "plot beside it"
        )
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= NARROW["width"]


def test_the_start_page_has_all_pipelines_in_one_line_each(admin: Visitor, site: Site) -> None:
    light, served = site.history.light, site.history.served
    runs = f"/dags/{light.kind.dag_id}/dagRuns?order_by=-run_after&limit=1"
    # That pipeline has a night of its own, too.
    until(lambda: site.ask(runs)["dag_runs"][0]["state"] == "success", "end of its night")
    date = site.ask(runs)["dag_runs"][0]["run_after"][:10]
    admin.go(PAGE)
    page = admin.page
    admin.is_filled(page)
    rows = {
        cells[0]: cells[1:]
        for row in page.get_by_role("region", name="Last nights").locator("tbody tr").all()
        if (cells := row.locator("th, td").all_inner_texts())
    }
    other = light.kind.pipeline.name
    assert set(rows) >= {PIPELINE, other}
    night, verdict, headline, serves, since = rows[other]
    assert (night, verdict) == (date, "● passed")
    assert re.fullmatch(r"mse \d\.\d+ wanted ≤ 6", headline)
    assert (serves, since) == ("nothing: no endpoint yet", "")
    *_, serves, since = rows[PIPELINE]
    assert serves == f"version {site.history.versions[served.run_id]}, verified"
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d", since)
    page.get_by_role("row", name=other).get_by_role("link", name=date).click()
    heading(page, f"Snapshot {date}").wait_for()
    page.get_by_role("link", name="All runs").click()
    heading(page, f"Model quality: {other}").wait_for()
    page.get_by_label("Pipeline").select_option("all")
    heading(page, re.compile("^Model quality$")).wait_for()


def test_a_versions_lineage_is_a_graph_with_links(admin: Visitor, site: Site) -> None:
    good, served = (
        site.history.versions[run] for run in (site.history.good, site.history.served.run_id)
    )
    admin.open()
    page = admin.page
    version_row(page, served).locator("summary").click()
    last = page.locator("#versions .lineage li").last
    assert last.inner_text().split("\n")[-1] == "serves it now, verified"
    version_row(page, served).locator("summary").click()
    last.wait_for(state="detached")
    version_row(page, good).locator("summary").focus()
    page.keyboard.press("Enter")
    nodes = page.locator("#versions .lineage li")
    nodes.first.wait_for()
    kinds, labels, *_ = zip(
        *([*text.split("\n"), ""] for text in nodes.all_inner_texts()), strict=False
    )
    assert kinds == (
        "snapshot", "processing job", "training job", "processing job", "report", "decision",
        "model version", "endpoint",
    )  # fmt: skip
    assert labels[1:4] == ("preprocess", "train", "evaluate")
    assert labels[6] == f"version {good}"
    assert nodes.last.inner_text().split("\n")[-1] == f"serves version {served} now"
    # Each leads to what it names, also from where that is.
    assert nodes.locator("a").count() == len(kinds)
    nodes.get_by_role("link", name="train").click()
    page.locator("#log-train[open]").wait_for()
    nodes = page.locator("#lineage .lineage li")
    for node, section in (("passed", "decision"), ("r2_score", "evaluation")):
        nodes.get_by_role("link", name=node).click()
        assert urlsplit(page.url).fragment == section
        assert page.locator(f"#{section}").is_visible()
    nodes.get_by_role("link", name="evaluate").click()
    page.locator("#log-evaluate[open]").wait_for()
    admin.open(site.history.failed.run_id)
    assert nodes.filter(has=page.locator(".missing")).all_inner_texts()[-2:] == [
        "version\nnone registered", f"endpoint\n{PIPELINE}\nserves version {served} now",
    ]  # fmt: skip


def test_a_run_on_the_chart_says_what_it_is_and_leads_to_it(admin: Visitor, site: Site) -> None:
    admin.go(HOME)
    frame = admin.frame()
    canvas = frame.locator("canvas")
    canvas.scroll_into_view_if_needed()
    served = site.history.served
    box, point = canvas.bounding_box(), admin.points(canvas)[served.run_id]
    assert box is not None
    admin.page.mouse.move(box["x"] + point["x"], box["y"] + point["y"])
    said = until(lambda: admin.tooltip(canvas), "tooltip")
    version = site.history.versions[served.run_id]
    assert said[0] == served.snapshot
    assert served.run_id in said
    assert any(f"r2_score {served.value:.4f} ± 0.020; wanted ≥ 0.6" in line for line in said)
    assert any(f"version {version}, Approved, serves now" in line for line in said)

    admin.page.mouse.click(box["x"] + point["x"], box["y"] + point["y"])
    heading(frame, f"Snapshot {served.snapshot}").wait_for()
    frame.get_by_role("link", name="Run in Airflow").click()
    admin.is_at(f"/dags/{DAG}/runs/{served.run_id}")


def test_the_chart_tells_verdicts_apart_by_shape(admin: Visitor) -> None:
    admin.open()
    looks = admin.page.locator("canvas").evaluate("""(canvas) => Object.fromEntries(
        window.Chart.getChart(canvas).data.datasets.map((set) => [set.label, set.pointStyle]))""")
    verdicts = [looks[name] for name in ("passed", "rejected", "undecidable", "failed")]
    assert len(set(verdicts)) == 4
    assert {"hollow: backfilled", "ring: serves now", "threshold", "(interval)"} <= set(looks)


def test_a_value_far_from_the_others_stands_at_the_edge_with_its_number(
    admin: Visitor, site: Site
) -> None:
    far, rejected = site.history.far, site.history.rejected
    admin.open()
    canvas = admin.page.locator("canvas")
    points = admin.points(canvas)
    low, high, said, height = canvas.evaluate(
        """(canvas, run) => {
            const chart = window.Chart.getChart(canvas);
            const sets = chart.data.datasets;
            const point = sets.flatMap(({ data }) => data).find(({ row }) => row?.run_id === run);
            const { min, max, top, bottom } = chart.scales.y;
            return [min, max, point.said, bottom - top];
        }""",
        far.run_id,
    )
    # The bulk and the threshold have the room.
    assert 0.4 < low < 0.6
    assert 0.718 < high < 0.8
    assert said == "0.07000"
    assert points[far.run_id]["y"] - points[rejected.run_id]["y"] > 0.05 * height
    values = [points[site.history.served.run_id]["y"], points[rejected.run_id]["y"]]
    assert max(values) - min(values) > 0.3 * height
    canvas.focus()
    admin.page.keyboard.press("End")
    told = admin.page.locator("#chart-said")
    until(
        lambda: far.run_id in told.inner_text() or admin.page.keyboard.press("ArrowLeft"),
        "run by the keyboard",
    )
    assert "r2_score 0.07000 ± 0.020" in told.inner_text()
    assert "far from the others: it stands at the lower edge" in told.inner_text()


def test_a_run_without_a_snapshot_stands_where_it_was_due(admin: Visitor, site: Site) -> None:
    served, older = site.history.served, site.history.older

    def without(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        row = next(row for row in told["rows"] if row["run_id"] == served.run_id)
        row |= {"snapshot": None, "verdict": "failed", "metric": None, "metrics": {}}
        route.fulfill(response=answer, json=told)

    admin.page.route("**/data/runs?*", without)
    admin.open()
    points = admin.points(admin.page.locator("canvas"))
    assert points[older.run_id]["x"] < points[served.run_id]["x"] < points[site.history.good]["x"]
    assert points[served.run_id]["y"] == points[site.history.failed.run_id]["y"]
    assert column(admin.page, "Snapshot").count("not settled") == 1


def test_where_more_is_better_the_threshold_is_a_lower_bound(admin: Visitor) -> None:
    admin.open()
    look = admin.page.locator("canvas").evaluate(_LOOK)
    assert look["axis"] == "r2_score (higher is better)"
    assert "threshold: at least" in look["legend"]
    assert (look["shade"], look["limits"]) == ("start", [0.6])


def test_where_less_is_better_the_threshold_is_an_upper_bound(admin: Visitor, site: Site) -> None:
    light, heavy = site.history.light, site.history.heavy
    admin.open(dag_id=light.kind.dag_id)
    page = admin.page
    canvas = page.locator("canvas")
    look = canvas.evaluate(_LOOK)
    assert look["axis"] == "mse (lower is better)"
    assert "threshold: at most" in look["legend"]
    assert (look["shade"], look["limits"]) == ("end", [6])
    points = admin.points(canvas)
    assert points[heavy.run_id]["y"] < points[light.run_id]["y"]
    # What is above is more, and so is worse; the keyboard tells it in words.
    canvas.focus()
    said = page.locator("#chart-said")
    page.keyboard.press("End")
    until(
        lambda: light.run_id in said.inner_text() or page.keyboard.press("ArrowLeft"),
        "run by the keyboard",
    )
    assert "mse 4.870 ± 0.39; wanted ≤ 6" in said.inner_text()
    number = site.history.versions[light.run_id]
    row = version_row(page, number).inner_text()
    assert "4.870" in row
    page.keyboard.press("Enter")
    sentence = page.locator(".sentence", has_text="mse")
    sentence.wait_for()
    assert sentence.inner_text() == f"mse 4.870 is ≤ 6: registered as version {number}."
    admin.open(heavy.run_id, dag_id=heavy.kind.dag_id)
    assert page.locator(".sentence").inner_text() == "mse 6.800 is not ≤ 6: not registered."
    page.locator("#evaluation canvas").nth(1).wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_labels_are_counted_in_a_table(visiting: Visit, site: Site, theme: str) -> None:
    sex = site.history.sex
    with visiting("vera", color_scheme=theme) as visitor:
        visitor.open(sex.run_id, dag_id=sex.kind.dag_id)
        page = visitor.page
        table = page.get_by_role("region", name="Confusion matrix")
        rows = [row.split() for row in table.locator("tbody tr").all_inner_texts()]
        assert rows == [
            ["F", "30", "0", "0", "100", "%"],
            ["I", "0", "20", "0", "100", "%"],
            ["M", "9", "0", "40", "82", "%"],
            ["right", "77", "%", "100", "%", "100", "%", "91", "%"],
        ]
        # Whoever sees no colours sees a frame, and the most in each row in bold.
        assert table.locator("td.right").all_inner_texts() == ["30", "20", "40"]
        grounds = table.locator("tbody td").evaluate_all(
            "(cells) => cells.map((cell) => getComputedStyle(cell).backgroundColor)"
        )
        assert len(set(grounds)) > 3
        assert "recall: NaN" in page.locator("#evaluation").inner_text()
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.ariaLabel") == "Confusion matrix":
                break
        else:
            pytest.fail("Tab never gets to the confusion matrix")


@pytest.mark.parametrize("viewport", [WIDE, NARROW])
def test_a_classifiers_report_is_drawn(
    visiting: Visit, site: Site, viewport: dict[str, int]
) -> None:
    sex = site.history.sex
    with visiting("vera", viewport=viewport) as visitor:
        visitor.open(sex.run_id, dag_id=sex.kind.dag_id)
        page = visitor.page
        pictures = page.locator("#evaluation canvas")
        pictures.nth(2).wait_for()
        assert pictures.evaluate_all("(them) => them.map(({ ariaLabel }) => ariaLabel)") == [
            "Precision, recall and f1 of F: 0.770, 1.00, 0.870; M: none, none, none",
            "Learning curves of loss: train_loss ends at 0.500, validation_loss ends at 0.600",
            "Learning curves of accuracy: validation_accuracy ends at 0.910",
        ]
        page.get_by_text("Mistakes that the model was surest of").click()
        table = page.get_by_role("region", name="Worst errors")
        texts = table.locator("tbody td:first-child")
        assert texts.all_text_contents() == [*ERRORS[:-1], "(empty)"]
        direction = "(cells) => cells.map((cell) => getComputedStyle(cell).direction)"
        assert texts.evaluate_all(direction) == ["ltr", "ltr", "rtl", "ltr", "ltr"]
        # An endless word leaves room for the other columns.
        assert texts.nth(1).bounding_box()["width"] <= max(viewport["width"] - 200, 300)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= viewport["width"]


def test_the_nights_run_explains_itself(admin: Visitor, site: Site) -> None:
    good = site.history.good
    version = site.history.versions[good]
    admin.go(f"/dags/{DAG}/runs/{quote(good)}/plugin/model-quality-dag_run")
    frame = admin.frame()
    sentence = frame.locator(".sentence").inner_text()
    assert re.fullmatch(rf"r2_score 0\.7\d+ is ≥ 0\.6: registered as version {version}\.", sentence)
    decision = frame.locator("#decision")
    # The threshold, and the champion.
    assert decision.get_by_text("✓ true").count() == 2
    assert decision.get_by_text("parameter r2_threshold = 0.6").is_visible()
    plots = frame.locator("#evaluation canvas")
    plots.nth(1).wait_for()
    drawn = """(canvas) => window.Chart.getChart(canvas)?.data.datasets[0].data.length ?? 0"""
    for number in (0, 1):
        assert until(lambda n=number: plots.nth(n).evaluate(drawn), "plot") > 10
    for name in ("data's fingerprint", "code's SHA-256", "image", "model package"):
        assert frame.locator("#fingerprint dt", has_text=re.compile(f"^{name}$")).is_visible()
    steps = frame.locator("#steps tbody tr")
    for step in ("preprocess", "train", "evaluate"):
        row = steps.filter(has=frame.get_by_role("link", name=step, exact=True))
        assert re.search(r"Completed, 1 × ml\.m5\.large", row.inner_text())
    frame.get_by_role("link", name=f"version {version}, pending").click()
    heading(frame, OVERVIEW).wait_for()
    version_row(frame, version).wait_for()


def test_a_failed_run_says_why(admin: Visitor, site: Site) -> None:
    admin.open(BAD_RUN)
    sentence = admin.page.locator(".sentence").inner_text()
    assert sentence.startswith("The run failed before the gate decided: preprocess: ")
    assert site.history.bad_reason in sentence
    step = admin.page.locator("#steps tbody tr", has_text="preprocess").inner_text()
    assert "failed" in step
    assert "The last lines of its log" in step


def test_every_button_of_a_task_leads_to_something_that_is_there(
    admin: Visitor, site: Site
) -> None:
    good = site.history.good
    found: dict[str, dict[str, str]] = {}
    for task in ("preprocess", "train", "evaluate", "check_quality", "register_model"):
        links = site.ask(f"/dags/{DAG}/dagRuns/{quote(good)}/taskInstances/{task}/links")
        found[task] = {name: url for name, url in links["extra_links"].items() if url}
    job, judged = {"SageMaker job", "Job log"}, {"Evaluation report", "Decision"}
    for task in ("preprocess", "train", "evaluate"):
        assert set(found[task]) >= job | judged
    assert set(found["register_model"]) >= judged | {"Model version", "Endpoint"}

    shell = "/plugin/model-quality"
    for url in {url for links in found.values() for url in links.values()}:
        assert url.startswith(f"{shell}{PAGE}?")
        admin.go("/model-quality/static/page.css")
        admin.go(url.removeprefix(shell))
        admin.is_filled(admin.page)
        section = admin.page.locator(f"#{urlsplit(url).fragment}")
        section.wait_for()
        if "#log-" in url:
            until(lambda place=section: place.locator("pre").all_inner_texts(), "log")

    # By the button itself, within Airflow.
    admin.go(f"/dags/{DAG}/runs/{quote(good)}/tasks/evaluate/details")
    admin.page.get_by_role("link", name="Job log").click()
    frame = admin.frame()
    until(lambda: frame.locator("#log-evaluate pre").all_inner_texts(), "log")


def test_tasks_of_other_dags_have_no_heading_over_nothing(admin: Visitor, site: Site) -> None:
    runs = f"/dags/{OTHER_DAG}/dagRuns"
    run = until(lambda: site.ask(runs)["dag_runs"], "hourly run")[0]["dag_run_id"]
    found = site.ask(f"{runs}/{quote(run)}/taskInstances/stop_orphans/links")
    assert found["extra_links"] == {}
    for dag, run_id, task, count in (
        (OTHER_DAG, run, "stop_orphans", 0),
        (DAG, site.history.good, "register_model", 1),
    ):
        admin.go(f"/dags/{dag}/runs/{quote(run_id)}/tasks/{task}/details")
        admin.page.get_by_text(task, exact=True).first.wait_for()
        admin.page.get_by_text("Task ID").or_(admin.page.get_by_text("Operator")).first.wait_for()
        heading = admin.page.get_by_role("heading", name="Extra Links")
        if count:
            heading.wait_for()
        assert heading.count() == count


def test_the_night_and_its_gate_have_a_note(site: Site) -> None:
    good = site.history.good
    line = f": registered as version {site.history.versions[good]}"
    for path in ("", "/taskInstances/check_quality"):
        note = site.ask(f"/dags/{DAG}/dagRuns/{quote(good)}{path}")["note"]
        assert re.fullmatch(rf"r2_score 0\.7\d* ≥ 0\.6; r2_score: no champion{line}", note)


@pytest.mark.parametrize("user", ["admin", *ROLES])
def test_each_role_sees_what_it_may_do(visiting: Visit, site: Site, user: str) -> None:
    with visiting(user) as visitor:
        visitor.go(HOME)
        frame = visitor.frame()
        heading(frame, OVERVIEW).wait_for()
        frame.locator("#versions tbody tr").first.wait_for()
        buttons = set(frame.locator("#versions tbody button").all_inner_texts())
        # What has been rejected for good is approved; what serves is neither deployed nor approved.
        assert buttons == (set() if user == "vera" else {"Approve", "Reject"})
        if user == "vera":
            status = page_frame(visitor.page).evaluate(
                """async ([dag, version]) => (await fetch(`actions/reject?dag_id=${dag}`, {
                    method: "POST",
                    headers: {"Content-Type": "application/json", "X-Model-Quality": "act"},
                    body: JSON.stringify({version, comment: "no", seen: "PendingManualApproval"}),
                })).status""",
                [DAG, site.history.versions[site.history.good]],
            )
            assert status == 403
            # The browser says so, too.
            assert len(visitor.errors) == 1
            visitor.errors.clear()
    assert description(site, site.history.versions[site.history.good])[0] == "PendingManualApproval"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_as_light_or_dark_as_airflow(visiting: Visit, theme: str) -> None:
    # What the person chose in Airflow counts, and not what the system would have.
    other = {"light": "dark", "dark": "light"}[theme]
    with visiting("admin", color_scheme=other) as visitor:
        visitor.page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        visitor.go(HOME)
        frame = visitor.frame()
        ground = "() => getComputedStyle(document.body).backgroundColor"
        grounds = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 31)"}
        until(lambda: frame.locator("body").evaluate(ground) == grounds[theme], f"{theme} ground")
    with visiting("admin", color_scheme=theme) as visitor:
        visitor.open()
        assert visitor.page.evaluate(ground) == grounds[theme]


def test_a_narrow_window_is_enough(visiting: Visit, site: Site) -> None:
    with visiting("admin", viewport=NARROW) as visitor:
        for run_id in (None, site.history.good, site.history.undecidable.run_id, BAD_RUN):
            visitor.open(run_id)
            width = visitor.page.evaluate("document.scrollingElement.scrollWidth")
            assert width <= NARROW["width"], run_id


def test_the_keyboard_is_enough(admin: Visitor, site: Site) -> None:
    admin.open()
    page = admin.page

    def tab_to(what: str) -> None:
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate("(what) => document.activeElement.matches(what)", what):
                return
        pytest.fail(f"Tab never gets to {what}")

    tab_to("canvas")
    page.keyboard.press("End")
    newest = page.locator("#chart-said").inner_text()
    assert site.history.good in newest
    tab_to("[data-focus='sort metric r2_score']")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="r2_score ↓").wait_for()
    assert page.evaluate("document.activeElement.dataset.focus") == "sort metric r2_score"
    tab_to("#versions tbody button")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    assert page.evaluate("document.activeElement.id") == "comment"
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    page.keyboard.press("Shift+Tab")
    page.locator("canvas").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    heading(page, re.compile("^Snapshot ")).wait_for()


def test_pictures_are_taken(visiting: Visit, site: Site, camera: Camera) -> None:
    """Before anything is decided; with --write-pictures they are kept."""
    with visiting("admin") as visitor:
        visitor.go(HOME)
        visitor.are_jobs_known(visitor.frame())
        camera.take(visitor.page, "model-quality")
        visitor.page.set_viewport_size({"width": 1280, "height": 360})
        visitor.go(f"/plugin/model-quality{PAGE}")
        visitor.frame().get_by_role("region", name="Last nights").wait_for()
        camera.take(visitor.page, "model-quality-start")
    with visiting("admin", viewport=TALL) as visitor:
        pair = {"run_id": site.history.served.run_id, "beside": site.history.good}
        visitor.go(f"{HOME}&{urlencode(pair)}")
        visitor.frame().locator("#plots canvas").nth(3).wait_for()
        camera.take(visitor.page, "model-quality-beside")
    with visiting("admin", color_scheme="dark", viewport=TALL) as visitor:
        visitor.go(f"/dags/{DAG}/runs/{quote(site.history.good)}/plugin/model-quality-dag_run")
        frame = visitor.frame()
        frame.locator("#evaluation canvas").nth(1).wait_for()
        camera.take(visitor.page, "model-quality-run")
    with visiting("admin") as visitor:
        visitor.go(HOME)
        frame = visitor.frame()
        row = version_row(frame, site.history.versions[site.history.good])
        row.get_by_role("button", name="Approve").click()
        frame.get_by_role("dialog").locator("textarea").fill("Better than what serves.")
        camera.take(visitor.page, "model-quality-approve")


def test_a_version_is_approved_with_a_comment(admin: Visitor, site: Site) -> None:
    older = site.history.older
    number = site.history.versions[older.run_id]
    admin.go(HOME)
    frame = admin.frame()
    row = version_row(frame, number)
    row.get_by_role("button", name="Approve").click()
    dialog = frame.get_by_role("dialog")
    assert f"version {number} of snapshot {older.snapshot}" in dialog.inner_text()
    confirm = dialog.get_by_role("button", name="Approve")
    confirm.click()
    assert dialog.get_by_text("Say why.").is_visible()
    dialog.locator("textarea").fill("as good as <b>any</b>")
    confirm.click()
    frame.get_by_text(f"Version {number} is Approved now.").wait_for()
    reason = "Approved by admin in Airflow, page Model quality: as good as <b>any</b>"
    assert description(site, number) == ("Approved", reason)
    row.get_by_text(reason).wait_for()
    assert "pending" not in row.inner_text()


def test_a_version_is_rejected_with_a_comment(visiting: Visit, site: Site) -> None:
    number = site.history.versions[site.history.good]
    with visiting("ute") as visitor:
        visitor.go(f"/dags/{DAG}/plugin/model-quality-dag")
        frame = visitor.frame()
        version_row(frame, number).get_by_role("button", name="Reject").click()
        dialog = frame.get_by_role("dialog")
        dialog.locator("textarea").fill("wait for tomorrow's")
        dialog.get_by_role("button", name="Reject").click()
        frame.get_by_text(f"Version {number} is Rejected now.").wait_for()
    reason = "Rejected by ute in Airflow, page Model quality: wait for tomorrow's"
    assert description(site, number) == ("Rejected", reason)


def test_an_earlier_version_is_rolled_back_to(admin: Visitor, site: Site) -> None:
    served, older = (
        site.history.versions[past.run_id] for past in (site.history.served, site.history.older)
    )
    admin.go(HOME)
    frame = admin.frame()
    version_row(frame, older).get_by_role("button", name="Roll back to this").click()
    dialog = frame.get_by_role("dialog")
    dialog.locator("textarea").fill("the newer one is odd")
    dialog.get_by_role("button", name="Roll back to this").click()
    link = frame.locator("#versions [role=status] a")
    run_id = link.inner_text()
    run = site.run(DEPLOYMENT, run_id)
    assert (run["conf"]["version"], run["triggering_user_name"]) == (older, "admin")
    link.click()
    admin.is_at(f"/dags/{DEPLOYMENT}/runs/{run_id}")

    until(lambda: site.run(DEPLOYMENT, run_id)["state"] == "success", "deployment", seconds=180)
    admin.open()
    until(
        lambda: (
            f"version {older}, verified" in admin.page.locator("#serving").inner_text()
            or admin.open()
        ),
        "version that serves",
    )
    # What has served before can be deployed again.
    row = version_row(admin.page, served)
    assert row.get_by_role("button", name="Deploy").is_visible()
    assert "serves now" in version_row(admin.page, older).inner_text()
