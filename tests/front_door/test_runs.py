"""A third pipeline, declared in the fewest lines: what comes of its runs and its versions."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.deployment import endpoints

from tests.front_door.conftest import DEEP, WITHOUT
from tests.front_door.project import ROOT, TICKETS
from tests.front_door.tickets.land import WORDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.front_door.conftest import Past

pytestmark = pytest.mark.timeout(900)

ACCURACY = "multiclass_classification_metrics.accuracy"
JSON = "application/json"


def lines(file: Path) -> int:
    """The lines of a file that are neither blank nor its docstring."""
    text = file.read_text(encoding="utf-8")
    first = ast.parse(text).body[0]
    return len([line for line in text.splitlines()[first.end_lineno :] if line.strip()])


def test_the_dag_files_are_short() -> None:
    assert lines(TICKETS / "dags/tickets_retraining.py") <= 49
    assert lines(TICKETS / "dags/tickets_deployment.py") <= 3


def test_the_scripts_are_short() -> None:
    scripts = TICKETS / "include/scripts/tickets"
    counted = {file.name: lines(file) for file in scripts.glob("*.py")}
    assert set(counted) == {
        "table.py", "preprocess.py", "train.py", "evaluate.py", "entry_point.py",
    }  # fmt: skip
    assert max(counted.values()) <= 25
    assert sum(counted.values()) <= 64
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"scripts of {sum(counted.values())} lines in all" in readme
    assert f"{lines(TICKETS / 'dags/tickets_retraining.py')} lines there" in readme


@pytest.mark.e2e
class TestGate:
    def test_a_good_model_is_registered_with_its_metrics_and_formats(self, past: Past) -> None:
        assert past.runs["passed"]["state"] == "success"
        report, decision = past.report("passed"), past.of_run("passed", "decision.json")
        found = report["multiclass_classification_metrics"]
        assert 0.85 < found["accuracy"]["value"] < 0.97
        assert set(found["confusion_matrix"]) == set(WORDS)
        (version,) = past.versions("tickets")[:1]
        assert decision["verdict"] == "pass"
        assert decision["registered"] == {
            "model_package_arn": version["ModelPackageArn"], "version": 1,
        }  # fmt: skip
        assert decision["pipeline"] == {
            "name": "tickets",
            "headline": {"metric": ACCURACY, "better": "higher"},
            "plots": ["confusion_matrix"],
        }
        specification = version["InferenceSpecification"]
        assert specification["SupportedContentTypes"] == [JSON]
        assert specification["SupportedResponseMIMETypes"] == [JSON]
        assert version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == (
            naming.report_uri(past.folder("passed"))
        )
        metadata = version["CustomerMetadataProperties"]
        told = {"headline": ACCURACY, "better": "higher", "least_accuracy": "0.8"}
        assert told.items() <= metadata.items()
        assert float(metadata["accuracy"]) == found["accuracy"]["value"]
        assert f"accuracy {found['accuracy']['value']:.4g}" in version["ModelPackageDescription"]

    def test_a_worse_one_fails_the_run_with_the_gates_words(self, past: Past) -> None:
        run = past.runs["rejected"]
        assert (run["state"], run["tasks"]["reject_model"]) == ("failed", "failed")
        assert run["tasks"]["register_model"] == "skipped"
        decision = past.of_run("rejected", "decision.json")
        assert (decision["verdict"], decision["registered"]) == ("reject", None)
        value = past.report("rejected")["multiclass_classification_metrics"]["accuracy"]["value"]
        assert decision["explanation"] == f"{ACCURACY} = {value} is not ≥ 0.99"
        assert f"the model was rejected: {decision['explanation']}" in past.log

    def test_two_dags_of_one_pipeline_share_their_steps(self, past: Past) -> None:
        assert past.report("rejected") == past.report("passed")
        client = past.project.sagemaker.client("sagemaker")
        jobs = client.list_processing_jobs(NameContains="tickets-strict")["ProcessingJobSummaries"]
        assert jobs == []

    def test_a_report_without_the_metric_is_no_rejection(self, past: Past) -> None:
        run = past.runs["undecidable"]
        assert (run["state"], run["tasks"]["check_quality"]) == ("failed", "failed")
        assert run["tasks"]["reject_model"] == "upstream_failed"
        decision = past.of_run("undecidable", "decision.json")
        assert (decision["verdict"], decision["registered"]) == ("undecidable", None)
        assert "multiclass_classification_metrics has no 'accuracy'; it has" in past.log
        client = past.project.sagemaker.client("sagemaker")
        groups = client.list_model_package_groups()["ModelPackageGroupSummaryList"]
        assert WITHOUT.lower() not in {group["ModelPackageGroupName"].lower() for group in groups}

    def test_bad_data_is_told_in_the_tasks_log(self, past: Past) -> None:
        run = past.runs["failed"]
        assert (run["state"], run["tasks"]["preprocess"]) == ("failed", "failed")
        assert run["tasks"]["train"] == "upstream_failed"
        assert (
            "tickets.csv: line 2, column desk: 'Biling' is none of Billing, Delivery, Rückgabe,"
            " Umtausch (the first of 3 such cells)"
        ) in past.log

    def test_a_deep_report_is_judged_by_every_kind_of_condition(self, past: Past) -> None:
        decision = past.of_run("deep", "decision.json")
        assert decision["verdict"] == "pass"
        assert [item["condition"]["Type"] for item in decision["conditions"]] == [
            "Or", "Not", "Not",
        ]  # fmt: skip
        (version,) = past.versions(DEEP)
        metadata = version["CustomerMetadataProperties"]
        path = "models.linear.test_metrics.accuracy"
        assert metadata["headline"] == path
        # Another metric of the policy has the same last name, so both keep their paths.
        assert "accuracy" not in metadata
        assert float(metadata[path]) == pytest.approx(0.9, abs=0.06)


@pytest.mark.e2e
class TestDeployment:
    def test_a_good_version_is_verified_and_kept(self, past: Past) -> None:
        run = past.runs["deployed"]
        assert (run["state"], run["tasks"]["keep_version"]) == ("success", "success")
        assert "20 test rows are answered as evaluation answered them" in past.log

    def test_swapped_labels_are_taken_back_and_rejected(self, past: Past) -> None:
        swapped, *_ = past.tampered
        run, *_ = past.deployed
        assert (run["state"], run["tasks"]["flip_back"]) == ("failed", "failed")
        assert swapped.approval == "Rejected"
        assert "row 1 of the test split at desk answers '" in swapped.approval_reason
        assert "evaluation said '" in swapped.approval_reason

    def test_other_probabilities_are_taken_back_and_rejected(self, past: Past) -> None:
        _, blurred, _ = past.tampered
        assert past.deployed[1]["tasks"]["flip_back"] == "failed"
        assert blurred.approval == "Rejected"
        assert "at probabilities.Billing is predicted as" in blurred.approval_reason

    def test_rounding_and_more_members_are_no_difference(self, past: Past) -> None:
        *_, talkative = past.tampered
        assert past.deployed[2]["tasks"]["keep_version"] == "success"
        assert talkative.approval == "Approved"
        assert answer(past, "tickets", "invoice charged twice")["model"] == "the third"

    def test_a_partial_expectation_is_enough(self, past: Past) -> None:
        expected = past.of_run("deep", "smoke.json")["requests"][0]["expected"]
        assert list(expected) == ["desk"]
        assert past.runs["deep deployed"]["tasks"]["keep_version"] == "success"
        assert answer(past, DEEP, "größer tauschen, zurück")["desk"] == "Rückgabe, Umtausch"

    def test_what_serves_is_the_last_that_was_verified(self, past: Past) -> None:
        found = endpoints.find(past.project.sagemaker.client("sagemaker"), "tickets")
        assert found is not None
        assert found.is_sound
        assert found.config == found.verified


def answer(past: Past, endpoint: str, wording: str) -> Any:
    runtime = past.project.sagemaker.client("sagemaker-runtime")
    body = json.dumps({"wording": wording}).encode()
    answered = runtime.invoke_endpoint(
        EndpointName=endpoint, ContentType=JSON, Accept=JSON, Body=body
    )
    return json.loads(answered["Body"].read())
