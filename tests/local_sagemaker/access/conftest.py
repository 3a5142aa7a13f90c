"""A server that enforces IAM, and users with policies of their own."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "123456789012"
_names = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Somebody:
    """Who has keys.

    Attributes:
        url: The server's.
        name: The user's or the session's.
        keys: Access key, secret and, of a session, token.
    """

    url: str
    name: str
    keys: tuple[str, ...]

    def client(self, service: str) -> Any:
        key, secret, *token = self.keys
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token[0] if token else None,
            config=Config(signature_version="s3v4") if service == "s3" else None,
        )


@dataclass(frozen=True, slots=True)
class Account:
    """An account on a server.

    Attributes:
        server: Its clients are the root's.
    """

    server: Any

    def user(self, *statements: dict[str, Any]) -> Somebody:
        """Make a user with a policy; without statements it has none."""
        iam = self.server.client("iam")
        name = f"user-{next(_names)}"
        iam.create_user(UserName=name)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(*statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Somebody(self.server.url, name, (key["AccessKeyId"], key["SecretAccessKey"]))

    def role(self, *statements: dict[str, Any], trusts: Any = None, name: str = "") -> str:
        """Make a role that SageMaker may assume, or whoever; return its ARN."""
        iam = self.server.client("iam")
        name = name or f"role-{next(_names)}"
        document = policy(
            {
                "Effect": "Allow",
                "Principal": trusts or {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        )
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        if statements:
            self.grant(arn, *statements)
        return arn

    def grant(self, role: str, *statements: dict[str, Any]) -> None:
        """Give a role another policy instead of its own."""
        self.server.client("iam").put_role_policy(
            RoleName=role.rpartition("/")[2], PolicyName="own", PolicyDocument=policy(*statements)
        )


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def refused(call: Any, /, **members: Any) -> tuple[str, int, str]:
    """Return code, status and message of a call that is refused."""
    with pytest.raises(ClientError) as error:
        call(**members)
    told = error.value.response
    return (
        told["Error"]["Code"],
        told["ResponseMetadata"]["HTTPStatusCode"],
        told["Error"]["Message"],
    )


@pytest.fixture(scope="session")
def account(
    tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any
) -> Iterator[Account]:
    state = tmp_path_factory.mktemp("enforced") / "state"
    with run_embedded_sagemaker(state, "--enforce-iam", "--stop-grace", "1") as server:
        yield Account(server)
