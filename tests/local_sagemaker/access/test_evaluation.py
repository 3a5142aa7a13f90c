"""Policies are evaluated as the IAM User Guide says; its own examples are the cases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_sagemaker.access.conditions import Context
from local_sagemaker.access.evaluation import Permissions, denial, trusts
from local_sagemaker.access.policies import Ask, PolicyError, check_policy, read_policy

USER = "arn:aws:iam::123456789012:user/johndoe"
BUCKET = "arn:aws:s3:::amzn-s3-demo-bucket"


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def ask(action: str, resource: str = "*", **values: Any) -> Ask:
    """An ask; a key's colon is written as two underscores, and a list is a list of values."""
    context = {
        key.replace("__", ":", 1).lower(): tuple(held) if isinstance(held, list) else (held,)
        for key, held in values.items()
    }
    return Ask(action, resource, Context(context))


def allowed(asked: Ask, *statements: dict[str, Any], **more: Any) -> bool:
    return denial(asked, Permissions((("p", document(*statements, **more)),))) is None


@pytest.mark.parametrize(
    ("action", "pattern", "fits"),
    [
        ("s3:GetObject", "s3:GetObject", True),
        ("s3:GetObject", "S3:getobject", True),
        ("s3:GetObject", "s3:Get*", True),
        ("s3:GetObject", "s3:???Object", True),
        ("s3:GetObject", "*", True),
        ("s3:GetObjectVersion", "s3:GetObject", False),
        ("s3:GetObject", "s3:Get", False),
        ("iam:GetUser", "s3:*", False),
    ],
)
def test_actions_are_compared_without_case_and_with_wildcards(action, pattern, fits):
    assert allowed(ask(action), allow(pattern)) is fits
    assert (
        allowed(ask(action), {"Effect": "Allow", "NotAction": pattern, "Resource": "*"}) is not fits
    )


@pytest.mark.parametrize(
    ("resource", "pattern", "fits"),
    [
        (f"{BUCKET}/a/b", f"{BUCKET}/*", True),
        (f"{BUCKET}/a/b", f"{BUCKET}/a/?", True),
        (f"{BUCKET}/a/b", f"{BUCKET}/A/b", False),
        (BUCKET, f"{BUCKET}/*", False),
        (f"{BUCKET}/a", BUCKET, False),
        (f"{BUCKET}-other/a", f"{BUCKET}*", True),
        (f"{BUCKET}/a[b]+", f"{BUCKET}/a[b]+", True),
        (f"{BUCKET}/2026:11", f"{BUCKET}/2026:*", True),
        (f"{BUCKET}/a", "arn:aws:s3", True),  # IAM completes it by stars
        ("arn:aws:sagemaker:us-east-1:1:model/a", "arn:aws:sagemaker:*:1:model/*", True),
        # A star does not reach beyond its part of an ARN.
        ("arn:aws:sagemaker:us-east-1:1:model/a", "arn:aws:sagemaker:*:model/a", False),
        ("*", "arn:aws:sagemaker:*:*:*", False),
        ("*", "*", True),
    ],
)
def test_resources_are_compared_part_by_part(resource, pattern, fits):
    assert allowed(ask("s3:X", resource), allow("s3:X", pattern)) is fits
    opposite = {"Effect": "Allow", "Action": "s3:X", "NotResource": pattern}
    assert allowed(ask("s3:X", resource), opposite) is not fits


def test_an_explicit_deny_wins_wherever_it_stands():
    for statements in ((allow("s3:*"), deny("s3:Put*")), (deny("s3:Put*"), allow("s3:*"))):
        assert allowed(ask("s3:GetObject"), *statements)
        refused = denial(ask("s3:PutObject"), Permissions((("p", document(*statements)),)))
        assert refused is not None
        assert refused.explicit
        assert refused.reason == "with an explicit deny in an identity-based policy"


def test_what_is_not_allowed_is_denied():
    refused = denial(ask("s3:GetObject"), Permissions())
    assert refused is not None
    assert not refused.explicit
    assert refused.reason == ("because no identity-based policy allows the s3:GetObject action")


@pytest.mark.parametrize("kind", ["boundary", "session"])
def test_a_boundary_and_a_session_only_take_away(kind):
    wide, narrow = ("wide", document(allow("*"))), ("narrow", document(allow("s3:Get*")))
    limited = Permissions((wide,), **{kind: narrow})
    assert denial(ask("s3:GetObject"), limited) is None
    refused = denial(ask("s3:PutObject"), limited)
    name = {"boundary": "permissions boundary", "session": "session policy"}[kind]
    assert refused is not None
    assert refused.reason == f"because no {name} allows the s3:PutObject action"
    # What the identity itself may not do is not given by them.
    assert denial(ask("s3:GetObject"), Permissions((), **{kind: wide})) is not None
    banned = Permissions((wide,), **{kind: ("narrow", document(allow("*"), deny("s3:Get*")))})
    explicit = denial(ask("s3:GetObject"), banned)
    assert explicit is not None
    assert explicit.explicit
    assert name in explicit.reason


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        # "IAM JSON policy elements: Condition operators".
        ({"StringEquals": {"aws:PrincipalTag/job-category": "iamuser-admin"}}, {}, False),
        (
            {"StringEquals": {"aws:PrincipalTag/job-category": "iamuser-admin"}},
            {"aws__PrincipalTag/job-category": "iamuser-admin"},
            True,
        ),
        (
            {"StringEquals": {"aws:PrincipalTag/job-category": "iamuser-admin"}},
            {"aws__PrincipalTag/job-category": "IAMUser-Admin"},
            False,
        ),
        (
            {"StringEqualsIgnoreCase": {"AWS:principaltag/Job-Category": "iamuser-admin"}},
            {"aws__PrincipalTag/job-category": "IAMUser-Admin"},
            True,
        ),
        ({"StringNotEquals": {"s3:prefix": "a"}}, {"s3__prefix": "b"}, True),
        ({"StringNotEquals": {"s3:prefix": ["a", "b"]}}, {"s3__prefix": "b"}, False),
        ({"StringNotEquals": {"s3:prefix": "a"}}, {}, True),  # a negated one holds without the key
        (
            {"StringLike": {"s3:prefix": ["", "home/", "home/x/*"]}},
            {"s3__prefix": "home/x/y"},
            True,
        ),
        ({"StringLike": {"s3:prefix": ["", "home/", "home/x/*"]}}, {"s3__prefix": ""}, True),
        ({"StringLike": {"s3:prefix": ["", "home/", "home/x/*"]}}, {"s3__prefix": "home"}, False),
        ({"StringEquals": {"s3:prefix": "home/*"}}, {"s3__prefix": "home/x"}, False),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"s3__max-keys": "10"}, True),
        ({"NumericLessThanEquals": {"s3:max-keys": 10}}, {"s3__max-keys": "11"}, False),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {}, False),
        ({"NumericNotEquals": {"s3:max-keys": "10"}}, {"s3__max-keys": "10.0"}, False),
        (
            {"DateGreaterThan": {"aws:TokenIssueTime": "2020-01-01T00:00:01Z"}},
            {"aws__TokenIssueTime": "2020-01-01T00:00:02Z"},
            True,
        ),
        (
            {"DateLessThan": {"aws:CurrentTime": "2020-06-30"}},
            {"aws__CurrentTime": "2020-07-01T00:00:00+00:00"},
            False,
        ),
        ({"DateLessThan": {"aws:EpochTime": "1593475200"}}, {"aws__EpochTime": "1593475199"}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"aws__SecureTransport": "true"}, True),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws__SecureTransport": "true"}, False),
        (
            {"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:111122223333:*"}},
            {"aws__SourceArn": "arn:aws:sagemaker:us-east-1:111122223333:training-job/x"},
            True,
        ),
        (
            {"ArnEquals": {"aws:SourceArn": "arn:aws:sagemaker:*:111122223333:*"}},
            {"aws__SourceArn": "arn:aws:sagemaker:us-east-1:444455556666:training-job/x"},
            False,
        ),
        ({"Null": {"aws:TokenIssueTime": "true"}}, {}, True),
        ({"Null": {"aws:TokenIssueTime": "true"}}, {"aws__TokenIssueTime": "x"}, False),
        ({"Null": {"aws:TokenIssueTime": "false"}}, {"aws__TokenIssueTime": "x"}, True),
        ({"StringLikeIfExists": {"s3:prefix": "t2.*"}}, {}, True),
        ({"StringLikeIfExists": {"s3:prefix": "t2.*"}}, {"s3__prefix": "m5"}, False),
        # All operators and all keys must hold; of the values one.
        (
            {"StringEquals": {"s3:prefix": "a", "s3:delimiter": ["/", "-"]}},
            {"s3__prefix": "a", "s3__delimiter": "-"},
            True,
        ),
        (
            {"StringEquals": {"s3:prefix": "a"}, "Bool": {"aws:SecureTransport": "true"}},
            {"s3__prefix": "a", "aws__SecureTransport": "false"},
            False,
        ),
        # "Multivalued context keys".
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws__TagKeys": ["a"]}, True),
        (
            {"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}},
            {"aws__TagKeys": ["a", "c"]},
            False,
        ),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {}, True),
        (
            {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}},
            {"aws__TagKeys": ["a", "c"]},
            True,
        ),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws__TagKeys": ["c"]}, False),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {}, False),
        (
            {"ForAllValues:StringNotEquals": {"aws:TagKeys": ["a"]}},
            {"aws__TagKeys": ["a", "b"]},
            False,
        ),
    ],
)
def test_conditions(condition, values, holds):
    assert allowed(ask("s3:X", **values), allow("s3:X", Condition=condition)) is holds
    # As it keeps an Allow from speaking, it keeps a Deny.
    banned = (allow("s3:X"), deny("s3:X", Condition=condition))
    assert allowed(ask("s3:X", **values), *banned) is not holds


HOME = [
    allow("s3:ListBucket", BUCKET, Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}}),
    allow(["s3:GetObject", "s3:PutObject"], BUCKET + "/${aws:username}/*"),
]


@pytest.mark.parametrize(
    ("asked", "may"),
    [
        (ask("s3:GetObject", f"{BUCKET}/johndoe/x", aws__username="johndoe"), True),
        (ask("s3:GetObject", f"{BUCKET}/other/x", aws__username="johndoe"), False),
        (ask("s3:ListBucket", BUCKET, aws__username="a", s3__prefix="a/b"), True),
        (ask("s3:ListBucket", BUCKET, aws__username="a", s3__prefix="b/a"), False),
        # A role's session has no user name.
        (ask("s3:GetObject", f"{BUCKET}/${{aws:username}}/x"), False),
        # A star in a name is no wildcard.
        (ask("s3:GetObject", f"{BUCKET}/johndoe/x", aws__username="*"), False),
    ],
)
def test_variables_stand_for_the_requests_values(asked, may):
    assert allowed(asked, *HOME) is may


def test_variables_have_defaults_and_can_be_written_out():
    department = allow("s3:X", BUCKET + "/${aws:PrincipalTag/team, 'company-wide'}/*")
    assert allowed(ask("s3:X", f"{BUCKET}/company-wide/x"), department)
    named = {"aws__PrincipalTag/team": "yellow"}
    assert not allowed(ask("s3:X", f"{BUCKET}/company-wide/x", **named), department)
    assert allowed(ask("s3:X", f"{BUCKET}/yellow/x", **named), department)
    star = allow("s3:X", BUCKET + "/${*}")
    assert allowed(ask("s3:X", f"{BUCKET}/*"), star)
    assert not allowed(ask("s3:X", f"{BUCKET}/x"), star)


def test_in_the_old_version_variables_are_text():
    old = allow("s3:X", BUCKET + "/${aws:username}")
    assert not allowed(ask("s3:X", f"{BUCKET}/a", aws__username="a"), old, version="2008-10-17")
    assert allowed(ask("s3:X", f"{BUCKET}/${{aws:username}}"), old, version="2008-10-17")


def test_a_deny_whose_variable_has_no_value_denies():
    banned = (allow("s3:X"), deny("s3:X", BUCKET + "/${aws:username}"))
    refused = denial(ask("s3:X", f"{BUCKET}/a"), Permissions((("p", document(*banned)),)))
    assert refused is not None
    assert "cannot be evaluated" in refused.reason


UNKNOWN: dict[str, Any] = {
    "key": {"StringEquals": {"ec2:ResourceTag/a": "b"}},
    "operator": {"IpAddress": {"aws:PrincipalArn": "10.0.0.0/8"}},
    "negated": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}},
    "if it exists": {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}},
    "null": {"Null": {"aws:SourceVpc": "true"}},
    "all values": {"ForAllValues:StringEquals": {"aws:CalledVia": "x"}},
    "variable": {"StringEquals": {"s3:prefix": "${aws:SourceIp}"}},
    "number": {"NumericEquals": {"s3:max-keys": "ten"}},
    "no quantifier": {"StringEquals": {"aws:TagKeys": "a"}},
}


@pytest.mark.parametrize("condition", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_evaluated_is_refused_and_never_allows(condition):
    unknown = allow("s3:X", Condition=condition)
    with pytest.raises(PolicyError, match=r"^statement 2: .+"):
        check_policy(document(allow("s3:Y"), unknown))
    # One that was kept before does not allow, and says why; a Deny denies.
    refused = denial(ask("s3:X"), Permissions((("old", document(unknown)),)))
    assert refused is not None
    assert not refused.explicit
    assert "old cannot be evaluated" in refused.reason
    banned = document(allow("s3:*"), deny("s3:X", Condition=condition))
    explicit = denial(ask("s3:X"), Permissions((("old", banned),)))
    assert explicit is not None
    assert explicit.explicit
    assert "old cannot be evaluated" in explicit.reason
    # What else is allowed stays so.
    assert denial(ask("s3:Y"), Permissions((("old", banned),))) is None
    assert allowed(ask("s3:X"), unknown, allow("s3:X"))


def test_a_resources_tags_that_are_not_known_here_allow_nothing():
    tagged = allow("logs:X", Condition={"StringNotEquals": {"aws:ResourceTag/team": "red"}})
    untold = Ask("logs:X", "*", Context({}, ("aws:resourcetag/",)))
    assert denial(untold, Permissions((("p", document(tagged)),))) is not None
    assert allowed(ask("logs:X"), tagged)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ('{"Statement": [{"Action": "*", "Resource": "*"}]}', "Effect"),
        ('{"Statement": ["x"]}', "Effect"),
        (document({**allow("*"), "NotAction": "*"}), "either Action or NotAction"),
        (document({"Effect": "Allow", "Action": "*"}), "either Resource or NotResource"),
        (document({**allow("*"), "Condtion": {}}), "Condtion"),
        (document({**allow("*"), "Principal": "*"}), "no element Principal"),
        (document(allow([1])), "Action must be"),
        (document(allow("*", {"a": 1})), "Resource must be"),
        (document(allow("*", Condition={"Bool": []})), "Condition must"),
        (document(allow("*", Condition={"Bool": {"aws:SecureTransport": [None]}})), "values"),
        (document(allow("*", Condition={"Bool": {"aws:SecureTransport": []}})), "values"),
    ],
)
def test_what_is_no_policy_is_refused_and_allows_nothing(text, words):
    with pytest.raises(PolicyError, match=words):
        read_policy(text)
    refused = denial(ask("s3:X"), Permissions((("old", text), ("wide", document(allow("*"))))))
    assert refused is not None
    assert "old cannot be read" in refused.reason


def trust(principal: Any, **more: Any) -> str:
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more})


SAGEMAKER = (("Service", "sagemaker.amazonaws.com"),)
JOHN = (("AWS", USER),)


@pytest.mark.parametrize(
    ("policy", "who", "let_in"),
    [
        (trust({"Service": "sagemaker.amazonaws.com"}), SAGEMAKER, True),
        (trust({"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}), SAGEMAKER, True),
        (trust({"Service": "ec2.amazonaws.com"}), SAGEMAKER, False),
        (trust({"AWS": "*"}), SAGEMAKER, False),
        (trust("*"), SAGEMAKER, True),
        (trust({"AWS": USER}), JOHN, True),
        (trust({"AWS": f"{USER}x"}), JOHN, False),
        (trust({"AWS": "*"}), JOHN, True),
        (trust({"Service": "sagemaker.amazonaws.com"}), JOHN, False),
        (
            trust(
                {"Service": "sagemaker.amazonaws.com"},
                Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}},
            ),
            SAGEMAKER,
            True,
        ),
        (
            trust(
                {"Service": "sagemaker.amazonaws.com"},
                Condition={"StringEquals": {"aws:SourceAccount": "210987654321"}},
            ),
            SAGEMAKER,
            False,
        ),
    ],
)
def test_a_role_lets_in_whom_it_trusts(policy, who, let_in):
    context = Context({"aws:sourceaccount": ("123456789012",)})
    asked = Ask("sts:AssumeRole", "arn:aws:iam::123456789012:role/jobs", context, who)
    assert (trusts(policy, asked) is None) is let_in
