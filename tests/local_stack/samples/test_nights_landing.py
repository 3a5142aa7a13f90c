from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from retraining.runs.snapshots import find_snapshot

from local_stack.programs import control
from local_stack.programs.places import PROJECT, local_place
from local_stack.samples.landing import NothingToLandError, SnapshotConflictError
from local_stack.samples.nights import History, make_history, real_table, sample_csv
from local_stack.samples.nights_landing import (
    land_history,
    last_night,
    manifest_in_bucket,
    manifest_in_folder,
    manifest_uri,
    write_history,
)
from local_stack.services import environment

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import EmbeddedSageMaker, RunEmbeddedSageMaker
    from mypy_boto3_s3 import S3Client

PIPELINE = "california-housing"
MANIFEST = f"{PIPELINE}/history/manifest.json"
SNAPSHOTS = f"{PIPELINE}/snapshots"
DAYS = 13


@pytest.fixture(scope="module")
def history() -> History:
    """Thirteen nights with the four kinds of verdict, of every tenth real row."""
    header, *rows = real_table(sample_csv()).splitlines()
    table = b"\n".join([header, *rows[::10]]) + b"\n"
    return make_history(table, DAYS, last=date(2026, 11, 20))


@pytest.fixture
def s3(embedded_sagemaker: EmbeddedSageMaker) -> S3Client:
    return embedded_sagemaker.client("s3")


@pytest.fixture
def bucket(s3: S3Client) -> str:
    name = f"bucket-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    return name


def land(s3: S3Client, bucket: str, history: History) -> int:
    return land_history(s3, bucket, pipeline=PIPELINE, history=history, say=lambda _: None)


def write(folder: Path, history: History) -> int:
    return write_history(folder, pipeline=PIPELINE, history=history, say=lambda _: None)


def objects(s3: S3Client, bucket: str) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {
        item["Key"]: s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed
    }


def due(history: History) -> dict[str, bytes]:
    keys = {MANIFEST: history.manifest()}
    for night in history.nights:
        folder = f"{SNAPSHOTS}/{night.date}/"
        keys |= {folder + name: content for name, content in night.files.items()}
        if night.is_complete:
            keys[f"{folder}_SUCCESS"] = b""
    return keys


def lying(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def date_of(history: History, fault: str) -> str:
    return next(night.date for night in history.nights if night.fault and night.fault.name == fault)


def test_the_bucket_and_the_folder_hold_the_same(
    s3: S3Client, bucket: str, tmp_path: Path, history: History
) -> None:
    there = sum(bool(night.files) for night in history.nights)
    assert there == DAYS - 1
    assert land(s3, bucket, history) == there
    assert write(tmp_path, history) == there
    assert objects(s3, bucket) == lying(tmp_path) == due(history)


def test_the_library_finds_a_night_and_not_the_missing_one(
    s3: S3Client, bucket: str, history: History
) -> None:
    land(s3, bucket, history)
    last = history.nights[-1]
    found = find_snapshot(s3, bucket, pipeline=PIPELINE, date=last.date)
    assert [key.rpartition("/")[2] for key in found.files] == sorted(last.files)
    missing = f"{SNAPSHOTS}/{date_of(history, 'night_missing')}/"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=missing)


def test_the_manifest_comes_first_and_each_marker_last(
    s3: S3Client, bucket: str, history: History
) -> None:
    written: list[str] = []
    s3.meta.events.register(
        "before-call.s3.PutObject",
        lambda params, **_: written.append(
            params["url_path"].removeprefix(f"/{bucket}").lstrip("/")
        ),
    )
    land(s3, bucket, history)
    assert len(written) == len(set(written)) == len(due(history))
    assert written[0] == MANIFEST
    for night in history.nights:
        names = [key for key in written if key.startswith(f"{SNAPSHOTS}/{night.date}/")]
        assert [key.endswith("/_SUCCESS") for key in names] == [
            *[False] * len(night.files),
            *[True] * night.is_complete,
        ]


def test_landing_again_changes_nothing(
    s3: S3Client, bucket: str, tmp_path: Path, history: History
) -> None:
    land(s3, bucket, history)
    before = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert land(s3, bucket, history) == 0
    assert s3.list_objects_v2(Bucket=bucket)["Contents"] == before

    write(tmp_path, history)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / SNAPSHOTS).rglob("*")}
    assert write(tmp_path, history) == 0
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / SNAPSHOTS).rglob("*")}


def test_an_interrupted_landing_is_completed(
    s3: S3Client, bucket: str, tmp_path: Path, history: History
) -> None:
    land(s3, bucket, history)
    write(tmp_path, history)
    last, name = history.nights[-1].date, max(history.nights[-1].files)
    unfinished = history.nights[date_index(history, "half_missing")].date
    for key in (f"{last}/_SUCCESS", f"{last}/{name}", f"{unfinished}/_SUCCESS"):
        s3.delete_object(Bucket=bucket, Key=f"{SNAPSHOTS}/{key}")
        (tmp_path / SNAPSHOTS / key).unlink()
    (tmp_path / SNAPSHOTS / last / f"{name}.unfinished").write_bytes(b"half")

    assert land(s3, bucket, history) == write(tmp_path, history) == 2
    assert objects(s3, bucket) == lying(tmp_path) == due(history)


def date_index(history: History, fault: str) -> int:
    return [night.date for night in history.nights].index(date_of(history, fault))


def test_a_file_with_other_content_is_never_overwritten(
    s3: S3Client, bucket: str, tmp_path: Path, history: History
) -> None:
    night = history.nights[2]
    key = f"{SNAPSHOTS}/{night.date}/{min(night.files)}"
    s3.put_object(Bucket=bucket, Key=key, Body=b"other")
    with pytest.raises(SnapshotConflictError, match=f"{key} already holds other data"):
        land(s3, bucket, history)
    assert objects(s3, bucket)[key] == b"other"

    (tmp_path / key).parent.mkdir(parents=True)
    (tmp_path / key).write_bytes(b"other")
    with pytest.raises(SnapshotConflictError, match=f"{key} already holds other data"):
        write(tmp_path, history)
    assert lying(tmp_path) == {key: b"other"}


@pytest.mark.parametrize(
    ("fault", "name"),
    [(None, "california_housing.csv"), ("night_missing", "a.csv"), ("night_missing", "_SUCCESS")],
)
def test_a_night_that_holds_something_else_is_refused_before_anything_is_written(
    s3: S3Client, bucket: str, tmp_path: Path, history: History, fault: str | None, name: str
) -> None:
    day = date_of(history, fault) if fault else history.nights[-1].date
    key = f"{SNAPSHOTS}/{day}/{name}"
    s3.put_object(Bucket=bucket, Key=key, Body=b"")
    with pytest.raises(SnapshotConflictError, match=f"{day}/ already holds {name}.*--end"):
        land(s3, bucket, history)
    assert objects(s3, bucket) == {key: b""}

    (tmp_path / key).parent.mkdir(parents=True)
    (tmp_path / key).touch()
    with pytest.raises(SnapshotConflictError, match=f"{day}/ already holds {name}.*--end"):
        write(tmp_path, history)
    assert lying(tmp_path) == {key: b""}


def test_a_file_is_never_added_to_a_complete_night(
    s3: S3Client, bucket: str, tmp_path: Path, history: History
) -> None:
    key = f"{SNAPSHOTS}/{history.nights[-1].date}/_SUCCESS"
    s3.put_object(Bucket=bucket, Key=key, Body=b"")
    with pytest.raises(SnapshotConflictError, match="20/ is complete without districts-"):
        land(s3, bucket, history)
    assert set(objects(s3, bucket)) == {key}

    (tmp_path / key).parent.mkdir(parents=True)
    (tmp_path / key).touch()
    with pytest.raises(SnapshotConflictError, match="20/ is complete without districts-"):
        write(tmp_path, history)
    assert set(lying(tmp_path)) == {key}


def test_snapshots_of_other_dates_are_left_alone(
    s3: S3Client, bucket: str, history: History
) -> None:
    key = f"{SNAPSHOTS}/2026-11-21/california_housing.csv"
    s3.put_object(Bucket=bucket, Key=key, Body=b"today's")
    land(s3, bucket, history)
    assert objects(s3, bucket) == {key: b"today's", **due(history)}


def test_another_history_is_refused(
    s3: S3Client, bucket: str, tmp_path: Path, history: History
) -> None:
    uri = manifest_uri(bucket, PIPELINE)
    s3.put_object(Bucket=bucket, Key=MANIFEST, Body=history.manifest())
    other = make_history(real_table(sample_csv()), 3, last=date(2026, 11, 19))
    with pytest.raises(SnapshotConflictError) as refusal:
        land(s3, bucket, other)
    assert f"{uri} tells of another history, --days 13 --end 2026-11-20 of" in str(refusal.value)
    assert "Asked for was --days 3 --end 2026-11-19 of the table 6c0573ec35c9" in str(refusal.value)
    assert set(objects(s3, bucket)) == {MANIFEST}

    (tmp_path / MANIFEST).parent.mkdir(parents=True)
    (tmp_path / MANIFEST).write_bytes(b"[]")
    with pytest.raises(SnapshotConflictError, match="is no manifest"):
        write(tmp_path, other)
    assert lying(tmp_path) == {MANIFEST: b"[]"}


def test_no_bucket_is_made(s3: S3Client, history: History) -> None:
    absent = f"bucket-{uuid.uuid4()}"
    with pytest.raises(NothingToLandError, match=f"there is no bucket {absent}"):
        land(s3, absent, history)


def test_the_manifest_tells_the_last_night(
    s3: S3Client, bucket: str, tmp_path: Path, history: History
) -> None:
    assert manifest_in_bucket(s3, bucket, pipeline=PIPELINE) is None
    assert manifest_in_folder(tmp_path, pipeline=PIPELINE) is None
    land(s3, bucket, history)
    write(tmp_path, history)
    for manifest in (
        manifest_in_bucket(s3, bucket, pipeline=PIPELINE),
        manifest_in_folder(tmp_path, pipeline=PIPELINE),
    ):
        assert manifest is not None
        assert last_night(manifest) == date(2026, 11, 20)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local_stack", *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_goes_on_with_the_history_that_it_began(tmp_path: Path) -> None:
    arguments = ["snapshots", "--days", 3, "--folder", tmp_path]
    first = command(*arguments, "--end", "2026-01-31")
    assert (first.returncode, first.stderr) == (0, "")
    lines = first.stdout.splitlines()
    assert lines[0] == "snapshots: 2026-01-29  12,384 rows  landed; good, expected: pass"
    assert lines[-1].startswith("snapshots: 3 nights, 1 of them bad, 3 new, in ")
    told = json.loads((tmp_path / MANIFEST).read_text())
    assert (told["days"], told["last"]) == (3, "2026-01-31")

    again = command(*arguments)
    assert "3 nights, 1 of them bad, 0 new" in again.stdout

    other = command(*arguments, "--end", "2026-02-01")
    assert other.returncode == 1
    assert "tells of another history, --days 3 --end 2026-01-31" in other.stderr


def test_the_command_lands_in_the_place_that_runs_up_to_yesterday(
    tmp_path: Path, run_embedded_sagemaker: RunEmbeddedSageMaker
) -> None:
    place = local_place(state=tmp_path / "place")
    today = _today()
    with run_embedded_sagemaker(tmp_path / "state") as server, control.hold(place):
        record = control.Record(boot=control.boot_id(), programs={}, sagemaker_url=server.url)
        control.write_record(place, record)
        s3 = server.client("s3")
        s3.create_bucket(Bucket=environment.BUCKET)
        landed = command("--state", place.state, "snapshots", "--days", 3)
        there = objects(s3, environment.BUCKET)
    assert (landed.returncode, landed.stderr) == (0, "")
    last = json.loads(there[MANIFEST])["last"]
    # Midnight may have passed.
    assert last in {(now - timedelta(days=1)).isoformat() for now in (today, _today())}
    expected = make_history(real_table(sample_csv()), 3, last=date.fromisoformat(last))
    assert there == due(expected)


def _today() -> date:
    return datetime.now(UTC).date()


def test_the_command_needs_a_place_that_runs(tmp_path: Path) -> None:
    refused = command("--state", tmp_path, "snapshots")
    assert refused.returncode == 1
    assert "the place does not run; start it with: make up" in refused.stderr


@pytest.mark.parametrize("end", ["yesterday", "2026-02-30"])
def test_the_command_refuses_what_is_no_date(end: str, tmp_path: Path) -> None:
    refused = command("snapshots", "--folder", tmp_path, "--end", end)
    assert refused.returncode == 2
    assert f"'{end}' is not a date of the form YYYY-MM-DD" in refused.stderr
