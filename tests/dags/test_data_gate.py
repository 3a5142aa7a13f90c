"""The gate on data in real runs: a night of another unit is stopped before anything is trained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming

from tests.dags.place import BUCKET, ROOT, Place, new_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME, DAG_ID = "california-housing", "california_housing_retraining"
GOOD, NEXT, CHANGED = "2026-11-18", "2026-11-19", "2026-11-20"
APPROVED = {"approval_status": "Approved"}


def ten_times(table: bytes) -> bytes:
    """Give the target in another unit, in every row."""
    header, *rows = table.splitlines()
    cells = [row.rpartition(b",") for row in rows]
    changed = [b"%s,%r" % (rest, float(value) * 10) for rest, _, value in cells]
    return b"\n".join([header, *changed, b""])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Place]:
    table = (ROOT / ".local" / "sample-data" / "california_housing.csv").read_bytes()
    lines = table.splitlines(keepends=True)
    with new_place(tmp_path_factory.mktemp("data-gate"), run_embedded_sagemaker) as made:
        made.land(NAME, GOOD, b"".join(lines[:15_000]))
        made.land(NAME, NEXT, table)
        made.land(NAME, CHANGED, ten_times(table))
        yield made


@pytest.fixture(scope="module")
def nights(place: Place) -> Mapping[str, tuple[dict[str, Any], str]]:
    """Four nights one after the other, each with what the registry must remember of the last."""
    confs = {
        "first": {"snapshot": GOOD, **APPROVED},
        "second": {"snapshot": NEXT, **APPROVED},
        "stopped": {"snapshot": CHANGED, **APPROVED},
        "rejected": {"snapshot": CHANGED, "when_data_differs": "reject", **APPROVED},
        "warned": {"snapshot": CHANGED, "when_data_differs": "warn", **APPROVED},
        "after": {"snapshot": CHANGED, **APPROVED},
    }
    runs, log = place.run(DAG_ID, *confs.values())
    return {name: (run, log) for name, run in zip(confs, runs, strict=True)}


def record(place: Place, run: dict[str, Any], snapshot: str) -> dict[str, Any]:
    uri = naming.run_uri(BUCKET, NAME, snapshot, run["run_id"])
    found: dict[str, Any] = json.loads(place.body(naming.data_decision_uri(uri)))
    return found


def test_the_first_night_has_no_baseline_and_says_so(place: Place, nights: Any) -> None:
    run, log = nights["first"]
    assert run["state"] == "success", log[-5_000:]
    told = record(place, run, GOOD)
    assert told["verdict"] == "pass"
    assert told["explanation"].startswith("no baseline: rubber stamp (none: california-housing has")
    assert told["explanation"] in log
    (first, *_) = place.versions(NAME)
    uri = naming.run_uri(BUCKET, NAME, GOOD, run["run_id"])
    source = {"ContentType": "application/json"}
    statistics = {"Statistics": {**source, "S3Uri": naming.data_report_uri(uri)}}
    constraints = {"Constraints": {**source, "S3Uri": naming.data_decision_uri(uri)}}
    assert first["ModelMetrics"]["ModelDataQuality"] == statistics | constraints
    assert first["DriftCheckBaselines"] == {"ModelDataQuality": statistics}
    assert json.loads(place.body(statistics["Statistics"]["S3Uri"]))["rows"] == 14_999


def test_a_good_night_is_compared_and_passes(place: Place, nights: Any) -> None:
    run, log = nights["second"]
    assert run["state"] == "success", log[-5_000:]
    told = record(place, run, NEXT)
    assert (told["verdict"], told["data"]["missing"]) == ("pass", {})
    assert told["data"]["baseline"]["version"] == "1"
    assert told["data"]["baseline"]["why"].startswith("newest registered version of data up to")
    assert told["data"]["reference"]["version"] == "1"
    assert told["data"]["comparison"]["distance"]["row_ratio"] == pytest.approx(
        20_640 / 14_999, rel=1e-5
    )
    assert place.versions(NAME)[1]["ModelApprovalStatus"] == "Approved"


@pytest.mark.parametrize("name", ["stopped", "after"])
def test_a_unit_that_changed_everywhere_stops_the_run_before_training(
    place: Place, nights: Any, name: str
) -> None:
    run, log = nights[name]
    assert run["state"] == "failed"
    assert run["tasks"]["preprocess"] == "success"
    assert run["tasks"]["check_data"] == "failed"
    assert run["tasks"]["train"] == "upstream_failed"
    told = record(place, run, CHANGED)
    assert told["verdict"] == "reject"
    assert "greatest_median_change.value" in told["explanation"]
    assert "(column MedHouseVal)" in told["explanation"]
    assert f"stopped: {told['explanation']}. Nothing was trained" in log
    # What was warned of is no baseline for those after it.
    assert told["data"]["baseline"]["version"] == "2"
    uri = naming.run_uri(BUCKET, NAME, CHANGED, run["run_id"])
    _, prefix = naming.split_s3_uri(uri)
    folders = {key.removeprefix(prefix).split("/")[0] for key in place.objects(prefix)}
    assert folders == {"train", "validation", "test", "preprocessor", "data"}
    jobs = place.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    assert len(jobs) == 4  # of the two good nights, of the rejected and of the warned one


def test_the_run_may_go_on_and_its_version_is_rejected_or_pending(
    place: Place, nights: Any
) -> None:
    versions = {v["ModelPackageVersion"]: v for v in place.versions(NAME)}
    assert sorted(versions) == [1, 2, 3, 4]
    for number, name, status in (
        (3, "rejected", "Rejected"),
        (4, "warned", "PendingManualApproval"),
    ):
        run, log = nights[name]
        assert run["state"] == "success", log[-5_000:]
        assert record(place, run, CHANGED)["verdict"] == "reject"
        assert versions[number]["ModelApprovalStatus"] == status
        assert "its data differ" in versions[number]["ModelPackageDescription"]
        said = versions[number]["CustomerMetadataProperties"]["data_differs"]
        assert said.startswith("distance.greatest_median_change.value = ")
