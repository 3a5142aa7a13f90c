from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.web.predictions import confusion, drawn, labels, parse, summary

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


NUMBERS = "actual,predicted\n1,2\n3,3\n"
TEXTS = "actual,predicted\ncat,dog\ndog,dog\n"
CHARTS = ["predicted_against_actual", "residuals"]


@pytest.mark.parametrize(
    ("text", "plots", "drawn_plots"),
    [
        (NUMBERS, None, CHARTS),
        (TEXTS, None, ["confusion_matrix"]),
        (NUMBERS, ["confusion_matrix"], ["confusion_matrix"]),
        (NUMBERS, ["residuals", "unheard_of"], ["residuals"]),
        (NUMBERS, [], []),
        (TEXTS, ["confusion_matrix"], ["confusion_matrix"]),
    ],
)
def test_the_pipeline_says_what_is_drawn_or_else_the_file(
    text: str, plots: list[str] | None, drawn_plots: list[str]
) -> None:
    found = drawn(text, plots, is_all=True)
    assert found["plots"] == drawn_plots
    assert ("points" in found) == bool(set(CHARTS) & set(drawn_plots))
    assert ("matrix" in found) == ("confusion_matrix" in drawn_plots)


def test_texts_where_numbers_are_to_be_drawn_say_where() -> None:
    with pytest.raises(ValueError, match="line 2 has no two numbers"):
        drawn(TEXTS, CHARTS, is_all=True)


def test_a_line_without_two_labels_says_where() -> None:
    with pytest.raises(ValueError, match="line 3 has no two labels"):
        labels("actual,predicted\ncat,dog\ncat\n")


def test_labels_are_counted_by_what_was_predicted_for_them() -> None:
    found = confusion([("b", "b"), ("b", "a"), ("a", "a"), ("b", "b")])
    assert (found.labels, found.counts, found.others) == (["a", "b"], [[1, 0], [1, 2]], 0)


def test_labels_that_are_numbers_are_in_the_order_of_numbers() -> None:
    pairs = [(label, label) for label in ("10", "9", "x", "nan", "-1")]
    assert confusion(pairs).labels == ["-1", "9", "10", "nan", "x"]


def test_the_rarest_of_many_labels_are_counted_together() -> None:
    pairs = [(f"{n:02}", f"{n:02}") for n in range(40) for _ in range(1 + (n < 30))]
    found = confusion(pairs)
    assert (found.labels, found.others) == ([f"{n:02}" for n in range(30)], 10)
    assert found.counts[30][30] == 10
    assert sum(map(sum, found.counts)) == len(pairs)


@given(st.text(), st.none() | st.lists(st.sampled_from([*CHARTS, "confusion_matrix"])))
def test_any_file_is_drawn_or_refused(text: str, plots: list[str] | None) -> None:
    try:
        found = drawn(f"actual,predicted\n{text}", plots, is_all=True)
    except ValueError:
        return
    assert json.dumps(found, allow_nan=False)


@given(st.lists(st.tuples(st.floats().map(str), st.floats().map(str)), min_size=1))
def test_any_numbers_are_drawn_or_refused(pairs: list[tuple[str, str]]) -> None:
    text = "".join(f"{actual},{predicted}\n" for actual, predicted in pairs)
    try:
        found = drawn(f"actual,predicted\n{text}", None, is_all=True)
    except (ValueError, OverflowError):
        return
    assert json.dumps(found, allow_nan=False)
