from __future__ import annotations

import pytest
from retraining.runs.csv_cells import cell


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
def test_a_text_that_a_spreadsheet_takes_for_a_formula_is_none_any_more(sign: str) -> None:
    assert cell(f"{sign}1+1") == f"'{sign}1+1"


@pytest.mark.parametrize("value", ["", "a=1", None, -1.5, 7, "2026-11-20"])
def test_what_is_no_formula_stays_as_it_is(value: object) -> None:
    assert cell(value) == value
