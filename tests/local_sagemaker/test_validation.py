from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local_sagemaker.errors import RequestInvalidError, ServiceError
from local_sagemaker.patterns import compile_pattern
from local_sagemaker.refusals import REFUSALS, refuse_unsupported
from local_sagemaker.validation import service_model, validate_request


def training(**more):
    return {
        "TrainingJobName": "name",
        "RoleArn": "arn:aws:iam::123456789012:role/r",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        **more,
    }


def package(**more):
    return {"ModelPackageGroupName": "group", **more}


def test_a_good_request_passes():
    validate_request("CreateTrainingJob", training())
    validate_request("ListTrainingJobs", {"CreationTimeAfter": datetime.now(tz=UTC)})
    validate_request("ListTrainingJobs", {"CreationTimeAfter": 1_700_000_000.5})


@pytest.mark.parametrize(
    ("operation", "request_", "problem"),
    [
        pytest.param(
            "CreateTrainingJob", {k: v for k, v in training().items() if k != "RoleArn"},
            "Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
            id="missing",
        ),
        pytest.param(
            "CreateTrainingJob", training(RoleArn=None),
            "Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
            id="null",
        ),
        pytest.param(
            "CreateTrainingJob", training(OutputDataConfig={}),
            "Value null at 'outputDataConfig.s3OutputPath' failed to satisfy constraint: "
            "Member must not be null",
            id="missing in a structure",
        ),
        pytest.param(
            "CreateTrainingJob", training(TrainingJobName="-a"),
            "Value '-a' at 'trainingJobName' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
            id="pattern",
        ),
        pytest.param(
            "CreateTrainingJob", training(TrainingJobName="name\n"),
            "Member must satisfy regular expression pattern",
            id="pattern at a line's end",
        ),
        pytest.param(
            "CreateModelPackage", package(ClientToken="x" * 37),
            f"Value '{'x' * 37}' at 'clientToken' failed to satisfy constraint: Member must have "
            "length less than or equal to 36",
            id="too long",
        ),
        pytest.param(
            "CreateTrainingJob", training(Tags=[{"Key": "", "Value": ""}]),
            "Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length "
            "greater than or equal to 1",
            id="too short",
        ),
        pytest.param(
            "CreateTrainingJob",
            training(AlgorithmSpecification={"TrainingInputMode": "Floppy"}),
            "Value 'Floppy' at 'algorithmSpecification.trainingInputMode' failed to satisfy "
            "constraint: Member must satisfy enum value set: [Pipe, File, FastFile]",
            id="enumeration",
        ),
        pytest.param(
            "CreateTrainingJob", training(StoppingCondition={"MaxRuntimeInSeconds": 0}),
            "Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
            id="too small",
        ),
        pytest.param(
            "ListTrainingJobs", {"MaxResults": 101},
            "Member must have value less than or equal to 100",
            id="too large",
        ),
        pytest.param(
            "CreateTrainingJob", training(InputDataConfig=[]),
            "Value '[]' at 'inputDataConfig' failed to satisfy constraint: Member must have length "
            "greater than or equal to 1",
            id="too few",
        ),
        pytest.param(
            "CreateTrainingJob",
            training(Tags=[{"Key": "a", "Value": "b"}, {"Key": "ok!", "Value": ""}]),
            "at 'tags.2.member.key' failed to satisfy constraint: Member must satisfy regular",
            id="in a list",
        ),
        pytest.param(
            "CreateTrainingJob", training(HyperParameters={"a": "x" * 2501}),
            "at 'hyperParameters' failed to satisfy constraint: Map value must satisfy constraint: "
            "[Member must have length less than or equal to 2500]",
            id="map value",
        ),
        pytest.param(
            "CreateTrainingJob", training(Environment={"1": "x"}),
            "at 'environment' failed to satisfy constraint: Map keys must satisfy constraint: "
            "[Member must satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*]",
            id="map key",
        ),
        pytest.param(
            "CreateTrainingJob", training(HyperParameters={"a": 1}),
            "Map value must satisfy constraint: [Member must be of type string]",
            id="map value's type",
        ),
        pytest.param(
            "CreateTrainingJob", training(TrainingJobNam="x"),
            "Value 'x' at 'trainingJobNam' failed to satisfy constraint: Member must be one of [",
            id="unknown member",
        ),
        pytest.param(
            "CreateTrainingJob", training(TrainingJobName=7),
            "Value '7' at 'trainingJobName' failed to satisfy constraint: Member must be of type "
            "string",
            id="wrong type",
        ),
        pytest.param(
            "ListTrainingJobs", {"MaxResults": True}, "Member must be of type integer",
            id="boolean for integer",
        ),
        pytest.param(
            "ListTrainingJobs", {"MaxResults": 1.5}, "Member must be of type integer",
            id="float for integer",
        ),
        pytest.param(
            "CreateTrainingJob", training(EnableNetworkIsolation="true"),
            "Member must be of type boolean",
            id="string for boolean",
        ),
        pytest.param(
            "CreateModelPackage", package(CustomerMetadataProperties={"a": "1,2"}),
            "Map value must satisfy constraint",
            id="comma in customer metadata",
        ),
        pytest.param(
            "CreateModelPackage",
            package(CustomerMetadataProperties={str(n): "x" for n in range(51)}),
            "Member must have length less than or equal to 50",
            id="too many entries",
        ),
    ],
)  # fmt: skip
def test_each_kind_of_constraint_is_checked(operation, request_, problem):
    with pytest.raises(RequestInvalidError) as refused:
        validate_request(operation, request_)
    assert refused.value.code == "ValidationException"
    assert refused.value.message.startswith("1 validation error detected: ")
    assert problem in refused.value.message


def test_all_problems_are_counted_and_told():
    with pytest.raises(RequestInvalidError) as refused:
        validate_request("CreateTrainingJob", {"TrainingJobName": "a b" * 30})
    message = refused.value.message
    assert message.startswith("4 validation errors detected: Value null at 'roleArn'")
    assert message.count("failed to satisfy constraint") == 4
    assert message.count("; Value") == 3


@pytest.mark.parametrize("text", ["münchen 2026-11-20", "a_b.c:d/e=f+g-h@i", "日本語"])
def test_letters_of_all_alphabets_are_letters(text):
    validate_request("CreateModelPackage", package(CustomerMetadataProperties={text: text}))


def test_digits_are_those_of_java():
    assert compile_pattern(r"arn:[\d-]+:\d{2}").fullmatch("arn:1-2:34")
    assert not compile_pattern(r"arn:[\d-]+:\d{2}").fullmatch("arn:1-2:٣٤")
    assert not compile_pattern(r"arn:[\d-]+").fullmatch("arn:٣")


def test_every_pattern_of_the_model_compiles():
    model = service_model()
    patterns = {
        shape.metadata["pattern"]
        for shape in map(model.shape_for, model.shape_names)
        if "pattern" in shape.metadata
    }
    assert len(patterns) > 100
    for pattern in patterns:
        compile_pattern(pattern)


def test_a_character_beyond_the_basic_plane_is_in_javas_range_of_surrogates():
    pattern = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*"
    assert compile_pattern(pattern).fullmatch("text 🏠")
    assert not compile_pattern(pattern).fullmatch("text \n")


def test_every_refused_member_exists_in_the_model():
    for operation, refusals in REFUSALS.items():
        for refusal in refusals:
            shape = service_model().operation_model(operation).input_shape
            for name in refusal.path.split("."):
                shape = shape.members[name.removesuffix("[]")]
                shape = shape.member if name.endswith("[]") else shape
            for allowed in refusal.allowed:
                assert allowed in shape.metadata.get("enum", [allowed])


@pytest.mark.parametrize(
    ("operation", "path", "value"),
    [
        (operation, refusal.path, value)
        for operation, refusals in REFUSALS.items()
        for refusal in refusals
        for value in (["not allowed"], *[[v] for v in refusal.allowed[:1]])
    ],
)
def test_each_refused_member_is_refused_by_name_and_its_harmless_value_is_not(
    operation, path, value
):
    request: object = value[0]
    for name in reversed(path.split(".")):
        bare = name.removesuffix("[]")
        request = {bare: [request] if name.endswith("[]") else request}
    if value == ["not allowed"]:
        with pytest.raises(ServiceError) as refused:
            refuse_unsupported(operation, request)
        assert refused.value.code == "UnsupportedOperation"
        assert refused.value.message.startswith(f"{operation}: {path} = 'not allowed' is not")
        assert "local_sagemaker/README.md" in refused.value.message
    else:
        refuse_unsupported(operation, request)
