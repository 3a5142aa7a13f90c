from __future__ import annotations

import csv
import io
import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from retraining import naming
from retraining.aws import s3 as objects
from retraining.gate import decision as gate
from retraining.past_runs.publishing import ReportsFailedError, write_report, write_reports
from retraining.past_runs.reading import pipelines_in
from retraining.past_runs.what_if import at_least
from retraining.registry import versions
from retraining.runs import records

# Matplotlib keeps a list of fonts, else in the home folder. It is imported with the first plot.
os.environ["MPLCONFIGDIR"] = str(Path(__file__).resolve().parents[3] / ".local/tests/matplotlib")

BUCKET = "history-task"
POLICY = at_least(0.6, metric="regression_metrics.r2_score")
ROOT = Path(__file__).resolve().parents[3]
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def sagemaker(embedded_sagemaker: Any) -> Any:
    return embedded_sagemaker.client("sagemaker")


@pytest.fixture
def pipeline() -> str:
    """A pipeline of a test's own."""
    return f"pipeline-{next(numbers)}"


def judge(s3: Any, pipeline: str, snapshot: str, *, bucket: str = BUCKET) -> str:
    """Do what a run's last tasks do; return its folder."""
    uri = naming.run_uri(bucket, pipeline, snapshot, "r")
    objects.put_json(
        s3, naming.report_uri(uri), {"regression_metrics": {"r2_score": {"value": 0.61}}}
    )
    report = records.read_report(s3, uri)
    decision = gate.decide(report.content, POLICY, parameters={})
    run = {"run_id": "r", "snapshot": snapshot}
    records.write_decision(
        s3, uri, decision=decision, report=report, pipeline={}, parameters={}, run=run
    )
    return uri


def text_at(s3: Any, uri: str) -> str:
    bucket, key = naming.split_s3_uri(uri)
    text: str = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return text


def snapshots_in(s3: Any, uri: str) -> list[str]:
    return [row["snapshot"] for row in csv.DictReader(io.StringIO(text_at(s3, uri)))]


def make_group(sagemaker: Any, pipeline: str) -> None:
    versions.ensure_group(sagemaker, pipeline, description="x")


def test_each_decision_brings_a_report_over_the_one_before(
    s3: Any, sagemaker: Any, pipeline: str
) -> None:
    folder = f"s3://{BUCKET}/{pipeline}/reports"
    for days in (1, 2, 3):
        judge(s3, pipeline, f"2026-11-0{days}")
        written = write_report(s3, sagemaker, BUCKET, pipeline=pipeline)
        assert written == f"{folder}/history.html"
        assert len(snapshots_in(s3, f"{folder}/history.csv")) == days
        page = text_at(s3, written)
        assert f"{days} passed, 0 rejected" in page
        assert f"there is no endpoint {pipeline}" in page
    bucket, key = naming.split_s3_uri(written)
    assert s3.head_object(Bucket=bucket, Key=key)["ContentType"] == "text/html; charset=utf-8"


def test_only_the_newest_runs_are_told(s3: Any, sagemaker: Any, pipeline: str) -> None:
    for day in range(1, 6):
        judge(s3, pipeline, f"2026-11-0{day}")
    write_report(s3, sagemaker, BUCKET, pipeline=pipeline, newest=2)
    table = f"{naming.reports_uri(BUCKET, pipeline)}history.csv"
    assert snapshots_in(s3, table) == ["2026-11-04", "2026-11-05"]


def test_a_pipeline_without_a_decision_is_left_alone(
    s3: Any, sagemaker: Any, pipeline: str
) -> None:
    uri = naming.output_uri(naming.run_uri(BUCKET, pipeline, "2026-11-01", "failed"), "train")
    objects.put(s3, f"{uri}train.csv", b"")
    assert write_report(s3, sagemaker, BUCKET, pipeline=pipeline) is None
    assert objects.find(s3, f"{naming.reports_uri(BUCKET, pipeline)}history.html") is None


def test_a_report_is_made_anew_when_what_it_tells_has_changed_and_only_then(
    s3: Any, sagemaker: Any, pipeline: str
) -> None:
    def is_made() -> bool:
        return write_report(s3, sagemaker, BUCKET, pipeline=pipeline) is not None

    run = judge(s3, pipeline, "2026-11-01")
    assert [is_made(), is_made()] == [True, False]
    # Written again, as a run that was cleared does.
    judge(s3, pipeline, "2026-11-01")
    records.add_registration(
        s3, run, arn="arn:aws:sagemaker:x:1:model-package/g/1", version=1, report_etag=""
    )
    assert [is_made(), is_made()] == [True, False]
    make_group(sagemaker, pipeline)
    arn = sagemaker.create_model_package(
        ModelPackageGroupName=pipeline, ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [{"Image": "x", "ModelDataUrl": f"s3://{BUCKET}/m.tar.gz"}],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]  # fmt: skip
    assert is_made()
    versions.approve(sagemaker, arn, reason="x")
    assert [is_made(), is_made()] == [True, False]
    bucket, key = naming.split_s3_uri(naming.decision_uri(run))
    s3.delete_object(Bucket=bucket, Key=key)
    judge(s3, pipeline, "2026-11-02")
    assert is_made()


def test_a_decision_that_comes_while_a_report_is_made_is_in_the_next(
    embedded_sagemaker: Any, s3: Any, sagemaker: Any, pipeline: str
) -> None:
    judge(s3, pipeline, "2026-11-01")
    slow, overtaken = embedded_sagemaker.client("s3"), []

    def overtake(**_: Any) -> None:
        # Between what was read and what is written.
        if not overtaken:
            overtaken.append(True)
            judge(s3, pipeline, "2026-11-02")

    slow.meta.events.register("before-call.s3.PutObject", overtake)
    table = f"{naming.reports_uri(BUCKET, pipeline)}history.csv"
    assert write_report(slow, sagemaker, BUCKET, pipeline=pipeline)
    assert overtaken
    assert snapshots_in(s3, table) == ["2026-11-01"]
    assert write_report(slow, sagemaker, BUCKET, pipeline=pipeline)
    assert snapshots_in(s3, table) == ["2026-11-01", "2026-11-02"]


def test_runs_that_end_together_are_all_in_the_report(
    s3: Any, sagemaker: Any, pipeline: str
) -> None:
    days = [f"2026-11-0{day}" for day in range(1, 7)]
    with ThreadPoolExecutor(len(days)) as pool:
        list(pool.map(lambda day: judge(s3, pipeline, day), days))
    page = write_report(s3, sagemaker, BUCKET, pipeline=pipeline)
    uri = naming.reports_uri(BUCKET, pipeline)
    assert snapshots_in(s3, f"{uri}history.csv") == days
    assert page is not None
    assert "6 passed" in text_at(s3, page)


@pytest.fixture
def many(s3: Any) -> str:
    """A bucket with three pipelines, one of which has a broken record, and with other things."""
    bucket = f"many-pipelines-{next(numbers)}"
    s3.create_bucket(Bucket=bucket)
    for pipeline in ("alpha", "beta", "gamma"):
        judge(s3, pipeline, "2026-11-01", bucket=bucket)
    broken = naming.decision_uri(naming.run_uri(bucket, "beta", "2026-11-02", "r"))
    objects.put(s3, broken, b"[1]")
    for other in ("delta/snapshots/x", "not a pipeline/runs/x", "runs/x", "file"):
        objects.put(s3, f"s3://{bucket}/{other}", b"")
    return bucket


def test_the_pipelines_are_those_whose_runs_lie_in_the_bucket(s3: Any, many: str) -> None:
    assert pipelines_in(s3, many) == ["alpha", "beta", "gamma"]


def test_every_pipeline_has_its_report_whatever_its_records_are(
    s3: Any, sagemaker: Any, many: str
) -> None:
    pages = [f"s3://{many}/{name}/reports/history.html" for name in ("alpha", "beta", "gamma")]
    assert write_reports(s3, sagemaker, many) == pages
    assert write_reports(s3, sagemaker, many) == []
    assert "could not be used" not in text_at(s3, pages[0])
    assert "it is no decision record: it is not a JSON object" in text_at(s3, pages[1])
    assert "1 passed" in text_at(s3, pages[1])


def test_a_report_that_cannot_be_written_keeps_no_other_from_it(
    embedded_sagemaker: Any, sagemaker: Any, many: str
) -> None:
    s3 = embedded_sagemaker.client("s3")

    def refuse(params: Any, **_: Any) -> None:
        if "/alpha/reports" in params["url_path"]:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")

    s3.meta.events.register("before-call.s3.PutObject", refuse)
    with pytest.raises(ReportsFailedError, match=r"^1 of 3 .*: alpha: .*AccessDenied"):
        write_reports(s3, sagemaker, many)
    assert objects.find(s3, f"s3://{many}/alpha/reports/history.html") is None
    for pipeline in ("beta", "gamma"):
        assert objects.find(s3, f"s3://{many}/{pipeline}/reports/history.html")
    s3.meta.events.unregister("before-call.s3.PutObject", refuse)
    assert write_reports(s3, sagemaker, many) == [f"s3://{many}/alpha/reports/history.html"]


@pytest.mark.parametrize("what", ["decision.json", "evaluation.json"])
def test_what_s3_does_not_give_is_told_and_the_report_is_made_anew_when_it_does(
    embedded_sagemaker: Any, s3: Any, sagemaker: Any, pipeline: str, what: str
) -> None:
    runs = [judge(s3, pipeline, f"2026-11-0{day}") for day in (1, 2)]
    hanging = embedded_sagemaker.client("s3")

    def hang(params: Any, **_: Any) -> None:
        if params["url_path"].endswith(f"{naming.split_s3_uri(runs[0])[1]}evaluation/{what}"):
            raise ReadTimeoutError(endpoint_url="http://s3")

    hanging.meta.events.register("before-call.s3.GetObject", hang)
    folder = naming.reports_uri(BUCKET, pipeline)
    assert write_report(hanging, sagemaker, BUCKET, pipeline=pipeline)
    first, second = csv.DictReader(io.StringIO(text_at(s3, f"{folder}history.csv")))
    told, whole = (first, second) if what == "evaluation.json" else (second, first)
    assert (whole["verdict"], whole["fault"]) == ("pass", "")
    assert told["verdict"] == ("pass" if what == "evaluation.json" else "unreadable")
    assert "Read timeout" in told["fault"]
    assert "Read timeout" in text_at(s3, f"{folder}history.html")
    assert write_report(s3, sagemaker, BUCKET, pipeline=pipeline)
    rows = [*csv.DictReader(io.StringIO(text_at(s3, f"{folder}history.csv")))]
    assert [(row["verdict"], row["fault"]) for row in rows] == [("pass", "")] * 2
    assert write_report(s3, sagemaker, BUCKET, pipeline=pipeline) is None


def test_a_run_that_waits_or_hangs_keeps_no_report_from_being_written(
    s3: Any, sagemaker: Any, pipeline: str
) -> None:
    judge(s3, pipeline, "2026-11-01")
    waiting = naming.run_uri(BUCKET, pipeline, "2026-11-02", "waiting")
    objects.put(s3, f"{naming.output_uri(waiting, 'train')}train.csv", b"")
    assert write_report(s3, sagemaker, BUCKET, pipeline=pipeline)
    table = f"{naming.reports_uri(BUCKET, pipeline)}history.csv"
    assert snapshots_in(s3, table) == ["2026-11-01"]


def test_a_member_of_another_kind_is_told_in_its_row_and_no_other(
    s3: Any, sagemaker: Any, pipeline: str
) -> None:
    uris = [judge(s3, pipeline, f"2026-11-0{day}") for day in (1, 2)]
    record = records.read_decision(s3, uris[0]) | {"registered": "v7"}
    objects.put_json(s3, naming.decision_uri(uris[0]), record)
    page = write_report(s3, sagemaker, BUCKET, pipeline=pipeline)
    assert page is not None
    said = "unreadable: registered is 'v7', not an object"
    assert said.replace("'", "&#39;") in text_at(s3, page)
    assert "Of 1 run a part could not be read" in text_at(s3, page)
    table = text_at(s3, f"{naming.reports_uri(BUCKET, pipeline)}history.csv")
    assert [row["fault"] for row in csv.DictReader(io.StringIO(table))] == [said, ""]


def test_the_module_is_imported_without_what_is_heavy() -> None:
    code = "import sys, retraining.past_runs.publishing; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(ran.stdout.split())
    assert "retraining.past_runs.plots" in modules
    assert not modules & {"matplotlib", "jinja2", "numpy"}
