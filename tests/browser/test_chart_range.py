"""Which part of the values the history's chart shows."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_stack.programs.places import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

SCRIPT = PROJECT / "plugins" / "retraining" / "web" / "static" / "chart_range.js"
_CALL = """
async ([source, values, limits, ends]) => {
    const { low, high } = (await import(source)).rangeOf(values, limits, ends);
    return [low, high];
}
"""
_NIGHTS = [0.711, 0.717, 0.709, 0.714, 0.706, 0.712, 0.704]
_NUMBERS = st.floats(-1e9, 1e9)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    found = browser.new_page()
    yield found
    found.close()


def shown(
    page: Page, values: list[float], limits: list[float], ends: list[float] | None = None
) -> tuple[float, float]:
    source = f"data:text/javascript;base64,{base64.b64encode(SCRIPT.read_bytes()).decode()}"
    low, high = page.evaluate(_CALL, [source, values, limits, ends or []])
    return low, high


@pytest.mark.parametrize(
    ("values", "limits", "wanted"),
    [
        ([], [], (0, 1)),
        ([], [0.6], (0.6, 0.6)),
        ([0.7], [], (0.7, 0.7)),
        (_NIGHTS, [0.6] * 7, (0.6, 0.717)),
        ([*_NIGHTS, 0.07], [0.6] * 8, (0.6, 0.717)),
        ([*_NIGHTS, 0.588], [0.6] * 8, (0.588, 0.717)),
        ([*_NIGHTS, 1e300, -1e300], [0.6] * 9, (0.6, 0.717)),
        # A limit that was set for a try, and one that a pipeline really has.
        (_NIGHTS, [0.6] * 6 + [-100], (0.6, 0.717)),
        (_NIGHTS, [0.0] * 7, (0.0, 0.717)),
        # A model that became better for good is no oddity.
        ([0.5, 0.51, 0.5, 0.8, 0.81, 0.8], [], (0.5, 0.81)),
        ([0.7] * 6 + [0.07], [], (0.7, 0.7)),
        ([0.0] * 6 + [5.0], [], (0.0, 5.0)),
        # Of three nobody can say which is odd.
        ([0.07, 0.7, 0.71], [], (0.07, 0.71)),
    ],
)
def test_the_bulk_and_the_limit_have_the_room(
    page: Page, values: list[float], limits: list[float], wanted: tuple[float, float]
) -> None:
    assert shown(page, values, limits) == wanted


def test_a_wide_interval_takes_no_more_than_its_part(page: Page) -> None:
    assert shown(page, [1.0, 2.0, 3.0, 4.0], [], [0.5, 4.5]) == (0.5, 4.5)
    assert shown(page, [1.0, 2.0, 3.0, 4.0], [], [-1e9, 1e9]) == (-2.0, 7.0)


@settings(deadline=None, max_examples=50)
@given(values=st.lists(_NUMBERS, min_size=1, max_size=30), limits=st.lists(_NUMBERS, max_size=5))
def test_at_least_half_of_the_values_are_always_in_it(
    page: Page, values: list[float], limits: list[float]
) -> None:
    low, high = shown(page, values, limits)
    assert low <= high
    assert 2 * sum(low <= value <= high for value in values) >= len(values)
