"""How runs, jobs and S3 keys are spelled. No other module spells one."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# Patterns and lengths of the SageMaker API.
JOB_NAME_LENGTH = 63
ENDPOINT_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 128, 256
# The XComs that the page and a run's note read: the gate's verdict in one line, the date of the
# run's data, the ARN of a task's job as soon as it is there, and why a task failed.
VERDICT_XCOM = "verdict_line"
SNAPSHOT_XCOM = "snapshot"
JOB_ARN_XCOM = "job_arn"
FAILURE_XCOM = "failure"
# So much of an endpoint's name goes into the names of its models and configs.
_STEM_LENGTH = 40


class InvalidNameError(ValueError):
    """A text cannot be what it is used as: an S3 URI, a snapshot's date."""


def snapshots_uri(bucket: str, pipeline: str) -> str:
    """Return the folder that holds one folder of raw data a day."""
    return f"s3://{bucket}/{pipeline}/snapshots/"


def snapshot_uri(bucket: str, pipeline: str, snapshot: str) -> str:
    """Return the folder of a snapshot's CSV files.

    Raises:
        InvalidNameError: ``snapshot`` is not a date, YYYY-MM-DD.
    """
    return f"{snapshots_uri(bucket, pipeline)}{checked_snapshot(snapshot)}/"


def checked_snapshot(snapshot: str) -> str:
    """Return ``snapshot`` if it is a calendar date, YYYY-MM-DD.

    Raises:
        InvalidNameError: It is not.
    """
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", snapshot):
            return date.fromisoformat(snapshot).isoformat()
    except ValueError:
        pass
    raise InvalidNameError(f"snapshot {snapshot!r} is not a date of the form YYYY-MM-DD")


def code_uri(bucket: str, pipeline: str, sha256: str) -> str:
    """Return the folder of one version of the container scripts."""
    return f"s3://{bucket}/{pipeline}/code/{sha256}/"


def scripts_uri(code_uri: str) -> str:
    """Return the folder of the single script files, which a processing job mounts."""
    return f"{code_uri}scripts/"


def source_archive_uri(code_uri: str) -> str:
    """Return the archive of the same files, which a training job's toolkit unpacks."""
    return f"{code_uri}sourcedir.tar.gz"


def pretrained_uri(bucket: str, pipeline: str, model: str) -> str:
    """Return the folder of a pretrained model.

    Args:
        bucket: The bucket.
        pipeline: Whose model.
        model: Its name, or a folder anywhere on S3.

    Raises:
        InvalidNameError: It is neither.
    """
    if "://" in model:
        split_s3_uri(model)
        return f"{model.rstrip('/')}/"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", model):
        raise InvalidNameError(
            f"{model!r} is no pretrained model: give its name, of letters, digits, '.', '_' and"
            " '-', or its folder, s3://bucket/key/"
        )
    return f"s3://{bucket}/{pipeline}/pretrained/{model}/"


def runs_uri(bucket: str, pipeline: str) -> str:
    """Return the folder that holds a folder of runs a snapshot."""
    return f"s3://{bucket}/{pipeline}/runs/"


def run_uri(bucket: str, pipeline: str, snapshot: str, run_id: str) -> str:
    """Return the folder below which a run writes all that it makes."""
    folder = runs_uri(bucket, pipeline)
    return f"{folder}{checked_snapshot(snapshot)}/{run_folder(run_id)}/"


def run_folder(run_id: str) -> str:
    """Return an Airflow run id as one S3 path segment, different for different ids."""
    segment = re.sub(r"[^A-Za-z0-9._-]+", "-", run_id)[:100]
    return segment if segment == run_id else f"{segment}-{_digest(run_id)[:8]}"


def output_uri(run_uri: str, output: str) -> str:
    """Return the folder of one of a run's outputs: train, test, model and so on."""
    return f"{run_uri}{output}/"


def report_uri(run_uri: str) -> str:
    """Return the evaluation report's URI: what SageMaker Pipelines calls a property file."""
    return f"{output_uri(run_uri, 'evaluation')}evaluation.json"


def decision_uri(run_uri: str) -> str:
    """Return the URI of the record of why a model was registered or not."""
    return f"{output_uri(run_uri, 'evaluation')}decision.json"


def data_report_uri(run_uri: str) -> str:
    """Return the URI of the report on the run's data, beside the splits of the same job."""
    return f"{output_uri(run_uri, 'data')}data_report.json"


def data_decision_uri(run_uri: str) -> str:
    """Return the URI of the record of what was decided about the run's data."""
    return f"{output_uri(run_uri, 'data')}decision.json"


def condition_uri(run_uri: str, step: str) -> str:
    """Return the folder of the decision of one of several conditions of a run.

    Where a run has one gate, that is the run's own decision; a compiled definition has many.
    """
    return output_uri(run_uri, f"conditions/{step}")


def callback_uri(run_uri: str, step: str, token: str) -> str:
    """Return where the answer to one message of a Callback step is written."""
    return f"{output_uri(run_uri, f'callbacks/{step}')}{token}.json"


def earlier_decision_uri(run_uri: str, *, written: datetime, content: bytes) -> str:
    """Return the URI at which a decision record is kept that another has taken the place of.

    The same record has one URI, however often it is kept.

    Args:
        run_uri: The run's folder.
        written: When the record was last written.
        content: All of it.
    """
    mark = hashlib.sha256(content).hexdigest()[:8]
    moment = written.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    return f"{output_uri(run_uri, 'decisions')}{moment}-{mark}.json"


def run_of_report(uri: str) -> str:
    """Return the folder of the run that wrote an evaluation report.

    Raises:
        InvalidNameError: It is not where a run writes its report.
    """
    run_uri = uri.removesuffix("evaluation/evaluation.json")
    if uri != report_uri(run_uri) or not run_uri.endswith("/"):
        raise InvalidNameError(f"{uri!r} is not where a run writes its evaluation report")
    return run_uri


def smoke_uri(run_uri: str) -> str:
    """Return the URI of what an endpoint with the run's model must answer."""
    return f"{output_uri(run_uri, 'evaluation')}smoke.json"


def beside(uri: str, other: str) -> str:
    """Return the URI of an object in the folder of one, and with the name of another."""
    return f"{uri.rpartition('/')[0]}/{other.rpartition('/')[2]}"


def predictions_uri(run_uri: str) -> str:
    """Return the URI of what evaluation predicted for each row of the test split."""
    return f"{output_uri(run_uri, 'evaluation')}predictions.csv"


def reports_uri(bucket: str, pipeline: str) -> str:
    """Return the folder of the report on past runs."""
    return f"s3://{bucket}/{pipeline}/reports/"


def step_records_uri(bucket: str, pipeline: str, *, step: str, key: str) -> str:
    """Return the folder of the records of equal steps, one a job.

    Raises:
        InvalidNameError: ``step`` is no path segment.
    """
    return f"{_step_uri(bucket, pipeline, step)}{key}/"


def latest_step_uri(bucket: str, pipeline: str, step: str) -> str:
    """Return the record of a step that was written last, whatever its content.

    Raises:
        InvalidNameError: ``step`` is no path segment.
    """
    return f"{_step_uri(bucket, pipeline, step)}latest.json"


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key.

    Raises:
        InvalidNameError: It is no such URI.
    """
    match = re.fullmatch(r"s3://([a-z0-9.-]+)/(.*)", uri, re.DOTALL)
    if match is None:
        raise InvalidNameError(f"{uri!r} is not of the form s3://bucket/key")
    return match[1], match[2]


def job_name(
    dag_id: str,
    task_id: str,
    *,
    run_id: str,
    map_index: int,
    generation: int,
    request: Mapping[str, object],
    number: int = 1,
    longest: int = JOB_NAME_LENGTH,
) -> str:
    """Compute the name of a SageMaker job from what makes it this job and no other.

    Args:
        dag_id: The DAG.
        task_id: The task; with ``dag_id`` the readable beginning of the name.
        run_id: The DAG run.
        map_index: The index of a mapped task, else -1.
        generation: How often a person cleared the task; automatic retries do not count.
        request: The request without its name: a changed request is another job.
        number: 1, and one more for each earlier job of this identity that was interrupted.
        longest: So many characters the name may have; some kinds of jobs allow fewer.

    Returns:
        A name of 1 to ``longest`` characters of ``[a-zA-Z0-9](-*[a-zA-Z0-9])*``.
    """
    identity = [dag_id, task_id, run_id, map_index, generation, request]
    ending = f"-{_digest(canonical_json(identity))[:16]}" + (f"-{number}" if number > 1 else "")
    readable = re.sub(r"[^A-Za-z0-9]+", "-", f"{dag_id}-{task_id}").strip("-") or "job"
    return readable[: longest - len(ending)].rstrip("-") + ending


def deployment_name(endpoint: str, number: int, *, identity: object) -> str:
    """Compute the name of a model or an endpoint config, which are never changed once they exist.

    Args:
        endpoint: The endpoint that it is for.
        number: The version in its group.
        identity: All that makes it what it is; JSON must be able to tell two apart.

    Returns:
        A name of at most 63 characters of ``[a-zA-Z0-9](-*[a-zA-Z0-9])*``.
    """
    return f"{deployment_stem(endpoint)}-v{number}-{_digest(canonical_json(identity))[:8]}"


def registered_model_name(pipeline: str, number: int, *, identity: object) -> str:
    """Compute the name of the SageMaker model of a registered version.

    It is none that a deployment makes, and so none that a deployment cleans up.
    """
    ending = _digest(canonical_json(identity))[:8]
    return f"{deployment_stem(pipeline)}-version-{number}-{ending}"


def deployed_number(name: str, *, endpoint: str) -> int | None:
    """Return the version in a name that ``deployment_name`` made; None of any other name."""
    stem = re.escape(deployment_stem(endpoint))
    found = re.fullmatch(rf"{stem}-v([0-9]+)-[0-9a-f]{{8}}", name)
    return int(found[1]) if found else None


def is_deployment_name(name: str, *, endpoint: str) -> bool:
    """Say whether ``deployment_name`` made a name for this endpoint."""
    return deployed_number(name, endpoint=endpoint) is not None


def deployment_stem(endpoint: str) -> str:
    """Return what the names of an endpoint's models and configs begin with.

    Raises:
        InvalidNameError: ``endpoint`` cannot be an endpoint's name.
    """
    if not ENDPOINT_NAME.fullmatch(endpoint):
        raise InvalidNameError(
            f"{endpoint!r} is no endpoint name: 1 to 63 letters, digits, and hyphens in between"
        )
    if len(endpoint) <= _STEM_LENGTH:
        return endpoint
    ending = f"-{_digest(endpoint)[:8]}"
    return endpoint[: _STEM_LENGTH - len(ending)].rstrip("-") + ending


def tag_key(what: str) -> str:
    """Return the key of a job's tag: ``run_id``, ``task_id`` and so on."""
    return f"airflow:{what}"


def deployment_tag_key(what: str) -> str:
    """Return the key of an endpoint's tag: what of its deployments is kept with itself."""
    return f"retraining:{what}"


def client_token(*parts: object) -> str:
    """Compute an idempotency token, 36 of ``[a-zA-Z0-9-]``, from what must happen once."""
    return _digest(canonical_json(parts))[:36]


def fingerprint(*parts: object) -> str:
    """Return the SHA-256 (64 hexadecimal digits) of values that JSON can tell apart."""
    return _digest(canonical_json(parts))


def metadata_value(value: object) -> str:
    """Return a text that CustomerMetadataProperties and tags accept as a value.

    They allow letters, digits, spaces and ``_.:/=+-@``; any other character becomes ``_``.
    """
    return re.sub(r"[^\w .:/=+@-]", "_", str(value))[:METADATA_VALUE_LENGTH]


def metadata_key(name: str) -> str:
    """Return a text that CustomerMetadataProperties accept as a property's name."""
    return metadata_value(name)[:METADATA_KEY_LENGTH]


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _step_uri(bucket: str, pipeline: str, step: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", step):
        raise InvalidNameError(f"step {step!r} is not made of letters, digits, _ and -")
    return f"s3://{bucket}/{pipeline}/steps/{step}/"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
