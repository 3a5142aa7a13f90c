"""The parameters that DAGs of every pipeline have, as dictionaries of ``airflow.sdk.Param``.

A DAG takes them with ``params={**params.retraining(), …}``; what it writes after them overrides.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

if TYPE_CHECKING:
    from collections.abc import Mapping

WHEN_REJECTED = "when_rejected"
_APPROVALS = ["PendingManualApproval", "Approved", "Rejected"]


def retraining(
    *,
    instance_type: str = "ml.m5.large",
    approval_status: str = "PendingManualApproval",
    ask_for_approval: bool | None = False,
    when_rejected: str | None = "skip",
    reuse_steps: str = "backfills",
) -> dict[str, Param]:
    """Return the parameters of a retraining DAG; the arguments are their defaults.

    Args:
        instance_type: Of the jobs.
        approval_status: What a registered version starts as.
        ask_for_approval: Whether a person is asked; None where the DAG has no such step.
        when_rejected: ``skip`` or ``fail``; None where a rejected model leads to one task only.
        reuse_steps: ``backfills``, ``always`` or ``never``.
    """
    found = {
        "snapshot": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Snapshot",
            description="The day whose data is used. Empty: the run's own date, or the newest.",
        ),
        "instance_type": Param(
            instance_type,
            type="string",
            pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$",
            title="Instance type of the jobs",
            description="Each job of the run runs on one of these.",
        ),
        "approval_status": Param(
            approval_status,
            type="string",
            enum=_APPROVALS,
            title="Approval status of a registered version",
            description="One that is Approved is deployed without anybody having looked at it.",
        ),
        "backfill_approval_status": Param(
            "PendingManualApproval",
            type="string",
            enum=_APPROVALS,
            title="Approval status of a version that a backfill registers",
            description="Instead of the one above, so that history is not deployed unasked.",
        ),
        "ask_for_approval": Param(
            ask_for_approval,
            type="boolean",
            title="Ask a person to approve a pending version",
            description='In Airflow, under "Required actions". Not in backfills.',
        ),
        "approval_hours": Param(
            24,
            type="number",
            exclusiveMinimum=0,
            maximum=336,
            title="Hours to wait for an answer",
            description="Without one the version stays pending.",
        ),
        WHEN_REJECTED: Param(
            when_rejected,
            type="string",
            enum=["skip", "fail"],
            title="What a rejected model does",
            description="Skip: the run succeeds with nothing registered. Fail: the run fails.",
        ),
        "reuse_steps": Param(
            reuse_steps,
            type="string",
            enum=["backfills", "always", "never"],
            title="Which runs take the results of equal steps of earlier runs",
            description="Equal in data, code, image and arguments; each costs no job then.",
        ),
    }
    left_out = {
        *(("ask_for_approval", "approval_hours") if ask_for_approval is None else ()),
        *((WHEN_REJECTED,) if when_rejected is None else ()),
    }
    return {name: param for name, param in found.items() if name not in left_out}


def threshold(
    default: float,
    *,
    title: str,
    minimum: float | None = None,
    maximum: float | None = None,
    description: str = "A model beyond it is not registered.",
) -> Param:
    """Return a number that the quality gate compares a metric with."""
    limits: dict[str, Any] = {"minimum": minimum, "maximum": maximum}
    return Param(
        default,
        type="number",
        title=title,
        description=description,
        **{name: value for name, value in limits.items() if value is not None},
    )


def pretrained(default: str) -> Param:
    """Return the pretrained model that training begins with; ``resolve_run`` finds its folder."""
    return Param(
        default,
        type="string",
        pattern=r"^(s3://[a-z0-9.-]+/.*|[A-Za-z0-9][A-Za-z0-9._-]*)$",
        title="Pretrained model",
        description="Its folder below the pipeline's pretrained/, or any on S3: s3://…",
    )


def deployment(endpoint_name: str) -> dict[str, Param]:
    """Return the parameters of a deployment DAG, for an endpoint."""
    return {
        "version": Param(
            None,
            type=["null", "integer", "string"],
            title="Version",
            description="Its number or ARN, to deploy or to roll back to. Empty: the newest.",
        ),
        "endpoint_name": Param(
            endpoint_name,
            type="string",
            pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$",
            title="Endpoint",
            description="It is made if there is none.",
        ),
        "memory_size_mb": Param(
            2048,
            type="integer",
            minimum=1024,
            maximum=6144,
            multipleOf=1024,
            title="Memory in MB",
            description="Of a serverless endpoint.",
        ),
        "max_concurrency": Param(
            5,
            type="integer",
            minimum=1,
            maximum=200,
            title="Requests at once",
            description="That a serverless endpoint answers.",
        ),
        "instance_type": Param(
            "",
            type="string",
            pattern=r"^(ml\.[a-z0-9-]+\.[a-z0-9]+)?$",
            title="Instance type",
            description="Empty: serverless.",
        ),
        "reject_when_broken": Param(
            True,
            type="boolean",
            title="Mark a broken version as Rejected",
            description="One that does not answer its own test rows; it is not tried again.",
        ),
        "smoke_rows": Param(
            20,
            type="integer",
            minimum=0,
            maximum=1000,
            title="Test rows",
            description="So many rows of its own test split the version must answer.",
        ),
        "tolerance": Param(
            None,
            type=["null", "number"],
            minimum=0,
            maximum=1,
            title="Relative tolerance",
            description="Between a number of an answer and evaluation's. Empty: the version's own.",
        ),
        "keep": Param(
            5,
            type="integer",
            minimum=1,
            title="Endpoint configs that are kept",
            description="The newest, to roll back to.",
        ),
    }


def table(parameters: Mapping[str, Param]) -> str:
    """Return parameters as a section in Markdown, for the end of a DAG's documentation."""
    lines = [
        f"| `{name}` | {_cell(_shown(param.value))} | {_cell(_meaning(param))} |"
        for name, param in parameters.items()
    ]
    # The blank line is for a text that does not end with one.
    return "\n".join(
        ["\n\n### Parameters", "| parameter | default | meaning |", "| --- | --- | --- |", *lines]
    )


def _shown(value: object) -> str:
    return "empty" if value in (None, "") else f"`{json.dumps(value)}`"


def _meaning(param: Param) -> str:
    title = str(param.schema.get("title", ""))
    return " ".join(filter(None, (f"{title}." if title else "", param.description)))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())
