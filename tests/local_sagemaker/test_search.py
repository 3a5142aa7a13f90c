"""Search finds what its expressions, as the service documents them, ask for."""

from __future__ import annotations

import http.client
import json
import urllib.parse

import pytest
from botocore.exceptions import ClientError

REGION = "eu-north-1"
SCRIPT = "import os; print('loss=' + os.environ['SM_HP_RATE'])"
JOBS = {
    # name: hyperparameters, tags
    "fine": ({"rate": "0.25", "kind": "linear", "depth": "3"}, {"team": "data", "a.b": "dotted"}),
    "coarse": ({"rate": "2.5", "kind": "tree", "depth": "10"}, {"team": "web"}),
    "plain": ({"rate": "0.5", "kind": "linear"}, {}),
}


@pytest.fixture(scope="module")
def region(bench, poll):
    """A region of its own: three training jobs, of which one has failed, groups and versions."""
    client = bench.server.client("sagemaker", region=REGION)
    for name, (hyperparameters, tags) in JOBS.items():
        request = bench.training_request(
            SCRIPT if name != "plain" else f"{SCRIPT}; raise SystemExit(3)",
            toolkit=True,
            channels={
                channel: bench.put(f"search-{channel}-{name}/in.csv", "1")
                for channel in ("train", "validation")
            },
            algorithm={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}]},
        )
        request["HyperParameters"].update(hyperparameters)
        request["TrainingJobName"] = name
        request["EnableInterContainerTrafficEncryption"] = name == "fine"
        request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        client.create_training_job(**request)
    for name, tag in (("alpha", "one"), ("beta", "two")):
        client.create_model_package_group(
            ModelPackageGroupName=name, Tags=[{"Key": "which", "Value": tag}]
        )
        for version in range(1, 4):
            client.create_model_package(
                ModelPackageGroupName=name,
                InferenceSpecification={
                    "Containers": [{"Image": f"image-{version}"}],
                    "SupportedContentTypes": ["text/csv", "application/json"][: version % 2 + 1],
                },
                ModelApprovalStatus="Approved" if version == 2 else "Rejected",
                CustomerMetadataProperties={"snapshot": f"2026-01-0{version}"},
            )
    for name in JOBS:
        poll(
            lambda name=name: (
                client.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
                != "InProgress"
            ),
            what=name,
        )
    return client


def names(client, expression=None, *, resource="TrainingJob", **more) -> list[str]:
    """The names, or the groups and versions, of what is found, in order."""
    asked = {"SearchExpression": expression} if expression else {}
    page = client.search(Resource=resource, **asked, **more)
    assert page["TotalHits"]["Relation"] == "EqualTo"
    found = []
    for result in page["Results"]:
        (record,) = result.values()
        assert list(result) == [resource]
        version = record.get("ModelPackageVersion")
        name = record.get("TrainingJobName") or record.get("ModelPackageGroupName")
        found.append(f"{name}/{version}" if version else name)
    return found


def one(name: str, operator: str | None = None, value: str | None = None) -> dict[str, str]:
    members = {"Name": name, "Operator": operator, "Value": value}
    return {member: given for member, given in members.items() if given is not None}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (one("TrainingJobName", value="fine"), {"fine"}),
        (one("TrainingJobName", "Equals", "FINE"), set()),
        (one("TrainingJobName", "Contains", "in"), {"fine", "plain"}),
        (one("TrainingJobStatus", "NotEquals", "Failed"), {"fine", "coarse"}),
        (one("TrainingJobStatus", "In", "Failed, Stopped"), {"plain"}),
        (one("FailureReason", "Exists"), {"plain"}),
        (one("FailureReason", "NotExists"), {"fine", "coarse"}),
        (one("FailureReason", "NotEquals", "none"), {"fine", "coarse", "plain"}),
        (one("ResourceConfig.InstanceCount", "Equals", "1"), set(JOBS)),
        (one("ResourceConfig.InstanceCount", "GreaterThan", "1"), set()),
        (one("EnableInterContainerTrafficEncryption", "Equals", "true"), {"fine"}),
        (one("EnableInterContainerTrafficEncryption", "Equals", "False"), {"coarse", "plain"}),
        (one("CreationTime", "GreaterThan", "2020-01-01T00:00:00"), set(JOBS)),
        (one("CreationTime", "LessThan", "2020-01-01T00:00:00Z"), set()),
        (one("InputDataConfig.ChannelName", "Equals", "train"), set(JOBS)),
        (one("InputDataConfig", "Exists"), set(JOBS)),
        (one("VpcConfig", "NotExists"), set(JOBS)),
        (one("HyperParameters.kind", "Equals", "linear"), {"fine", "plain"}),
        (one("HyperParameters.rate", "LessThan", "0.3"), {"fine"}),
        (one("HyperParameters.rate", "Equals", "0.250"), {"fine"}),
        # The value is an integer, so that 2.5 is 2, and 0.25 and 0.5 are 0.
        (one("HyperParameters.rate", "Equals", "2"), {"coarse"}),
        (one("HyperParameters.rate", "LessThanOrEqualTo", "0"), {"fine", "plain"}),
        # As numbers, not as texts.
        (one("HyperParameters.depth", "GreaterThan", "3"), {"coarse"}),
        (one("HyperParameters.depth", "NotExists"), {"plain"}),
        (one("HyperParameters.kind", "GreaterThan", "1"), set()),
        (one("Metrics.loss", "GreaterThanOrEqualTo", "0.25"), {"fine", "coarse", "plain"}),
        (one("Metrics.loss", "LessThan", "2.5"), {"fine", "plain"}),
        (one("Metrics.other", "Exists"), set()),
        (one("Tags.team", "Equals", "data"), {"fine"}),
        (one("Tags.a.b", "Equals", "dotted"), {"fine"}),
        (one("Tags.team", "NotExists"), {"plain"}),
        (one("Tags", "Exists"), {"fine", "coarse"}),
    ],
)
def test_a_filter_finds_what_it_asks_for(region, condition, expected):
    assert set(names(region, {"Filters": [condition]})) == expected


def test_conditions_are_joined_by_and_unless_or_is_asked_for(region):
    filters = [one("HyperParameters.kind", value="linear"), one("Tags.team", value="web")]
    assert names(region, {"Filters": filters}) == []
    assert set(names(region, {"Filters": filters, "Operator": "Or"})) == set(JOBS)
    both = {
        "Filters": [one("TrainingJobStatus", value="Completed")],
        "SubExpressions": [{"Filters": filters, "Operator": "Or"}],
    }
    assert set(names(region, both)) == {"fine", "coarse"}
    assert set(names(region, {**both, "Operator": "Or"})) == set(JOBS)


@pytest.mark.parametrize(
    ("resource", "condition"),
    [
        ("TrainingJob", one("TrainingJobStatus", "Equals", "Failed")),
        ("TrainingJob", one("TrainingJobStatus", "Equals", "failed")),
        ("TrainingJob", one("TrainingJobStatus", "NotEquals", "Failed")),
        ("TrainingJob", one("TrainingJobName", "Contains", "in")),
        ("TrainingJob", one("TrainingJobName", "Contains", "IN")),
        ("TrainingJob", one("TrainingJobName", "Equals", "fine")),
        ("TrainingJob", one("TuningJobArn", "Equals", "arn:none")),
        ("ModelPackage", one("ModelPackageGroupName", "Equals", "alpha")),
        ("ModelPackage", one("ModelPackageGroupName", "Equals", "Alpha")),
        ("ModelPackageGroup", one("ModelPackageGroupName", "Equals", "beta")),
        ("ModelPackageGroup", one("ModelPackageGroupName", "Contains", "a")),
    ],
)
def test_what_the_store_looks_for_is_what_would_be_found_without(region, resource, condition):
    never = one("CreationTime", "NotExists")
    either = {"Filters": [condition, never], "Operator": "Or"}  # the store looks for no Or
    alone = {"Filters": [condition]}
    assert names(region, alone, resource=resource) == names(region, either, resource=resource)


def test_nested_filters_hold_for_one_entry_of_a_list(region):
    def channel(name, uri):
        return [
            one("InputDataConfig.ChannelName", value=name),
            one("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", uri),
        ]

    def nested(name, uri):
        entry = {"NestedPropertyName": "InputDataConfig", "Filters": channel(name, uri)}
        return names(region, {"NestedFilters": [entry]})

    assert nested("train", "search-train-coarse") == ["coarse"]
    assert nested("train", "search-validation-coarse") == []
    # Other filters are content with one entry each.
    assert names(region, {"Filters": channel("train", "search-validation-coarse")}) == ["coarse"]


def test_versions_and_groups_are_found(region):
    def versions(*filters, **more):
        return names(region, {"Filters": list(filters)}, resource="ModelPackage", **more)

    assert versions(one("ModelApprovalStatus", value="Approved")) == ["beta/2", "alpha/2"]
    assert versions(
        one("ModelPackageGroupName", value="alpha"),
        one("ModelPackageVersion", "GreaterThan", "1"),
        SortBy="ModelPackageVersion",
        SortOrder="Ascending",
    ) == ["alpha/2", "alpha/3"]
    assert set(
        versions(one("InferenceSpecification.SupportedContentTypes", value="application/json"))
    ) == {f"{group}/{version}" for group in ("alpha", "beta") for version in (1, 3)}
    assert set(versions(one("InferenceSpecification.Containers.Image", value="image-3"))) == {
        "alpha/3",
        "beta/3",
    }
    assert versions(one("CustomerMetadataProperties.snapshot", value="2026-01-09")) == []
    groups = region.search(
        Resource="ModelPackageGroup", SearchExpression={"Filters": [one("Tags.which", value="two")]}
    )
    (record,) = groups["Results"]
    assert record["ModelPackageGroup"]["ModelPackageGroupName"] == "beta"
    assert record["ModelPackageGroup"]["Tags"] == [{"Key": "which", "Value": "two"}]
    assert "NextVersion" not in json.dumps(record, default=str)


def test_a_record_is_what_describe_says(region):
    (record,) = region.search(
        Resource="TrainingJob",
        SearchExpression={"Filters": [one("TrainingJobName", value="fine")]},
    )["Results"]
    described = region.describe_training_job(TrainingJobName="fine")
    job = record["TrainingJob"]
    assert {"FinalMetricDataList", "HyperParameters", "ModelArtifacts"} < set(job)
    assert job.pop("Tags") == [
        {"Key": "team", "Value": "data"},
        {"Key": "a.b", "Value": "dotted"},
    ]
    assert job == {name: described[name] for name in job}


@pytest.mark.parametrize(
    ("by", "ascending"),
    [
        ("TrainingJobName", ["coarse", "fine", "plain"]),
        ("Metrics.loss", ["fine", "plain", "coarse"]),
        # Who has none comes last, in both directions.
        ("HyperParameters.depth", ["fine", "coarse", "plain"]),
        ("Tags.team", ["fine", "coarse", "plain"]),
    ],
)
def test_results_are_sorted_by_any_property(region, by, ascending):
    assert names(region, SortBy=by, SortOrder="Ascending") == ascending
    missing = ["plain"] if by in ("HyperParameters.depth", "Tags.team") else []
    rest = [name for name in reversed(ascending) if name not in missing]
    assert names(region, SortBy=by) == rest + missing


def test_what_was_changed_last_comes_first(region):
    assert names(region, resource="ModelPackage", MaxResults=2) == ["beta/3", "beta/2"]
    package = region.describe_model_package(
        ModelPackageName="arn:aws:sagemaker:eu-north-1:123456789012:model-package/alpha/1"
    )
    region.update_model_package(
        ModelPackageArn=package["ModelPackageArn"], ApprovalDescription="looked at again"
    )
    assert names(region, resource="ModelPackage")[0] == "alpha/1"


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_pages_together_are_the_whole(region, order):
    # Of equals, too: all but one version are Rejected.
    request = {"Resource": "ModelPackage", "SortBy": "ModelApprovalStatus", "SortOrder": order}
    pages = list(
        region.get_paginator("search").paginate(**request, PaginationConfig={"PageSize": 4})
    )
    assert [len(page["Results"]) for page in pages] == [4, 2]
    arns = [
        result["ModelPackage"]["ModelPackageArn"] for page in pages for result in page["Results"]
    ]
    assert len(set(arns)) == 6
    whole = region.search(**request)["Results"]
    assert arns == [result["ModelPackage"]["ModelPackageArn"] for result in whole]
    assert pages[0]["TotalHits"] == {"Value": 6, "Relation": "EqualTo"}


def test_a_token_belongs_to_its_search(region):
    page = region.search(Resource="TrainingJob", MaxResults=1)
    with pytest.raises(ClientError, match="belongs to a request with other parameters"):
        region.search(Resource="ModelPackage", NextToken=page["NextToken"])


@pytest.mark.parametrize(
    "resource",
    [
        "Experiment", "ExperimentTrial", "ExperimentTrialComponent", "Pipeline",
        "PipelineExecution", "FeatureGroup", "Project", "ModelCard",
    ],
)  # fmt: skip
def test_what_cannot_be_made_here_is_not_found(region, resource):
    answer = region.search(Resource=resource)
    assert (answer["Results"], answer["TotalHits"]["Value"]) == ([], 0)
    with pytest.raises(ClientError, match="Unknown property name: Nonsense"):
        region.search(Resource=resource, SearchExpression={"Filters": [one("Nonsense", value="x")]})


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"Filters": [one("Nonsense", value="x")]}, "Unknown property name: Nonsense"),
        ({"Filters": [one("RoleArn.Name", value="x")]}, "Unknown property name: RoleArn.Name"),
        ({"Filters": [one("TrainingJobName")]}, "TrainingJobName, Equals: a Value is needed"),
        ({"Filters": [one("TrainingJobName", "LessThan", "x")]}, "not supported for text"),
        ({"Filters": [one("CreationTime", "Contains", "2026")]}, "not supported for timestamp"),
        ({"Filters": [one("CreationTime", "LessThan", "soon")]}, "'soon' is not YYYY-mm-dd"),
        ({"Filters": [one("Metrics.loss", "LessThan", "nan")]}, "'nan' is not a number"),
        ({"Filters": [one("Metrics.loss", "LessThan", "1_0")]}, "'1_0' is not a number"),
        ({"Filters": [one("Metrics", "Exists")]}, "Unknown property name: Metrics"),
        ({"Filters": [one("EnableManagedSpotTraining", value="1")]}, "'1' is not a boolean"),
        ({"Filters": [one("InputDataConfig", value="x")]}, "no value of its own"),
        ({"Operator": "And"}, "at least one of Filters, NestedFilters and SubExpressions"),
        (
            {"Filters": [one("TrainingJobName", "Contains", text) for text in "ab"]},
            "'CONTAINS' operator usage limit of 1 exceeded.",
        ),
        (
            {
                "NestedFilters": [
                    {
                        "NestedPropertyName": "InputDataConfig",
                        "Filters": [one("TrainingJobName", value="x")],
                    }
                ]
            },
            "begins with InputDataConfig.",
        ),
        (
            {"SubExpressions": [{"Filters": [one("RoleArn", value="x")] * 20}] * 3},
            "at most 50 Filters",
        ),
    ],
)
def test_an_expression_that_means_nothing_is_refused(region, expression, message):
    with pytest.raises(ClientError) as error:
        region.search(Resource="TrainingJob", SearchExpression=expression)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert message in error.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("resource", "by", "message"),
    [
        ("TrainingJob", "Nonsense", "Unknown property name: Nonsense"),
        ("TrainingJob", "InputDataConfig", "SortBy InputDataConfig: it has no value of its own"),
        # Versions have no such metrics.
        ("ModelPackage", "Metrics.loss", "Unknown property name: Metrics.loss"),
    ],
)
def test_an_order_that_means_nothing_is_refused(region, resource, by, message):
    with pytest.raises(ClientError, match=message):
        region.search(Resource=resource, SortBy=by)


@pytest.mark.parametrize("depth", [100, 300, 900])
def test_expressions_within_expressions_break_nothing(bench, depth):
    innermost = '{"Filters": [{"Name": "RoleArn", "Value": "x"}]}'
    body = f'{{"SubExpressions": [{innermost}]}}'
    for _ in range(depth):
        body = f'{{"SubExpressions": [{body}]}}'
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(bench.server.url).netloc)
    connection.request(
        "POST",
        "/",
        f'{{"Resource": "TrainingJob", "SearchExpression": {body}}}',
        {"X-Amz-Target": "SageMaker.Search"},
    )
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["__type"]) in [
        (400, "ValidationException"),
        (400, "SerializationException"),
    ]
    connection.close()


def test_other_kinds_are_refused_by_name(region):
    with pytest.raises(ClientError, match="Resource = 'Model' is not emulated here"):
        region.search(Resource="Model")
    with pytest.raises(ClientError, match="VisibilityConditions"):
        region.search(Resource="Pipeline", VisibilityConditions=[{"Key": "k", "Value": "v"}])
