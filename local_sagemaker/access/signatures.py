"""Signature Version 4: whose request it is, and whether the caller knows that key's secret.

Source: the IAM User Guide, "Signature Version 4 signing process"; the Amazon S3 API Reference,
"Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIEnvironment

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<credential>[^,\s]+), *SignedHeaders=(?P<headers>[^,\s]+),"
    r" *Signature=(?P<signature>[0-9a-f]{64})"
)
_SAFE = "-_.~"
_SKEW_SECONDS = 15 * 60
# Of a presigned URL.
_LONGEST_SECONDS = 7 * 24 * 3600
_HASH = re.compile("[0-9a-f]{64}")


class SignatureError(Exception):
    """A signature that is not the request's own, or not of this time; the text says which."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signer.

    Attributes:
        access_key: Whose it is.
        date: The first part of the scope, as ``20260131``.
        region: The scope's.
        service: The scope's.
        headers: The names of the headers that are signed.
        signature: In hexadecimal.
        at: When it was signed, as ``20260131T235959Z``.
        token: The session token; may be empty.
        lasts: For how many seconds a presigned URL is good; None in a header.
    """

    access_key: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str
    at: str
    token: str
    lasts: int | None


def read_claim(environ: WSGIEnvironment) -> Claim | None:
    """Return what a request says of its signer; None if it is not signed with this version."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    lasts = None
    if found := _HEADER.fullmatch(environ.get("HTTP_AUTHORIZATION", "").strip()):
        credential, headers, signature = found["credential"], found["headers"], found["signature"]
        at = environ.get("HTTP_X_AMZ_DATE", "")
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
    elif query.get("X-Amz-Algorithm") == "AWS4-HMAC-SHA256":
        credential = query.get("X-Amz-Credential", "")
        headers, signature = query.get("X-Amz-SignedHeaders", ""), query.get("X-Amz-Signature", "")
        at, token = query.get("X-Amz-Date", ""), query.get("X-Amz-Security-Token", "")
        stated = query.get("X-Amz-Expires", "")
        lasts = int(stated) if re.fullmatch("[0-9]{1,6}", stated) else 0
    else:
        return None
    scope = credential.split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        return None
    access_key, date, region, service, _ = scope
    signed = tuple(headers.split(";"))
    return Claim(access_key, date, region, service.lower(), signed, signature, at, token, lasts)


def check_signature(claim: Claim, secret: str, *, environ: WSGIEnvironment, body: bytes) -> None:
    """Check that a request was signed with a secret, in these minutes, and not changed since.

    Raises:
        SignatureError: It was not.
    """
    _check_time(claim)
    stated = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
    digest = hashlib.sha256(body).hexdigest()
    if claim.service != "s3":
        hashed = digest
    elif claim.lasts is not None:
        hashed = stated or "UNSIGNED-PAYLOAD"
    else:
        hashed = stated or digest
    if _HASH.fullmatch(hashed) and hashed != digest:
        raise SignatureError("The provided 'x-amz-content-sha256' header does not match what came.")
    if "host" not in claim.headers:
        raise SignatureError("The header Host must be signed.")
    path, _, query = environ["RAW_URI"].partition("?")
    canonical = "\n".join(
        (
            environ["REQUEST_METHOD"],
            path if claim.service == "s3" else quote(path, safe=f"/{_SAFE}"),
            _canonical_query(query),
            *(f"{name}:{_header(environ, name)}" for name in claim.headers),
            "",
            ";".join(claim.headers),
            hashed,
        )
    )
    scope = (claim.date, claim.region, claim.service, "aws4_request")
    hashed_request = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(("AWS4-HMAC-SHA256", claim.at, "/".join(scope), hashed_request))
    key = f"AWS4{secret}".encode()
    for part in (*scope, to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(key.hex().encode(), claim.signature.encode()):
        raise SignatureError(
            "The request signature we calculated does not match the signature you provided. Check"
            " your AWS Secret Access Key and signing method. Consult the service documentation for"
            " details."
        )


def _check_time(claim: Claim) -> None:
    try:
        signed = datetime.strptime(claim.at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureError(f"{claim.at!r} is no time of a signature.") from error
    age = (datetime.now(UTC) - signed).total_seconds()
    latest = _SKEW_SECONDS if claim.lasts is None else min(claim.lasts, _LONGEST_SECONDS)
    if not claim.at.startswith(claim.date) or not -_SKEW_SECONDS <= age <= latest:
        raise SignatureError(f"Signature expired or not yet current: it was made at {claim.at}.")


def _canonical_query(query: str) -> str:
    pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    return "&".join(
        f"{name}={value}"
        for name, value in sorted((quote(n, safe=_SAFE), quote(v, safe=_SAFE)) for n, v in pairs)
        if name != "X-Amz-Signature"
    )


def _header(environ: Mapping[str, str], name: str) -> str:
    key = name.upper().replace("-", "_")
    held = environ.get(key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}", "")
    return " ".join(held.split())
