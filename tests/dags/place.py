"""An embedded SageMaker with snapshots, and an Airflow that can run the project's DAGs on it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.registry import versions as registry
from retraining.runs import snapshots

from local_stack.services import environment
from tests.dags.airflow_place import airflow_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
BUCKET = environment.BUCKET


@dataclass(frozen=True, slots=True)
class Place:
    """One of them.

    Attributes:
        server: The embedded SageMaker.
        variables: Of the Airflow processes.
        folder: All that they write lies in it.
    """

    server: Any
    variables: Mapping[str, str]
    folder: Path

    def client(self, service: str) -> Any:
        return self.server.client(service)

    def run(
        self, dag_id: str, *confs: dict[str, Any], **variables: str
    ) -> tuple[list[dict[str, Any]], str]:
        """Run a DAG once for each conf in one process; return how each ended, and the log."""
        events = self.folder / f"events-{len(list(self.folder.iterdir()))}.jsonl"
        ended = subprocess.run(
            [
                *(sys.executable, "-P", str(ROOT / "local_stack/commands/dag_runs.py"), dag_id),
                *("--events", str(events)),
                *(part for conf in confs for part in ("--conf", json.dumps(conf))),
            ],
            env={**self.variables, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=550,
            check=False,
        )
        lines = [json.loads(line) for line in events.read_text().splitlines()]
        runs = [line for line in lines if line["event"] == "run_ended"]
        assert len(runs) == len(confs), ended.stdout[-5000:]
        return runs, ended.stdout

    def land(self, pipeline: str, date: str, content: bytes, *, name: str = "table.csv") -> None:
        """Land a snapshot of one file."""
        bucket, key = naming.split_s3_uri(naming.snapshot_uri(BUCKET, pipeline, date))
        self.client("s3").put_object(Bucket=bucket, Key=f"{key}{name}", Body=content)
        self.client("s3").put_object(Bucket=bucket, Key=f"{key}{snapshots.MARKER}", Body=b"")

    def body(self, uri: str) -> bytes:
        bucket, key = naming.split_s3_uri(uri)
        content: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def decision(self, pipeline: str, run: dict[str, Any], snapshot: str) -> dict[str, Any]:
        """Read a run's decision record."""
        uri = naming.run_uri(BUCKET, pipeline, snapshot, run["run_id"])
        decision: dict[str, Any] = json.loads(self.body(naming.decision_uri(uri)))
        return decision

    def objects(self, prefix: str) -> dict[str, str]:
        """Return the ETags of what lies below a prefix by key."""
        pages = self.client("s3").get_paginator("list_objects_v2")
        return {
            item["Key"]: item["ETag"]
            for page in pages.paginate(Bucket=BUCKET, Prefix=prefix)
            for item in page.get("Contents", [])
        }

    def versions(self, group: str) -> list[dict[str, Any]]:
        """Describe the versions of a group, the oldest first; none if there is no group."""
        client = self.client("sagemaker")
        groups = client.list_model_package_groups()["ModelPackageGroupSummaryList"]
        if group not in {item["ModelPackageGroupName"] for item in groups}:
            return []
        found = client.list_model_packages(ModelPackageGroupName=group, MaxResults=100)
        arns = [item["ModelPackageArn"] for item in found["ModelPackageSummaryList"]]
        described = [client.describe_model_package(ModelPackageName=arn) for arn in arns]
        return sorted(described, key=lambda item: item["ModelPackageVersion"])

    def register_like(
        self,
        arn: str,
        *,
        snapshot: str,
        changed: dict[str, bytes] | None = None,
        is_there: bool = True,
    ) -> registry.Version:
        """Register a variant of a version and approve it.

        Args:
            arn: The version.
            snapshot: Of the variant.
            changed: What is added to files of its archive, by their paths; a file that it does not
                have is replaced by nothing.
            is_there: Whether its archive exists.
        """
        s3, client = self.client("s3"), self.client("sagemaker")
        described = client.describe_model_package(ModelPackageName=arn)
        specification = described["InferenceSpecification"]
        (container,) = specification["Containers"]
        bucket, _ = naming.split_s3_uri(container["ModelDataUrl"])
        key = f"variants/{snapshot}/{time.monotonic_ns()}/model.tar.gz"
        if is_there:
            content = with_changes(self.body(container["ModelDataUrl"]), changed or {})
            s3.put_object(Bucket=bucket, Key=key, Body=content)
        kept = {name: container[name] for name in ("Image", "Environment") if name in container}
        specification["Containers"] = [{**kept, "ModelDataUrl": f"s3://{bucket}/{key}"}]
        made = client.create_model_package(
            ModelPackageGroupName=described["ModelPackageGroupName"],
            InferenceSpecification=specification,
            ModelMetrics=described["ModelMetrics"],
            CustomerMetadataProperties={
                **described["CustomerMetadataProperties"],
                registry.SNAPSHOT: snapshot,
            },
        )["ModelPackageArn"]
        registry.approve(client, made, reason="by a test")
        return registry.describe(client, made)

    def ask(self, endpoint: str, body: str) -> str:
        """Send an endpoint text/csv; it answers in the registry's first type, asked for or not."""
        answer = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, ContentType="text/csv", Body=body.encode()
        )
        assert answer["ContentType"].startswith("text/csv")
        text: str = answer["Body"].read().decode()
        return text

    def table(self, uri: str) -> list[dict[str, str]]:
        """Read a CSV file with a header."""
        return list(csv.DictReader(io.StringIO(self.body(uri).decode())))


def with_changes(archive: bytes, changed: dict[str, bytes]) -> bytes:
    """Add to files of a ``.tar.gz``; bytes that begin with NUL replace the file."""
    result = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=result, mode="w:gz") as new,
    ):
        for member in old.getmembers():
            file = old.extractfile(member)
            data = file.read() if file else b""
            more = changed.get(member.name.removeprefix("./"), b"")
            data = more[1:] if more.startswith(b"\0") else data + more
            member.size = len(data)
            new.addfile(member, io.BytesIO(data) if file else None)
    return result.getvalue()


@contextmanager
def new_place(folder: Path, run_embedded_sagemaker: Any, *options: str) -> Iterator[Place]:
    """Start an embedded SageMaker with the bucket, and make Airflow's database."""
    with run_embedded_sagemaker(folder / "sagemaker", *options) as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        variables = (
            airflow_variables(folder)
            | environment.embedded_aws_environment(server.url)
            | environment.retraining_environment(git_commit="0123abc")
        )
        airflow = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(airflow, env=variables, cwd=folder, check=True, capture_output=True)
        yield Place(server, variables, folder)


def parsed_dags(folder: Path) -> dict[str, Any]:
    """Parse the project's DAGs as Airflow does; return what is in them."""
    printed = subprocess.run(
        [
            *(sys.executable, "-P", str(Path(__file__).with_name("dag_shape.py"))),
            str(ROOT / "dags"),
        ],
        env=airflow_variables(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    parsed: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return parsed


def did(run: dict[str, Any]) -> list[str]:
    """The tasks of a deployment's run that ran, but for the first."""
    return sorted(
        task
        for task, state in run["tasks"].items()
        if state in {"success", "failed"} and task != "choose_version"
    )
