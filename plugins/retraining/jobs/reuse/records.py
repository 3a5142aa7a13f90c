"""The records of completed steps, on S3."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.aws import s3 as objects
from retraining.jobs.reuse.content import StepContent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from retraining.jobs.reuse.content import Objects


class BrokenRecordError(Exception):
    """A record is no such thing, or of another step; the message says where it lies and why."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a job.

    Attributes:
        uri: Its folder.
        objects: ETag and size of each object by its name.
    """

    uri: str
    objects: Objects


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What a completed step leaves to later ones.

    Attributes:
        content: What its result follows from.
        job_name: The job that did it.
        job_arn: Its ARN.
        outputs: By the request's names; the artefacts of a training job are ``model``.
        model_uri: The model artefact of a training job, else None.
    """

    content: StepContent
    job_name: str
    job_arn: str
    outputs: Mapping[str, Output]
    model_uri: str | None


def write_record(s3: S3Client, bucket: str, *, pipeline: str, step: str, record: StepRecord) -> str:
    """Write a record, once for each job, and make it the step's latest; return its URI."""
    body = json.dumps({"step": step, **_as_json(record)}, indent=1).encode()
    folder = naming.step_records_uri(bucket, pipeline, step=step, key=record.content.key)
    uri = f"{folder}{record.job_name}.json"
    # Another attempt of the same task may have recorded the same job.
    objects.put_once(s3, uri, body)
    # Only to explain a miss: whichever run writes last, it is true of a recent step.
    objects.put(s3, naming.latest_step_uri(bucket, pipeline, step), body)
    return uri


def read_record(s3: S3Client, uri: str, *, key: str | None) -> StepRecord:
    """Read a record.

    Args:
        s3: The client.
        uri: Where it lies.
        key: The content key that it must be of; None takes any.

    Raises:
        BrokenRecordError: It cannot be read, or is of another step.
        NoSuchKey: There is none; an exception of the client.
    """
    try:
        found = objects.get_json(s3, uri)
        kept = found["content"]
        content = StepContent(
            kept["key"],
            dict(kept["components"]),
            {name: _pairs(objects) for name, objects in kept["inputs"].items()},
            None,
        )
        # The file's name says the same, but a file can be copied.
        if content.key != naming.fingerprint(content.components) or content.key != (
            key or content.key
        ):
            raise BrokenRecordError(f"the record {uri} is of another step")
        outputs = {
            name: Output(str(output["uri"]), _pairs(output["objects"]))
            for name, output in found["outputs"].items()
        }
        return StepRecord(
            content, str(found["job_name"]), str(found["job_arn"]), outputs, found["model_uri"]
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BrokenRecordError(f"the record {uri} cannot be read: {error!r}") from error


def _pairs(objects: Mapping[str, Any]) -> Objects:
    return {name: (str(etag), int(size)) for name, (etag, size) in objects.items()}


def _as_json(record: StepRecord) -> dict[str, object]:
    content = {
        name: value for name, value in asdict(record.content).items() if name != "newest_input"
    }
    return asdict(record) | {"content": content}
