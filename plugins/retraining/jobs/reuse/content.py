"""What a step's result follows from: its content key, and what changed between two of them.

A step is the request of a processing or training job, its templates rendered. SageMaker Pipelines'
step caching compares such requests as they are, and so takes another file under an old path for
the old one. Here an input counts by the names, ETags and sizes of its objects, and not by where
they lie. Whatever else the request says counts as well, but for what cannot change the result of
a job that completed:

* the names and places of the job and of its outputs, its tags and experiment: they only say where
  the result goes and what it is called;
* the role: it lets the job read its inputs, or fails it;
* the stopping condition: a job that completed had time enough;
* the instance's type and volume: they decide how fast the work is done. (Another processor may
  round the last digit of a sum in another way.) The *number* of instances counts, as scripts may
  share work out by it.

ETags err on one side only. Equal ones mean equal bytes, short of a forged MD5 collision; equal
bytes may have different ones, when they were uploaded in other parts or encrypted with a KMS key,
and then a step runs that could have been reused. The container image counts by its URI: what is
pushed under an old tag is not seen, which an image URI with a digest prevents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from retraining.jobs.kinds import JobType

# Part of every key: a change of what counts, or how, makes all keys new.
KEY_FORMAT = 1

# An input's objects are kept by name, to say which of them changed, if there are so many at most.
MOST_NAMED_OBJECTS = 1000

_WITHOUT_EFFECT = frozenset({
    "EnableManagedSpotTraining",
    "ExperimentConfig",
    "ProcessingJobName",
    "RetryStrategy",
    "RoleArn",
    "StoppingCondition",
    "Tags",
    "TrainingJobName",
})  # fmt: skip
_SUBMIT_DIRECTORY = "sagemaker_submit_directory"

Objects = Mapping[str, tuple[str, int]]


class NotReusableError(Exception):
    """A request does not say all that its job reads or writes, so its result fits no other run."""


@dataclass(frozen=True, slots=True)
class S3Object:
    """One object below a prefix.

    Attributes:
        name: Its key without the prefix up to the last slash.
        etag: S3's mark of its content, without quotes.
        size: In bytes.
        modified: When it was written.
    """

    name: str
    etag: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class StepContent:
    """All that a step's result follows from.

    Attributes:
        key: SHA-256 over the components, 64 hexadecimal digits.
        components: A JSON value for each part that can change by itself, by its name in words:
            ``image``, ``arguments``, ``input train``. Of environment variables only the hash.
        inputs: ETag and size of each object by its name, of each component that is an input;
            without the inputs that have more than ``MOST_NAMED_OBJECTS``.
        newest_input: When the last of the objects was written; None if there is none.
    """

    key: str
    components: Mapping[str, object]
    inputs: Mapping[str, Objects]
    newest_input: datetime | None


def content_of(s3: S3Client, job_type: JobType, request: Mapping[str, Any]) -> StepContent:
    """Find out what a step's result follows from; lists its inputs, and reads none of them.

    Args:
        s3: The client.
        job_type: Processing or training.
        request: The rendered request, with or without the job's name.

    Raises:
        NotReusableError: Nothing is known of such jobs, an input is no S3 prefix, a training job
            may resume from another one's checkpoints, or an output is no S3 folder or is encrypted
            with a key of its own.
    """
    split = _SPLITS.get(job_type.kind)
    if split is None:
        raise NotReusableError(f"results of {job_type.kind} jobs are not kept")
    components: dict[str, object] = {"key format": KEY_FORMAT, "job type": job_type.kind}
    inputs: dict[str, Objects] = {}
    times: list[datetime] = []
    for name, value in split(request):
        if not isinstance(value, _Source):
            components[name] = value
            continue
        objects = list_objects(s3, value.uri)
        named = {item.name: (item.etag, item.size) for item in objects}
        times += [item.modified for item in objects]
        if len(named) <= MOST_NAMED_OBJECTS:
            inputs[name] = named
        components[name] = {
            "objects": naming.fingerprint(named),
            "count": len(named),
            "layout": value.layout,
            "settings": value.settings,
        }
    return StepContent(
        naming.fingerprint(components), components, inputs, max(times) if times else None
    )


def list_objects(s3: S3Client, uri: str) -> tuple[S3Object, ...]:
    """List the objects whose keys begin with a URI's key, as SageMaker's ``S3Prefix`` does.

    The marker that stands for an empty folder is left out.

    Raises:
        NotReusableError: It is no S3 URI.
    """
    try:
        bucket, prefix = naming.split_s3_uri(uri)
    except naming.InvalidNameError as error:
        raise NotReusableError(str(error)) from error
    folder = prefix[: prefix.rfind("/") + 1]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return tuple(
        S3Object(
            item["Key"].removeprefix(folder),
            item["ETag"].strip('"'),
            item["Size"],
            item["LastModified"],
        )
        for page in pages
        for item in page.get("Contents", [])
        if item["Key"] != folder
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """An input: its place, which does not count, and how the job gets it, which does."""

    uri: str
    settings: Mapping[str, object]

    @property
    def layout(self) -> str:
        # "a/train/" and "a/train" name the same objects, but a job finds them in other folders.
        return "folder" if self.uri.endswith("/") else "prefix"


def _processing(request: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    rest = {name: value for name, value in request.items() if name not in _WITHOUT_EFFECT}
    application = dict(rest.pop("AppSpecification"))
    yield "image", application.pop("ImageUri")
    yield "entrypoint", application.pop("ContainerEntrypoint", [])
    yield "arguments", application.pop("ContainerArguments", [])
    yield from _environment(rest)
    for item in rest.pop("ProcessingInputs", []):
        name = item["InputName"]
        if "S3Input" not in item:
            raise NotReusableError(f"input {name} does not lie on S3")
        label = "code" if name == "code" else f"input {name}"
        yield label, _source(name, item["S3Input"], _without(item, "S3Input"))
    for item in rest.pop("ProcessingOutputConfig", {}).get("Outputs", []):
        name = item["OutputName"]
        if "S3Output" not in item:
            raise NotReusableError(f"output {name} does not go to S3")
        settings = _without(item["S3Output"], "S3Uri") | _without(item, "S3Output", "OutputName")
        yield f"output {name}", settings
    if request.get("ProcessingOutputConfig", {}).get("KmsKeyId"):
        raise NotReusableError("the outputs are encrypted with a key of their own")
    cluster = rest.pop("ProcessingResources", {}).get("ClusterConfig", {})
    yield "instance count", cluster.get("InstanceCount")
    yield from _leaves("setting ", rest | application)


def _training(request: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    rest = {name: value for name, value in request.items() if name not in _WITHOUT_EFFECT}
    own = request.get("OutputDataConfig", {}).get("S3OutputPath", "")
    checkpoints = rest.pop("CheckpointConfig", {}).get("S3Uri", own)
    # In the folder of its own outputs nobody else's can lie.
    if not checkpoints.startswith(own):
        raise NotReusableError("the training job may go on from another one's checkpoints")
    algorithm = dict(rest.pop("AlgorithmSpecification"))
    yield "image", algorithm.pop("TrainingImage", None)
    for name, text in rest.pop("HyperParameters", {}).items():
        # The toolkit decodes each from JSON.
        if name == _SUBMIT_DIRECTORY and text.strip('"').startswith("s3://"):
            yield "code", _Source(text.strip('"'), {})
        else:
            yield f"hyperparameter {name}", text
    yield from _environment(rest)
    for item in rest.pop("InputDataConfig", []):
        name = item["ChannelName"]
        if "S3DataSource" not in item["DataSource"]:
            raise NotReusableError(f"input {name} does not lie on S3")
        yield (
            f"input {name}",
            _source(name, item["DataSource"]["S3DataSource"], _without(item, "DataSource")),
        )
    output = dict(rest.pop("OutputDataConfig"))
    if output.get("KmsKeyId"):
        raise NotReusableError("the output is encrypted with a key of its own")
    yield "output model", _without(output, "S3OutputPath")
    cluster = rest.pop("ResourceConfig", {})
    yield "instance count", cluster.get("InstanceCount", cluster.get("InstanceGroups"))
    yield from _leaves("setting ", rest | algorithm)


_SPLITS = {"Processing": _processing, "Training": _training}


def _environment(rest: dict[str, Any]) -> Iterator[tuple[str, object]]:
    # Their values may be secret, and a record is kept for long.
    for name, value in rest.pop("Environment", {}).items():
        yield f"environment {name}", naming.fingerprint(name, value)


def _source(name: str, place: Mapping[str, Any], settings: Mapping[str, object]) -> _Source:
    if place.get("S3DataType", "S3Prefix") != "S3Prefix":
        raise NotReusableError(f"input {name} is a {place['S3DataType']}, and no S3Prefix")
    return _Source(place["S3Uri"], _without(place, "S3Uri") | dict(settings))


def _leaves(prefix: str, value: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(f"{prefix}{name}.", inner)
        else:
            yield f"{prefix}{name}", inner


def _without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in names}
