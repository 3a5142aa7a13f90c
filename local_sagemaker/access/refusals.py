"""How each service says that it does not let somebody in, or that somebody may not do something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_sagemaker.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.access.policies import Ask

MALFORMED = "MalformedPolicyDocument"
_TOKEN = "The security token included in the request is invalid."  # noqa: S105 -- a message
_EXPIRED = "The security token included in the request is expired."
# What is wrong to code, message and status: of services that speak JSON, of S3, of IAM and STS.
_JSON: Mapping[str, tuple[str, str, int]] = {
    "unsigned": ("MissingAuthenticationTokenException", "Missing Authentication Token", 400),
    "unknown": ("UnrecognizedClientException", _TOKEN, 400),
    "expired": ("ExpiredTokenException", _EXPIRED, 400),
    "signature": ("InvalidSignatureException", "", 400),
    "malformed": ("SerializationException", "The request cannot be read in one way alone.", 400),
    "denied": ("AccessDeniedException", "", 400),
}
_S3: Mapping[str, tuple[str, str, int]] = {
    "unsigned": (
        "AccessDenied",
        "Access Denied: it is not signed with Signature Version 4, and nothing is public here.",
        403,
    ),
    "unknown": (
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        403,
    ),
    "expired": ("ExpiredToken", "The provided token has expired.", 400),
    "signature": ("SignatureDoesNotMatch", "", 403),
    "malformed": ("InvalidRequest", "The request cannot be read in one way alone.", 400),
    "denied": ("AccessDenied", "", 403),
}
_QUERY: Mapping[str, tuple[str, str, int]] = {
    "unsigned": ("MissingAuthenticationToken", "Request is missing Authentication Token", 403),
    "unknown": ("InvalidClientTokenId", _TOKEN, 403),
    "expired": ("ExpiredToken", _EXPIRED, 403),
    "signature": ("SignatureDoesNotMatch", "", 403),
    "malformed": ("MalformedInput", "The request cannot be read in one way alone.", 400),
    "denied": ("AccessDenied", "", 403),
}


def refusal(what: str, service: str, message: str = "") -> ServiceError:
    """Return a service's error.

    Args:
        what: ``unsigned``, ``unknown``, ``expired``, ``signature``, ``malformed`` or ``denied``.
        service: Who says it.
        message: Instead of the service's own.
    """
    table = _S3 if service == "s3" else _QUERY if service in {"iam", "sts"} else _JSON
    code, words, status = table[what]
    return ServiceError(code, message or words, status=status)


def denied(principal: str, ask: Ask, reason: str) -> str:
    """Return the service's words for a permission that is missing."""
    quoted = f'"{ask.resource}"' if ask.action.startswith("s3:") else ask.resource
    return (
        f"User: {principal} is not authorized to perform: {ask.action} on resource: {quoted}"
        f" {reason}"
    )
