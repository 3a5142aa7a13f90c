"""The DAG that reports on all pipelines, as Airflow runs it on the embedded SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.aws import s3 as objects
from retraining.gate import decision as gate
from retraining.gate.conditions import GreaterThanOrEqualTo, LessThanOrEqualTo, Metric
from retraining.runs import records

from tests.dags.place import BUCKET, new_place, parsed_dags

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import RunEmbeddedSageMaker

GATES: dict[str, Any] = {
    "rings": LessThanOrEqualTo(Metric("regression_metrics.mse"), 6),
    "reviews": GreaterThanOrEqualTo(Metric("multiclass_classification_metrics.accuracy"), 0.8),
}


def judge(s3: Any, pipeline: str, snapshot: str, value: float) -> None:
    """Do what a run's last tasks do."""
    condition = GATES[pipeline]
    section, name = condition.left.path.split(".")
    better = "lower" if isinstance(condition, LessThanOrEqualTo) else "higher"
    uri = naming.run_uri(BUCKET, pipeline, snapshot, "r")
    objects.put_json(s3, naming.report_uri(uri), {section: {name: {"value": value}}})
    report = records.read_report(s3, uri)
    records.write_decision(
        s3,
        uri,
        decision=gate.decide(report.content, [condition], parameters={}),
        report=report,
        pipeline={"headline": {"metric": condition.left.path, "better": better}},
        parameters={},
        run={"run_id": "r", "snapshot": snapshot},
    )


@pytest.mark.e2e
def test_every_pipeline_in_the_bucket_has_a_report(
    run_embedded_sagemaker: RunEmbeddedSageMaker, tmp_path: Path
) -> None:
    with new_place(tmp_path, run_embedded_sagemaker) as place:
        s3 = place.client("s3")
        judge(s3, "rings", "2026-11-20", 4.9)
        judge(s3, "reviews", "2026-11-20", 0.7)
        broken = naming.run_uri(BUCKET, "reviews", "2026-11-21", "r")
        objects.put(s3, naming.decision_uri(broken), b"[]")
        place.land("only-landed", "2026-11-20", b"")
        runs, log = place.run("past_runs_report", {}, {})
        assert [run["state"] for run in runs] == ["success", "success"], log[-5000:]
        assert "wrote 2 of 2 reports" in log
        assert "wrote 0 of 2 reports" in log
        assert not place.objects("only-landed/reports/")
        pages = {}
        for pipeline in GATES:
            folder = naming.reports_uri(BUCKET, pipeline)
            pages[pipeline] = place.body(f"{folder}history.html").decode()
            row, *unread = place.table(f"{folder}history.csv")
            assert row["snapshot"] == "2026-11-20"
            assert [other["verdict"] for other in unread] == (
                ["unreadable"] if pipeline == "reviews" else []
            )
        assert "mse by snapshot: lower is better" in pages["rings"]
        assert "the gate asks for ≤ 6, an upper bound" in pages["rings"]
        assert "accuracy by snapshot: higher is better" in pages["reviews"]
        assert "it is no decision record" in pages["reviews"]
        assert "it is no decision record" not in pages["rings"]


def test_the_dag_parses_and_says_what_to_do_when_it_fails(tmp_path: Path) -> None:
    parsed = parsed_dags(tmp_path)
    assert "past_runs_report.py" not in " ".join([*parsed["errors"], *parsed["unstable"]])
    dag = parsed["dags"]["past_runs_report"]
    assert dag["tasks"] == ["report_past_runs"]
    assert dag["catchup"] is False
    assert "### When it fails" in dag["doc"]
