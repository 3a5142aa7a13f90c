"""STS with real sessions: AssumeRole and GetCallerIdentity. Source: the STS API Reference."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from local_sagemaker import ACCOUNT
from local_sagemaker.access.evaluation import denial, trusts
from local_sagemaker.access.identities import ROOT_ARN
from local_sagemaker.access.policies import Ask, PolicyError, check_policy
from local_sagemaker.errors import ServiceError, unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moto.iam.models import Role

    from local_sagemaker.access.conditions import Context
    from local_sagemaker.access.identities import Caller, Identities

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
# What a session may take on, and does not here.
_REFUSED = ("PolicyArns", "Tags", "TransitiveTagKeys", "ProvidedContexts", "SourceIdentity")
_SHORTEST, _DEFAULT_SECONDS = 900, 3600


def answer_sts(
    form: Mapping[str, str], *, caller: Caller, identities: Identities, context: Context
) -> Response:
    """Answer a request to STS.

    Args:
        form: The request's.
        caller: Who asks.
        identities: Who may become whom.
        context: What is known of the caller.

    Raises:
        ServiceError: AccessDenied, ValidationError, or UnsupportedOperation.
    """
    action = form.get("Action", "")
    if action == "GetCallerIdentity":
        told = {"Arn": caller.arn, "UserId": caller.user_id, "Account": ACCOUNT}
        return _xml(action, _elements(told))
    if action == "AssumeRole":
        return _assume(form, caller=caller, identities=identities, context=context)
    raise unsupported(f"sts: {action} is not emulated here (--enforce-iam).")


def _assume(
    form: Mapping[str, str], *, caller: Caller, identities: Identities, context: Context
) -> Response:
    arn, name = form.get("RoleArn", ""), form.get("RoleSessionName", "")
    if not _SESSION_NAME.fullmatch(name):
        raise _invalid(
            "roleSessionName", name, "2 to 64 letters, digits and the characters +=,.@-_"
        )
    if given := next((one for one in _REFUSED if any(key.startswith(one) for key in form)), None):
        raise unsupported(f"sts: AssumeRole: {given} is not emulated here (--enforce-iam).")
    role = identities.role(arn)
    told = context.having({"sts:RoleSessionName": (name,)})
    if "ExternalId" in form:
        told = told.having({"sts:ExternalId": (form["ExternalId"],)})
    why = _denied(role, Ask("sts:AssumeRole", arn, told, caller.principals), caller)
    if role is None or why is not None:
        raise ServiceError(
            "AccessDenied",
            f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            f"{f' {why}' if why else ''}",
            status=403,
        )
    policy = form.get("Policy")
    if policy is not None:
        try:
            check_policy(policy)
        except PolicyError as error:
            raise ServiceError("MalformedPolicyDocument", f"Policy: {error}.") from error
    session, keys = identities.assume(role, name, seconds=_seconds(form, role), policy=policy)
    expires = datetime.fromtimestamp(session.expires or 0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    credentials = {
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret,
        "SessionToken": keys.token,
        "Expiration": expires,
    }
    user = {"AssumedRoleId": f"{role.id}:{name}", "Arn": session.arn}
    return _xml(
        "AssumeRole",
        f"<Credentials>{_elements(credentials)}</Credentials>"
        f"<AssumedRoleUser>{_elements(user)}</AssumedRoleUser>",
    )


def _denied(role: Role | None, ask: Ask, caller: Caller) -> str | None:
    """Return why a caller may not assume a role; None if it may, or if there is no such role.

    A trust policy that names the caller itself is enough; one that names the account leaves it to
    the caller's own policies. The account's root needs the trust policy alone.
    """
    if role is None:
        return None
    if why := trusts(role.assume_role_policy_document, ask):
        return why
    refused = denial(ask, caller.permissions) if caller.permissions else None
    if refused is None:
        return None
    of_account = {("AWS", ROOT_ARN), ("AWS", ACCOUNT)}
    itself = tuple(one for one in ask.principals if one not in of_account)
    named = trusts(
        role.assume_role_policy_document, Ask(ask.action, ask.resource, ask.context, itself)
    )
    return refused.reason if refused.explicit or named is not None else None


def _seconds(form: Mapping[str, str], role: Role) -> float:
    stated = form.get("DurationSeconds", str(_DEFAULT_SECONDS))
    most = int(role.max_session_duration or _DEFAULT_SECONDS)
    if not re.fullmatch("[0-9]{1,6}", stated) or not _SHORTEST <= int(stated) <= most:
        raise _invalid("durationSeconds", stated, f"{_SHORTEST} to {most} seconds")
    return float(stated)


def _invalid(member: str, value: str, allowed: str) -> ServiceError:
    return ServiceError(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint:"
        f" Member must have {allowed}",
    )


def _elements(values: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


def _xml(action: str, result: str) -> Response:
    return Response(
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
        f"</{action}Response>",
        content_type="text/xml",
    )
