"""Which permissions requests to CloudWatch Logs and to IAM need.

Source: the Service Authorization Reference, "Actions, resources, and condition keys" for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_sagemaker import ACCOUNT
from local_sagemaker.access.conditions import Context
from local_sagemaker.access.policies import Ask
from local_sagemaker.errors import unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moto.iam.models import IAMBackend

_UNTOLD = ("aws:resourcetag/",)
_STREAM_ACTIONS = {"DeleteLogStream", "GetLogEvents", "PutLogEvents"}


def log_asks(
    operation: str, members: Mapping[str, Any], *, region: str, context: Context
) -> list[Ask]:
    """Return what a caller of CloudWatch Logs must be allowed.

    Raises:
        ServiceError: UnsupportedOperation, moto takes an identifier that it does not know for any
            group.

    Args:
        operation: Such as ``GetLogEvents``.
        members: The request's, not validated.
        region: Where it was signed for.
        context: What is known of the caller.
    """
    if given := members.keys() & {"logGroupIdentifier", "logGroupIdentifiers"}:
        raise unsupported(f"logs: {given.pop()} is not emulated here (--enforce-iam).")
    action, told = f"logs:{operation}", Context(context.values, _UNTOLD)
    if arn := members.get("resourceArn"):
        return [Ask(action, str(arn), told)]
    listed = members.get("logGroupNames") or []
    groups = [members.get("logGroupName"), *(listed if isinstance(listed, list) else [listed])]
    stream = str(members.get("logStreamName", "")) if operation in _STREAM_ACTIONS else ""
    names = [str(group) for group in groups if group]
    return [Ask(action, log_arn(region, name, stream), told) for name in names or [""]]


def log_arn(region: str, group: str, stream: str) -> str:
    """Return what Logs asks IAM about; for a whole group the stream is empty."""
    return f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}:log-stream:{stream}"


def iam_asks(
    form: Mapping[str, str], *, backend: IAMBackend, user: str, context: Context
) -> list[Ask]:
    """Return what a caller of IAM must be allowed.

    Args:
        form: The request's.
        backend: moto's IAM, locked.
        user: The caller's name, for requests that name no user; empty if it is none.
        context: What is known of the caller.
    """
    told = Context(context.values, _UNTOLD)
    action = form.get("Action", "")
    return [Ask(f"iam:{action}", _iam_resource(form, backend, user), told)]


def _iam_resource(form: Mapping[str, str], backend: IAMBackend, user: str) -> str:
    path = form.get("Path") or "/"
    if name := form.get("RoleName"):
        role = next((one for one in backend.roles.values() if one.name == name), None)
        return role.arn if role else _arn("role", path, name)
    if name := form.get("GroupName"):
        group = backend.groups.get(name)
        return group.arn if group else _arn("group", path, name)
    action = form.get("Action", "")
    name = form.get("UserName") or (user if action.endswith(("AccessKey", "GetUser")) else "")
    if name:
        known = backend.users.get(name)
        return known.arn if known else _arn("user", path, name)
    if name := form.get("PolicyName"):
        return _arn("policy", path, name)
    return form.get("PolicyArn") or form.get("PolicySourceArn") or "*"


def _arn(kind: str, path: str, name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:{kind}{path}{name}"
