from __future__ import annotations

import itertools
import uuid
from collections import Counter

import pytest
from botocore.exceptions import ClientError

SPECIFICATION = {"Containers": [{"Image": "image", "ModelDataUrl": "s3://b/m.tar.gz"}]}


@pytest.fixture(scope="module")
def region(bench):
    """A region of its own: an empty account, but for what is made here."""
    client = bench.server.client("sagemaker", region="eu-west-3")
    for name, versions in (("alpha", 3), ("beta", 12), ("gamma", 0)):
        client.create_model_package_group(ModelPackageGroupName=name)
        for version in range(1, versions + 1):
            client.create_model_package(
                ModelPackageGroupName=name,
                InferenceSpecification=SPECIFICATION,
                ModelApprovalStatus="Approved" if version % 2 else "Rejected",
            )
    for name in ("single-b", "single-a"):
        client.create_model_package(ModelPackageName=name, InferenceSpecification=SPECIFICATION)
    return client


def arns(page) -> list[str]:
    return [
        entry["ModelPackageArn"].partition("model-package/")[2]
        for entry in page["ModelPackageSummaryList"]
    ]


def every(client, operation: str, member: str, **request) -> list[dict[str, object]]:
    pages = client.get_paginator(operation).paginate(**request)
    return list(itertools.chain.from_iterable(page[member] for page in pages))


def test_a_page_has_ten_entries_unless_more_or_fewer_are_asked_for(region):
    assert len(arns(region.list_model_packages(ModelPackageGroupName="beta"))) == 10
    page = region.list_model_packages(ModelPackageGroupName="beta", MaxResults=100)
    assert len(arns(page)) == 12
    assert "NextToken" not in page


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("by", ["CreationTime", "Name"])
def test_pages_together_are_the_whole_in_order(region, by, order):
    seen = every(
        region, "list_model_packages", "ModelPackageSummaryList",
        ModelPackageType="Both", SortBy=by, SortOrder=order, PaginationConfig={"PageSize": 4},
    )  # fmt: skip
    assert len(seen) == 17
    assert max(Counter(entry["ModelPackageArn"] for entry in seen).values()) == 1
    values = [
        entry["CreationTime"]
        if by == "CreationTime"
        else entry.get("ModelPackageName", entry.get("ModelPackageGroupName"))
        for entry in seen
    ]
    assert values == sorted(values, reverse=order == "Descending")


def test_a_package_that_comes_between_two_pages_hides_no_other(region):
    region.create_model_package_group(ModelPackageGroupName="moving")
    for _ in range(4):
        region.create_model_package(
            ModelPackageGroupName="moving", InferenceSpecification=SPECIFICATION
        )
    request = {"ModelPackageGroupName": "moving", "SortOrder": "Descending", "MaxResults": 2}
    first = region.list_model_packages(**request)
    region.create_model_package(
        ModelPackageGroupName="moving", InferenceSpecification=SPECIFICATION
    )
    second = region.list_model_packages(**request, NextToken=first["NextToken"])
    assert arns(first) + arns(second) == ["moving/4", "moving/3", "moving/2", "moving/1"]
    for version in range(1, 6):
        region.delete_model_package(ModelPackageName=f"moving/{version}")
    region.delete_model_package_group(ModelPackageGroupName="moving")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["single-b", "single-a"]),
        ({"ModelPackageType": "Unversioned"}, ["single-b", "single-a"]),
        ({"ModelPackageGroupName": "alpha"}, ["alpha/1", "alpha/2", "alpha/3"]),
        (
            {
                "ModelPackageGroupName": "arn:aws:sagemaker:eu-west-3:123456789012:"
                "model-package-group/alpha"
            },
            ["alpha/1", "alpha/2", "alpha/3"],
        ),
        ({"ModelPackageGroupName": "gamma"}, []),
        ({"ModelPackageGroupName": "alpha", "ModelApprovalStatus": "Approved"},
         ["alpha/1", "alpha/3"]),
        ({"ModelPackageType": "Versioned", "NameContains": "LPH"},
         ["alpha/1", "alpha/2", "alpha/3"]),
        ({"ModelPackageType": "Both", "NameContains": "-a"}, ["single-a"]),
        ({"ModelPackageType": "Both", "NameContains": "zzz"}, []),
        ({"SortBy": "Name"}, ["single-a", "single-b"]),
        ({"SortOrder": "Descending"}, ["single-a", "single-b"]),
    ],
)  # fmt: skip
def test_packages_are_filtered(region, filters, expected):
    assert arns(region.list_model_packages(**filters)) == expected


def test_packages_are_filtered_by_time(region):
    whole = region.list_model_packages(ModelPackageGroupName="beta", MaxResults=100)
    times = [entry["CreationTime"] for entry in whole["ModelPackageSummaryList"]]
    later = region.list_model_packages(ModelPackageGroupName="beta", CreationTimeAfter=times[8])
    earlier = region.list_model_packages(ModelPackageGroupName="beta", CreationTimeBefore=times[2])
    # boto3 sends whole seconds.
    assert set(arns(later)) <= set(arns(whole))
    assert set(arns(earlier)) <= set(arns(whole))
    year = times[0].replace(year=times[0].year - 1)
    assert (
        arns(region.list_model_packages(ModelPackageGroupName="beta", CreationTimeBefore=year))
        == []
    )
    assert (
        len(arns(region.list_model_packages(ModelPackageGroupName="alpha", CreationTimeAfter=year)))
        == 3
    )


def test_groups_are_filtered_and_sorted(region):
    def names(**request):
        page = region.list_model_package_groups(**request)
        return [entry["ModelPackageGroupName"] for entry in page["ModelPackageGroupSummaryList"]]

    assert names() == ["alpha", "beta", "gamma"]
    assert names(SortOrder="Descending", SortBy="Name") == ["gamma", "beta", "alpha"]
    assert names(NameContains="ET") == ["beta"]
    assert names(MaxResults=2) == ["alpha", "beta"]


@pytest.fixture(scope="module")
def jobs(bench):
    """Two completed jobs and a failed one of each kind, told apart by a word of their own."""
    word = f"x{uuid.uuid4().hex[:8]}"
    for name, script in (("b", ""), ("a", ""), ("c", "raise SystemExit(1)")):
        bench.run(bench.processing_request(script, ProcessingJobName=f"processing-{word}-{name}"))
        bench.run(bench.training_request(script, TrainingJobName=f"training-{word}-{name}"))
    return word


@pytest.mark.parametrize("kind", ["Processing", "Training"])
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "bac"),
        ({"SortOrder": "Descending"}, "cab"),
        ({"SortBy": "Name"}, "abc"),
        ({"SortBy": "Name", "SortOrder": "Descending"}, "cba"),
        ({"SortBy": "Status", "SortOrder": "Descending"}, "cba"),
        ({"StatusEquals": "Failed"}, "c"),
        ({"StatusEquals": "Completed"}, "ba"),
        ({"StatusEquals": "Stopped"}, ""),
        ({"LastModifiedTimeAfter": 4_000_000_000}, ""),
        ({"LastModifiedTimeBefore": 4_000_000_000}, "bac"),
        ({"CreationTimeAfter": 4_000_000_000}, ""),
        ({"CreationTimeBefore": 4_000_000_000}, "bac"),
    ],
)
def test_jobs_are_filtered_and_sorted(bench, jobs, kind, filters, expected):
    summaries = every(
        bench.sagemaker, f"list_{kind.lower()}_jobs", f"{kind}JobSummaries",
        NameContains=jobs, PaginationConfig={"PageSize": 2}, **filters,
    )  # fmt: skip
    assert "".join(str(entry[f"{kind}JobName"])[-1] for entry in summaries) == expected
    for entry in summaries:
        assert entry[f"{kind}JobArn"]
        assert entry["CreationTime"] <= entry[f"{kind}EndTime"] <= entry["LastModifiedTime"]


@pytest.mark.parametrize("token", ["nonsense", "bm9uc2Vuc2U=", "WzFd"])
def test_a_token_that_was_not_given_is_refused(bench, token):
    with pytest.raises(ClientError, match="ValidationException"):
        bench.sagemaker.list_training_jobs(NextToken=token)


def test_a_token_of_another_query_is_refused(region):
    token = region.list_model_packages(ModelPackageGroupName="beta", MaxResults=1)["NextToken"]
    with pytest.raises(ClientError, match="other parameters"):
        region.list_model_packages(ModelPackageGroupName="alpha", NextToken=token)
