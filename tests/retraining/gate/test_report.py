from __future__ import annotations

import json
from typing import Any

import pytest
from retraining.gate.report import (
    Measure,
    Metrics,
    UndecidableError,
    canonical,
    last_name,
    metrics_in,
    names,
    parse,
    value_at,
)


def shown(report: object, *named: str) -> dict[str, float]:
    """The metrics of a report by their short names."""
    found = metrics_in(report, named=named).measures
    return {name: found[path].value for path, name in names(found).items()}


def leaf(value: object, spread: object = 0.1) -> dict[str, object]:
    return {"value": value, "standard_deviation": spread}


# As SageMaker's model quality monitor writes them.
BINARY = {
    "binary_classification_metrics": {
        "confusion_matrix": {"0": {"0": 90, "1": 10}, "1": {"0": 5, "1": 95}},
        "recall": leaf(0.95),
        "precision": leaf(0.905),
        "accuracy": leaf(0.925),
        "auc": leaf(0.97),
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": [0.0, 0.1],
            "true_positive_rates": [0.0, 0.95],
        },
        "precision_recall_curve": {"precisions": [0.9], "recalls": [0.95]},
    },
    "rows": {"test": 200},
}


def test_the_metrics_of_sagemakers_shapes_are_found() -> None:
    found = metrics_in(BINARY)
    assert found.measures == {
        f"binary_classification_metrics.{name}": Measure(value, 0.1)
        for name, value in (("recall", 0.95), ("precision", 0.905), ("accuracy", 0.925),
                            ("auc", 0.97))
    }  # fmt: skip
    assert (found.unusable, found.rows) == ({}, {"test": 200})


def test_metrics_are_found_however_deep_they_lie() -> None:
    report = {"a": {"b": {"value": 1}, "c": {"d": {"value": 2.5, "x": 1}}}, "rows": 3, "e": [1]}
    assert shown(report) == {"b": 1.0, "d": 2.5}
    assert shown(None) == {}


def test_leaves_of_one_last_name_keep_their_paths() -> None:
    report = {"train_metrics": {"accuracy": 0.99, "f1": 0.98}, "test_metrics": {"accuracy": 0.9}}
    assert shown(report) == {
        "train_metrics.accuracy": 0.99,
        "f1": 0.98,
        "test_metrics.accuracy": 0.9,
    }


def test_plain_numbers_are_metrics_where_there_is_nothing_else() -> None:
    report = {"model": "x", "mse": 4.9, "mae": float("nan"), "passed": True, "rows": {"test": 3}}
    assert shown(report) == {"mse": 4.9}
    assert metrics_in(report).unusable == {"mae": "NaN"}
    # What the gate asks for is no reason to forget the others.
    assert shown(report | {"r2": 0.5}, "mse") == {"mse": 4.9, "r2": 0.5}
    assert shown({"quality": {"mse": 4.9}, "metrics": {"mae": 1}}, "quality.mse") == {
        "mae": 1.0,
        "mse": 4.9,
    }


def test_lists_hold_metrics_and_long_ones_data() -> None:
    report = {"metrics": [{"f1": 0.8}, {"f1": 0.9}], "residuals": [0.1] * 5_000}
    assert shown(report) == {"metrics[0].f1": 0.8, "metrics[1].f1": 0.9}
    assert shown({"mse": 4.9, "residuals": [0.1] * 5_000}) == {"mse": 4.9}
    assert shown({"mse": 4.9, "residuals": [0.1] * 5_000}, "residuals[3]") == {
        "mse": 4.9,
        "residuals[3]": 0.1,
    }


def test_of_very_many_metrics_the_first_are_found() -> None:
    found = metrics_in({"metrics": {f"m{number}": number for number in range(5_000)}}).measures
    assert (len(found), *found)[:2] == (1_000, "metrics.m0")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "a truth value"),
        (None, "null"),
        ("0.9", "a text"),
        ([1], "a list"),
        ({}, "an object"),
        (float("nan"), "NaN"),
        (float("-inf"), "-inf"),
        (10**400, "too large a number"),
    ],
)
def test_what_is_no_finite_number_says_what_it_is(value: object, said: str) -> None:
    found = metrics_in({"some_metrics": {"a": leaf(value), "b": leaf(1)}})
    assert found.unusable == {"some_metrics.a": said}
    assert found.measures == {"some_metrics.b": Measure(1.0, 0.1)}
    assert metrics_in({"m": value}, named=["m"]).unusable == {"m": said}


@pytest.mark.parametrize("spread", [True, None, "x", float("inf")])
def test_a_spread_that_is_no_number_is_left_out(spread: object) -> None:
    (measure,) = metrics_in({"metrics": {"a": leaf(1, spread)}}).measures.values()
    assert measure == Measure(1.0, None)
    assert measure.interval is None


def test_an_interval_is_of_95_percent() -> None:
    assert Measure(0.6, 0.1).interval == pytest.approx((0.404, 0.796))


@pytest.mark.parametrize("report", [None, [], "text", 1, {}, {"metrics": {}}, {"metrics": []}])
def test_a_report_without_metrics_has_none(report: object) -> None:
    assert metrics_in(report, named=["a.b", "malformed["]) == Metrics()


def test_a_deep_report_is_walked_as_far_as_it_goes() -> None:
    report: Any = {"value": 1}
    for _ in range(900):
        report = {"a": report}
    report["some_metrics"] = {"mse": 4.9}
    assert shown(parse(json.dumps(report).encode())) == {"mse": 4.9}


def test_a_large_report_is_read() -> None:
    report = BINARY | {"predictions": [[number, number / 3] for number in range(200_000)]}
    content = json.dumps(report).encode()
    assert len(content) > 5_000_000
    assert metrics_in(parse(content)) == metrics_in(BINARY)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"9" * 5_000, b"[" * 100_000])
def test_what_cannot_be_parsed_is_undecidable(content: bytes) -> None:
    with pytest.raises(UndecidableError, match="the report is n"):
        parse(content)


@pytest.mark.parametrize(
    ("path", "one", "last"),
    [
        ("m.mse", "m.mse", "mse"),
        ("m.mse.value", "m.mse", "mse"),
        ("m['mse']", "m.mse", "mse"),
        ("['m'][\"mse\"].value", "m.mse", "mse"),
        ('m["f1.macro"][1]', "m['f1.macro'][1]", "f1.macro[1]"),
        ("value", "value", "value"),
        ("m['it\\'s']", "m['it\\'s']", "it\\'s"),
        ("m[", "m[", "m"),
        ("", "", ""),
    ],
)
def test_a_path_has_one_spelling_and_a_last_name(path: str, one: str, last: str) -> None:
    assert canonical(path) == one
    assert canonical(one) == one
    assert last_name(path) == last


@pytest.mark.parametrize("key", ["a.b", "it's", 'say "x"', "a b", "[0]", "ä", "<b>", "a\nb"])
def test_any_key_can_be_named_by_the_path_that_is_found(key: str) -> None:
    report = {"some_metrics": {key: 3}}
    (path,) = metrics_in(report).measures
    assert value_at(report, path) == 3
    assert canonical(path) == path
