from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"


@pytest.fixture(scope="module")
def url(endpoints, answering):
    return endpoints.archive(answering("hello"))


@pytest.fixture
def register(endpoints):
    def register(url: str, **more) -> str:
        group = endpoints.name("group")
        endpoints.sagemaker.create_model_package_group(ModelPackageGroupName=group)
        container = {
            "Image": IMAGE,
            "ModelDataUrl": url,
            "Environment": {
                "SAGEMAKER_PROGRAM": "entry_point.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                "WORD": "of the package",
                "OTHER": "of the package",
            },
        }
        return endpoints.sagemaker.create_model_package(
            ModelPackageGroupName=group,
            InferenceSpecification={"Containers": [container]},
            **more,
        )["ModelPackageArn"]

    return register


def refused(endpoints, code: str, match: str, **members) -> None:
    name = endpoints.name("refused")
    with pytest.raises(ClientError, match=match) as error:
        endpoints.sagemaker.create_model(ModelName=name, **members)
    assert error.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError, match=f'Could not find model ".*:model/{name}"'):
        endpoints.sagemaker.describe_model(ModelName=name)


def test_a_model_is_described_as_it_was_made(endpoints, url):
    name = endpoints.name("Model")
    role = "arn:aws:iam::123456789012:role/jobs"
    arn = endpoints.sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": url},
        ExecutionRoleArn=role,
        Tags=[{"Key": "a", "Value": "b"}],
    )["ModelArn"]
    model = endpoints.sagemaker.describe_model(ModelName=name)
    assert model["ModelArn"] == arn
    assert arn.endswith(f":model/{name.lower()}")
    assert model["PrimaryContainer"] == {
        "Image": IMAGE,
        "ModelDataUrl": url,
        "Mode": "SingleModel",
        "Environment": {},
    }
    assert model["ExecutionRoleArn"] == role
    assert "Resolved" not in model
    assert endpoints.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_a_package_that_is_not_approved_is_refused(endpoints, register, url, status):
    package = register(url, ModelApprovalStatus=status)
    refused(
        endpoints,
        "ValidationException",
        f"its ModelApprovalStatus is {status}, not Approved",
        PrimaryContainer={"ModelPackageName": package},
    )


def test_an_approved_package_gives_image_data_and_environment(endpoints, register, answering):
    script = answering("", predict="return os.environ['WORD'] + ', ' + os.environ['OTHER']")
    package = register(endpoints.archive(script), ModelApprovalStatus="Approved")
    name = endpoints.name("packaged")
    endpoints.sagemaker.create_model(
        ModelName=name,
        Containers=[{"ModelPackageName": package, "Environment": {"WORD": "of the model"}}],
    )
    (shown,) = endpoints.sagemaker.describe_model(ModelName=name)["Containers"]
    assert shown["ModelPackageName"] == package
    assert shown["Environment"] == {"WORD": "of the model"}
    endpoint = endpoints.create(endpoints.config(name))
    # What happens to the package now is too late for a model that exists.
    endpoints.sagemaker.update_model_package(
        ModelPackageArn=package, ModelApprovalStatus="Rejected"
    )
    assert endpoints.settle(endpoint)["EndpointStatus"] == "InService"
    assert endpoints.call(endpoint) == b"of the model, of the package"


def test_an_unversioned_package_needs_no_approval(endpoints, url):
    package = endpoints.sagemaker.create_model_package(
        ModelPackageName=endpoints.name("unversioned"),
        InferenceSpecification={"Containers": [{"Image": IMAGE, "ModelDataUrl": url}]},
    )["ModelPackageArn"]
    name = endpoints.name("unversioned-model")
    endpoints.sagemaker.create_model(
        ModelName=name, PrimaryContainer={"ModelPackageName": package.rpartition("/")[2]}
    )
    assert endpoints.sagemaker.describe_model(ModelName=name)["ModelName"] == name


@pytest.mark.parametrize("package", ["never/1", "never"])
def test_a_package_that_never_was_is_not_found(endpoints, package):
    refused(
        endpoints,
        "ValidationException",
        "ModelPackage .* does not exist",
        PrimaryContainer={"ModelPackageName": package},
    )


def test_a_name_is_taken_whatever_the_case(endpoints, url):
    container = {"Image": IMAGE, "ModelDataUrl": url}
    name = endpoints.name("taken")
    endpoints.sagemaker.create_model(ModelName=name, PrimaryContainer=container)
    with pytest.raises(ClientError, match=r'Cannot create already existing model "arn:.*"\.'):
        endpoints.sagemaker.create_model(ModelName=name.upper(), PrimaryContainer=container)


def test_a_deleted_model_is_gone_with_its_tags_and_frees_its_name(endpoints, url):
    name = endpoints.model(url)
    arn = endpoints.sagemaker.describe_model(ModelName=name)["ModelArn"]
    endpoints.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    endpoints.sagemaker.delete_model(ModelName=name)
    for call in (endpoints.sagemaker.describe_model, endpoints.sagemaker.delete_model):
        with pytest.raises(ClientError, match="Could not find model"):
            call(ModelName=name)
    endpoints.sagemaker.create_model(
        ModelName=name, PrimaryContainer={"Image": IMAGE, "ModelDataUrl": url}
    )
    assert endpoints.sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_models_are_listed_newest_first_in_pages(endpoints, url):
    prefix = endpoints.name("listed")
    names = [f"{prefix}-{number}" for number in range(3)]
    for name in names:
        endpoints.sagemaker.create_model(
            ModelName=name, PrimaryContainer={"Image": IMAGE, "ModelDataUrl": url}
        )
    first = endpoints.sagemaker.list_models(NameContains=prefix, MaxResults=2)
    assert [model["ModelName"] for model in first["Models"]] == names[:0:-1]
    rest = endpoints.sagemaker.list_models(
        NameContains=prefix, MaxResults=2, NextToken=first["NextToken"]
    )
    assert [model["ModelName"] for model in rest["Models"]] == names[:1]
    assert "NextToken" not in rest
    before = first["Models"][0]["CreationTime"] - timedelta(hours=1)
    ordered = endpoints.sagemaker.list_models(
        NameContains=prefix, SortBy="Name", SortOrder="Ascending", CreationTimeAfter=before
    )
    assert [model["ModelName"] for model in ordered["Models"]] == names
    assert set(ordered["Models"][0]) == {"ModelName", "ModelArn", "CreationTime"}
    older = endpoints.sagemaker.list_models(NameContains=prefix, CreationTimeBefore=before)
    assert older["Models"] == []


def test_model_data_that_is_not_there_is_refused(endpoints, url):
    for missing in (f"{url}x", "s3://no-such-bucket/model.tar.gz", url.rpartition("/")[0]):
        refused(
            endpoints,
            "ValidationException",
            f"Could not find model data at {missing}\\.",
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": missing},
        )


def test_a_container_needs_an_image_or_a_package(endpoints, url):
    image = {"Image": IMAGE, "ModelDataUrl": url}
    for members, match in (
        ({"PrimaryContainer": {"ModelDataUrl": url}}, "needs an Image or a ModelPackageName"),
        ({}, "Either PrimaryContainer or Containers"),
        ({"PrimaryContainer": image, "Containers": [image]}, "and not both"),
        (
            {"PrimaryContainer": {"ModelPackageName": "p", "Image": IMAGE}},
            "with a ModelPackageName cannot have Image too",
        ),
        ({"PrimaryContainer": {"Image": "other:1"}}, "Image other:1 is unknown here"),
    ):
        refused(endpoints, "ValidationException", match, **members)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Mode", "MultiModel"),
        ("MultiModelConfig", {"ModelCacheSetting": "Enabled"}),
        ("InferenceSpecificationName", "other"),
        (
            "AdditionalModelDataSources",
            [
                {
                    "ChannelName": "c",
                    "S3DataSource": {
                        "S3Uri": "s3://b/k",
                        "S3DataType": "S3Prefix",
                        "CompressionType": "None",
                    },
                }
            ],
        ),
        ("Environment", {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://b/sourcedir.tar.gz"}),
    ],
)
def test_what_is_not_emulated_is_refused(endpoints, url, member, value):
    container = {"Image": IMAGE, "ModelDataUrl": url, member: value}
    refused(endpoints, "UnsupportedOperation", "not emulated", PrimaryContainer=container)
    refused(endpoints, "UnsupportedOperation", "not emulated", Containers=[container])


def test_pipelines_of_containers_are_refused(endpoints, url):
    container = {"Image": IMAGE, "ModelDataUrl": url}
    refused(
        endpoints,
        "UnsupportedOperation",
        "Containers has 2 entries",
        Containers=[container, container],
    )
    refused(
        endpoints,
        "UnsupportedOperation",
        "InferenceExecutionConfig",
        Containers=[container],
        InferenceExecutionConfig={"Mode": "Serial"},
    )


@pytest.mark.parametrize("packed_up", [True, False], ids=["archive", "prefix"])
def test_model_data_may_be_named_as_a_source(endpoints, answering, packed_up):
    if packed_up:
        uri = endpoints.archive(answering("hello"))
        kind = {"S3DataType": "S3Object", "CompressionType": "Gzip"}
    else:
        prefix = f"{endpoints.name('folder')}/"
        endpoints.s3.put_object(
            Bucket="endpoints", Key=f"{prefix}code/entry_point.py", Body=answering("hello")
        )
        uri = f"s3://endpoints/{prefix}"
        kind = {"S3DataType": "S3Prefix", "CompressionType": "None"}
    name = endpoints.name("source")
    endpoints.sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataSource": {"S3DataSource": {"S3Uri": uri, **kind}},
            "Environment": {
                "SAGEMAKER_PROGRAM": "entry_point.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
        },
    )
    endpoint = endpoints.create(endpoints.config(name))
    assert endpoints.settle(endpoint)["EndpointStatus"] == "InService"
    assert endpoints.call(endpoint) == b"hello"
