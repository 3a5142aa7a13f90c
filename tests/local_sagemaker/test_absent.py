"""Pipelines, experiments and lineage: whoever looks finds none, whoever makes one is refused."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

ARTIFACT = "arn:aws:sagemaker:us-east-1:123456789012:artifact/a"


@pytest.mark.parametrize(
    ("operation", "member", "request_members"),
    [
        ("list_pipelines", "PipelineSummaries", {"PipelineNamePrefix": "a"}),
        ("list_experiments", "ExperimentSummaries", {"SortBy": "Name"}),
        ("list_trials", "TrialSummaries", {"MaxResults": 1}),
        ("list_artifacts", "ArtifactSummaries", {"SourceUri": "s3://b/k"}),
        ("list_actions", "ActionSummaries", {"ActionType": "a"}),
        ("list_contexts", "ContextSummaries", {"ContextType": "a"}),
        ("list_associations", "AssociationSummaries", {"SourceArn": ARTIFACT}),
    ],
)
def test_a_list_of_what_cannot_be_made_is_empty(bench, operation, member, request_members):
    call = getattr(bench.sagemaker, operation)
    for members in ({}, request_members):
        answer = call(**members)
        del answer["ResponseMetadata"]
        assert answer == {member: []}
    with pytest.raises(ClientError, match="NextToken"):
        call(NextToken="of-no-page")


@pytest.mark.parametrize(
    ("operation", "request_members", "message"),
    [
        ("describe_pipeline", {"PipelineName": "p"}, "pipeline/p' does not exist"),
        ("list_trials", {"ExperimentName": "e"}, "Experiment e does not exist"),
        ("list_trials", {"TrialComponentName": "t"}, "TrialComponent t does not exist"),
    ],
)
def test_one_that_is_asked_for_by_name_is_not_found(bench, operation, request_members, message):
    with pytest.raises(ClientError, match=message) as error:
        getattr(bench.sagemaker, operation)(**request_members)
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


def test_none_can_be_made(bench):
    with pytest.raises(ClientError, match="CreateExperiment is not emulated here"):
        bench.sagemaker.create_experiment(ExperimentName="e")
