"""Both DAGs: a model is registered, approved, deployed, replaced, and taken back if it is bad."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.deployment import endpoints
from retraining.registry import versions as registry
from retraining.runs import snapshots

from local_stack.services import environment
from tests.dags.airflow_place import airflow_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DAG_ID = "california_housing_deployment"
SNAPSHOT = "2026-11-20"
NAME = environment.PIPELINE


@dataclass(slots=True)
class Place:
    """An embedded SageMaker, its clients, and an Airflow that can run DAGs on it."""

    server: Any
    variables: dict[str, str]
    folder: Path

    def client(self, service: str) -> Any:
        return self.server.client(service)

    def run(self, dag_id: str, *confs: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
        """Run a DAG once for each conf in one process; return how each ended, and the log."""
        events = self.folder / f"events-{len(list(self.folder.iterdir()))}.jsonl"
        ended = subprocess.run(
            [
                *(sys.executable, "-P", str(ROOT / "local_stack/commands/dag_runs.py"), dag_id),
                *("--events", str(events)),
                *(part for conf in confs for part in ("--conf", json.dumps(conf))),
            ],
            env=self.variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        lines = [json.loads(line) for line in events.read_text().splitlines()]
        runs = [line for line in lines if line["event"] == "run_ended"]
        assert len(runs) == len(confs), ended.stdout[-5000:]
        return runs, ended.stdout

    def versions(self) -> list[registry.Version]:
        """The versions of the group, the oldest first."""
        client = self.client("sagemaker")
        found = client.list_model_packages(ModelPackageGroupName=NAME, MaxResults=100)
        arns = [item["ModelPackageArn"] for item in found["ModelPackageSummaryList"]]
        return sorted(
            (registry.describe(client, arn) for arn in arns), key=lambda item: item.number
        )

    def register_like(
        self,
        model: registry.Version,
        *,
        snapshot: str,
        entry_point: str = "",
        is_there: bool = True,
    ) -> registry.Version:
        """Register a variant of a version and approve it.

        ``entry_point`` is added to its own, and the archive is missing unless ``is_there``.
        """
        s3, client = self.client("s3"), self.client("sagemaker")
        (container,) = model.containers
        bucket, key = naming.split_s3_uri(container["ModelDataUrl"])
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        key = f"variants/{snapshot}/{time.monotonic_ns()}/model.tar.gz"
        if is_there:
            s3.put_object(Bucket=bucket, Key=key, Body=with_code(content, entry_point))
        described = client.describe_model_package(ModelPackageName=model.arn)
        specification = described["InferenceSpecification"]
        specification["Containers"] = [
            {
                "Image": container["Image"],
                "Environment": container["Environment"],
                "ModelDataUrl": f"s3://{bucket}/{key}",
            }
        ]
        arn = client.create_model_package(
            ModelPackageGroupName=NAME,
            InferenceSpecification=specification,
            ModelMetrics=described["ModelMetrics"],
            CustomerMetadataProperties={registry.SNAPSHOT: snapshot},
        )["ModelPackageArn"]
        registry.approve(client, arn, reason="by a test")
        return registry.describe(client, arn)

    def predict(self, rows: str) -> list[float]:
        answer = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=NAME, ContentType="text/csv", Accept="text/csv", Body=rows.encode()
        )
        return [float(text) for text in answer["Body"].read().decode().replace(",", " ").split()]

    @contextmanager
    def hammered(self) -> Iterator[list[Exception | str]]:
        """Call the endpoint all through the block; note the config's errors and answers."""
        answers: list[Exception | str] = []
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(0.05):
                try:
                    answers.append(str(self.predict("3,20,5,1,1000,3,37,-122\n")))
                except Exception as error:
                    answers.append(error)

        with ThreadPoolExecutor(2) as pool:
            working = [pool.submit(work) for _ in range(2)]
            try:
                yield answers
            finally:
                ended.set()
            for work_done in working:
                work_done.result()


def with_code(content: bytes, more: str) -> bytes:
    """Add lines to the entry point of a model's archive."""
    result = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as old,
        tarfile.open(fileobj=result, mode="w:gz") as new,
    ):
        for member in old.getmembers():
            file = old.extractfile(member)
            data = file.read() if file else b""
            if member.name.removeprefix("./") == "code/entry_point.py":
                data += more.encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return result.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("deployment")
    with run_embedded_sagemaker(folder / "sagemaker") as server:
        s3 = server.client("s3")
        s3.create_bucket(Bucket=environment.BUCKET)
        uri = naming.snapshot_uri(environment.BUCKET, NAME, SNAPSHOT)
        bucket, key = naming.split_s3_uri(uri)
        table = (ROOT / ".local" / "sample-data" / "california_housing.csv").read_bytes()
        s3.put_object(Bucket=bucket, Key=f"{key}houses.csv", Body=table)
        s3.put_object(Bucket=bucket, Key=f"{key}{snapshots.MARKER}", Body=b"")
        variables = (
            airflow_variables(folder)
            | environment.embedded_aws_environment(server.url)
            | environment.retraining_environment()
        )
        airflow = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(airflow, env=variables, cwd=folder, check=True, capture_output=True)
        yield Place(server, variables, folder)


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("shape")
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
    assert parsed["errors"] == {}
    dag: dict[str, Any] = parsed["dags"][DAG_ID]
    return dag


def test_what_serves_is_changed_by_one_arm_and_judged_by_the_next(shape: dict[str, Any]) -> None:
    edges = [edge for edge in shape["edges"] if edge[0] != "choose_version"]
    assert edges == [
        ["deploy_version", "verify_version"],
        ["verify_version", "flip_back"],
        ["verify_version", "keep_version"],
    ]
    assert ["choose_version", "nothing_to_do"] in shape["edges"]
    assert ["choose_version", "deploy_version"] in shape["edges"]


def test_parameters_and_tasks_are_the_documented_ones(shape: dict[str, Any]) -> None:
    assert shape["catchup"] is False
    assert shape["params"] == {
        "version": None,
        "endpoint_name": "california-housing",
        "memory_size_mb": 2048,
        "max_concurrency": 5,
        "instance_type": "",
        "reject_when_broken": True,
        "smoke_rows": 20,
        "tolerance": 1e-6,
        "keep": 5,
    }
    for name in [*shape["params"], *shape["tasks"]]:
        assert f"`{name}`" in shape["doc"]


@pytest.mark.e2e
def test_from_registration_to_the_endpoint_and_back(place: Place) -> None:
    sagemaker = place.client("sagemaker")
    (trained,), log = place.run("california_housing_retraining", {"snapshot": SNAPSHOT})
    assert trained["state"] == "success", log[-3000:]
    assert trained["tasks"]["ask_for_approval"] == "skipped"
    (one,) = place.versions()
    assert one.approval == registry.PENDING
    for _ in range(2):
        registry.approve(sagemaker, one.arn, reason="by a test, twice")
    # The first version of an endpoint of its own is broken: there is nothing to flip back to.
    raising = "\nraise OSError('no library')\n"
    first = place.register_like(one, snapshot="2026-10-02", entry_point=raising)
    runs, log = place.run(
        DAG_ID,
        {"endpoint_name": "of-its-own", "version": first.number, "reject_when_broken": False},
        {"version": one.arn},
        {"version": one.number},
    )
    assert [run["state"] for run in runs] == ["failed", "success", "success"]
    assert runs[0]["tasks"]["flip_back"] == "failed"
    assert "there was nothing to flip back to, so of-its-own was deleted" in log
    assert endpoints.find(sagemaker, "of-its-own") is None
    assert registry.describe(sagemaker, first.arn).approval == registry.APPROVED
    assert runs[1]["tasks"]["keep_version"] == "success"
    assert runs[2]["tasks"]["nothing_to_do"] == "success"
    assert "version 1 serves already" in log
    check_predictions(place, one)

    two = place.register_like(one, snapshot=SNAPSHOT)
    raises = place.register_like(one, snapshot="2026-11-22", entry_point=raising)
    missing = place.register_like(one, snapshot="2026-11-23", is_there=False)
    off = place.register_like(
        one,
        snapshot="2026-11-24",
        entry_point="\n\ndef predict_fn(rows, model):\n    return model.predict(rows) + 0.01\n",
    )
    late = place.register_like(one, snapshot="2026-10-01")
    with place.hammered() as answers:
        # The newest snapshots first; then there is nothing newer; then a person rolls back.
        runs, log = place.run(DAG_ID, {}, {}, {}, {}, {}, {"version": one.number}, {})
    broken = ["deploy_version", "flip_back", "verify_version"]
    good = ["deploy_version", "keep_version", "verify_version"]
    idle = ["nothing_to_do"]
    assert [did(run) for run in runs] == [broken, broken, broken, good, idle, good, idle]
    assert [run["state"] for run in runs] == ["failed"] * 3 + ["success"] * 4
    assert len(answers) > 100
    assert {str(answer) for answer in answers if isinstance(answer, Exception)} == set()
    for version, words in (
        (raises, "the service took the update back"),
        (missing, "the service took the update back"),
        (off, "row 1 of the test split is predicted as"),
    ):
        judged = registry.describe(sagemaker, version.arn)
        assert judged.approval == registry.REJECTED
        assert words in judged.approval_reason
        assert f"version {version.number} was not kept" in log
    assert f"version {two.number} serves already" in log
    assert f"version {two.number} was passed over by hand" in log
    assert registry.describe(sagemaker, late.arn).approval == registry.APPROVED
    found = endpoints.find(sagemaker, NAME)
    assert found is not None
    assert found.is_sound
    serving = endpoints.version_of_config(sagemaker, found.config)
    assert serving is not None
    assert serving.number == one.number
    check_predictions(place, one)


def did(run: dict[str, Any]) -> list[str]:
    """The tasks that ran, but for the first."""
    return sorted(
        task
        for task, state in run["tasks"].items()
        if state in {"success", "failed"} and task != "choose_version"
    )


def check_predictions(place: Place, version: registry.Version) -> None:
    """All rows of the test split are answered as evaluation answered them."""
    s3, run = place.client("s3"), naming.run_of_report(version.report_uri)

    def table(uri: str) -> list[dict[str, str]]:
        bucket, key = naming.split_s3_uri(uri)
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        return list(csv.DictReader(io.StringIO(text)))

    tested = table(naming.held_out_uri(run))
    rows = [[row[name] for name in row if name != "MedHouseVal"] for row in tested]
    answers = place.predict("".join(f"{','.join(row)}\n" for row in rows))
    evaluated = [float(row["predicted"]) for row in table(naming.predictions_uri(run))]
    assert len(evaluated) == 4128
    assert answers == pytest.approx(evaluated, rel=1e-9)
