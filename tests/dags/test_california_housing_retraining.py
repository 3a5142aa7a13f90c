"""The retraining DAG: its shape, and what comes of it on the embedded SageMaker."""

from __future__ import annotations

import csv
import io
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming

from tests.dags.place import BUCKET, ROOT, Place, new_place, parsed_dags
from tests.retraining.parameters import unbounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "california-housing"
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


@contextmanager
def landed_place(folder: Path, run_embedded_sagemaker: Any) -> Iterator[Place]:
    table = (ROOT / ".local" / "sample-data" / "california_housing.csv").read_bytes()
    with new_place(folder, run_embedded_sagemaker) as place:
        for date, content in {
            GOOD: table,
            **{day: spoil(table) for day, (spoil, _) in BAD.items()},
        }.items():
            place.land(NAME, date, content, name="houses.csv")
        yield place


def splits(place: Place, run: dict[str, Any]) -> dict[str, str]:
    """Return the ETags of a run's splits by name."""
    prefix = naming.split_s3_uri(naming.run_uri(BUCKET, NAME, GOOD, run["run_id"]))[1]
    found = {key.removeprefix(prefix): etag for key, etag in place.objects(prefix).items()}
    return {key: found[key] for key in found if key.startswith(("train/", "test/"))}


def written(place: Place) -> set[str]:
    """Return where something lies besides the snapshots: of runs each run's own folder."""
    parts = [key.removeprefix(f"{NAME}/").split("/") for key in place.objects("")]
    return {
        "/".join(part[: 3 if part[0] == "runs" else 1]) for part in parts if part[0] != "snapshots"
    }


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return parsed_dags(tmp_path_factory.mktemp("shape"))


def test_the_folder_parses_and_holds_only_known_dags(shape: dict[str, Any]) -> None:
    assert shape["errors"] == {}
    assert sorted(shape["dags"]) == [path.stem for path in sorted((ROOT / "dags").glob("*.py"))]


def test_both_arms_follow_the_check(shape: dict[str, Any]) -> None:
    assert shape["dags"][DAG_ID]["edges"] == [
        ["ask_for_approval", "record_approval"],
        ["check_data", "train"],
        ["check_quality", "register_model"],
        ["check_quality", "reject_model"],
        ["check_quality", "skip_registration"],
        ["evaluate", "check_quality"],
        ["find_champion", "check_data"],
        ["preprocess", "check_data"],
        ["register_model", "ask_for_approval"],
        ["register_model", "record_approval"],
        ["resolve_run", "find_champion"],
        ["resolve_run", "preprocess"],
        ["train", "evaluate"],
    ]


def test_parameters_and_schedule_are_the_documented_ones(shape: dict[str, Any]) -> None:
    dag = shape["dags"][DAG_ID]
    assert dag["catchup"] is False
    assert dag["params"] == {
        "snapshot": None,
        "r2_threshold": 0.6,
        "champion_tolerance": 0.02,
        "features": "engineered",
        "instance_type": "ml.m5.large",
        "approval_status": "PendingManualApproval",
        "ask_for_approval": False,
        "approval_hours": 24,
        "backfill_approval_status": "PendingManualApproval",
        "register_against_gate": "",
        "when_rejected": "skip",
        "when_data_differs": "stop",
        "unscored_champion": "undecidable",
        "reuse_steps": "backfills",
    }
    for name in [*dag["params"], *dag["tasks"]]:
        assert f"`{name}`" in dag["doc"]


def test_no_dag_has_a_parameter_without_bounds(shape: dict[str, Any]) -> None:
    left_open = {
        (dag_id, name): unbounded(schema)
        for dag_id, dag in shape["dags"].items()
        for name, schema in dag["schemas"].items()
    }
    assert len(left_open) > 30
    assert not {which: what for which, what in left_open.items() if what}


def test_parsing_is_stable_and_imports_nothing_heavy(shape: dict[str, Any]) -> None:
    assert shape["unstable"] == {}
    assert not {"sklearn", "sagemaker.core.image_uris"} & set(shape["modules"])


@pytest.mark.e2e
def test_runs_end_as_the_gate_and_the_data_say(tmp_path: Path, run_embedded_sagemaker: Any) -> None:
    with landed_place(tmp_path, run_embedded_sagemaker) as place:
        landed = place.objects(f"{NAME}/snapshots/")
        runs, log = place.run(
            DAG_ID,
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
        decision = place.decision(NAME, skipped, GOOD)
        assert decision["verdict"] == "reject"
        assert decision["registered"] is None
        assert decision["conditions"][0]["operands"]["regression_metrics.r2_score"] == (
            pytest.approx(0.5869, abs=1e-4)
        )

        # Two runs of one snapshot with the same code and parameters, each below its own prefix.
        both = [splits(place, run) for run in (skipped, failed)]
        assert both[0] == both[1]
        assert {"train/train.csv", "test/test.csv"} <= set(both[0])
        assert decision["conditions"] == place.decision(NAME, failed, GOOD)["conditions"]
        assert place.objects(f"{NAME}/snapshots/") == landed
        assert written(place) <= {
            "code", "steps",
            *(f"runs/{day}/{naming.run_folder(run['run_id'])}" for run, day in zip(
                runs, (GOOD, GOOD, GOOD, *BAD), strict=True
            )),
        }  # fmt: skip

        assert failed["tasks"]["reject_model"] == "failed"
        assert "is not ≥ 0.6" in log

        (version,) = place.versions(NAME)
        decision = place.decision(NAME, passed, GOOD)
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
        s3 = place.client("s3")
        container = version["InferenceSpecification"]["Containers"][0]
        for uri in (
            container["ModelDataUrl"],
            version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"],
        ):
            bucket, key = naming.split_s3_uri(uri)
            assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0

        uri = naming.run_uri(BUCKET, NAME, GOOD, passed["run_id"])
        bucket, key = naming.split_s3_uri(naming.output_uri(uri, "evaluation"))
        body = s3.get_object(Bucket=bucket, Key=f"{key}predictions.csv")["Body"].read().decode()
        predictions = list(csv.DictReader(io.StringIO(body)))
        assert len(predictions) == 4099
        assert list(predictions[0]) == ["actual", "predicted"]

        failures = [text.split("The last lines")[0] for text in log.split("JobFailedError: ")[1:]]
        for run, failure, (_, words) in zip(spoiled, failures, BAD.values(), strict=True):
            assert run["tasks"]["preprocess"] == "failed"
            assert run["tasks"]["train"] == "upstream_failed"
            assert words in failure
        jobs = place.client("sagemaker").list_processing_jobs(MaxResults=100)
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
    run_embedded_sagemaker: Any, tmp_path: Path, damage: str, words: str
) -> None:
    scripts = shutil.copytree(ROOT / "include" / "scripts", tmp_path / "scripts")
    evaluate = scripts / "california_housing" / "evaluate.py"
    evaluate.rename(evaluate.with_name("evaluate_well.py"))
    evaluate.write_text(
        "import sys, pathlib, evaluate_well\n"
        "evaluate_well.main()\n"
        "path = pathlib.Path('/opt/ml/processing/output/evaluation/evaluation.json')\n"
        f"{damage}\n"
    )
    with landed_place(tmp_path, run_embedded_sagemaker) as place:
        (run,), log = place.run(DAG_ID, {}, RETRAINING_SCRIPTS_FOLDER=str(scripts))
        assert run["state"] == "failed"
        assert run["tasks"]["check_quality"] == "failed"
        assert place.decision(NAME, run, GOOD)["verdict"] == "undecidable"
        assert words in place.decision(NAME, run, GOOD)["explanation"]
        assert words in log
        assert place.versions(NAME) == []
