"""The asset that stands for a pipeline's approved models: what happens to it starts deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetAlias, AssetWatcher

from retraining.registry.triggers import ApprovalTrigger

if TYPE_CHECKING:
    from collections.abc import Mapping


def approved_models(pipeline: str) -> Asset:
    """Return the asset, with a watcher for approvals that are made outside of Airflow."""
    return Asset(
        name=_name(pipeline),
        uri=f"x-sagemaker://model-package-group/{pipeline}",
        group="model",
        watchers=[AssetWatcher(name=f"{pipeline}-registry", trigger=ApprovalTrigger(pipeline))],
    )


def approvals(pipeline: str) -> AssetAlias:
    """Return the outlet of a task that may approve a version, and says so only if it did.

    Airflow adds an event to an outlet whenever the task succeeds; to an alias only if told to.
    """
    return AssetAlias(name=f"{_name(pipeline)}-by-airflow", group="model")


def announce(
    outlet_events: object,
    pipeline: str,
    *,
    arn: str,
    version: int,
    snapshot: str,
    headline: Mapping[str, object] | None,
) -> None:
    """Let Airflow know that a version is approved.

    Args:
        outlet_events: Of the task's context.
        pipeline: The pipeline; the task has its ``approvals`` as an outlet.
        arn: Of the version.
        version: Its number.
        snapshot: The date of its data.
        headline: ``metric`` (its path) and ``value``; None if the report has none.
    """
    extra = {"model_package_arn": arn, "version": version, "snapshot": snapshot}
    outlet_events[approvals(pipeline)].add(  # type: ignore[index]
        Asset(name=_name(pipeline), uri=f"x-sagemaker://model-package-group/{pipeline}"),
        extra={**extra, "headline": headline},
    )


def _name(pipeline: str) -> str:
    return f"{pipeline}-approved-models"
