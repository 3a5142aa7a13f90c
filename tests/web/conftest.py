"""One API server for the tests of the page, with a short history behind it."""

from __future__ import annotations

import io
import json
import tarfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.registry import versions as registry
from retraining.runs import records

from local_stack.services.environment import BUCKET, ROLE_ARN
from local_stack.services.environment import SKLEARN_IMAGE_URI as IMAGE_URI
from tests.web.past import SEXES, SHELLS, Past, serve
from tests.web.stack import OTHER_DAG, PIPELINE, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

# A snapshot's name would do as well; the sign is what a link must not break at.
GOOD = Past("scheduled__2026-11-20T02:00:00+00:00", "2026-11-20")
BETTER = Past("scheduled__2026-11-19T02:00:00+00:00", "2026-11-19", 0.72)
THIRD = Past("backfill__2026-11-18T02:00:00+00:00", "2026-11-18", 0.71, "backfill", is_old=True)
REJECTED = Past("manual__bad", "2026-11-17", 0.55, "manual", is_old=True)
UNDECIDABLE = Past("manual__unclear", "2026-11-16", None, "manual", "failed")
FAILED = Past("manual__failed", "2026-11-15", None, "manual", "failed", is_judged=False)
OPEN = Past("manual__open", "2026-11-21", None, "manual", "running", is_judged=False)
NEWEST = (OPEN, GOOD, BETTER, THIRD, REJECTED, UNDECIDABLE, FAILED)
# Of another pipeline in the same Airflow, in which less is better.
LIGHT = Past("scheduled__2026-11-20T03:00:00+00:00", "2026-11-20", 4.9, kind=SHELLS)
HEAVY = Past("manual__heavy", "2026-11-19", 6.8, "manual", kind=SHELLS)
SEX = Past("manual__sex", "2026-11-18", 0.55, "manual", kind=SEXES)
OLD_SEX = Past("manual__old-sex", "2026-11-17", 0.45, "manual", kind=SEXES, is_old=True)
SHELL_RUNS = (LIGHT, HEAVY, SEX, OLD_SEX)
# Open, so that what is on S3 is not remembered for long.
UNREAD = Past("manual__unread", "2026-03-01", run_type="manual", state="running")
BROKEN = {
    Past("manual__no-json", "2026-02-01"): b"{",
    Past("manual__no-object", "2026-02-02"): b"[1]",
}
# Each has one member of another kind in record or report, and all else is read.
POISONED: dict[Past, dict[str, object]] = {
    Past(f"manual__poisoned-{number}", f"2026-01-{number + 11}", None, "manual", "failed"): told
    for number, told in enumerate(
        (
            {"registered": "v1"},
            {"conditions": {"a": 1}},
            {"run": ["r"]},
            {"explanation": "\ud800"},
            {"pipeline": {"name": "x", "headline": {"metric": "m", "better": []}, "plots": "all"}},
            {"registered": {"version": 1e300, "model_package_arn": None}},
            {"parameters": [[1]]},
            {"schema": "one"},
        )
    )
}
ODD_ROWS = Past("manual__odd-rows", "2026-01-30", None, "manual", "failed")
SLY = Past("manual__sly", "2026-01-10", is_judged=False)
WHY = "no capacity\nand more"
OTHER = Past("manual__other", "2026-11-20", is_judged=False)

ENTRY_POINT = """
def model_fn(folder):
    return None

def predict_fn(rows, model):
    return rows
"""


@dataclass(frozen=True, slots=True)
class History:
    """The history's job and versions.

    Attributes:
        stack: Where it lies.
        job: The processing job of the step `preprocess` of `GOOD`.
        versions: The numbers of the versions of GOOD, BETTER and THIRD.
    """

    stack: Stack
    job: str
    versions: tuple[int, ...]


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A server with runs of every kind, three versions, and one of them serving."""
    prices = {"RETRAINING_INSTANCE_PRICES": "ml.m5.large=3.6"}
    with Stack(tmp_path_factory.mktemp("web"), variables=prices) as stack:
        s3, sagemaker = stack.client("s3"), stack.client("sagemaker")
        s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=model_archive())
        job = start_job(s3, sagemaker)
        for past in (*NEWEST, UNREAD):
            pairs = "".join(f"{n / 10},{n / 10 + 0.5}\n" for n in range(40))
            past.write(s3, predictions=f"actual,predicted\n{pairs}" if past is GOOD else "")
        for past in SHELL_RUNS:
            past.write(s3, predictions="actual,predicted\nM,M\nM,F\nI,I\nF,F\nF,M\n")
        since = datetime.now(UTC) - timedelta(hours=1)
        versions = [past.register(s3, sagemaker, since=since) for past in (GOOD, BETTER, THIRD)]
        LIGHT.register(s3, sagemaker, since=since)
        registry.approve(sagemaker, versions[2].arn, reason="it serves")
        serve(sagemaker, versions[2])
        for past, content in BROKEN.items():
            bucket, key = naming.split_s3_uri(naming.decision_uri(past.uri))
            s3.put_object(Bucket=bucket, Key=key, Body=content)
        for past, told in POISONED.items():
            past.write(s3, predictions="\0,x\n1")
            record = records.read_decision(s3, past.uri) | told
            bucket, key = naming.split_s3_uri(naming.decision_uri(past.uri))
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(record).encode())
        ODD_ROWS.write(s3)
        bucket, key = naming.split_s3_uri(naming.report_uri(ODD_ROWS.uri))
        s3.put_object(Bucket=bucket, Key=key, Body=b'{"rows": 20640, "x_metrics": [{"value": {}}]}')
        others = {"dag_id": OTHER_DAG, "xcoms": []}
        sly = {"xcoms": [["resolve_run", "snapshot", "../../other/2026-01-01"]]}
        stack.seed([
            GOOD.seed({"preprocess": job}, version=1),
            *(past.seed() for past in NEWEST if past not in (GOOD, FAILED)),
            FAILED.seed(failure=("train", WHY)),
            *(past.seed() for past in (UNREAD, *BROKEN, *POISONED, ODD_ROWS)),
            LIGHT.seed(version=1),
            *(past.seed() for past in SHELL_RUNS if past is not LIGHT),
            SLY.seed() | sly,
            OTHER.seed() | others,
        ])  # fmt: skip
        wait_until(
            lambda: (
                sagemaker.describe_endpoint(EndpointName=PIPELINE)["EndpointStatus"] == "InService"
            )
        )
        name = job.rpartition("/")[2]
        wait_until(
            lambda: (
                sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"]
                == "Completed"
            )
        )
        yield History(stack, job, tuple(version.number for version in versions))


@pytest.fixture(scope="session")
def stack(history: History) -> Stack:
    return history.stack


def start_job(s3: Any, sagemaker: Any) -> str:
    script = b"print('twelve <b>rows</b>')\n"
    s3.put_object(Bucket=BUCKET, Key="code/say.py", Body=script)
    return str(
        sagemaker.create_processing_job(
            ProcessingJobName="past-preprocess",
            RoleArn=ROLE_ARN,
            AppSpecification={
                "ImageUri": IMAGE_URI,
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/say.py"],
            },
            ProcessingInputs=[
                {
                    "InputName": "code",
                    "S3Input": {
                        "S3Uri": f"s3://{BUCKET}/code/",
                        "LocalPath": "/opt/ml/processing/input/code",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
            ],
            ProcessingResources={
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
        )["ProcessingJobArn"]
    )


def model_archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        entry = tarfile.TarInfo("code/entry_point.py")
        entry.size = len(ENTRY_POINT.encode())
        tar.addfile(entry, io.BytesIO(ENTRY_POINT.encode()))
    return file.getvalue()


def wait_until(condition: Any, *, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
