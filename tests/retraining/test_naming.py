from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining import naming

IDENTITY: dict[str, Any] = {
    "run_id": "scheduled__2026-11-20T02:00:00+00:00",
    "map_index": -1,
    "generation": 0,
    "request": {"RoleArn": "r"},
}


@given(st.text(), st.text(), st.text(), st.integers(1, 10**6))
def test_a_job_name_is_one_that_sagemaker_takes(dag: str, task: str, run: str, number: int) -> None:
    name = naming.job_name(dag, task, **{**IDENTITY, "run_id": run, "number": number})
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)


def test_each_part_of_a_jobs_identity_makes_another_name() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"run_id": "x"},
        {"map_index": 0},
        {"generation": 1},
        {"request": {"RoleArn": "other"}},
        {"number": 2},
    ]
    names = {naming.job_name("d", "t", **(IDENTITY | change)) for change in changes}
    assert len(names) == len(changes)
    assert naming.job_name("d", "t", **IDENTITY) == naming.job_name("d", "t", **IDENTITY)


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_runs_have_different_folders(one: str, other: str) -> None:
    assert (naming.run_folder(one) == naming.run_folder(other)) is (one == other)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", naming.run_folder(one))


@pytest.mark.parametrize(
    "snapshot",
    [
        "2026-02-30",
        "20261120",
        "2026-11-20/..",
        "..",
        "",
        "2026-W47-5",
        "2026-11-20\n",
        "٢٠٢٦-١١-٢٠",
    ],
)
def test_a_snapshot_that_is_no_date_is_refused(snapshot: str) -> None:
    with pytest.raises(naming.InvalidNameError, match="YYYY-MM-DD"):
        naming.snapshot_uri("bucket", "pipeline", snapshot)


@given(st.text())
def test_a_metadata_value_is_one_that_the_registry_takes(value: str) -> None:
    assert re.fullmatch(r"[\w .:/=+@-]{0,256}", naming.metadata_value(value))
    assert naming.metadata_key(value) == naming.metadata_value(value)[:128]


@given(st.text(), st.integers())
def test_a_client_token_is_one_that_sagemaker_takes(text: str, number: int) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9-]{36}", naming.client_token(text, number))


def test_uris_split_into_bucket_and_key() -> None:
    uri = naming.decision_uri(naming.run_uri("b-1", "p", "2026-11-20", "manual__x"))
    bucket, key = naming.split_s3_uri(uri)
    assert (bucket, key) == ("b-1", "p/runs/2026-11-20/manual__x/evaluation/decision.json")
    with pytest.raises(naming.InvalidNameError, match="s3://bucket/key"):
        naming.split_s3_uri("https://b/k")


def test_a_record_is_put_aside_in_one_place_in_the_order_of_time() -> None:
    def uri(second: int, content: bytes = b"{}") -> str:
        written = datetime(2026, 11, 20, 9, 5, second, tzinfo=timezone(timedelta(hours=1)))
        return naming.earlier_decision_uri("s3://b/r/", written=written, content=content)

    assert uri(7) == "s3://b/r/decisions/2026-11-20T08-05-07Z-44136fa3.json"
    assert uri(7) == uri(7) != uri(7, b"[]")
    assert sorted((uri(11), uri(7))) == [uri(7), uri(11)]


def test_a_run_lies_in_its_snapshots_folder_of_runs() -> None:
    run = naming.run_uri("b", "p", "2026-11-20", "r")
    assert run == f"{naming.runs_uri('b', 'p')}2026-11-20/r/"


def test_the_folders_of_a_pipeline_are_apart() -> None:
    folders = [
        naming.snapshots_uri("b", "p"),
        naming.runs_uri("b", "p"),
        naming.reports_uri("b", "p"),
        naming.step_records_uri("b", "p", step="train", key="k"),
        naming.code_uri("b", "p", "k"),
    ]
    assert len({folder.split("/")[4] for folder in folders}) == len(folders)
    assert all(folder.startswith("s3://b/p/") and folder.endswith("/") for folder in folders)


@pytest.mark.parametrize("step", ["", "../x", "a/b", "a b"])
def test_a_step_that_is_no_path_segment_is_refused(step: str) -> None:
    for refused in (
        lambda: naming.step_records_uri("b", "p", step=step, key="k"),
        lambda: naming.latest_step_uri("b", "p", step),
    ):
        with pytest.raises(naming.InvalidNameError, match="is not made of letters"):
            refused()


@pytest.mark.parametrize(
    ("model", "uri"),
    [
        ("a-model_1.0", "s3://bucket/pipeline/pretrained/a-model_1.0/"),
        ("s3://elsewhere/berts/large", "s3://elsewhere/berts/large/"),
        ("s3://elsewhere/berts/large/", "s3://elsewhere/berts/large/"),
    ],
)
def test_a_pretrained_model_is_found_by_its_name_or_its_folder(model: str, uri: str) -> None:
    assert naming.pretrained_uri("bucket", "pipeline", model) == uri


@pytest.mark.parametrize("model", ["", "..", "a/b", "https://host/model", "s3://A/x", "a b"])
def test_what_is_no_pretrained_model_is_refused(model: str) -> None:
    with pytest.raises(naming.InvalidNameError):
        naming.pretrained_uri("bucket", "pipeline", model)
