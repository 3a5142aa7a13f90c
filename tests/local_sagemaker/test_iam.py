"""IAM's simulation of a role's policies, which clients ask before they start a job."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/team/jobs"


def test_whatever_a_principal_is_asked_about_is_allowed(embedded_sagemaker: Any) -> None:
    iam = embedded_sagemaker.client("iam")
    resources = [f"arn:aws:s3:::bucket/{number}" for number in range(12)]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=ROLE, ActionNames=["s3:PutObject", "iam:Get*"], ResourceArns=resources
    )
    found = [result for page in pages for result in page["EvaluationResults"]]
    assert [(item["EvalActionName"], item["EvalResourceName"]) for item in found] == [
        (action, resource) for action in ("s3:PutObject", "iam:Get*") for resource in resources
    ]
    assert {item["EvalDecision"] for item in found} == {"allowed"}
    alone = iam.simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=["s3:GetObject"])
    assert [item["EvalResourceName"] for item in alone["EvaluationResults"]] == ["*"]


@pytest.mark.parametrize(
    ("principal", "action", "words"),
    [
        ("arn:aws:iam::123456789012:policy/some", "s3:GetObject", "Invalid Entity Arn"),
        ("arn:aws:iam::12:role/some-role-here", "s3:GetObject", "Invalid Entity Arn"),
        (ROLE, "GetObject<&", "Invalid action: GetObject<&"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    embedded_sagemaker: Any, principal: str, action: str, words: str
) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        embedded_sagemaker.client("iam").simulate_principal_policy(
            PolicySourceArn=principal, ActionNames=[action]
        )
    assert refused.value.response["Error"]["Code"] == "InvalidInput"


def test_all_other_calls_are_still_motos(embedded_sagemaker: Any) -> None:
    iam = embedded_sagemaker.client("iam")
    assert iam.create_user(UserName="somebody")["User"]["UserName"] == "somebody"
