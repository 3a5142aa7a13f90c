"""What the page is told, as JSON can carry it: records and reports may hold anything."""

from __future__ import annotations

import logging
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from retraining.gate.report import finite, kind_of
from retraining.web.decisions import UNKNOWN, Found, Row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retraining.gate.comparison import Difference
    from retraining.gate.report import Measure
    from retraining.runs.outcomes import Outcome
    from retraining.web.job_seconds import Job
    from retraining.web.model_versions import Listed, ModelVersion, Serving

log = logging.getLogger(__name__)

# More of anything is not shown, however much a file holds.
_MANY = 100
_TEXT = 2_000
_IDENTITY = (
    "snapshot_uri", "data_fingerprint", "code_uri", "code_sha256", "image_uri",
    "training_image_uri", "inference_image_uri",
)  # fmt: skip


def row(found: Row, listed: Listed | None, serving: Serving | None) -> dict[str, Any]:
    """Return a run as chart and table show it; one that cannot be shown says so, and why.

    Args:
        found: The run.
        listed: The registry's versions; None if that did not answer.
        serving: What the endpoint does; None if it did not answer.
    """
    try:
        return _row(found, listed, serving)
    except Exception as error:
        # Whatever it is, it is this run's: all others are shown.
        log.exception("%s of %s cannot be shown", found.run.run_id, found.run.dag_id)
        fault = f"the run cannot be shown: {type(error).__name__}: {error}"
        return _row(Row(found.run, UNKNOWN, Found(fault=fault)), None, None)


def _row(found: Row, listed: Listed | None, serving: Serving | None) -> dict[str, Any]:
    run, outcome = found.run, found.found.outcome
    metrics = outcome.metrics if outcome else None
    version = outcome.version if outcome else None
    return {
        "run_id": run.run_id,
        "state": run.state,
        "run_type": run.run_type,
        "run_after": _time(run.run_after),
        "seconds": _seconds(run.started, run.ended),
        "snapshot": run.snapshot,
        "verdict": found.verdict,
        "explanation": text(outcome.explanation if outcome else found.found.fault),
        # Without an outcome it is the explanation already.
        "fault": text(found.found.fault) if outcome else "",
        "metric": _headline(outcome) if outcome else None,
        "metrics": {text(path): item.value for path, item in metrics.measures.items()}
        if metrics
        else {},
        "unusable": {text(path): word for path, word in metrics.unusable.items()}
        if metrics
        else {},
        "champion": _beside(outcome) if outcome else None,
        "rows": {text(name): count for name, count in islice(metrics.rows.items(), _MANY)}
        if metrics
        else {},
        "version": version,
        "approval": listed.approvals.get(version)
        if listed is not None and version is not None
        else None,
        "is_serving": None if serving is None or version is None else serving.number == version,
        "jobs": [*run.jobs],
    }


def comparison(found: Row) -> dict[str, Any] | None:
    """Return candidate and champion on the same rows; None if the report tells of no champion."""
    told = found.found.outcome.comparison if found.found.outcome else None
    if told is None:
        return None
    return {
        **{name: text(getattr(told, name)) for name in ("outcome", "reason", "version")},
        "rows": told.rows,
        "unseen": told.unseen,
        "unseen_reason": text(told.unseen_reason),
        "win_rate": told.win_rate,
        "differences": _differences(told.differences),
        "parts": [
            {
                "column": text(part.column),
                "name": text(part.name),
                "rows": part.rows,
                "differences": _differences(part.differences),
            }
            for part in told.parts
        ],
    }


def conditions(found: Row) -> list[dict[str, Any]]:
    """Return the gate's conditions with their operands and whether they hold."""
    return conditions_of(_record(found))


def conditions_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the conditions of a decision record, of which what does not fit is left out."""
    return [
        {
            "explanation": text(item.get("explanation", "")),
            "holds": bool(item.get("holds")),
            "operands": _scalars(item.get("operands", {})),
        }
        for item in record.get("conditions", ())[:_MANY]
    ]


def parameters(found: Row) -> dict[str, Any]:
    """Return the run's parameters that bore on its model or on the verdict."""
    return _scalars(_record(found).get("parameters", {}))


def fingerprint(found: Row) -> dict[str, str]:
    """Return what identifies the run's data, code, images and policy, as far as that is told."""
    told = found.found.outcome.run if found.found.outcome else {}
    return {
        **{name: text(told[name]) for name in _IDENTITY if name in told},
        "policy_sha256": text(_record(found).get("policy_sha256", "")),
    }


def version(found: ModelVersion) -> dict[str, Any]:
    """Return a version as the registry's table shows it."""
    return {
        **asdict(found),
        "created": _time(found.created),
        "metadata": dict(found.metadata),
        "objection": text(found.objection),
    }


def job(found: Job, prices: Mapping[str, float]) -> dict[str, Any]:
    """Return a job with its estimated cost."""
    return {**asdict(found), "cost": found.cost(prices)}


def text(value: object) -> str:
    """Return a text that is short enough to be shown, and that UTF-8 has signs for."""
    return str(value)[:_TEXT].encode("utf-8", "replace").decode()


def _differences(told: Mapping[str, Difference]) -> dict[str, Any]:
    return {text(path): asdict(difference) for path, difference in told.items()}


def _beside(outcome: Outcome) -> dict[str, Any] | None:
    """Return the headline's difference, for the charts of all runs."""
    if outcome.comparison is None or outcome.headline is None:
        return None
    difference = outcome.comparison.differences.get(outcome.headline.metric)
    if difference is None:
        return None
    return {"path": text(outcome.headline.metric), **asdict(difference)}


def _headline(outcome: Outcome) -> dict[str, Any] | None:
    headline, limit = outcome.headline, outcome.limit
    if headline is None:
        return None
    measure: Measure | None = outcome.metrics.measures.get(headline.metric)
    return {
        "path": text(headline.metric),
        "name": text(headline.name),
        "better": headline.better,
        "sign": limit.sign if limit else None,
        "threshold": limit.value if limit else None,
        "value": measure.value if measure else None,
        "standard_deviation": measure.standard_deviation if measure else None,
    }


def _record(found: Row) -> Mapping[str, Any]:
    return found.found.outcome.record if found.found.outcome else {}


def _scalars(told: Mapping[str, object]) -> dict[str, Any]:
    return {text(name): _scalar(value) for name, value in islice(told.items(), _MANY)}


def _scalar(value: object) -> Any:
    if isinstance(value, str):
        return text(value)
    # What is no number in JSON is said in words.
    is_plain = value is None or isinstance(value, bool) or finite(value) is not None
    return value if is_plain else kind_of(value)


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None
