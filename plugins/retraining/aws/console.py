"""Addresses in AWS's console, and what an ARN names."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOB = re.compile(r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):[0-9]{12}:([a-z-]+)-job/([\w-]+)")
# The kinds of jobs by how an ARN spells them, and where the console shows them.
_KINDS = {
    "processing": ("Processing", "processing-jobs"),
    "training": ("Training", "jobs"),
    "transform": ("Transform", "transform-jobs"),
    "hyper-parameter-tuning": ("HyperParameterTuning", "hyper-tuning-jobs"),
}
_PACKAGE = re.compile(
    r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):[0-9]{12}:model-package/([\w-]+)/([0-9]+)"
)
# By the beginnings of the names of a partition's regions; others have a console of their own that
# nobody outside of them reaches.
_DOMAINS = {
    r"cn-": "amazonaws.cn",
    r"us-gov-": "amazonaws-us-gov.com",
    r"(?!eusc-|\w+-iso)": "aws.amazon.com",
}
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER")


def is_embedded() -> bool:
    """Say whether SageMaker is at an address of this deployment's own, where no console is."""
    return any(os.environ.get(name) for name in _ENDPOINT_VARIABLES)


def console_links(jobs: Mapping[str, str], *, arn: str, endpoint: str) -> dict[str, Any]:
    """Return the console's addresses of what a run made; nothing on the embedded SageMaker.

    Args:
        jobs: The ARN of each step's job.
        arn: Of the registered version; "" if there is none.
        endpoint: The endpoint's name.

    Returns:
        ``jobs`` and ``logs`` by step, and ``endpoint`` where the region is known.
    """
    if is_embedded():
        return {"jobs": {}, "logs": {}, "endpoint": None}
    package = _PACKAGE.fullmatch(arn)
    return {
        "jobs": {step: url for step, job in jobs.items() if (url := job_url(job))},
        "logs": {step: url for step, job in jobs.items() if (url := log_url(job))},
        "endpoint": endpoint_url(package[1], endpoint) if package else None,
    }


def job_url(arn: str) -> str | None:
    """Return the console's address of a job; None if this is no job's ARN, or has no console."""
    match = _JOB.fullmatch(arn)
    if match is None or match[2] not in _KINDS:
        return None
    _, folder = _KINDS[match[2]]
    return _at(match[1], f"sagemaker/home?region={match[1]}#/{folder}/{quote(match[3])}")


def log_url(arn: str) -> str | None:
    """Return the console's address of a job's log streams; None if this is no job's ARN."""
    match = _JOB.fullmatch(arn)
    if match is None or match[2] not in _KINDS:
        return None
    # The console encodes twice, and writes $ for %.
    group = quote(quote(f"/aws/sagemaker/{_KINDS[match[2]][0]}Jobs", safe=""), safe="")
    stream = quote(f"?logStreamNameFilter={match[3]}", safe="")
    where = f"{group}{stream}".replace("%", "$")
    return _at(match[1], f"cloudwatch/home?region={match[1]}#logsV2:log-groups/log-group/{where}")


def object_url(region: str, uri: str) -> str | None:
    """Return the console's address of an S3 object; None where the region has no console."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    query = urlencode({"region": region, "prefix": key})
    return _at(region, f"s3/object/{quote(bucket)}?{query}")


def endpoint_url(region: str, name: str) -> str | None:
    """Return the console's address of an endpoint; None where the region has no console."""
    return _at(region, f"sagemaker/home?region={region}#/endpoints/{quote(name)}")


def _at(region: str, place: str) -> str | None:
    found = (domain for beginning, domain in _DOMAINS.items() if re.match(beginning, region))
    domain = next(found, None)
    return f"https://{region}.console.{domain}/{place}" if domain else None


def named(arn: str) -> tuple[str, str] | None:
    """Return the kind and the name of the job of an ARN; None if it is no such ARN."""
    match = _JOB.fullmatch(arn)
    return (_KINDS[match[2]][0], match[3]) if match and match[2] in _KINDS else None
