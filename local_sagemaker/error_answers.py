"""How each service says that it refuses, or that something went wrong: in its own protocol."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from local_sagemaker.errors import ServiceError


def error_answer(error: ServiceError, service: str) -> Response:
    """Return an error as a service's clients read it.

    Args:
        error: What to say.
        service: As requests are signed for it. S3, STS and IAM speak XML, all others JSON.
    """
    request_id = str(uuid.uuid4())
    if service in {"s3", "sts", "iam"}:
        # What XML has no character for would make the whole answer unreadable.
        message = escape("".join(c if c.isprintable() else "�" for c in error.message))
        body = f"<Error><Code>{error.code}</Code><Message>{message}</Message></Error>"
        if service != "s3":
            body = f"<ErrorResponse>{body}<RequestId>{request_id}</RequestId></ErrorResponse>"
        response = Response(body, error.status, content_type="application/xml")
        response.headers["x-amz-request-id"] = request_id
    else:
        body = json.dumps({"__type": error.code, "message": error.message})
        response = Response(body, error.status, content_type="application/x-amz-json-1.1")
    response.headers["x-amzn-ErrorType"] = error.code
    response.headers["x-amzn-RequestId"] = request_id
    return response
