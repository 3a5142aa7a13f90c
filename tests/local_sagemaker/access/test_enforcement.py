"""Calls are checked against their caller's policies, and refused in each service's words."""

from __future__ import annotations

import http.client
import signal
import time
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local_sagemaker.access.sagemaker_actions import NEEDED
from local_sagemaker.operations import OPERATIONS
from local_sagemaker.validation import service_model
from tests.local_sagemaker.access.conftest import ACCOUNT, Account, Somebody, allow, policy, refused

REGION = "us-east-1"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
ASKING = {
    "s3": "list_buckets",
    "sagemaker": "list_training_jobs",
    "logs": "describe_log_groups",
    "iam": "list_users",
    "sts": "get_caller_identity",
}


def test_every_operation_has_its_permission():
    assert list(NEEDED) == [
        *list(OPERATIONS)[: list(NEEDED).index("InvokeEndpoint")],
        "InvokeEndpoint",
        *list(OPERATIONS)[list(NEEDED).index("InvokeEndpoint") :],
    ]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_tags_and_roles_of_a_request_are_not_overlooked(operation):
    members = service_model().operation_model(operation).input_shape.members
    assert NEEDED[operation].creates is ("Tags" in members and operation != "AddTags")
    named = {member for member in members if member.endswith("RoleArn")}
    assert not named or NEEDED[operation].role in named


@pytest.mark.parametrize("service", ASKING)
def test_who_is_unknown_or_has_no_secret_is_not_let_in(account: Account, service: str) -> None:
    user = account.user()
    stranger = replace(user, keys=("AKIAIOSFODNN7EXAMPLE", "x"))
    liar = replace(user, keys=(user.keys[0], "x"))
    forger = replace(user, keys=("ASIAIOSFODNN7EXAMPLE", "x", "dG9rZW4="))
    unknown = {
        "s3": "InvalidAccessKeyId",
        "iam": "InvalidClientTokenId",
        "sts": "InvalidClientTokenId",
    }.get(service, "UnrecognizedClientException")
    wrong = (
        "SignatureDoesNotMatch" if service in ("s3", "iam", "sts") else "InvalidSignatureException"
    )
    foreign = replace(user, keys=("ключ", "x"))
    for who, code in ((stranger, unknown), (foreign, unknown), (liar, wrong), (forger, wrong)):
        assert refused(getattr(who.client(service), ASKING[service]))[0] == code


def test_a_key_that_is_turned_off_or_deleted_is_nobodys(account: Account) -> None:
    user, iam = account.user(), account.server.client("iam")
    ask = user.client("sts").get_caller_identity
    assert ask()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{user.name}"
    key = {"UserName": user.name, "AccessKeyId": user.keys[0]}
    iam.update_access_key(**key, Status="Inactive")
    assert refused(ask)[0] == "InvalidClientTokenId"
    iam.update_access_key(**key, Status="Active")
    assert ask()
    iam.delete_access_key(**key)
    assert refused(ask)[0] == "InvalidClientTokenId"


def test_a_deleted_users_key_does_not_serve_the_next_of_that_name(account: Account) -> None:
    user, iam = account.user(), account.server.client("iam")
    iam.delete_access_key(UserName=user.name, AccessKeyId=user.keys[0])
    iam.delete_user(UserName=user.name)
    iam.create_user(UserName=user.name)
    assert refused(user.client("sts").get_caller_identity)[0] == "InvalidClientTokenId"


def test_refusals_name_the_action_and_the_resource(account: Account) -> None:
    user = account.user()
    me = f"User: arn:aws:iam::{ACCOUNT}:user/{user.name} is not authorized to perform:"
    because = "because no identity-based policy allows the"
    job, describe = f"{ARN}:training-job/some", "sagemaker:DescribeTrainingJob"
    role = f"arn:aws:iam::{ACCOUNT}:role/any"
    assert refused(user.client("sagemaker").describe_training_job, TrainingJobName="Some") == (
        "AccessDeniedException",
        400,
        f"{me} {describe} on resource: {job} {because} {describe} action",
    )
    assert refused(user.client("s3").get_object, Bucket="some", Key="a/b") == (
        "AccessDenied",
        403,
        f'{me} s3:GetObject on resource: "arn:aws:s3:::some/a/b" {because} s3:GetObject action',
    )
    assert refused(user.client("iam").get_role, RoleName="any") == (
        "AccessDenied",
        403,
        f"{me} iam:GetRole on resource: {role} {because} iam:GetRole action",
    )
    code, status, told = refused(
        user.client("logs").get_log_events, logGroupName="/g", logStreamName="s"
    )
    assert (code, status) == ("AccessDeniedException", 400)
    assert f"resource: arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/g:log-stream:s {because}" in told


GROUP = {"ModelPackageGroupName": "least"}
TAGS = [{"Key": "team", "Value": "red"}]


def test_tags_of_a_request_need_their_own_permission(account: Account) -> None:
    create = allow("sagemaker:CreateModelPackageGroup", f"{ARN}:model-package-group/least")
    user = account.user(create)
    told = refused(user.client("sagemaker").create_model_package_group, **GROUP, Tags=TAGS)[2]
    assert f"sagemaker:AddTags on resource: {ARN}:model-package-group/least" in told
    red = allow(
        "sagemaker:AddTags",
        Condition={
            "StringEquals": {
                "aws:RequestTag/team": "red",
                "sagemaker:TaggingAction": "CreateModelPackageGroup",
            },
            "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
        },
    )
    painter = account.user(create, red).client("sagemaker")
    blue = [{"Key": "team", "Value": "blue"}]
    for tags in (blue, [*TAGS, {"Key": "other", "Value": "x"}]):
        assert "AddTags" in refused(painter.create_model_package_group, **GROUP, Tags=tags)[2]
    painter.create_model_package_group(**GROUP, Tags=TAGS)
    # Who may describe what is red may describe this; who may what is blue, may not.
    for team, may in (("red", True), ("blue", False)):
        tagged = {"StringEquals": {"sagemaker:ResourceTag/team": team}}
        reader = account.user(allow("sagemaker:Describe*", Condition=tagged)).client("sagemaker")
        if may:
            assert reader.describe_model_package_group(**GROUP)
        else:
            assert (
                refused(reader.describe_model_package_group, **GROUP)[0] == "AccessDeniedException"
            )


def test_versions_are_created_in_a_group_that_is_allowed(account: Account) -> None:
    account.server.client("sagemaker").create_model_package_group(ModelPackageGroupName="own")
    version = {"ModelPackageGroupName": "own", "SourceUri": "s3://a/b"}
    package, group = f"{ARN}:model-package/own/*", f"{ARN}:model-package-group/own"
    for resources, missing in (([package], group), ([group], package)):
        user = account.user(allow("sagemaker:CreateModelPackage", resources))
        told = refused(user.client("sagemaker").create_model_package, **version)[2]
        assert f"on resource: {missing} because" in told
    user = account.user(allow("sagemaker:CreateModelPackage", [package, group]))
    assert user.client("sagemaker").create_model_package(**version)
    reader = account.user(allow("sagemaker:ListModelPackages", package)).client("sagemaker")
    assert reader.list_model_packages(ModelPackageGroupName="own")["ModelPackageSummaryList"]
    assert refused(reader.list_model_packages)[2].count("on resource: * because") == 1


OBJECT = "arn:aws:s3:::access/a/*"
LISTING = allow("s3:ListBucket", "arn:aws:s3:::access")


@pytest.fixture(scope="module")
def bucket(account: Account) -> str:
    s3 = account.server.client("s3")
    s3.create_bucket(Bucket="access")
    s3.put_object(Bucket="access", Key="a/one two+~é", Body=b"1")
    s3.put_object(Bucket="access", Key="b", Body=b"2")
    return "access"


def test_objects_are_read_where_it_is_allowed(account: Account, bucket: str) -> None:
    s3 = account.user(allow("s3:GetObject", OBJECT), LISTING).client("s3")
    assert s3.get_object(Bucket=bucket, Key="a/one two+~é")["Body"].read() == b"1"
    assert refused(s3.get_object, Bucket=bucket, Key="b")[0] == "AccessDenied"
    assert refused(s3.head_object, Bucket=bucket, Key="b")[1] == 403
    assert refused(s3.get_object, Bucket=bucket, Key="a/none")[0] == "NoSuchKey"
    for call in (s3.put_object, s3.delete_object):
        assert refused(call, Bucket=bucket, Key="a/new")[0] == "AccessDenied"
    given = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a/one two+~é"})
    assert urllib.request.urlopen(given).read() == b"1"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(given.replace("a/one", "b/one"))


def test_who_may_not_list_is_not_told_what_is_missing(account: Account, bucket: str) -> None:
    s3 = account.user(allow("s3:GetObject", OBJECT)).client("s3")
    code, status, told = refused(s3.get_object, Bucket=bucket, Key="a/none")
    assert (code, status) == ("AccessDenied", 403)
    assert 's3:ListBucket on resource: "arn:aws:s3:::access"' in told
    assert refused(s3.head_object, Bucket=bucket, Key="a/none")[1] == 403


def test_a_listing_may_be_limited_to_a_prefix(account: Account, bucket: str) -> None:
    only = {"StringLike": {"s3:prefix": ["a/*"]}}
    s3 = account.user(LISTING | {"Condition": only}).client("s3")
    assert s3.list_objects_v2(Bucket=bucket, Prefix="a/")["KeyCount"] == 1
    for members in ({"Prefix": "b"}, {}):
        assert refused(s3.list_objects_v2, Bucket=bucket, **members)[0] == "AccessDenied"


def test_what_a_request_does_besides_needs_its_own_permission(
    account: Account, bucket: str
) -> None:
    put = allow("s3:PutObject", OBJECT)
    s3 = account.user(put, allow("s3:GetObject", OBJECT)).client("s3")
    new = {"Bucket": bucket, "Key": "a/new"}
    copied = refused(s3.copy_object, **new, CopySource={"Bucket": bucket, "Key": "b"})[2]
    assert 's3:GetObject on resource: "arn:aws:s3:::access/b"' in copied
    assert "s3:PutObjectTagging" in refused(s3.put_object, **new, Body=b"", Tagging="a=b")[2]
    assert "s3:PutObjectAcl" in refused(s3.put_object, **new, Body=b"", ACL="public-read")[2]
    s3.copy_object(**new, CopySource={"Bucket": bucket, "Key": "a/one two+~é"})
    upload = s3.create_multipart_upload(**new)["UploadId"]
    assert "AbortMultipart" in refused(s3.abort_multipart_upload, **new, UploadId=upload)[2]
    deleter = account.user(allow("s3:DeleteObject", OBJECT)).client("s3")
    both = {"Objects": [{"Key": "a/new"}, {"Key": "b"}]}
    assert "access/b" in refused(deleter.delete_objects, Bucket=bucket, Delete=both)[2]
    deleter.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a/new"}]})


def test_policies_of_buckets_are_refused_as_nobody_evaluates_them(
    account: Account, bucket: str
) -> None:
    s3 = account.server.client("s3")
    told = refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy(allow("*")))
    assert told[0] == "UnsupportedOperation"


def test_groups_managed_policies_and_boundaries_count(account: Account, bucket: str) -> None:
    iam, user = account.server.client("iam"), account.user()
    s3 = user.client("s3")
    made = iam.create_policy(PolicyName="read-all", PolicyDocument=policy(allow("s3:GetObject")))
    arn = made["Policy"]["Arn"]
    iam.create_group(GroupName="readers")
    iam.add_user_to_group(GroupName="readers", UserName=user.name)
    assert refused(s3.get_object, Bucket=bucket, Key="b")
    iam.attach_group_policy(GroupName="readers", PolicyArn=arn)
    assert s3.get_object(Bucket=bucket, Key="b")
    iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=policy(allow("s3:GetObject", OBJECT)), SetAsDefault=True
    )
    assert refused(s3.get_object, Bucket=bucket, Key="b")
    role = account.role(allow("s3:*"), trusts={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    iam.put_role_permissions_boundary(RoleName=role.rpartition("/")[2], PermissionsBoundary=arn)
    bounded = assumed(account.user(allow("sts:AssumeRole", role)), role).client("s3")
    assert bounded.get_object(Bucket=bucket, Key="a/one two+~é")
    told = refused(bounded.get_object, Bucket=bucket, Key="b")[2]
    assert "because no permissions boundary allows the s3:GetObject action" in told


def assumed(who: Somebody, role: str, **members: Any) -> Somebody:
    answer = who.client("sts").assume_role(RoleArn=role, RoleSessionName="night", **members)
    given = answer["Credentials"]
    keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    return Somebody(who.url, "night", keys)


def test_a_role_is_assumed_by_whom_it_trusts(account: Account, bucket: str) -> None:
    user = account.user()
    of_user = account.role(
        allow("s3:GetObject"), trusts={"AWS": f"arn:aws:iam::{ACCOUNT}:user/{user.name}"}
    )
    session = assumed(user, of_user)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{of_user.rpartition('/')[2]}/night"
    assert session.client("sts").get_caller_identity()["Arn"] == arn
    assert session.client("s3").get_object(Bucket=bucket, Key="b")
    told = refused(session.client("s3").put_object, Bucket=bucket, Key="b")[2]
    assert told.startswith(f"User: {arn} is not authorized to perform: s3:PutObject")
    narrow = assumed(user, of_user, Policy=policy(allow("s3:GetObject", OBJECT))).client("s3")
    assert narrow.get_object(Bucket=bucket, Key="a/one two+~é")
    assert "no session policy allows" in refused(narrow.get_object, Bucket=bucket, Key="b")[2]
    # A trust in the account leaves it to the user's own policies.
    of_account = account.role(trusts={"AWS": ACCOUNT})
    of_service = account.role()
    for role in (of_account, of_service, f"arn:aws:iam::{ACCOUNT}:role/none"):
        code, _, told = refused(
            user.client("sts").assume_role, RoleArn=role, RoleSessionName="night"
        )
        assert code == "AccessDenied"
        assert f"sts:AssumeRole on resource: {role}" in told
    assert assumed(account.user(allow("sts:AssumeRole", of_account)), of_account)
    name = of_user.rpartition("/")[2]
    iam = account.server.client("iam")
    iam.delete_role_policy(RoleName=name, PolicyName="own")
    iam.delete_role(RoleName=name)
    account.role(allow("*"), name=name)
    assert refused(session.client("sts").get_caller_identity)[0] == "InvalidClientTokenId"


def test_an_external_id_is_asked_for(account: Account) -> None:
    iam, user = account.server.client("iam"), account.user()
    role = account.role(trusts={"AWS": "*"})
    document = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{user.name}"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "12345"}},
    }
    iam.update_assume_role_policy(RoleName=role.rpartition("/")[2], PolicyDocument=policy(document))
    with pytest.raises(ClientError, match="AccessDenied"):
        assumed(user, role)
    with pytest.raises(ClientError, match="AccessDenied"):
        assumed(user, role, ExternalId="54321")
    assert assumed(user, role, ExternalId="12345")


def test_what_a_session_may_not_take_on_is_refused(account: Account) -> None:
    user = account.user()
    role = account.role(trusts={"AWS": "*"})
    ask = user.client("sts").assume_role
    given = {"RoleArn": role, "RoleSessionName": "night"}
    assert refused(ask, **given, Tags=TAGS)[0] == "UnsupportedOperation"
    assert refused(ask, **given, DurationSeconds=3601)[0] == "ValidationError"
    unknown = policy(allow("*", Condition={"StringEquals": {"ec2:Region": "x"}}))
    assert refused(ask, **given, Policy=unknown)[0] == "MalformedPolicyDocument"
    assert refused(user.client("sts").get_session_token)[0] == "UnsupportedOperation"


def test_a_policy_that_cannot_be_evaluated_is_not_taken(account: Account) -> None:
    iam, user = account.server.client("iam"), account.user()
    unknown = allow("*", Condition={"StringEquals": {"ec2:Region": "x"}})
    document = {"PolicyDocument": policy(unknown)}
    role = account.role().rpartition("/")[2]
    trust = policy(
        {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
        }
    )
    calls = (
        (iam.put_user_policy, {"UserName": user.name, "PolicyName": "p", **document}),
        (iam.put_role_policy, {"RoleName": role, "PolicyName": "p", **document}),
        (iam.create_policy, {"PolicyName": "p", **document}),
        (iam.create_role, {"RoleName": "new", "AssumeRolePolicyDocument": trust}),
        (iam.update_assume_role_policy, {"RoleName": role, "PolicyDocument": trust}),
    )
    for call, members in calls:
        code, _, told = refused(call, **members)
        assert code == "MalformedPolicyDocument"
        assert "is not evaluated here" in told
    assert iam.list_user_policies(UserName=user.name)["PolicyNames"] == []


def test_a_simulation_says_what_would_happen(account: Account) -> None:
    role = account.role(
        allow("s3:GetObject", OBJECT), {"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}
    )
    iam = account.server.client("iam")
    found = iam.simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=["s3:GetObject", "s3:PutObject"],
        ResourceArns=["arn:aws:s3:::access/a/x", "arn:aws:s3:::access/b"],
    )["EvaluationResults"]
    decisions = [item["EvalDecision"] for item in found]
    assert decisions == ["allowed", "implicitDeny", "explicitDeny", "explicitDeny"]
    home = {"StringLike": {"s3:prefix": "a/*"}}
    user = account.user(LISTING | {"Condition": home})
    for prefix, decision in (("a/x", "allowed"), ("b", "implicitDeny")):
        entry = {
            "ContextKeyName": "s3:prefix",
            "ContextKeyValues": [prefix],
            "ContextKeyType": "string",
        }
        (found,) = iam.simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/{user.name}",
            ActionNames=["s3:ListBucket"],
            ResourceArns=["arn:aws:s3:::access"],
            ContextEntries=[entry],
        )["EvaluationResults"]
        assert found["EvalDecision"] == decision
    none = f"arn:aws:iam::{ACCOUNT}:role/none"
    code = refused(iam.simulate_principal_policy, PolicySourceArn=none, ActionNames=["s3:Get"])[0]
    assert code == "NoSuchEntity"


def sent(who: Somebody, service: str, path: str, *, body: str, headers: dict[str, str]) -> str:
    """Sign and send a request that no client would make; return the answer."""
    request = AWSRequest("POST", f"{who.url}{path}", headers=headers, data=body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(*who.keys), service, REGION).add_auth(request)
    connection = http.client.HTTPConnection(who.url.removeprefix("http://"))
    connection.request("POST", path, body.encode(), dict(request.headers))
    answer = connection.getresponse()
    assert answer.status >= 400
    return answer.read().decode()


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.GetLogEvents"}


@pytest.mark.parametrize(
    ("service", "path", "body", "headers"),
    [
        ("iam", "/?Action=DeleteUser", "Action=GetUser&Version=2010-05-08", FORM),
        ("iam", "/", "Action=GetUser&Action=DeleteUser&Version=2010-05-08", FORM),
        ("iam", "/", "Action=GetUser&Version=2010-05-08", TEXT),
        ("logs", "/?Action=DeleteLogGroup", '{"logGroupName": "a"}', JSON),
        ("logs", "/", '{"logGroupName": "a", "x": "&Action=DeleteLogGroup&"}', JSON),
        ("logs", "/", '{"logGroupName": "a", "x": "&logGroupName=b&"}', JSON),
        ("logs", "/", "", {**JSON, "Action": "DeleteLogGroup"}),
        ("logs", "/", "Action=DeleteLogGroup", {**JSON, **FORM}),
        ("s3", "/access/a/x?uploads", "acl=", FORM),
        ("s3", "/access/a/x#y?uploads", "", TEXT),
        ("iam", "/", "Action=delete_user&UserName=a&Version=2010-05-08", FORM),
        ("logs", "/", "{}", {**JSON, "X-Amz-Target": "Logs_20140328.delete_log_group"}),
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused(
    account: Account, service: str, path: str, body: str, headers: dict[str, str]
) -> None:
    user = account.user(allow("*"))
    answer = sent(user, service, path, body=body, headers=headers)
    assert "cannot be read in one way alone" in answer


def test_no_other_group_of_logs_is_read_instead(account: Account) -> None:
    logs = account.user(allow("logs:*", f"arn:aws:logs:*:{ACCOUNT}:log-group:/mine:*")).client(
        "logs"
    )
    account.server.client("logs").create_log_group(logGroupName="/theirs")
    logs.create_log_group(logGroupName="/mine")
    assert logs.describe_log_streams(logGroupName="/mine")["logStreams"] == []
    told = refused(logs.describe_log_streams, logGroupName="/theirs")[2]
    assert "logs:DescribeLogStreams" in told
    identifier = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/mine"
    code = refused(logs.describe_log_streams, logGroupIdentifier=identifier)[0]
    assert code == "UnsupportedOperation"
    theirs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/theirs"
    assert theirs in refused(logs.list_tags_for_resource, resourceArn=theirs)[2]


def test_a_resource_is_found_however_its_arn_is_written(account: Account) -> None:
    banned = {"Effect": "Deny", "Action": "*", "Resource": f"{ARN}:model-package/*"}
    user = account.user(allow("*"), banned).client("sagemaker")
    shouted = f"{ARN}:model-package/OWN/1".replace("model-package", "MODEL-PACKAGE")
    told = refused(user.describe_model_package, ModelPackageName=f"{ARN}:model-package/OWN/1")[2]
    assert "explicit deny" in told
    assert refused(user.list_tags, ResourceArn=shouted)[0] == "AccessDeniedException"


def test_a_bucket_is_called_by_nothing_but_its_name(account: Account, bucket: str) -> None:
    banned = {"Effect": "Deny", "Action": "*", "Resource": f"arn:aws:s3:::{bucket}"}
    user = account.user(allow("*"), banned)
    assert "InvalidBucketName" in sent(user, "s3", f"/{bucket};x?delete", body=" ", headers=TEXT)


def test_a_signature_is_of_its_time_and_of_its_body(account: Account, bucket: str) -> None:
    s3 = account.user(allow("s3:*")).client("s3")
    place = {"Bucket": bucket, "Key": "b"}
    given = s3.generate_presigned_url("get_object", place, ExpiresIn=1)
    time.sleep(2.5)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(given)
    tagged = s3.generate_presigned_url("get_object_tagging", place)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(tagged.replace("tagging", "acl"))
    user = account.user(allow("*"))
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    headers["X-Amz-Target"] = "SageMaker.DescribeModel"
    request = AWSRequest("POST", f"{user.url}/", headers=headers, data='{"ModelName": "a"}')
    SigV4Auth(Credentials(*user.keys), "sagemaker", REGION).add_auth(request)
    connection = http.client.HTTPConnection(user.url.removeprefix("http://"))
    connection.request("POST", "/", b'{"ModelName": "b"}', dict(request.headers))
    assert b"InvalidSignatureException" in connection.getresponse().read()


def test_what_is_not_signed_for_its_service_is_refused(account: Account) -> None:
    user = account.user(allow("*"))
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "SageMaker.ListTrainingJobs",
    }
    assert "scoped to sagemaker" in sent(user, "s3", "/", body="{}", headers=headers)
    bare = urllib.request.Request(f"{user.url}/access/b")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(bare)


@pytest.mark.parametrize("options", [(), ("--enforce-iam",)], ids=["open", "enforced"])
def test_iam_survives_a_sigkill(
    run_embedded_sagemaker: Any, tmp_path: Any, options: tuple[str, ...]
) -> None:
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        account, iam = Account(server), server.client("iam")
        keys = server.keys
        user = account.user(allow("s3:ListAllMyBuckets"))
        role = account.role(allow("logs:*"), trusts={"AWS": "*"})
        arn = iam.create_policy(
            PolicyName="managed", PolicyDocument=policy(allow("iam:GetUser")), Tags=TAGS
        )["Policy"]["Arn"]
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("iam:ListUsers")))
        iam.attach_user_policy(UserName=user.name, PolicyArn=arn)
        iam.create_group(GroupName="all", Path="/a/")
        iam.add_user_to_group(GroupName="all", UserName=user.name)
        iam.attach_group_policy(GroupName="all", PolicyArn=arn)
        iam.tag_user(UserName=user.name, Tags=TAGS)
        iam.tag_role(RoleName=role.rpartition("/")[2], Tags=TAGS)
        gone = account.user()
        iam.delete_access_key(UserName=gone.name, AccessKeyId=gone.keys[0])
        iam.delete_user(UserName=gone.name)
        session = assumed(user, role) if options else user

        def told(client: Any) -> list[Any]:
            found = client.get_account_authorization_details()
            keys = client.list_access_keys(UserName=user.name)["AccessKeyMetadata"]
            version = client.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
            del found["ResponseMetadata"]
            return [found, keys, version]

        before = told(iam)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        assert told(server.client("iam")) == before
        assert server.keys == keys
        assert replace(user, url=server.url).client("s3").list_buckets()["Buckets"] == []
        assert replace(session, url=server.url).client("sts").get_caller_identity()
