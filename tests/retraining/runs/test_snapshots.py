from __future__ import annotations

from typing import Any

import pytest
from retraining.runs.snapshots import SnapshotNotFoundError, find_snapshot, newest_snapshot


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket="landed")
    for key, body in {
        "p/snapshots/2026-11-19/a.csv": "1",
        "p/snapshots/2026-11-19/_SUCCESS": "",
        "p/snapshots/2026-11-20/b.csv": "2",
        "p/snapshots/2026-11-20/a.csv": "1",
        "p/snapshots/2026-11-20/_SUCCESS": "",
        "p/snapshots/2026-11-21/a.csv": "still landing",
        "p/snapshots/2026-11-22/_SUCCESS": "",
        "p/snapshots/2026-11-22/notes.txt": "no data",
        "p/snapshots/2026-11-24/part/_SUCCESS": "",
        "p/snapshots/2026-11-24/a.csv": "1",
        "p/snapshots/zzz/a.csv": "1",
        "p/snapshots/zzz/_SUCCESS": "",
    }.items():
        client.put_object(Bucket="landed", Key=key, Body=body.encode())
    return client


def test_the_newest_is_the_latest_complete_date(s3: Any) -> None:
    snapshot = newest_snapshot(s3, "landed", pipeline="p")
    assert snapshot.date == "2026-11-20"
    assert snapshot.uri == "s3://landed/p/snapshots/2026-11-20/"
    assert [key.rsplit("/")[-1] for key in snapshot.files] == ["a.csv", "b.csv"]


def test_the_fingerprint_follows_the_data(s3: Any) -> None:
    before = find_snapshot(s3, "landed", pipeline="p", date="2026-11-19").fingerprint
    assert before == find_snapshot(s3, "landed", pipeline="p", date="2026-11-19").fingerprint
    assert before != find_snapshot(s3, "landed", pipeline="p", date="2026-11-20").fingerprint


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("2026-11-21", "is not complete: .*/2026-11-21/ holds 1 .csv file and no _SUCCESS"),
        ("2026-11-22", "is not complete: .*/2026-11-22/ holds 0 .csv files and its marker"),
        ("2026-11-23", "has not landed: nothing lies below s3://landed/p/snapshots/2026-11-23/"),
        ("2026-11-24", "holds 1 .csv file and no _SUCCESS"),
    ],
)
def test_what_a_snapshot_lacks_is_said(s3: Any, date: str, words: str) -> None:
    with pytest.raises(SnapshotNotFoundError, match=words):
        find_snapshot(s3, "landed", pipeline="p", date=date)


def test_no_snapshot_at_all_is_named(s3: Any) -> None:
    with pytest.raises(SnapshotNotFoundError, match="s3://landed/other/snapshots/"):
        newest_snapshot(s3, "landed", pipeline="other")
