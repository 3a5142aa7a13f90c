"""Which permissions a request to S3 needs, on which bucket or object.

Source: the Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, unquote, urlparse
from xml.etree import ElementTree as ET

from moto.s3.responses import S3Response
from moto.s3.utils import bucket_name_from_url
from werkzeug.wrappers import Request

from local_sagemaker.access.policies import Ask
from local_sagemaker.errors import ServiceError, unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIEnvironment

    from local_sagemaker.access.conditions import Context

# What a query of a bucket names, to the end of the permission's name for GET, PUT and DELETE.
_OF_BUCKET: Mapping[str, Mapping[str, str]] = {
    "accelerate": {"GET": "GetAccelerateConfiguration", "PUT": "PutAccelerateConfiguration"},
    "acl": {"GET": "GetBucketAcl", "PUT": "PutBucketAcl"},
    "cors": dict.fromkeys(("PUT", "DELETE"), "PutBucketCORS") | {"GET": "GetBucketCORS"},
    "encryption": dict.fromkeys(("PUT", "DELETE"), "PutEncryptionConfiguration")
    | {"GET": "GetEncryptionConfiguration"},
    "lifecycle": dict.fromkeys(("PUT", "DELETE"), "PutLifecycleConfiguration")
    | {"GET": "GetLifecycleConfiguration"},
    "location": {"GET": "GetBucketLocation"},
    "logging": {"GET": "GetBucketLogging", "PUT": "PutBucketLogging"},
    "notification": {"GET": "GetBucketNotification", "PUT": "PutBucketNotification"},
    "object-lock": {
        "GET": "GetBucketObjectLockConfiguration",
        "PUT": "PutBucketObjectLockConfiguration",
    },
    "ownershipControls": dict.fromkeys(("PUT", "DELETE"), "PutBucketOwnershipControls")
    | {"GET": "GetBucketOwnershipControls"},
    "policy": {"GET": "GetBucketPolicy", "DELETE": "DeleteBucketPolicy"},
    "policyStatus": {"GET": "GetBucketPolicyStatus"},
    "publicAccessBlock": dict.fromkeys(("PUT", "DELETE"), "PutBucketPublicAccessBlock")
    | {"GET": "GetBucketPublicAccessBlock"},
    "replication": dict.fromkeys(("PUT", "DELETE"), "PutReplicationConfiguration")
    | {"GET": "GetReplicationConfiguration"},
    "requestPayment": {"GET": "GetBucketRequestPayment", "PUT": "PutBucketRequestPayment"},
    "tagging": dict.fromkeys(("PUT", "DELETE"), "PutBucketTagging") | {"GET": "GetBucketTagging"},
    "uploads": {"GET": "ListBucketMultipartUploads"},
    "versioning": {"GET": "GetBucketVersioning", "PUT": "PutBucketVersioning"},
    "versions": {"GET": "ListBucketVersions"},
    "website": {
        "GET": "GetBucketWebsite",
        "PUT": "PutBucketWebsite",
        "DELETE": "DeleteBucketWebsite",
    },
    "": {
        "GET": "ListBucket",
        "HEAD": "ListBucket",
        "PUT": "CreateBucket",
        "DELETE": "DeleteBucket",
    },
}
_OF_OBJECT: Mapping[str, Mapping[str, str]] = {
    "acl": {"GET": "GetObjectAcl", "PUT": "PutObjectAcl"},
    "legal-hold": {"GET": "GetObjectLegalHold", "PUT": "PutObjectLegalHold"},
    "retention": {"GET": "GetObjectRetention", "PUT": "PutObjectRetention"},
    "tagging": {
        "GET": "GetObjectTagging",
        "PUT": "PutObjectTagging",
        "DELETE": "DeleteObjectTagging",
    },
    "uploads": {"POST": "PutObject"},
    "uploadId": {
        "GET": "ListMultipartUploadParts",
        "PUT": "PutObject",
        "POST": "PutObject",
        "DELETE": "AbortMultipartUpload",
    },
    "": {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"},
}
# Queries that change what is done, and that are not in these tables.
_UNKNOWN = {
    "analytics",
    "append",
    "attributes",
    "intelligent-tiering",
    "inventory",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "renameObject",
    "restore",
    "select",
    "session",
    "torrent",
}
_BUCKET = re.compile("[A-Za-z0-9._-]+")
_OF_VERSIONS = {
    "GetObject": "GetObjectVersion",
    "DeleteObject": "DeleteObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "PutObjectAcl": "PutObjectVersionAcl",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectTagging": "PutObjectVersionTagging",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
}
_HEADERS = (
    "x-amz-acl",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
)


def bucket_arn(bucket: str, key: str | None = None) -> str:
    """Return the ARN of a bucket, or of an object."""
    return f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"


def place_of(environ: WSGIEnvironment) -> tuple[str, str]:
    """Return the bucket and the key that moto will see in a request; either may be empty."""
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").removeprefix("/")
    if S3Response.subdomain_based_buckets(Request(environ)):
        return bucket_name_from_url(f"http://{environ['HTTP_HOST']}") or "", path
    bucket, _, key = path.partition("/")
    return bucket, key


def asks(environ: WSGIEnvironment, body: bytes, *, context: Context) -> list[Ask]:
    """Return what a caller must be allowed for a request.

    Args:
        environ: The request.
        body: Its body.
        context: What is known of the caller.

    Raises:
        ServiceError: It is not known which permission the request needs, or what it would set up
            is not evaluated here.
    """
    bucket, key = place_of(environ)
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    method = environ["REQUEST_METHOD"]
    told = context.having(_values(environ, query))
    if not bucket:
        if method != "GET":
            raise _not_known(environ)
        return [Ask("s3:ListAllMyBuckets", "*", told)]
    if not _BUCKET.fullmatch(bucket):
        raise ServiceError("InvalidBucketName", "The specified bucket is not valid.")
    if method == "POST" and "delete" in query and not key:
        deleted = _deleted(body)
        return [
            Ask(f"s3:DeleteObject{version}", bucket_arn(bucket, name), told)
            for name, version in deleted
        ]
    if method == "PUT" and "policy" in query and not key:
        raise unsupported("s3: policies of buckets are not evaluated here (--enforce-iam).")
    table = _OF_OBJECT if key else _OF_BUCKET
    named = [name for name in query if name and name in table]
    if len(named) > 1 or _UNKNOWN & query.keys():
        raise _not_known(environ)
    action = table[named[0] if named else ""].get(method)
    if action is None:
        raise _not_known(environ)
    if query.get("versionId"):
        action = _OF_VERSIONS.get(action, action)
    resource = bucket_arn(bucket, key or None)
    found = [Ask(f"s3:{action}", resource, told)]
    if key and action == "PutObject":
        found += _beside(environ, resource, told)
    return found


def _beside(environ: WSGIEnvironment, resource: str, told: Context) -> list[Ask]:
    """Return what an upload needs besides its own permission."""
    found = []
    if environ.get("HTTP_X_AMZ_TAGGING"):
        found.append(Ask("s3:PutObjectTagging", resource, told))
    if environ.get("HTTP_X_AMZ_ACL"):
        found.append(Ask("s3:PutObjectAcl", resource, told))
    if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
        named = urlparse(source)  # as moto reads it
        version = "Version" if "versionId" in parse_qs(named.query) else ""
        place = unquote(named.path).lstrip("/")
        found.append(Ask(f"s3:GetObject{version}", bucket_arn(place), told))
    return found


def _values(environ: WSGIEnvironment, query: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    names = {"prefix": "prefix", "delimiter": "delimiter", "max-keys": "max-keys"}
    names["versionId"] = "versionid"
    found: dict[str, tuple[str, ...]] = {
        f"s3:{key}": (query[name],) for name, key in names.items() if name in query
    }
    for header in _HEADERS:
        value = environ.get(f"HTTP_{header.upper().replace('-', '_')}")
        if value is not None:
            found[f"s3:{header}"] = (value,)
    return found


def _deleted(body: bytes) -> list[tuple[str, str]]:
    found = []
    try:
        for item in ET.fromstring(body).iter():  # noqa: S314 -- moto parses it, too
            if item.tag.rpartition("}")[2] == "Object":
                held = {child.tag.rpartition("}")[2]: child.text or "" for child in item}
                found.append((held.get("Key", ""), "Version" if held.get("VersionId") else ""))
    except ET.ParseError as error:
        raise ServiceError("MalformedXML", "The XML you provided was not well-formed.") from error
    if not found:
        raise ServiceError("MalformedXML", "The XML you provided names no object.")
    return found


def _not_known(environ: WSGIEnvironment) -> ServiceError:
    asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
    return ServiceError(
        "AccessDenied",
        f"It is not known here which permission {asked} needs (--enforce-iam).",
        status=403,
    )
