from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining import naming
from retraining.deployment import requests
from retraining.deployment.requests import Size

from local_sagemaker.validation import validate_request

ROLE = "arn:aws:iam::123456789012:role/retraining"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/houses/12"
SERVERLESS = Size(2048, 5, "")
CONTAINER = {"Image": "i", "ModelDataUrl": "s3://b/model.tar.gz"}
# Underscores and dots are not allowed; hyphens are, in between.
ENDPOINTS = st.from_regex(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", fullmatch=True)


@pytest.mark.parametrize("size", [SERVERLESS, Size(6144, 200, ""), Size(1024, 1, "ml.m5.large")])
def test_every_request_is_one_that_the_service_takes(size: Size) -> None:
    model = requests.model("m", ARN, role_arn=ROLE)
    validate_request("CreateModel", model)
    validate_request("CreateEndpointConfig", requests.endpoint_config("c", "m", size=size))


@given(ENDPOINTS, st.integers(1, 10**9))
def test_a_name_is_one_that_sagemaker_takes_and_is_ours(endpoint: str, number: int) -> None:
    name = naming.deployment_name(endpoint, number, identity=["x"])
    assert len(name) <= 63
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)
    assert naming.is_deployment_name(name, endpoint=endpoint)


@given(ENDPOINTS, ENDPOINTS)
def test_one_endpoints_names_are_never_anothers(one: str, other: str) -> None:
    name = naming.deployment_name(one, 1, identity=["x"])
    assert naming.is_deployment_name(name, endpoint=other) == (one == other)


@pytest.mark.parametrize(
    "name", ["houses", "houses-v1", "houses-v1-0123abcd-2", "x-houses-v1-0123abcd", "v1"]
)
def test_what_a_person_named_is_not_ours(name: str) -> None:
    assert not naming.is_deployment_name(name, endpoint="houses")


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a.b", "a" * 64, "é"])
def test_what_no_endpoint_can_be_called_is_refused(name: str) -> None:
    with pytest.raises(naming.InvalidNameError, match="endpoint name"):
        naming.deployment_name(name, 1, identity=[])


def test_each_part_of_the_identity_makes_another_name() -> None:
    models = {
        requests.model_name("e", 1, arn=arn, containers=containers, role_arn=role)
        for arn in (ARN, ARN + "3")
        for containers in ([CONTAINER], [CONTAINER | {"Image": "other"}])
        for role in (ROLE, ROLE + "-2")
    }
    assert len(models) == 8
    sizes = [SERVERLESS, Size(1024, 5, ""), Size(2048, 6, ""), Size(2048, 5, "ml.m5.large")]
    configs = {
        requests.config_name("e", 1, model_name=model, size=size)
        for model in ("m", "n")
        for size in sizes
    }
    assert len(configs) == 8


def test_a_reports_run_is_found_from_its_uri() -> None:
    run = naming.run_uri("bucket", "houses", "2026-11-20", "manual__x")
    assert naming.run_of_report(naming.report_uri(run)) == run
    for wrong in ("", "s3://bucket/evaluation.json", "s3://b/x/evaluation/evaluation.json.bak"):
        with pytest.raises(naming.InvalidNameError):
            naming.run_of_report(wrong)
