"""The retraining DAG: its shape, and what comes of it on the embedded SageMaker."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.runs import snapshots

from local_stack.services import environment
from tests.dags.airflow_place import airflow_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
DAG_ID = "california_housing_retraining"
GOOD = "2026-11-20"


def _cell(table: bytes, column: int, value: bytes, *, rows: int = 1) -> bytes:
    header, *lines = table.splitlines()
    for number, line in enumerate(lines[:rows]):
        cells = line.split(b",")
        cells[column] = value
        lines[number] = b",".join(cells)
    return b"\n".join([header, *lines, b""])


# How to spoil the table, and words of the message that must reach the task's log.
BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "2026-11-01": (lambda t: t.replace(b"MedInc", b"MedianIncome", 1), "'MedianIncome'"),
    "2026-11-02": (lambda t: t.replace(b"HouseAge,", b"MedInc,", 1), "MedInc"),
    "2026-11-03": (lambda t: t.replace(b",", b";"), "houses.csv: line 1"),
    "2026-11-04": (lambda _: b"", "houses.csv"),
    "2026-11-05": (lambda t: _cell(t, 0, b"unknown"), "line 2, column MedInc: 'unknown'"),
    "2026-11-06": (lambda t: _cell(t, 1, b"inf"), "line 2, column HouseAge"),
    "2026-11-07": (lambda t: _cell(t, 2, b"", rows=20_640), "AveRooms"),
    "2026-11-08": (lambda t: _cell(t, 3, b"", rows=5_000), "AveBedrms"),
    "2026-11-09": (lambda t: _cell(t, 8, b"1.5", rows=20_640), "MedHouseVal"),
    "2026-11-10": (lambda t: b"\n".join(t.splitlines()[:101]), "100"),
    "2026-11-11": (lambda t: t + b"\xe9\n", "line 20642 is not UTF-8"),
    "2026-11-12": (lambda t: _cell(t, 6, b"91"), "line 2, column Latitude"),
    "2026-11-13": (lambda t: _cell(t, 7, b"10"), "line 2, column Longitude"),
    "2026-11-14": (lambda t: _cell(t, 2, b"-3"), "line 2, column AveRooms"),
    "2026-11-15": (lambda t: t.replace(b"4.526", b"4.526,1", 1), "houses.csv"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """An embedded SageMaker with snapshots, and an Airflow that can run DAGs on it."""

    sagemaker: Any
    variables: dict[str, str]
    folder: Path

    def run(self, *confs: dict[str, Any], **variables: str) -> tuple[list[dict[str, Any]], str]:
        """Run the DAG once for each conf in one process; return how each ended, and the log."""
        events = self.folder / f"events-{len(list(self.folder.iterdir()))}.jsonl"
        ended = subprocess.run(
            [
                *(sys.executable, "-P", str(ROOT / "local_stack/commands/dag_runs.py"), DAG_ID),
                *("--events", str(events)),
                *(part for conf in confs for part in ("--conf", json.dumps(conf))),
            ],
            env=self.variables | variables,
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

    def decision(self, run: dict[str, Any], snapshot: str = GOOD) -> dict[str, Any]:
        """Read a run's decision record."""
        uri = naming.run_uri(environment.BUCKET, environment.PIPELINE, snapshot, run["run_id"])
        bucket, key = naming.split_s3_uri(naming.decision_uri(uri))
        body = self.sagemaker.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        decision: dict[str, Any] = json.loads(body)
        return decision

    def outputs(self, run: dict[str, Any], snapshot: str = GOOD) -> dict[str, str]:
        """Return the ETags of a run's splits by name."""
        uri = naming.run_uri(environment.BUCKET, environment.PIPELINE, snapshot, run["run_id"])
        prefix = naming.split_s3_uri(uri)[1]
        found = {key.removeprefix(prefix): etag for key, etag in self._objects(prefix).items()}
        return {key: found[key] for key in found if key.startswith(("train/", "test/"))}

    def snapshots(self) -> dict[str, str]:
        """Return the ETags of all that has landed."""
        return self._objects(f"{environment.PIPELINE}/snapshots/")

    def written(self) -> set[str]:
        """Return where something lies besides the snapshots: of runs each run's own folder."""
        root = f"{environment.PIPELINE}/"
        parts = [key.removeprefix(root).split("/") for key in self._objects("")]
        return {
            "/".join(part[: 3 if part[0] == "runs" else 1])
            for part in parts
            if part[0] != "snapshots"
        }

    def _objects(self, prefix: str) -> dict[str, str]:
        pages = self.sagemaker.client("s3").get_paginator("list_objects_v2")
        return {
            item["Key"]: item["ETag"]
            for page in pages.paginate(Bucket=environment.BUCKET, Prefix=prefix)
            for item in page.get("Contents", [])
        }

    def versions(self) -> list[dict[str, Any]]:
        """Describe the versions of the pipeline's group, the oldest first."""
        client = self.sagemaker.client("sagemaker")
        groups = client.list_model_package_groups()["ModelPackageGroupSummaryList"]
        if not groups:
            return []
        found = client.list_model_packages(
            ModelPackageGroupName=environment.PIPELINE, SortBy="CreationTime", SortOrder="Ascending"
        )["ModelPackageSummaryList"]
        return [
            client.describe_model_package(ModelPackageName=item["ModelPackageArn"])
            for item in found
        ]


def land(s3: Any, date: str, content: bytes) -> None:
    uri = naming.snapshot_uri(environment.BUCKET, environment.PIPELINE, date)
    bucket, key = naming.split_s3_uri(uri)
    s3.put_object(Bucket=bucket, Key=f"{key}houses.csv", Body=content)
    s3.put_object(Bucket=bucket, Key=f"{key}{snapshots.MARKER}", Body=b"")


@pytest.fixture(scope="module")
def new_place(
    tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any
) -> Iterator[Callable[[], Any]]:
    @contextmanager
    def make() -> Iterator[Place]:
        folder = tmp_path_factory.mktemp("place")
        table = (ROOT / ".local" / "sample-data" / "california_housing.csv").read_bytes()
        with run_embedded_sagemaker(folder / "sagemaker") as server:
            s3 = server.client("s3")
            s3.create_bucket(Bucket=environment.BUCKET)
            land(s3, GOOD, table)
            for date, (spoil, _) in BAD.items():
                land(s3, date, spoil(table))
            variables = (
                airflow_variables(folder)
                | environment.embedded_aws_environment(server.url)
                | environment.retraining_environment(git_commit="0123abc")
            )
            airflow = [sys.executable, "-m", "airflow", "db", "migrate"]
            subprocess.run(airflow, env=variables, cwd=folder, check=True, capture_output=True)
            yield Place(server, variables, folder)

    return make


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("shape")
    program = Path(__file__).with_name("dag_shape.py")
    printed = subprocess.run(
        [sys.executable, "-P", str(program), str(ROOT / "dags")],
        env=airflow_variables(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    parsed: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return parsed


def test_the_folder_parses_and_holds_only_known_dags(shape: dict[str, Any]) -> None:
    assert shape["errors"] == {}
    assert sorted(shape["dags"]) == [path.stem for path in sorted((ROOT / "dags").glob("*.py"))]


def test_both_arms_follow_the_check(shape: dict[str, Any]) -> None:
    assert shape["dags"][DAG_ID]["edges"] == [
        ["ask_for_approval", "record_approval"],
        ["check_quality", "register_model"],
        ["check_quality", "reject_model"],
        ["check_quality", "skip_registration"],
        ["evaluate", "check_quality"],
        ["preprocess", "train"],
        ["register_model", "ask_for_approval"],
        ["register_model", "record_approval"],
        ["register_model", "report_history"],
        ["reject_model", "report_history"],
        ["resolve_run", "preprocess"],
        ["skip_registration", "report_history"],
        ["train", "evaluate"],
    ]


def test_parameters_and_schedule_are_the_documented_ones(shape: dict[str, Any]) -> None:
    dag = shape["dags"][DAG_ID]
    assert dag["catchup"] is False
    assert dag["params"] == {
        "snapshot": None,
        "r2_threshold": 0.6,
        "features": "engineered",
        "instance_type": "ml.m5.large",
        "approval_status": "PendingManualApproval",
        "ask_for_approval": False,
        "approval_hours": 24,
        "backfill_approval_status": "PendingManualApproval",
        "when_rejected": "skip",
        "reuse_steps": "backfills",
    }
    for name in [*dag["params"], *dag["tasks"]]:
        assert f"`{name}`" in dag["doc"]


def test_parsing_is_stable_and_imports_nothing_heavy(shape: dict[str, Any]) -> None:
    assert shape["unstable"] == {}
    assert not {"sklearn", "sagemaker.core.image_uris"} & set(shape["modules"])


@pytest.mark.e2e
def test_runs_end_as_the_gate_and_the_data_say(new_place: Callable[[], Any]) -> None:
    with new_place() as place:
        landed = place.snapshots()
        runs, log = place.run(
            {"features": "raw", "snapshot": GOOD},
            {"features": "raw", "snapshot": GOOD, "when_rejected": "fail"},
            {"approval_status": "Approved"},
            *({"snapshot": date} for date in BAD),
        )
        skipped, failed, passed, *spoiled = runs
        states = [run["state"] for run in runs]
        assert states == ["success", "failed", "success", *["failed"] * len(BAD)]

        assert skipped["tasks"]["skip_registration"] == "success"
        assert skipped["tasks"]["register_model"] == "skipped"
        decision = place.decision(skipped)
        assert decision["verdict"] == "reject"
        assert decision["registered"] is None
        assert decision["conditions"][0]["operands"]["regression_metrics.r2_score"] == (
            pytest.approx(0.5758, abs=1e-4)
        )

        # Two runs of one snapshot with the same code and parameters, each below its own prefix.
        splits = [place.outputs(run) for run in (skipped, failed)]
        assert splits[0] == splits[1]
        assert {"train/train.csv", "test/test.csv"} <= set(splits[0])
        assert decision["conditions"] == place.decision(failed)["conditions"]
        assert place.snapshots() == landed
        assert place.written() <= {
            "code", "steps", "reports",
            *(f"runs/{day}/{naming.run_folder(run['run_id'])}" for run, day in zip(
                runs, (GOOD, GOOD, GOOD, *BAD), strict=True
            )),
        }  # fmt: skip

        assert failed["tasks"]["reject_model"] == "failed"
        assert "is not ≥ 0.6" in log

        (version,) = place.versions()
        decision = place.decision(passed)
        assert decision["verdict"] == "pass"
        assert decision["registered"] == {
            "model_package_arn": version["ModelPackageArn"],
            "version": 1,
        }
        assert version["ModelApprovalStatus"] == "Approved"
        assert passed["tasks"]["ask_for_approval"] == "skipped"
        assert version["MetadataProperties"]["CommitId"] == "0123abc"
        metadata = version["CustomerMetadataProperties"]
        assert metadata["snapshot"] == GOOD
        assert metadata["run_type"] == "manual"
        assert metadata["code_sha256"] == decision["run"]["code_sha256"]
        s3 = place.sagemaker.client("s3")
        container = version["InferenceSpecification"]["Containers"][0]
        for uri in (
            container["ModelDataUrl"],
            version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"],
        ):
            bucket, key = naming.split_s3_uri(uri)
            assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0

        uri = naming.run_uri(environment.BUCKET, environment.PIPELINE, GOOD, passed["run_id"])
        bucket, key = naming.split_s3_uri(naming.output_uri(uri, "evaluation"))
        body = s3.get_object(Bucket=bucket, Key=f"{key}predictions.csv")["Body"].read().decode()
        predictions = list(csv.DictReader(io.StringIO(body)))
        assert len(predictions) == 4128
        assert list(predictions[0]) == ["actual", "predicted"]

        failures = [text.split("The last lines")[0] for text in log.split("JobFailedError: ")[1:]]
        for run, failure, (_, words) in zip(spoiled, failures, BAD.values(), strict=True):
            assert run["tasks"]["preprocess"] == "failed"
            assert run["tasks"]["train"] == "upstream_failed"
            assert words in failure
        jobs = place.sagemaker.client("sagemaker").list_processing_jobs(MaxResults=100)
        # Bad data is not tried again: one job for each of these runs, two for the other three.
        assert len(jobs["ProcessingJobSummaries"]) == len(BAD) + 2 * 3


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("path.write_text(path.read_text().replace('r2_score', 'r2'))", "has no 'r2_score'"),
        ("path.unlink()", "there is no evaluation report"),
    ],
)
def test_a_report_that_cannot_be_judged_fails_the_run(
    new_place: Callable[[], Any], tmp_path: Path, damage: str, words: str
) -> None:
    scripts = shutil.copytree(ROOT / "include" / "scripts", tmp_path / "scripts")
    evaluate = scripts / "california_housing" / "evaluate.py"
    evaluate.rename(evaluate.with_name("evaluate_well.py"))
    evaluate.write_text(
        "import sys, pathlib, evaluate_well\n"
        "evaluate_well.main()\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--output') + 1])\n"
        f"path = folder / 'evaluation.json'\n{damage}\n"
    )
    with new_place() as place:
        (run,), log = place.run({}, RETRAINING_SCRIPTS_FOLDER=str(scripts))
        assert run["state"] == "failed"
        assert run["tasks"]["check_quality"] == "failed"
        assert place.decision(run)["verdict"] == "undecidable"
        assert words in place.decision(run)["explanation"]
        assert words in log
        assert place.versions() == []
