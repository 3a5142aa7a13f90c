"""The routes that change something: each takes a JSON body that says what, and why."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from airflow.api_fastapi.common.db.common import SessionDep  # noqa: TC002 - FastAPI reads it
from airflow.api_fastapi.core_api.security import GetUserDep  # noqa: TC002 - FastAPI reads it
from fastapi import Depends, HTTPException, Request, status
from pydantic import BaseModel, ConfigDict, Field, field_validator

from retraining.registry import versions
from retraining.web import actions, permissions
from retraining.web.json_answers import body_of
from retraining.web.permissions import EditablePipeline  # noqa: TC001 - FastAPI reads it

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from retraining.web.pipelines import Pipeline


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Wish(BaseModel):
    """What a person wants done with a version."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(ge=1, le=2**31)
    comment: str = Field(min_length=1, max_length=500)

    @field_validator("comment")
    @classmethod
    def _says_something(cls, value: str) -> str:
        line = " ".join(value.split())
        if not line:
            raise ValueError("say why")
        if _CONTROL.search(line):
            # Neither the registry nor every database takes them.
            raise ValueError("the comment has a control character; leave it out")
        return line


class Verdict(Wish):
    """Approval or rejection of a version that was seen in some state."""

    seen: Literal["PendingManualApproval", "Approved", "Rejected"]


async def wish_of(request: Request) -> Wish:
    """Read what a person wants."""
    return await body_of(request, Wish)


async def verdict_of(request: Request) -> Verdict:
    """Read what a person has decided."""
    return await body_of(request, Verdict)


VerdictBody = Annotated[Verdict, Depends(verdict_of)]


def approve(
    pipeline: EditablePipeline, session: SessionDep, user: GetUserDep, wish: VerdictBody
) -> dict[str, Any]:
    """Approve a version."""
    return _decide(session, pipeline, "approve", who=user.get_name(), wish=wish)


def reject(
    pipeline: EditablePipeline, session: SessionDep, user: GetUserDep, wish: VerdictBody
) -> dict[str, Any]:
    """Reject a version."""
    return _decide(session, pipeline, "reject", who=user.get_name(), wish=wish)


def deploy(
    pipeline: EditablePipeline,
    session: SessionDep,
    user: GetUserDep,
    wish: Annotated[Wish, Depends(wish_of)],
) -> dict[str, Any]:
    """Start a deployment of a version."""
    if not permissions.may_deploy(user, pipeline):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "you may not start the deployment DAG")
    try:
        return asdict(
            actions.deploy(session, pipeline, wish.version, who=user.get_name(), why=wish.comment)
        )
    except versions.NoSuchVersionError as error:
        raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from error
    except actions.RefusedError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from error


def _decide(
    session: Session, pipeline: Pipeline, action: str, *, who: str, wish: Verdict
) -> dict[str, Any]:
    try:
        approval = actions.decide(
            session,
            pipeline,
            wish.version,
            action=action,
            seen=wish.seen,
            who=who,
            why=wish.comment,
        )
    except versions.NoSuchVersionError as error:
        raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from error
    except actions.RefusedError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, str(error)) from error
    return {"version": wish.version, "approval": approval}
