from __future__ import annotations

import threading

import pytest
from botocore.exceptions import ClientError

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
SPECIFICATION = {
    "Containers": [
        {
            "Image": IMAGE,
            "ModelDataUrl": "s3://bucket/model.tar.gz",
            "Environment": {"SAGEMAKER_PROGRAM": "entry_point.py"},
        }
    ],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
    "SupportedTransformInstanceTypes": ["ml.m5.large"],
}
EVERYTHING = {
    "ModelPackageDescription": "linear regression ✓",
    "InferenceSpecification": SPECIFICATION,
    "ModelApprovalStatus": "Rejected",
    "MetadataProperties": {"CommitId": "abc", "Repository": "r", "GeneratedBy": "g"},
    "ModelMetrics": {
        "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://b/e"}}
    },
    "Domain": "MACHINE_LEARNING",
    "Task": "REGRESSION",
    "SamplePayloadUrl": "s3://b/sample.tar.gz",
    "CustomerMetadataProperties": {"r2": "0.64", "snapshot": "2026-11-20"},
    "DriftCheckBaselines": {
        "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://b/d"}}
    },
    "AdditionalInferenceSpecifications": [
        {"Name": "second", "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://b/2.tar.gz"}]}
    ],
    "SkipModelValidation": "All",
    "SourceUri": "arn:aws:sagemaker:us-east-1:123456789012:model/m",
    "SecurityConfig": {"KmsKeyId": "key"},
    "ModelCard": {"ModelCardContent": "{}", "ModelCardStatus": "Draft"},
    "ModelLifeCycle": {"Stage": "dev", "StageStatus": "ready", "StageDescription": "d"},
    "ModelPackageRegistrationType": "Registered",
}


@pytest.fixture
def sagemaker(bench):
    return bench.sagemaker


@pytest.fixture
def group(bench):
    name = bench.name("group")
    bench.sagemaker.create_model_package_group(ModelPackageGroupName=name)
    return name


def create(sagemaker, group, **more) -> str:
    request = {"ModelPackageGroupName": group, "InferenceSpecification": SPECIFICATION, **more}
    return str(sagemaker.create_model_package(**request)["ModelPackageArn"])


def refused(call, **members) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**members)
    found = error.value.response["Error"]
    return found["Code"], found["Message"]


def test_a_group_is_described_as_it_was_made(bench, sagemaker):
    name = bench.name("Group")
    arn = sagemaker.create_model_package_group(
        ModelPackageGroupName=name,
        ModelPackageGroupDescription="houses",
        Tags=[{"Key": "team", "Value": "data"}],
    )["ModelPackageGroupArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:123456789012:model-package-group/{name.lower()}"
    for named in (name, arn):
        group = sagemaker.describe_model_package_group(ModelPackageGroupName=named)
        group.pop("ResponseMetadata")
        created = group.pop("CreationTime")
        assert created.timestamp() > 1_700_000_000
        assert group == {
            "ModelPackageGroupName": name,
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupDescription": "houses",
            "ModelPackageGroupStatus": "Completed",
            "CreatedBy": {},
        }
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "data"}]


def test_a_second_group_of_the_same_name_is_refused_in_the_services_words(sagemaker, group):
    code, message = refused(sagemaker.create_model_package_group, ModelPackageGroupName=group)
    assert code == "ValidationException"
    assert message.startswith("Model Package Group already exists: arn:aws:sagemaker:")


def test_a_group_that_is_not_there_is_told_by_its_arn(sagemaker):
    for call, more in (
        (sagemaker.describe_model_package_group, {}),
        (sagemaker.delete_model_package_group, {}),
        (sagemaker.list_model_packages, {}),
        (sagemaker.create_model_package, {"InferenceSpecification": SPECIFICATION}),
    ):
        code, message = refused(call, ModelPackageGroupName="nowhere", **more)
        assert code == "ValidationException"
        assert "model-package-group/nowhere does not exist." in message


def test_a_group_goes_only_when_it_is_empty(sagemaker, group):
    arn = create(sagemaker, group)
    code, _ = refused(sagemaker.delete_model_package_group, ModelPackageGroupName=group)
    assert code == "ConflictException"
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    refused(sagemaker.describe_model_package_group, ModelPackageGroupName=group)


def test_a_package_is_described_with_all_that_was_put_in(sagemaker, group):
    arn = create(sagemaker, group, **EVERYTHING)
    assert arn == f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/1"
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    for member, value in EVERYTHING.items():
        assert described[member] == value, member
    assert described["ModelPackageGroupName"] == group
    assert described["ModelPackageVersion"] == 1
    assert "ModelPackageName" not in described
    assert described["ModelPackageStatus"] == "Completed"
    assert described["ModelPackageStatusDetails"]["ValidationStatuses"] == []
    assert described["CreationTime"] == described["LastModifiedTime"]


def test_the_cards_content_can_be_left_out(sagemaker, group):
    arn = create(sagemaker, group, **EVERYTHING)
    described = sagemaker.describe_model_package(ModelPackageName=arn, IncludedData="MetadataOnly")
    assert described["ModelCard"] == {"ModelCardStatus": "Draft"}


def test_approval_waits_for_a_person_unless_the_caller_says_otherwise(sagemaker, group):
    arn = create(sagemaker, group)
    described = sagemaker.describe_model_package(ModelPackageName=arn)
    assert described["ModelApprovalStatus"] == "PendingManualApproval"


def test_versions_count_up_and_a_deleted_one_is_not_given_again(sagemaker, group):
    arns = [create(sagemaker, group) for _ in range(3)]
    assert [arn.rpartition("/")[2] for arn in arns] == ["1", "2", "3"]
    sagemaker.delete_model_package(ModelPackageName=arns[2])
    code, message = refused(sagemaker.describe_model_package, ModelPackageName=arns[2])
    assert (code, message) == ("ValidationException", f"ModelPackage {arns[2]} does not exist.")
    assert create(sagemaker, group).endswith("/4")


def test_a_package_is_found_by_its_group_and_version_too(sagemaker, group):
    arn = create(sagemaker, group)
    found = sagemaker.describe_model_package(ModelPackageName=f"{group}/1")
    assert found["ModelPackageArn"] == arn


def test_an_unversioned_package_has_a_name_of_its_own(bench, sagemaker):
    name = bench.name("package")
    request = {"ModelPackageName": name, "InferenceSpecification": SPECIFICATION}
    arn = sagemaker.create_model_package(**request)["ModelPackageArn"]
    described = sagemaker.describe_model_package(ModelPackageName=name)
    assert described["ModelPackageArn"] == arn
    assert "ModelPackageVersion" not in described
    assert "ModelApprovalStatus" not in described
    code, message = refused(sagemaker.create_model_package, **request, ClientToken="other")
    assert (code, message) == ("ValidationException", f"Model Package already exists: {arn}")


def test_one_token_makes_one_package(sagemaker, group):
    first = create(sagemaker, group, ClientToken=f"{group}-token")
    assert create(sagemaker, group, ClientToken=f"{group}-token") == first
    code, message = refused(
        sagemaker.create_model_package,
        ModelPackageGroupName=group,
        InferenceSpecification=SPECIFICATION,
        ClientToken=f"{group}-token",
        ModelPackageDescription="another",
    )
    assert code == "ConflictException"
    assert first in message
    listed = sagemaker.list_model_packages(ModelPackageGroupName=group)
    assert len(listed["ModelPackageSummaryList"]) == 1


def test_concurrent_calls_with_one_token_make_one_package(bench, group):
    barrier = threading.Barrier(8)
    arns = []

    def register():
        client = bench.server.client("sagemaker")
        barrier.wait()
        arns.append(create(client, group, ClientToken=f"{group}-race"))

    threads = [threading.Thread(target=register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arns) == 8
    assert {arn.rpartition("/")[2] for arn in arns} == {"1"}


def test_concurrent_registrations_get_versions_of_their_own(bench, group):
    arns = []
    threads = [
        threading.Thread(
            target=lambda: arns.append(create(bench.server.client("sagemaker"), group))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(arn.rpartition("/")[2]) for arn in arns) == list(range(1, 9))


def test_a_token_of_a_deleted_package_makes_a_new_one(sagemaker, group):
    first = create(sagemaker, group, ClientToken=f"{group}-again")
    sagemaker.delete_model_package(ModelPackageName=first)
    assert create(sagemaker, group, ClientToken=f"{group}-again").endswith("/2")


def test_an_update_changes_what_it_names_and_nothing_else(sagemaker, group):
    arn = create(sagemaker, group, **EVERYTHING)
    before = sagemaker.describe_model_package(ModelPackageName=arn)
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="looks good",
        CustomerMetadataProperties={"r2": "0.65", "approver": "me@example.com"},
        CustomerMetadataPropertiesToRemove=["snapshot", "never-there"],
        AdditionalInferenceSpecificationsToAdd=[
            {"Name": "third", "Containers": [{"Image": IMAGE}]}
        ],
        ModelCard={"ModelCardStatus": "Approved"},
    )
    after = sagemaker.describe_model_package(ModelPackageName=arn)
    assert after["ModelApprovalStatus"] == "Approved"
    assert after["ApprovalDescription"] == "looks good"
    assert after["CustomerMetadataProperties"] == {"r2": "0.65", "approver": "me@example.com"}
    names = [entry["Name"] for entry in after["AdditionalInferenceSpecifications"]]
    assert names == ["second", "third"]
    assert after["ModelCard"] == {"ModelCardContent": "{}", "ModelCardStatus": "Approved"}
    assert after["LastModifiedTime"] > before["LastModifiedTime"]
    changed = {
        "ModelApprovalStatus", "ApprovalDescription", "CustomerMetadataProperties",
        "AdditionalInferenceSpecifications", "ModelCard", "LastModifiedTime", "ResponseMetadata",
    }  # fmt: skip
    assert {k: v for k, v in after.items() if k not in changed} == {
        k: v for k, v in before.items() if k not in changed
    }


def test_the_last_metadata_property_can_be_removed(sagemaker, group):
    arn = create(sagemaker, group, CustomerMetadataProperties={"a": "b"})
    sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataPropertiesToRemove=["a"])
    after = sagemaker.describe_model_package(ModelPackageName=arn)
    assert "CustomerMetadataProperties" not in after


def test_an_update_cannot_pass_the_limit_of_properties(sagemaker, group):
    arn = create(sagemaker, group, CustomerMetadataProperties={f"k{n}": "v" for n in range(50)})
    code, message = refused(
        sagemaker.update_model_package,
        ModelPackageArn=arn,
        CustomerMetadataProperties={"one-more": "v"},
    )
    assert code == "ValidationException"
    assert "51" in message


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "Either ModelPackageName or ModelPackageGroupName"),
        ({"ModelPackageName": "a", "ModelPackageGroupName": "b"}, "and not both"),
        ({"ModelPackageName": "a", "ModelApprovalStatus": "Approved"}, "versioned"),
        ({"ModelPackageGroupName": "g", "Tags": [{"Key": "a", "Value": "b"}]}, "group's tags"),
        ({"ModelPackageGroupName": "g", "InferenceSpecification": None}, "must be given"),
    ],
)
def test_rules_beyond_the_model_are_kept(bench, members, words):
    request = {"InferenceSpecification": SPECIFICATION, **members}
    request = {key: value for key, value in request.items() if value is not None}
    code, message = refused(bench.sagemaker.create_model_package, **request)
    assert code == "ValidationException"
    assert words in message


def test_many_packages_are_described_at_once(sagemaker, group):
    first, second = create(sagemaker, group), create(sagemaker, group)
    missing = second.replace("/2", "/9")
    found = sagemaker.batch_describe_model_package(ModelPackageArnList=[first, second, missing])
    assert {
        arn: summary["ModelPackageVersion"]
        for arn, summary in found["ModelPackageSummaries"].items()
    } == {first: 1, second: 2}
    errors = found["BatchDescribeModelPackageErrorMap"]
    assert errors[missing]["ErrorCode"] == "ValidationException"
