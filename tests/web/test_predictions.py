from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.web.predictions import parse, summary

finite = st.floats(-1e6, 1e6)


def test_pairs_are_read_as_they_were_written() -> None:
    assert parse("actual,predicted\n1.5,1.25\n-2,3e-4\n") == [(1.5, 1.25), (-2.0, 3e-4)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1 is ''"),
        ("a,b\n1,2\n", "line 1 is 'a,b' and not 'actual,predicted'"),
        ("actual,predicted\n", "no rows"),
        ("actual,predicted\n1,2\n1\n", "line 3 has no two numbers"),
        ("actual,predicted\n1,2,3\n", "line 2 has no two numbers"),
        ("actual,predicted\n1,x\n", "line 2 has no two numbers"),
        ("actual,predicted\n1,nan\n", "line 2 has a number that is not finite"),
        ("actual,predicted\n1,1e999\n", "line 2 has a number that is not finite"),
    ],
)
def test_a_file_that_is_none_says_where(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        parse(text)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=300))
def test_each_row_is_in_one_bin(pairs: list[tuple[float, float]]) -> None:
    found = summary(pairs, is_all=True)
    assert sum(found.counts) == found.rows == len(pairs)
    assert len(found.edges) == len(found.counts) + 1
    assert found.points == pairs


def test_many_rows_are_thinned_out_evenly() -> None:
    pairs = [(float(number), 0.0) for number in range(100_000)]
    found = summary(pairs, is_all=False)
    assert 1_000 < len(found.points) <= 1_500
    assert found.points[1][0] - found.points[0][0] == found.points[-1][0] - found.points[-2][0]
    assert found.rows == 100_000
