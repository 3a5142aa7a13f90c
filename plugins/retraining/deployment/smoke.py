"""A version's own smoke test: requests that its endpoint must answer as evaluation recorded.

The evaluation job writes it beside its report (``evaluation/smoke.json``): what is sent, what must
come back, and in which formats. Nothing here knows what is in either.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.exceptions import ParamValidationError

from retraining import naming

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_TOLERANCE = 1e-6
_LARGEST = 64 * 1024 * 1024
_SHOWN = 200


class SmokeTestError(Exception):
    """A version's smoke test cannot be had; the message says which file and why."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a test row.

    Attributes:
        body: What is sent.
        expected: What must come back: a number, a text, or for JSON any value.
    """

    body: str
    expected: object


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """Requests, and how they and their answers are written.

    Attributes:
        content_type: Of each body.
        accept: Of each answer: ``text/csv``, ``application/json``.
        requests: One for each test row.
    """

    content_type: str
    accept: str
    requests: tuple[Request, ...]


def read(s3: S3Client, report_uri: str, *, rows: int) -> SmokeTest:
    """Read the first requests of the smoke test that lies beside a report.

    Args:
        s3: The client.
        report_uri: The evaluation report, as the registry has it.
        rows: At most so many requests.

    Raises:
        SmokeTestError: The file is missing, or is not what evaluation writes.
    """
    if not report_uri:
        raise SmokeTestError("the version names no evaluation report, beside which it would lie")
    uri = naming.beside(report_uri, naming.smoke_uri(""))
    content = _content(s3, uri)
    try:
        told = json.loads(content, parse_constant=_refuse)
        requests = [Request(_text(item["body"]), item["expected"]) for item in told["requests"]]
        test = SmokeTest(_text(told["content_type"]), _text(told["accept"]), tuple(requests[:rows]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SmokeTestError(f"{uri} is no smoke test: {type(error).__name__}: {error}") from error
    if not test.requests:
        raise SmokeTestError(f"{uri} has no request")
    return test


def difference(answer: str, expected: object, *, accept: str, tolerance: float) -> str | None:
    """Say how an endpoint's answer differs from what was expected, None if it does not.

    Values are compared leaf by leaf: numbers within the tolerance, anything else exactly. Of an
    object only the members that are expected are looked at.

    Args:
        answer: The body.
        expected: The value.
        accept: The format that was asked for.
        tolerance: The relative difference that a number may have.
    """
    if _is_json(accept):
        try:
            found: object = json.loads(answer)
        except (ValueError, RecursionError) as error:
            return f"does not answer in JSON but with {answer[:_SHOWN]!r} ({error})"
    else:
        fields = [field.strip() for line in csv.reader(answer.splitlines()) for field in line]
        found = fields[0] if len(fields) == 1 else fields
    return _difference(found, expected, "", tolerance=tolerance, is_text=not _is_json(accept))


def _difference(
    found: object, expected: object, where: str, *, tolerance: float, is_text: bool
) -> str | None:
    at = f"at {where} " if where else ""
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return f"{at}answers {_shown(found)}, and not with an object"
        pairs = [(f"{where}.{key}".lstrip("."), found.get(key), expected[key]) for key in expected]
    elif isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return f"{at}answers {_shown(found)}; evaluation recorded {len(expected)} values"
        pairs = [
            (f"{where}[{index}]", mine, theirs)
            for index, (mine, theirs) in enumerate(zip(found, expected, strict=True))
        ]
    else:
        return _leaf_difference(found, expected, at, tolerance=tolerance, is_text=is_text)
    differences = (
        _difference(mine, theirs, place, tolerance=tolerance, is_text=is_text)
        for place, mine, theirs in pairs
    )
    return next(filter(None, differences), None)


def _leaf_difference(
    found: object, expected: object, at: str, *, tolerance: float, is_text: bool
) -> str | None:
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        same = found == expected and type(found) is type(expected)
        return None if same else f"{at}answers {_shown(found)}; evaluation said {expected!r}"
    try:
        # What a text format carries is a text.
        number = float(found) if is_text and isinstance(found, str) else found
    except ValueError:
        number = None
    if isinstance(number, bool) or not isinstance(number, int | float):
        return f"{at}does not answer with a number but with {_shown(found)}"
    # An integer may be too large for a float.
    with contextlib.suppress(OverflowError):
        if math.isclose(number, expected, rel_tol=tolerance, abs_tol=1e-12):
            return None
    return (
        f"{at}is predicted as {number!r}; evaluation predicted {expected!r}, and they may"
        f" differ by {tolerance:g} of it"
    )


def _content(s3: S3Client, uri: str) -> bytes:
    try:
        bucket, key = naming.split_s3_uri(uri)
        answer = s3.get_object(Bucket=bucket, Key=key)
    except (s3.exceptions.NoSuchKey, s3.exceptions.NoSuchBucket) as error:
        raise SmokeTestError(f"there is nothing at {uri}") from error
    except (naming.InvalidNameError, ParamValidationError) as error:
        raise SmokeTestError(f"{uri} is no object's URI: {error}") from error
    if answer["ContentLength"] > _LARGEST:
        raise SmokeTestError(f"{uri} has {answer['ContentLength']} bytes; at most {_LARGEST}")
    return answer["Body"].read()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    value.encode()  # half a letter cannot be sent
    return value


def _shown(value: object) -> str:
    return repr(value)[:_SHOWN]


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number that an answer can be compared with")
