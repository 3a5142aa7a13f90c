"""The page calls metrics as the library does: the two rules are one."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retraining.gate.report import metrics_in, names

from local_stack.programs.places import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

SCRIPT = PROJECT / "plugins" / "retraining" / "web" / "static" / "metric_names.js"
_CALL = """
async ([source, paths]) => JSON.stringify([...(await import(source)).metricNames(paths)])
"""
CASES = [
    [],
    ["regression_metrics.r2_score", "regression_metrics.mse"],
    ["regression_metrics.mse", "train_metrics.mse", "train_metrics.mae"],
    ["regression_metrics.r2_score.value", "value", "m.value"],
    ["metrics['f1.macro'][0]", "metrics['f1.macro'][1]", 'metrics["it\'s"]'],
    ["metrics[0][1]", "[0]", "[0].value", "mse", "mse"],
    ["toString", "constructor", "__proto__", "m.ä", "m.日本"],
    ["", "a..b", "a[", "'"],
]
KEYS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=3)
REPORTS = st.recursive(
    st.fixed_dictionaries({"value": st.just(1)}) | st.just(1),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "value", "b.c", "x_metrics"]) | KEYS, inner)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    found = browser.new_page()
    yield found
    found.close()


def called(page: Page, paths: list[str]) -> dict[str, str]:
    source = f"data:text/javascript;base64,{base64.b64encode(SCRIPT.read_bytes()).decode()}"
    pairs: list[Any] = json.loads(page.evaluate(_CALL, [source, paths]))
    return dict(pairs)


@pytest.mark.parametrize("paths", CASES, ids=range(len(CASES)))
def test_metrics_are_called_as_everywhere_else(page: Page, paths: list[str]) -> None:
    assert called(page, paths) == names(paths)


@settings(deadline=None)
@given(report=st.dictionaries(KEYS, REPORTS, min_size=1))
def test_the_metrics_of_any_report_are_called_as_everywhere_else(
    page: Page, report: dict[str, object]
) -> None:
    paths = [*metrics_in({"metrics": report}).measures]
    assert called(page, paths) == names(paths)
