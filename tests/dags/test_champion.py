"""A night whose model is worse than the one that serves, on the embedded SageMaker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming

from tests.dags.place import BUCKET, ROOT, Place, new_place

if TYPE_CHECKING:
    from pathlib import Path

NAME = "california-housing"
DAG_ID = "california_housing_retraining"
NIGHT = "2026-11-20"
RAW = {"features": "raw", "r2_threshold": 0.5}
R2 = "regression_metrics.r2_score"


def report_of(place: Place, run: dict[str, Any]) -> dict[str, Any]:
    uri = naming.report_uri(naming.run_uri(BUCKET, NAME, NIGHT, run["run_id"]))
    bucket, key = naming.split_s3_uri(uri)
    return json.loads(place.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def evaluations(place: Place) -> list[dict[str, Any]]:
    """The jobs that evaluated, oldest first."""
    sagemaker = place.client("sagemaker")
    pages = sagemaker.get_paginator("list_processing_jobs").paginate(
        NameContains="evaluate", SortBy="CreationTime", SortOrder="Ascending"
    )
    return [
        sagemaker.describe_processing_job(ProcessingJobName=job["ProcessingJobName"])
        for page in pages
        for job in page["ProcessingJobSummaries"]
    ]


def inputs_of(job: dict[str, Any]) -> dict[str, str]:
    return {item["InputName"]: item["S3Input"]["S3Uri"] for item in job["ProcessingInputs"]}


@pytest.mark.e2e
def test_nothing_is_registered_that_is_worse_than_what_serves(
    tmp_path: Path, run_embedded_sagemaker: Any
) -> None:
    with new_place(tmp_path, run_embedded_sagemaker) as place:
        table = (ROOT / ".local" / "sample-data" / "california_housing.csv").read_bytes()
        place.land(NAME, NIGHT, table, name="houses.csv")
        runs, log = place.run(DAG_ID, {"approval_status": "Approved"}, RAW, {})
        first, worse, equal = runs
        assert [run["state"] for run in runs] == ["success"] * 3

        assert first["tasks"]["register_model"] == "success"
        assert report_of(place, first)["champion"]["outcome"] == "none"
        decision = place.decision(NAME, first, NIGHT)
        assert decision["verdict"] == "pass"
        assert decision["explanation"].endswith("r2_score: no champion")

        # It passes r2 ≥ 0.5, and serves nobody.
        decision = place.decision(NAME, worse, NIGHT)
        assert decision["verdict"] == "reject"
        assert worse["tasks"]["skip_registration"] == "success"
        assert decision["conditions"][0]["holds"]
        report = report_of(place, worse)
        told = report["difference"]["regression_metrics"]["r2_score"]
        words = f"r2_score is worse than the champion's by {told['worse_by']}, more than 0.02"
        assert told["worse_by"] > 0.1
        assert decision["explanation"].startswith(words)
        assert words in log
        version = place.versions(NAME)[0]["ModelPackageArn"]
        operands = decision["conditions"][1]["operands"]
        assert operands["champion.compared_with"] == version
        assert decision["champion"] == {
            "outcome": "scored",
            "reason": "",
            "version": version,
            "rows": report["rows"]["test"],
            "rows_unseen_by_champion": True,
        }
        assert report["champion"]["outcome"] == "scored"
        assert report["champion"]["rows"] == report["rows"]["test"]
        # The champion comes to what it came to when it was the candidate.
        assert (
            report["champion"]["regression_metrics"]
            == (report_of(place, first)["regression_metrics"])
        )
        assert {part["column"] for part in report["difference"]["slices"]} == {
            "MedInc", "HouseAge", "Latitude",
        }  # fmt: skip

        assert place.decision(NAME, equal, NIGHT)["verdict"] == "pass"
        assert "equal to the champion's" in place.decision(NAME, equal, NIGHT)["explanation"]
        assert report_of(place, equal)["difference"]["win_rate"] == 0.5

        without, beside, _ = evaluations(place)
        champion = inputs_of(beside).pop("champion")
        assert "champion" not in inputs_of(without)
        assert inputs_of(without).keys() == inputs_of(beside).keys() - {"champion"}

        bucket, key = naming.split_s3_uri(champion)
        place.client("s3").delete_object(Bucket=bucket, Key=key)
        one_that_is_gone(place, version)


def one_that_is_gone(place: Place, version: str) -> None:
    """Nothing can be decided, but in a run that lets the champion's condition pass, and only it."""
    (gone,), _ = place.run(DAG_ID, {})
    assert gone["state"] == "failed"
    assert gone["tasks"]["evaluate"] == "success"
    assert gone["tasks"]["check_quality"] == "failed"
    decision = place.decision(NAME, gone, NIGHT)
    assert decision["verdict"] == "undecidable"
    assert f"the champion {version} could not be scored: gone" in decision["explanation"]
    assert "champion" not in inputs_of(evaluations(place)[-1])
    assert len(place.versions(NAME)) == 2

    let = {"unscored_champion": "pass"}
    (let_pass, rejected), _ = place.run(DAG_ID, let, {**let, **RAW, "r2_threshold": 0.6})
    said = place.decision(NAME, let_pass, NIGHT)["explanation"]
    assert f"let pass: the champion {version} could not be scored: gone" in said
    assert place.decision(NAME, rejected, NIGHT)["verdict"] == "reject"
    assert [run["state"] for run in (let_pass, rejected)] == ["success"] * 2
    assert len(place.versions(NAME)) == 3
