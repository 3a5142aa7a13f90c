from __future__ import annotations

import json
from typing import Any

import pytest
from retraining import naming
from retraining.deployment import smoke
from retraining.deployment.smoke import SmokeTestError

BUCKET = "smoke-tests"
TEST = {
    "content_type": "text/csv",
    "accept": "text/csv",
    "requests": [
        {"body": "1,2", "expected": 11.5},
        {"body": "3,", "expected": 31.25},
        {"body": "5,6", "expected": 1e-3},
    ],
}


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def report(s3: Any, name: str, content: object) -> str:
    run = naming.run_uri(BUCKET, "p", "2026-11-20", name)
    if content is not None:
        bucket, key = naming.split_s3_uri(naming.smoke_uri(run))
        body = content if isinstance(content, str) else json.dumps(content)
        s3.put_object(Bucket=bucket, Key=key, Body=body.encode())
    return naming.report_uri(run)


def test_the_first_requests_are_read_with_their_formats(s3: Any) -> None:
    test = smoke.read(s3, report(s3, "good", TEST), rows=2)
    assert [(item.body, item.expected) for item in test.requests] == [("1,2", 11.5), ("3,", 31.25)]
    assert (test.content_type, test.accept) == ("text/csv", "text/csv")


def test_fewer_requests_than_wanted_are_all_sent(s3: Any) -> None:
    assert len(smoke.read(s3, report(s3, "short", TEST), rows=20).requests) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"nothing at s3://.*smoke\.json"),
        ("{", "JSONDecodeError"),
        ("[" * 100_000, "RecursionError"),
        ([TEST], "no smoke test"),
        ({**TEST, "requests": []}, "has no request"),
        ({**TEST, "requests": {"a": 1}}, "no smoke test"),
        ({**TEST, "requests": [{"body": "1,2"}]}, "expected"),
        ({**TEST, "requests": [{"body": 12, "expected": 1}]}, "12 is not a text"),
        ({**TEST, "requests": [{"body": "1", "expected": float("nan")}]}, "NaN is no number"),
        ({**TEST, "accept": None}, "None is not a text"),
    ],
)
def test_a_file_that_is_no_smoke_test_is_named(s3: Any, content: object, words: str) -> None:
    with pytest.raises(SmokeTestError, match=words):
        smoke.read(s3, report(s3, f"bad-{words[:20]}", content), rows=3)


def test_a_version_without_a_report_is_told(s3: Any) -> None:
    with pytest.raises(SmokeTestError, match="names no evaluation report"):
        smoke.read(s3, "", rows=3)


CSV, JSON = "text/csv", "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("answer", "expected", "accept"),
    [
        ("1.0", 1, CSV),
        ("1.0000001\n", 1.0, CSV),
        (" positive \n", "positive", CSV),
        ("1.0,2.0\n", [1, 2], CSV),
        ('"a, b"\n', "a, b", CSV),
        ("1.0", 1, JSON),
        ('"1"', "1", JSON),
        ('{"label": "good", "score": 0.25, "more": 1}', {"label": "good", "score": 0.25}, JSON),
        ("[[1, 2], [3.0, null]]", [[1, 2], [3, None]], JSON),
        ("true", True, JSON),
    ],
)
def test_the_right_answer_differs_in_nothing(answer: str, expected: object, accept: str) -> None:
    assert smoke.difference(answer, expected, accept=accept, tolerance=1e-6) is None


@pytest.mark.parametrize(
    ("answer", "expected", "accept", "words"),
    [
        ("1.00001", 1, CSV, "predicted as 1.00001; evaluation predicted 1"),
        ("nan", 1, CSV, "predicted as nan"),
        ("inf", 1, CSV, "predicted as inf"),
        ("", 1, CSV, "not answer with a number but with []"),
        ("1\n2", 1, CSV, "['1', '2']"),
        ("[1]", 1, CSV, "not answer with a number"),
        ("Positive", "positive", CSV, "answers 'Positive'; evaluation said 'positive'"),
        ("1", [1, 2], CSV, "evaluation recorded 2 values"),
        ("1,2,3", [1, 2], CSV, "evaluation recorded 2 values"),
        ("good", "good", JSON, "not answer in JSON but with 'good'"),
        ('"1"', 1, JSON, "not answer with a number but with '1'"),
        ("true", 1, JSON, "not answer with a number but with True"),
        ("1", True, JSON, "evaluation said True"),
        ('{"score": 0.5}', {"label": "good"}, JSON, "at label answers None"),
        ('{"a": [1, {"b": 2}]}', {"a": [1, {"b": 3}]}, JSON, "at a[1].b is predicted as 2"),
        ("[]", {"label": "good"}, JSON, "not with an object"),
        ("NaN", 1, JSON, "predicted as nan"),
    ],
)
def test_wrong_answers_are_told_apart(
    answer: str, expected: object, accept: str, words: str
) -> None:
    assert words in str(smoke.difference(answer, expected, accept=accept, tolerance=1e-6))
