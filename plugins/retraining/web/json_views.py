"""What the page is told, as JSON can carry it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retraining.web.decisions import Row
    from retraining.web.job_seconds import Job
    from retraining.web.model_versions import Listed, ModelVersion, Serving


def row(found: Row, listed: Listed | None, serving: Serving | None) -> dict[str, Any]:
    """Return a run as chart and table show it.

    Args:
        found: The run.
        listed: The registry's versions; None if that did not answer.
        serving: What the endpoint does; None if it did not answer.
    """
    run, limit = found.run, found.limit
    name = limit.metric.removesuffix(".value").rpartition(".")[2] if limit else None
    value, spread = found.metrics.get(name or "", (None, None))
    if limit and value is None:
        value = _operand(found, limit.metric)
    return {
        "run_id": run.run_id,
        "state": run.state,
        "run_type": run.run_type,
        "run_after": _time(run.run_after),
        "seconds": _seconds(run.started, run.ended),
        "snapshot": run.snapshot,
        "verdict": found.verdict,
        "explanation": (found.outcome.decision or {}).get("explanation") or found.outcome.fault,
        "metric": limit
        and {
            "name": name,
            "sign": limit.sign,
            "threshold": limit.value,
            "value": value,
            "standard_deviation": spread,
        },
        "metrics": {key: pair[0] for key, pair in found.metrics.items()},
        "rows": dict(found.rows),
        "version": found.version,
        "approval": listed.approvals.get(found.version)
        if listed is not None and found.version is not None
        else None,
        "is_serving": None
        if serving is None or found.version is None
        else serving.number == found.version,
        "jobs": sorted(run.jobs),
    }


def conditions(found: Row) -> list[dict[str, Any]]:
    """Return the gate's conditions with their operands and whether they hold."""
    return [
        {
            "explanation": str(item.get("explanation", "")),
            "holds": bool(item.get("holds")),
            "operands": {str(key): value for key, value in (item.get("operands") or {}).items()},
            "condition": item.get("condition"),
        }
        for item in (found.outcome.decision or {}).get("conditions") or []
        if isinstance(item, dict)
    ]


def version(found: ModelVersion) -> dict[str, Any]:
    """Return a version as the registry's table shows it."""
    return {
        **asdict(found),
        "created": _time(found.created),
        "metadata": dict(found.metadata),
    }


def job(found: Job, prices: Mapping[str, float]) -> dict[str, Any]:
    """Return a job with its estimated cost."""
    return {**asdict(found), "cost": found.cost(prices)}


def _operand(found: Row, path: str) -> float | None:
    for item in (found.outcome.decision or {}).get("conditions") or []:
        value = (item.get("operands") or {}).get(path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None
