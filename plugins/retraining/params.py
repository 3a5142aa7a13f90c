"""The parameters that DAGs of every pipeline have, as dictionaries of ``airflow.sdk.Param``.

A DAG takes them with ``params={**params.retraining(), …}``; what it writes after them overrides.
Every number has bounds and every text a pattern and a length, so that Airflow refuses at the form
what would end a task before its first line.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from retraining.naming import ENDPOINT_NAME
from retraining.runs.kinds import REJECT, STOP, WARN, WHEN_DATA_DIFFERS

if TYPE_CHECKING:
    from collections.abc import Mapping

WHEN_REJECTED, UNSCORED_CHAMPION = "when_rejected", "unscored_champion"
UNDECIDABLE = "undecidable"
_APPROVALS = ["PendingManualApproval", "Approved", "Rejected"]
# PostgreSQL gives back a whole number for 1e300, and no task can be told of one beyond 64 bits.
_LARGEST = 1e15
_INSTANCE_TYPE = r"ml\.[a-z0-9-]+\.[a-z0-9]+"
_VERSION = r"[0-9]{1,9}"
_ARN = rf"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{{12}}:model-package/[a-zA-Z0-9-]+/{_VERSION}"


def retraining(
    *,
    instance_type: str = "ml.m5.large",
    approval_status: str = "PendingManualApproval",
    ask_for_approval: bool | None = False,
    when_rejected: str | None = "skip",
    when_data_differs: str | None = STOP,
    unscored_champion: str | None = UNDECIDABLE,
    reuse_steps: str = "backfills",
) -> dict[str, Param]:
    """Return the parameters of a retraining DAG; the arguments are their defaults.

    Args:
        instance_type: Of the jobs.
        approval_status: What a registered version starts as.
        ask_for_approval: Whether a person is asked; None where the DAG has no such step.
        when_rejected: ``skip`` or ``fail``; None where a rejected model leads to one task only.
        when_data_differs: ``stop``, ``reject`` or ``warn``; None where no gate judges the data.
        unscored_champion: ``undecidable`` or ``pass``; None where no champion is scored.
        reuse_steps: ``backfills``, ``always`` or ``never``.
    """
    found = {
        "snapshot": Param(
            None,
            type=["null", "string"],
            format="date",
            **_text("[0-9]{4}-[0-9]{2}-[0-9]{2}", longest=10),
            title="Snapshot",
            description="The day whose data is used. Empty: the run's own date, or the newest.",
        ),
        "instance_type": Param(
            instance_type,
            type="string",
            **_text(_INSTANCE_TYPE, longest=40),
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
        "register_against_gate": Param(
            "",
            type="string",
            # Python's $ is also before a newline at the end.
            pattern=r"^(\S[^\x00-\x1f\x7f]*)?$(?!\n)",
            maxLength=200,
            title="Why a model is registered though the gate rejects it",
            description="Empty: it is not. The version is pending at best, and keeps who and why.",
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
            minimum=0.01,
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
        WHEN_DATA_DIFFERS: Param(
            when_data_differs,
            type="string",
            enum=[STOP, REJECT, WARN],
            title="What data do that the gate on data rejects",
            description="Stop: nothing is trained. Reject: the version is Rejected. Warn: pending.",
        ),
        UNSCORED_CHAMPION: Param(
            unscored_champion,
            type="string",
            enum=[UNDECIDABLE, "pass"],
            title="What a champion that cannot be scored does",
            description="Undecidable: the run fails. Pass: the rest of the policy decides alone.",
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
        *((WHEN_DATA_DIFFERS,) if when_data_differs is None else ()),
        *((UNSCORED_CHAMPION,) if unscored_champion is None else ()),
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
    """Return a number that the quality gate compares a metric with.

    Args:
        default: What it is where a run is not told otherwise.
        title: How a form calls it.
        minimum: The least that a run may be told; None for -1e15.
        maximum: The greatest; None for 1e15.
        description: What it does.

    Raises:
        ValueError: The default is not between the two, or one of them is beyond 1e15.
    """
    least = -_LARGEST if minimum is None else minimum
    most = _LARGEST if maximum is None else maximum
    if not -_LARGEST <= least <= default <= most <= _LARGEST:
        raise ValueError(
            f"threshold {title!r}: {least} ≤ {default} ≤ {most} is wanted, within ±{_LARGEST:g}"
        )
    return Param(
        default,
        type="number",
        title=title,
        description=description,
        minimum=least,
        maximum=most,
    )


def number(default: float, title: str, minimum: float, maximum: float) -> Param:
    """Return a number that a script is told; a whole one where the default is an ``int``."""
    kind = "integer" if isinstance(default, int) else "number"
    return Param(default, type=kind, title=title, minimum=minimum, maximum=maximum)


def arguments(*names: str) -> dict[str, str]:
    """Return a script's arguments that hand a run's parameters on, with hyphens in their names."""
    return {name.replace("_", "-"): f"{{{{ params.{name} }}}}" for name in names}


def pretrained(default: str) -> Param:
    """Return the pretrained model that training begins with; ``resolve_run`` finds its folder."""
    return Param(
        default,
        type="string",
        **_text(r"s3://[a-z0-9.-]+/[^\x00-\x1f\x7f]*|[A-Za-z0-9][A-Za-z0-9._-]*", longest=1024),
        title="Pretrained model",
        description="Its folder below the pipeline's pretrained/, or any on S3: s3://…",
    )


def deployment(endpoint_name: str) -> dict[str, Param]:
    """Return the parameters of a deployment DAG, for an endpoint."""
    return {
        "version": Param(
            None,
            type=["null", "integer", "string"],
            minimum=1,
            maximum=999_999_999,
            **_text(f"({_VERSION}|{_ARN})?", longest=256),
            title="Version",
            description="Its number or ARN, to deploy or to roll back to. Empty: the newest.",
        ),
        "endpoint_name": Param(
            endpoint_name,
            type="string",
            **_text(ENDPOINT_NAME.pattern, longest=63),
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
            **_text(rf"({_INSTANCE_TYPE})?", longest=40),
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
            maximum=1000,
            title="Endpoint configs that are kept",
            description="The newest, to roll back to.",
        ),
    }


def table(parameters: Mapping[str, Param]) -> str:
    """Return parameters as a section in Markdown, for the end of a DAG's documentation."""
    lines = [
        f"| `{name}` | {_cell(_shown(param))} | {_cell(_meaning(param))} |"
        for name, param in parameters.items()
    ]
    # The blank line is for a text that does not end with one.
    return "\n".join(
        ["\n\n### Parameters", "| parameter | default | meaning |", "| --- | --- | --- |", *lines]
    )


def _text(pattern: str, *, longest: int) -> dict[str, Any]:
    # Python's $ is also before a newline at the end.
    return {"pattern": rf"^({pattern})$(?!\n)", "maxLength": longest}


def _shown(param: Param) -> str:
    value = param.value if param.has_value else None
    return "empty" if value in (None, "") else f"`{json.dumps(value)}`"


def _meaning(param: Param) -> str:
    title = str(param.schema.get("title", ""))
    return " ".join(filter(None, (f"{title}." if title else "", param.description)))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())
