from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

TAG = {"Key": "team", "Value": "data"}


@pytest.fixture
def arn(bench):
    return bench.sagemaker.create_model_package_group(ModelPackageGroupName=bench.name("tagged"))[
        "ModelPackageGroupArn"
    ]


def test_tags_are_added_replaced_and_deleted(bench, arn):
    sagemaker = bench.sagemaker
    assert sagemaker.add_tags(ResourceArn=arn, Tags=[TAG])["Tags"] == [TAG]
    more = [{"Key": "cost", "Value": ""}, {"Key": "team", "Value": "ml"}]
    sagemaker.add_tags(ResourceArn=arn, Tags=more)
    held = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    assert held == {"team": "ml", "cost": ""}
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "never-there"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "cost", "Value": ""}]


def test_jobs_carry_the_tags_of_their_creation(bench):
    for request, kind in (
        (bench.processing_request("", Tags=[TAG]), "Processing"),
        (bench.training_request("", Tags=[TAG]), "Training"),
    ):
        job = bench.run(request)
        tags = bench.sagemaker.list_tags(ResourceArn=job[f"{kind}JobArn"])["Tags"]
        assert tags == [TAG]


def test_a_version_can_be_tagged_after_its_creation(bench, arn):
    package = bench.sagemaker.create_model_package(
        ModelPackageGroupName=arn.rpartition("/")[2],
        InferenceSpecification={"Containers": [{"Image": "image"}]},
    )["ModelPackageArn"]
    bench.sagemaker.add_tags(ResourceArn=package, Tags=[TAG])
    assert bench.sagemaker.list_tags(ResourceArn=package)["Tags"] == [TAG]
    bench.sagemaker.delete_model_package(ModelPackageName=package)
    with pytest.raises(ClientError, match="Could not find"):
        bench.sagemaker.list_tags(ResourceArn=package)


def test_a_resource_has_fifty_tags_at_most(bench, arn):
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    bench.sagemaker.add_tags(ResourceArn=arn, Tags=tags)
    bench.sagemaker.add_tags(ResourceArn=arn, Tags=tags[:1])
    with pytest.raises(bench.sagemaker.exceptions.ResourceLimitExceeded):
        bench.sagemaker.add_tags(ResourceArn=arn, Tags=[TAG])


@pytest.mark.parametrize(
    "tags", [[{"Key": "aws:reserved", "Value": "x"}], [TAG, TAG]], ids=["reserved", "twice"]
)
def test_tags_that_the_service_does_not_take_are_refused(bench, arn, tags):
    with pytest.raises(ClientError, match="ValidationException"):
        bench.sagemaker.add_tags(ResourceArn=arn, Tags=tags)


@pytest.mark.parametrize("resource", ["training-job/never", "endpoint/e", "model-package/g/1"])
def test_what_is_not_there_cannot_be_tagged(bench, resource):
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:{resource}"
    with pytest.raises(ClientError, match="Could not find a taggable resource"):
        bench.sagemaker.add_tags(ResourceArn=arn, Tags=[TAG])
