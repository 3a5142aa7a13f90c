"""Reuse of a step's outputs by a later run whose step is the same.

A step that completed leaves a record of its content, its job and its outputs. A later step with
the same content key copies those outputs to its own run's places instead of starting a job.

Each job writes a record of its own, which is never changed, so no lock is needed. Two runs that
start the same step at once may both run it: that costs a job, and both results are right.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.jobs.kinds import TRAINING
from retraining.jobs.reuse.changes import changes, object_changes
from retraining.jobs.reuse.content import NotReusableError, StepContent, content_of, list_objects
from retraining.jobs.reuse.copies import OutputsChangedError, copy_objects
from retraining.jobs.reuse.records import (
    BrokenRecordError,
    Output,
    StepRecord,
    read_record,
    write_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from retraining.jobs.kinds import JobType
    from retraining.jobs.reuse.content import Objects

__all__ = [
    "InputsChangedError",
    "Miss",
    "NotReusableError",
    "OutputsChangedError",
    "StepRecord",
    "find_reusable",
    "record_step",
    "reuse_outputs",
]

log = logging.getLogger(__name__)

# Written into an output's folder by the gate, and by no job.
_WRITTEN_BY_OTHERS = frozenset({naming.decision_uri("").rpartition("/")[2]})


class InputsChangedError(Exception):
    """A step's inputs are not what they were when its job was created, so it leaves no record."""


@dataclass(frozen=True, slots=True)
class Miss:
    """There is nothing to reuse.

    Attributes:
        changed: Why, a few words each: ``argument --features: raw → engineered``,
            ``input train: 1 of 1 objects changed (train.csv)``, ``no earlier step``.
        compared_with: The job of the newest record of this step; None if there is none.
    """

    changed: tuple[str, ...]
    compared_with: str | None

    def __str__(self) -> str:
        """Return the reasons as one line."""
        since = f" (compared with {self.compared_with})" if self.compared_with else ""
        return "; ".join(self.changed) + since


def find_reusable(
    s3: S3Client, bucket: str, *, pipeline: str, step: str, content: StepContent,
    anywhere: bool = False, since: datetime | None = None,
) -> StepRecord | Miss:  # fmt: skip
    """Find an earlier step with the same content whose outputs are still as it left them.

    Args:
        s3: The client.
        bucket: Where the records lie.
        pipeline: The pipeline.
        step: The step's name; steps of different names share nothing.
        content: Of the step that is to be done.
        anywhere: Whether its outputs may lie outside of the pipeline's runs.
        since: A step that completed earlier does not count; None if age does not matter.
    """
    folder = naming.step_records_uri(bucket, pipeline, step=step, key=content.key)
    runs = "s3://" if anywhere else naming.runs_uri(bucket, pipeline)
    reasons: list[Miss] = []
    newest_first = sorted(list_objects(s3, folder), key=lambda item: item.modified, reverse=True)
    for item in newest_first:
        if since is not None and item.modified < since:
            return Miss((f"what is there is older than {since:%Y-%m-%d %H:%M} UTC",), None)
        try:
            record = read_record(s3, folder + item.name, key=content.key)
        except BrokenRecordError as error:
            reasons.append(Miss((str(error),), None))
            continue
        spoiled = tuple(_spoiled(s3, record, runs))
        if not spoiled:
            return record
        reasons.append(Miss(spoiled, record.job_name))
    if reasons:
        return reasons[0]
    latest = naming.latest_step_uri(bucket, pipeline, step)
    try:
        newest = read_record(s3, latest, key=None)
    except s3.exceptions.NoSuchKey:
        return Miss(("no earlier step",), None)
    except BrokenRecordError as error:
        return Miss((str(error),), None)
    said = changes(newest.content, content) or ("its record is gone",)
    return Miss(said, newest.job_name)


def record_step(
    s3: S3Client,
    bucket: str,
    *,
    pipeline: str,
    step: str,
    job_type: JobType,
    request: Mapping[str, Any],
    described: Mapping[str, Any],
    key: str,
) -> StepRecord:
    """Write down a completed step, so that later ones may reuse its outputs.

    Args:
        s3: The client.
        bucket: Where the records lie.
        pipeline: The pipeline.
        step: The step's name.
        job_type: Processing or training.
        request: The job's rendered request.
        described: The service's description of the job, which has completed.
        key: The content key from before the job was created.

    Raises:
        InputsChangedError: An input is not what it was then.
        NotReusableError: See ``content_of``.
        OutputsChangedError: The model of a training job is gone.
    """
    name, created = str(described[job_type.name_member]), described["CreationTime"]
    if job_type.status(described) != "Completed":
        raise ValueError(f"job {name} is {job_type.status(described)}; only a completed one counts")
    content = content_of(s3, job_type, request)
    late = content.newest_input is not None and content.newest_input > created
    if content.key != key or late:
        raise InputsChangedError(
            f"an input of step {step} was changed while job {name} used it, so its outputs are "
            f"not kept for reuse"
        )
    # What is older, the job did not write; S3 counts in seconds.
    since = created.replace(microsecond=0)
    record = StepRecord(
        content,
        name,
        job_type.arn(described),
        {
            output: Output(uri, _objects(s3, uri, since=since))
            for output, uri in _output_folders(job_type, request, name).items()
        },
        described.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
    )
    model_uri = record.model_uri
    if model_uri and not any(
        f"{output.uri}{item}".startswith(model_uri)
        for output in record.outputs.values()
        for item in output.objects
    ):
        raise OutputsChangedError(f"the model {model_uri} of job {name} is gone or was replaced")
    uri = write_record(s3, bucket, pipeline=pipeline, step=step, record=record)
    log.info("recorded %s for reuse at %s", step, uri)
    return record


def reuse_outputs(
    s3: S3Client, record: StepRecord, *, job_type: JobType, request: Mapping[str, Any]
) -> dict[str, str]:
    """Copy a step's outputs to where a request wants its own.

    The copies are made inside S3. An interrupted call leaves some of them; the next one, or a
    job, writes all of them again. Objects that lie in the folders already are left there, as a
    job would leave them.

    Returns:
        What the task of a job returns: ``job_name`` and ``job_arn`` of the earlier job, and for
        a training job ``model_uri``, the copy of the model.

    Raises:
        OutputsChangedError: The outputs changed since they were found. Run the step.
    """
    folders = _output_folders(job_type, request, record.job_name)
    if folders.keys() != record.outputs.keys():
        raise OutputsChangedError(
            f"the record of {record.job_name} has the outputs {sorted(record.outputs)}, the step "
            f"has {sorted(folders)}"
        )
    result = {"job_name": record.job_name, "job_arn": record.job_arn}
    for name, output in record.outputs.items():
        copy_objects(s3, output.uri, folders[name], output.objects)
        if record.model_uri and record.model_uri.startswith(output.uri):
            result["model_uri"] = folders[name] + record.model_uri.removeprefix(output.uri)
        log.info("copied %d objects from %s to %s", len(output.objects), output.uri, folders[name])
    return result


def _spoiled(s3: S3Client, record: StepRecord, runs: str) -> Iterator[str]:
    for name, output in record.outputs.items():
        if not output.uri.startswith(runs):
            yield f"output {name} of {record.job_name} does not lie below {runs}"
            continue
        difference = object_changes(output.objects, _objects(s3, output.uri, since=None))
        if difference:
            yield f"output {name} of {record.job_name} is no longer as it was: {difference}"


def _objects(s3: S3Client, uri: str, *, since: datetime | None) -> Objects:
    return {
        item.name: (item.etag, item.size)
        for item in list_objects(s3, uri)
        if item.name not in _WRITTEN_BY_OTHERS and (since is None or item.modified >= since)
    }


def _output_folders(job_type: JobType, request: Mapping[str, Any], job_name: str) -> dict[str, str]:
    if job_type == TRAINING:
        root = request["OutputDataConfig"]["S3OutputPath"]
        return {"model": f"{_folder(root)}{job_name}/output/"}
    return {
        output["OutputName"]: _folder(output["S3Output"]["S3Uri"])
        for output in request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    }


def _folder(uri: str) -> str:
    return uri.rstrip("/") + "/"
