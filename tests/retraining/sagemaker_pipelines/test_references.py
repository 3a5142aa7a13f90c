"""References: found in a definition's arguments, and resolved in a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from retraining.gate.report import parse
from retraining.sagemaker_pipelines.references import (
    DefinitionError,
    Parameter,
    Property,
    PropertyFile,
    UnresolvedError,
    found,
    parsed,
    resolved,
    spelled,
)

DESCRIBED: dict[str, Any] = {
    "Train": {
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"},
        "FinalMetricDataList": [
            {"MetricName": "train:acc", "Value": 0.9},
            {"MetricName": "val:acc", "Value": 0.8},
        ],
        "HyperParameters": {"max.depth": "5"},
        "CreationTime": datetime(2026, 11, 20, 3, tzinfo=UTC),
        "InputDataConfig": [{"ChannelName": "train", "ContentType": "text/csv"}],
        "FailureReason": None,
    },
    "Process": {
        "ProcessingOutputConfig": {
            "Outputs": [{"OutputName": "a/b", "S3Output": {"S3Uri": "s3://b/out"}}]
        }
    },
}


class Run:
    """A run whose steps are described above."""

    def parameter(self, name: str) -> object:
        return {"Bucket": "b", "Count": 2, "Rate": 0.5, "Flag": True}[name]

    def execution(self, name: str) -> object:
        return {"PipelineExecutionId": "0123456789ab"}[name]

    def described(self, step: str) -> Any:
        return DESCRIBED[step]

    def property_file(self, step: str, name: str) -> str:
        return f"s3://b/{step}/{name}"

    def report(self, uri: str) -> object:
        if uri != "s3://b/Evaluate/Report":
            raise UnresolvedError(f"there is no file at {uri}")
        return parse(b'{"m": {"f1.macro": [0.1, 0.2]}, "none": null}')


def get(text: str) -> dict[str, str]:
    return {"Get": text}


def result(wire: object) -> object:
    return resolved(parsed(wire, "Arguments"), Run())


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (get("Parameters.Count"), 2),
        (get("Execution.PipelineExecutionId"), "0123456789ab"),
        (get("Steps.Train.ModelArtifacts.S3ModelArtifacts"), "s3://b/model.tar.gz"),
        (get("Steps.Train.FinalMetricDataList['val:acc'].Value"), 0.8),
        (get("Steps.Train.FinalMetricDataList[0].Value"), 0.9),
        (get("Steps.Train.HyperParameters['max.depth']"), "5"),
        (get("Steps.Train.InputDataConfig['train'].ContentType"), "text/csv"),
        (get("Steps.Train.CreationTime"), "2026-11-20T03:00:00Z"),
        (get("Steps.Process.ProcessingOutputConfig.Outputs['a/b'].S3Output.S3Uri"), "s3://b/out"),
        (get('Steps.Process.ProcessingOutputConfig.Outputs["a/b"].S3Output.S3Uri'), "s3://b/out"),
        ({"Std:Join": {"On": "/", "Values": ["s3:/", get("Parameters.Bucket"), 1, 0.5]}},
         "s3://b/1/0.5"),
        ({"Std:Join": {"On": "-", "Values": [
            {"Std:Join": {"On": "", "Values": ["a", get("Parameters.Count")]}}, "b"]}}, "a2-b"),
        ({"Std:JsonGet": {"PropertyFile": get("Steps.Evaluate.PropertyFiles.Report"),
                          "Path": "m['f1.macro'][1]"}}, 0.2),
        ({"Std:JsonGet": {"S3Uri": {"Std:Join": {"On": "/", "Values": [
            "s3:/", get("Parameters.Bucket"), "Evaluate", "Report"]}}, "Path": "m['f1.macro'][0]"}},
         0.1),
        # No reference: it has another member, too, or looks like a template.
        ({"Get": "Parameters.Count", "Name": "x"}, {"Get": "Parameters.Count", "Name": "x"}),
        ({"A": ["{{ params.x }}", None, True]}, {"A": ["{{ params.x }}", None, True]}),
    ],
)  # fmt: skip
def test_a_reference_leads_to_its_value(wire: object, value: object) -> None:
    assert result({"Deep": [wire]}) == {"Deep": [value]}


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (get("Steps.Train.Nothing"), "Steps.Train has no 'Nothing'"),
        (get("Steps.Train.FinalMetricDataList['f1'].Value"), "FinalMetricDataList has no 'f1'"),
        (get("Steps.Train.FinalMetricDataList[7].Value"), "FinalMetricDataList has no 7"),
        (get("Steps.Train.FailureReason"), "Steps.Train.FailureReason is null"),
        ({"Std:Join": {"On": "", "Values": [get("Steps.Train.ModelArtifacts")]}}, "single value"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/other", "Path": "a"}}, "no file at s3://b/other"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/Evaluate/Report", "Path": "none"}}, "none is null"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/Evaluate/Report", "Path": "m.x"}}, "m has no 'x'"),
    ],
)
def test_one_that_leads_to_nothing_says_so(wire: object, message: str) -> None:
    with pytest.raises(UnresolvedError, match=message):
        result(wire)


def test_all_references_are_found_those_inside_of_others_too() -> None:
    wire = {
        "A": [{"Std:Join": {"On": "/", "Values": [get("Parameters.Bucket")]}}],
        "B": {"Std:JsonGet": {"PropertyFile": get("Steps.E.PropertyFiles.R"), "Path": "a"}},
        "C": get("Steps.Train.FinalMetricDataList['val:acc'].Value"),
    }
    told = list(found(parsed(wire, "Arguments")))
    assert Parameter("Bucket") in told
    assert PropertyFile("E", "R") in told
    assert Property("Train", ("FinalMetricDataList", "val:acc", "Value")) in told
    assert [spelled(item) for item in told] == [
        "Join('/', Parameters.Bucket)",
        "Parameters.Bucket",
        "a of Steps.E.PropertyFiles.R",
        "Steps.E.PropertyFiles.R",
        "Steps.Train.FinalMetricDataList['val:acc'].Value",
    ]
    json.dumps([spelled(item) for item in told])


@pytest.mark.parametrize(
    "text",
    ["Steps.Train", "Steps.Train.", "Parameters.", "Execution.Weather", "Steps.Train.a[",
     "Steps..a", "ForEach.CurrentItems", "ForEach.CurrentItem[",
     "Steps.Train.a['x'", "Steps.Train.a..b"],
)  # fmt: skip
def test_a_malformed_reference_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match=r"^here"):
        parsed(get(text), "here")
