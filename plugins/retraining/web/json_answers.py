"""What comes to this app and goes from it: one reader, one writer, whatever is in it."""

from __future__ import annotations

import json
from typing import TypeVar

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

Body = TypeVar("Body", bound=BaseModel)


class Told(JSONResponse):
    """An answer in JSON that every reader can read.

    Halves of letters that a record's texts may have stay escapes, as UTF-8 has no bytes for them;
    a number that is none in JSON is null.
    """

    def render(self, content: object) -> bytes:
        """Return the answer's bytes, all of ASCII."""
        try:
            text = json.dumps(content, allow_nan=False, separators=(",", ":"))
        except ValueError:
            told = json.loads(json.dumps(content), parse_constant=lambda _: None)
            text = json.dumps(told, separators=(",", ":"))
        return text.encode()


async def body_of(request: Request, kind: type[Body]) -> Body:
    """Read a request's body.

    Args:
        request: The request.
        kind: What it must hold. Its parser takes JSON alone: no half of a letter, no bytes that are
            not UTF-8, nothing nested without an end.

    Raises:
        RequestValidationError: It does not.
    """
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def without_nul(request: Request) -> None:
    """Refuse what no database can be asked about, before any is.

    Raises:
        HTTPException: 422: a value of the query has a NUL.
    """
    if any("\0" in value for _, value in request.query_params.multi_items()):
        raise HTTPException(422, "a value of the query has a NUL character")


def refused(error: RequestValidationError) -> Told:
    """Answer 422 with what is wrong where, and without what was sent."""
    told = [{name: item[name] for name in ("loc", "msg", "type")} for item in error.errors()]
    return Told({"detail": told}, 422)
