"""What a run of a definition leaves for those who read decisions: page, report, question, registry.

The readers are the library's own, which know declared pipelines only.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.approval.question import question
from retraining.past_runs import reading, what_if
from retraining.registry import versions
from retraining.runs import records
from retraining.sagemaker_pipelines import gates
from retraining.sagemaker_pipelines.definition import read

from tests.retraining.sagemaker_pipelines.test_compiler import GET, condition
from tests.retraining.sagemaker_pipelines.test_operators import BUCKET, IMAGE, Run, airflow

if TYPE_CHECKING:
    from types import SimpleNamespace

__all__ = ["airflow"]
DATE = "2026-11-20"
PREDICTIONS = b"actual,predicted\n1,1.5\n"


class Gated(Run):
    """A run of conditions and registrations; each test has a model package group of its own."""

    def __init__(self, airflow: SimpleNamespace, sagemaker: Any, *steps: Any, name: str) -> None:
        self.client = sagemaker.client
        self.group = name
        super().__init__(
            airflow, *steps, name=f"definition-of-{name}", snapshot="Date",
            members={"Parameters": [
                {"Name": "Date", "Type": "String"},
                {"Name": "Least", "Type": "Float", "DefaultValue": 0.6},
            ]},
        )  # fmt: skip
        self.report(0.7)
        s3 = self.client("s3")
        s3.put_object(Bucket=BUCKET, Key=f"{name}/made/predictions.csv", Body=PREDICTIONS)
        s3.put_object(Bucket=BUCKET, Key=f"{name}/made/m.tar.gz", Body=b"")

    @property
    def uri(self) -> str:
        return naming.run_uri(BUCKET, self.group, DATE, self.run_id)

    def report(self, score: object) -> None:
        """Write what the conditions read; as evaluation does it, where the definition says."""
        text = json.dumps({"toy_metrics": {"score": {"value": score}, "other": {"value": 2}}})
        key = f"{self.group}/made/figures.json"
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())

    def decide(self, airflow: SimpleNamespace, step: str = "Check") -> None:
        with suppress(airflow.Skipped):
            self.do(step)

    def record(self) -> dict[str, Any]:
        return records.read_decision(self.client("s3"), self.uri)

    def history(self) -> reading.History:
        return reading.read_history(self.client("s3"), BUCKET, pipeline=self.group)

    def version(self, made: dict[str, Any]) -> versions.Version:
        return versions.describe(self.client("sagemaker"), made["model_package_arn"])


def score(name: str, metric: str = "score") -> dict[str, Any]:
    uri = f"s3://{BUCKET}/{name}/made/figures.json"
    return {"Std:JsonGet": {"S3Uri": uri, "Path": f"toy_metrics.{metric}.value"}}


def register(name: str, step: str = "Register", **arguments: Any) -> dict[str, Any]:
    return {"Name": step, "Type": "RegisterModel", "Arguments": {
        "ModelPackageGroupName": name,
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/{name}/made/m.tar.gz"}],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": {
            "ContentType": "application/json", "S3Uri": f"s3://{BUCKET}/{name}/made/figures.json"}}},
        **arguments,
    }}  # fmt: skip


def check(kind: str, left: Any, right: Any, step: str = "Check", **arms: Any) -> dict[str, Any]:
    found = condition(step, **arms)
    found["Arguments"]["Conditions"] = [{"Type": kind, "LeftValue": left, "RightValue": right}]
    return found


LEAST = {GET: "Parameters.Least"}


def test_a_run_is_read_as_one_of_a_declared_pipeline(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    name = "read-as-declared"
    gate = check("GreaterThanOrEqualTo", score(name), LEAST, then=[register(name)])
    run = Gated(airflow, embedded_sagemaker, gate, name=name)
    run.decide(airflow)
    made = run.do("Register")
    assert made["headline"] == {"metric": "toy_metrics.score", "value": 0.7}
    assert run.results["Check", naming.VERDICT_XCOM] == "score 0.7 ≥ 0.6"
    assert run.results["Check", naming.SNAPSHOT_XCOM] == DATE

    (past,) = run.history().runs
    assert run.history().problems == ()
    outcome = past.outcome
    assert (past.run_id, past.snapshot, outcome.verdict) == (run.run_id, DATE, "pass")
    assert outcome.faults == ()
    assert (outcome.version, outcome.arn) == (1, made["model_package_arn"])
    assert outcome.headline is not None
    assert (outcome.headline.metric, outcome.headline.better) == ("toy_metrics.score", "higher")
    assert outcome.limit is not None
    assert (outcome.limit.sign, outcome.limit.value) == ("≥", 0.6)
    assert outcome.metrics.measures["toy_metrics.score"].value == 0.7
    (judged,) = what_if.what_if([past], what_if.limit([past], 0.8))
    assert (judged.decision.verdict, judged.differs) == ("reject", True)

    version = run.version(made)
    assert version.run_uri == run.uri
    assert records.objection(run.client("s3"), version.run_uri) is None
    metadata = run.client("sagemaker").describe_model_package(ModelPackageName=version.arn)[
        "CustomerMetadataProperties"
    ]
    assert (metadata["headline"], metadata["score"]) == ("toy_metrics.score", "0.7")
    bucket, key = naming.split_s3_uri(naming.predictions_uri(run.uri))
    assert run.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == PREDICTIONS
    told = question(
        run.client("sagemaker"), run.client("s3"), version, group=name, endpoint_name=name
    )
    assert "| **score**, higher is better | **0.7** |" in told
    assert "The gate: **pass**" in told


def test_a_report_that_is_written_anew_is_objected_to_and_the_old_one_is_kept(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    """A clear of evaluation: the definition lets it write over the report of the version."""
    name = "written-anew"
    gate = check("GreaterThan", score(name), LEAST, then=[register(name)])
    run = Gated(airflow, embedded_sagemaker, gate, name=name)
    run.decide(airflow)
    version = run.version(run.do("Register"))
    run.report(0.1)
    report = json.loads(records.read_report(run.client("s3"), run.uri).content)
    assert report["toy_metrics"]["score"]["value"] == 0.7
    run.decide(airflow)
    said = records.objection(run.client("s3"), version.run_uri)
    assert said is not None
    assert "is reject by now" in said
    with pytest.raises(airflow.Fail, match=r"says reject, and nothing was registered: clear Check"):
        run.do("Register")
    run.report(0.9)
    run.decide(airflow)
    said = records.objection(run.client("s3"), version.run_uri)
    assert said is not None
    assert "written another report since" in said


def test_a_model_that_is_registered_where_conditions_do_not_hold_has_passed(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    name = "else-registers"
    gate = check("GreaterThan", LEAST, score(name), otherwise=[register(name)])
    run = Gated(airflow, embedded_sagemaker, gate, name=name)
    run.decide(airflow)
    run.do("Register")
    (past,) = run.history().runs
    assert past.outcome.verdict == "pass"
    assert past.outcome.limit is not None
    assert (past.outcome.limit.sign, past.outcome.limit.value) == ("≥", 0.6)
    assert past.outcome.headline is not None
    assert past.outcome.headline.better == "higher"
    # The condition's own record says what the condition does.
    own = records.read_decision(run.client("s3"), naming.condition_uri(run.uri, "Check"))
    assert own["verdict"] == "reject"


def test_of_several_gates_the_last_that_decides_speaks_for_the_run(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    """The outer one alone where it rejects; a condition that leads to no model not at all."""
    name = "two-gates"
    inner = check("LessThan", score(name, "other"), 3, "Inner", then=[register(name, "Second")])
    outer = check("GreaterThan", score(name), LEAST, "Outer", then=[inner])
    aside = check("LessThan", score(name), 0, "Aside", then=[])
    run = Gated(airflow, embedded_sagemaker, aside, outer, name=name)
    run.decide(airflow, "Outer")
    assert run.record()["verdict"] == "pass"
    assert run.record()["pipeline"]["headline"]["metric"] == "toy_metrics.score"
    run.decide(airflow, "Inner")
    run.decide(airflow, "Aside")
    assert run.record()["pipeline"]["headline"] == {
        "metric": "toy_metrics.other",
        "better": "lower",
    }
    run.do("Second")
    assert run.record()["registered"]["version"] == 1
    other = Gated(airflow, embedded_sagemaker, aside, outer, name=name)
    other.run_id = "manual__2"
    other.report(0.1)
    other.decide(airflow, "Outer")
    assert [past.outcome.verdict for past in run.history().runs] == ["pass", "reject"]


def test_what_cannot_be_decided_is_shown_with_its_headline(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    name = "cannot-be-decided"
    gate = check("LessThan", score(name), LEAST, then=[register(name)])
    run = Gated(airflow, embedded_sagemaker, gate, name=name)
    run.report(None)
    with pytest.raises(airflow.Fail, match="is null"):
        run.do("Check")
    (past,) = run.history().runs
    assert past.outcome.verdict == "undecidable"
    assert past.outcome.headline is not None
    assert past.outcome.headline.better == "lower"
    # A hand on the condition lets nothing be registered.
    run.results["Check", "return_value"] = {"Outcome": True}
    with pytest.raises(airflow.Fail, match="says undecidable"):
        run.do("Register")
    groups = run.client("sagemaker").list_model_package_groups(NameContains=name)
    assert groups["ModelPackageGroupSummaryList"] == []


def test_two_dags_do_not_write_into_one_runs_folder(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    name = "one-folder"
    gate = check("GreaterThan", score(name), LEAST, then=[register(name)])
    run, other = (Gated(airflow, embedded_sagemaker, gate, name=name) for _ in range(2))
    run.decide(airflow)
    other.dag.dag_id = "another"
    with pytest.raises(airflow.Fail, match=r"holds the decision of definition_of_one_folder"):
        other.do("Check")
    assert run.record()["run"]["dag_id"] == "definition_of_one_folder"


def test_a_definition_without_conditions_registers_and_a_person_is_asked_by_the_report(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    name = "no-gate"
    run = Gated(airflow, embedded_sagemaker, register(name), name=name)
    version = run.version(run.do("Register"))
    told = question(
        run.client("sagemaker"), run.client("s3"), version, group=name, endpoint_name=name
    )
    assert "| score | 0.7 |" in told
    assert "No gate has judged it." in told
    assert run.history().runs == ()


def test_the_definitions_own_metadata_stay_and_there_are_never_too_many(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    name = "own-metadata"
    own = {"run_id": "ours", **{f"key{number}": "v" for number in range(46)}}
    gate = check(
        "GreaterThan", score(name), 0.5, then=[register(name, CustomerMetadataProperties=own)]
    )
    run = Gated(airflow, embedded_sagemaker, gate, name=name)
    run.decide(airflow)
    version = run.version(run.do("Register"))
    metadata = run.client("sagemaker").describe_model_package(ModelPackageName=version.arn)[
        "CustomerMetadataProperties"
    ]
    assert own.items() <= metadata.items()
    assert len(metadata) == 50
    assert version.run_uri == run.uri


def test_the_report_that_is_kept_is_the_one_that_the_headline_is_in(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    name = "two-reports"
    gate = check("GreaterThan", score(name), LEAST, then=[register(name)])
    rows = {"Std:JsonGet": {"S3Uri": f"s3://{BUCKET}/{name}/rows.json", "Path": "rows"}}
    first = {"Type": "Equals", "LeftValue": rows, "RightValue": 3}
    gate["Arguments"]["Conditions"].insert(0, first)
    run = Gated(airflow, embedded_sagemaker, gate, name=name)
    run.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/rows.json", Body=b'{"rows": 3}')
    run.decide(airflow)
    (past,) = run.history().runs
    assert past.outcome.headline is not None
    assert past.outcome.headline.metric in past.outcome.metrics.measures


@pytest.mark.parametrize(
    ("groups", "folder"),
    [
        (["a-group"], "a-group"),
        (["a-group", "a-group"], "a-group"),
        (["a-group", "another"], "definition"),
        ([{GET: "Parameters.Group"}], "definition"),
        (["arn:aws:sagemaker:us-east-1:123456789012:model-package-group/a-group"], "definition"),
        ([], "definition"),
    ],
)
def test_a_run_lies_where_its_group_is_known_by(groups: list[Any], folder: str) -> None:
    steps = [register("g", f"Register{number}") for number in range(len(groups))]
    for step, group in zip(steps, groups, strict=True):
        step["Arguments"]["ModelPackageGroupName"] = group
    steps.append({"Name": "Stop", "Type": "Fail", "Arguments": {}})
    wire = {"Version": "2020-12-01", "Steps": steps}
    assert gates.folder(read(json.dumps(wire), "definition")) == folder
