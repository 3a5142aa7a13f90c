"""What follows from how a run was started: by the schedule, by a backfill or by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retraining.gate.decision import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

_BACKFILL = "backfill"
# The parameter that says what becomes of data that the gate on data rejects, and what it may be.
WHEN_DATA_DIFFERS = "when_data_differs"
STOP, REJECT, WARN = "stop", "reject", "warn"


def run_type(dag_run: Any) -> str:
    """Return ``scheduled``, ``backfill``, ``manual`` and so on."""
    # An enumeration whose str() is not its value.
    return str(getattr(dag_run.run_type, "value", dag_run.run_type))


def is_backfill(dag_run: Any) -> bool:
    """Say whether a backfill started the run, or took it over to run it again."""
    return run_type(dag_run) == _BACKFILL


def has_own_date(dag_run: Any) -> bool:
    """Say whether the run is that of a night, and not of the moment when a person asked for it."""
    return run_type(dag_run) in {"scheduled", _BACKFILL}


def reuses_steps(dag_run: Any, params: Mapping[str, Any]) -> bool:
    """Say whether the run takes the results of earlier equal steps."""
    chosen = params["reuse_steps"]
    return chosen == "always" or (chosen == "backfills" and is_backfill(dag_run))


def approval_status(dag_run: Any, params: Mapping[str, Any]) -> str:
    """Return what a version that the run registers starts as.

    A backfill asks for it by a name of its own, so that a pipeline whose nightly versions are
    approved at once does not deploy its history.
    """
    name = "backfill_approval_status" if is_backfill(dag_run) else "approval_status"
    return str(params[name])


def stopped_by_data(verdict: object, params: Mapping[str, Any]) -> bool:
    """Say whether a verdict on a run's data keeps the run from training on them."""
    is_stop = params.get(WHEN_DATA_DIFFERS, STOP) == STOP
    return verdict == Verdict.UNDECIDABLE or (verdict == Verdict.REJECT and is_stop)


def identity(dag_run: Any) -> dict[str, str]:
    """Return what a decision record says of the run itself."""
    return {
        "run_id": dag_run.run_id,
        "dag_id": dag_run.dag_id,
        "run_type": run_type(dag_run),
    }


def against_gate(dag_run: Any, params: Mapping[str, Any]) -> dict[str, str]:
    """Return who wants the run's model registered though the gate rejects it, and why.

    Returns:
        ``by`` and ``reason``; nothing if nobody does.
    """
    reason = str(params.get("register_against_gate") or "").strip()
    if not reason:
        return {}
    user = getattr(dag_run, "triggering_user_name", None)
    return {"by": str(user or f"somebody ({run_type(dag_run)} run)"), "reason": reason}
