from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

SERVERLESS = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
INSTANCES = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 2}


@pytest.fixture(scope="module")
def model(endpoints, answering):
    return endpoints.model(endpoints.archive(answering("hello")))


@pytest.fixture
def create(endpoints, model):
    def create(name: str = "", variants: int = 1, variant=None, **more) -> str:
        name = name or endpoints.name("config")
        entries = [
            {"VariantName": f"v{number}", "ModelName": model, **(variant or INSTANCES)}
            for number in range(variants)
        ]
        endpoints.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=entries, **more
        )
        return name

    return create


@pytest.mark.parametrize("variant", [{"ServerlessConfig": SERVERLESS}, INSTANCES])
def test_a_config_is_described_as_it_was_made(endpoints, create, model, variant):
    config = endpoints.sagemaker.describe_endpoint_config(
        EndpointConfigName=create(variant=variant, Tags=[{"Key": "a", "Value": "b"}])
    )
    assert config["ProductionVariants"] == [
        {"VariantName": "v0", "ModelName": model, "InitialVariantWeight": 1.0, **variant}
    ]
    tags = endpoints.sagemaker.list_tags(ResourceArn=config["EndpointConfigArn"])["Tags"]
    assert tags == [{"Key": "a", "Value": "b"}]


@pytest.mark.parametrize(
    ("variant", "match"),
    [
        ({"ServerlessConfig": {**SERVERLESS, "MemorySizeInMB": 1500}}, "must be one of 1024, 2048"),
        ({"ServerlessConfig": {**SERVERLESS, "MemorySizeInMB": 7168}}, "less than or equal"),
        ({"ServerlessConfig": {**SERVERLESS, "MaxConcurrency": 201}}, "less than or equal to 200"),
        ({"ServerlessConfig": {**SERVERLESS, "ProvisionedConcurrency": 6}}, "at most MaxConc"),
        ({"ServerlessConfig": SERVERLESS, **INSTANCES}, "cannot have both"),
        ({"InstanceType": "ml.m5.large"}, "needs InstanceType and InitialInstanceCount"),
        ({**INSTANCES, "ModelName": "never-was"}, r'Could not find model "arn:.*model/never-was"'),
    ],
)
def test_a_variant_that_the_service_does_not_take_is_refused(create, variant, match):
    with pytest.raises(ClientError, match=match) as error:
        create(variant=variant)
    assert error.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    "members",
    [
        {"variants": 2},
        {
            "DataCaptureConfig": {
                "EnableCapture": True,
                "InitialSamplingPercentage": 1,
                "DestinationS3Uri": "s3://b/k",
                "CaptureOptions": [{"CaptureMode": "Input"}],
            }
        },
        {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/k"}}},
        {"ShadowProductionVariants": [{"VariantName": "s", **INSTANCES}]},
        {"variant": {**INSTANCES, "EnableSSMAccess": True}},
    ],
    ids=lambda members: next(iter(members)),
)
def test_what_is_not_emulated_is_refused(create, members):
    with pytest.raises(ClientError, match="emulated here") as error:
        create(**members)
    assert error.value.response["Error"]["Code"] == "UnsupportedOperation"


def test_a_name_is_taken_until_it_is_deleted(endpoints, create):
    name = create()
    with pytest.raises(ClientError, match="Cannot create already existing endpoint configuration"):
        create(name)
    endpoints.sagemaker.delete_endpoint_config(EndpointConfigName=name)
    for call in (
        endpoints.sagemaker.describe_endpoint_config,
        endpoints.sagemaker.delete_endpoint_config,
    ):
        with pytest.raises(ClientError, match='Could not find endpoint configuration "arn:'):
            call(EndpointConfigName=name)
    create(name)


def test_configs_are_listed_newest_first(endpoints, create):
    prefix = endpoints.name("listed-config")
    names = [create(f"{prefix}-{number}") for number in range(3)]
    listed = endpoints.sagemaker.list_endpoint_configs(NameContains=prefix)["EndpointConfigs"]
    assert [config["EndpointConfigName"] for config in listed] == names[::-1]
    pages = endpoints.sagemaker.get_paginator("list_endpoint_configs").paginate(
        NameContains=prefix, SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 1}
    )
    found = [config["EndpointConfigName"] for page in pages for config in page["EndpointConfigs"]]
    assert found == names
