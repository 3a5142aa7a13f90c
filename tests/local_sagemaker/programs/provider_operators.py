"""Runs the provider's operators as Airflow would; requests come on stdin, results go to a file.

Deferred operators meet their trigger in an event loop of our own, as in a triggerer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerProcessingOperator,
    SageMakerRegisterModelVersionOperator,
    SageMakerTrainingOperator,
    SageMakerTransformOperator,
    SageMakerTuningOperator,
)
from airflow.sdk.exceptions import TaskDeferred


async def first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event
    raise AssertionError("the trigger ended without an event")


def execute(operator: Any) -> Any:
    try:
        return operator.execute({})
    except TaskDeferred as deferred:
        event = asyncio.run(first_event(deferred.trigger))
        return getattr(operator, deferred.method_name)({}, event=event.payload)


def main() -> None:
    requests = json.load(sys.stdin)
    common = {"aws_conn_id": None, "check_interval": 1, "wait_for_completion": True}
    results: dict[str, Any] = {}
    for deferrable in (False, True):
        for name, kind in (
            ("processing", SageMakerProcessingOperator),
            ("training", SageMakerTrainingOperator),
        ):
            case = f"{name}, {'deferrable' if deferrable else 'sync'}"
            # While it prints the log, the training operator looks at the job every 30 s only.
            quiet = {"print_log": False} if name == "training" and not deferrable else {}
            settings = {**common, **quiet, "deferrable": deferrable}
            task = kind(task_id="task", config=requests[case], **settings)
            results[case] = execute(task)
    for name, kind in (
        ("tuning", SageMakerTuningOperator),
        ("transform", SageMakerTransformOperator),
    ):
        task = kind(task_id="task", config=requests[name], deferrable=False, **common)
        results[name] = execute(task)
    task = SageMakerProcessingOperator(
        task_id="task", config=requests["failing"], deferrable=False, **common
    )
    try:
        execute(task)
    except Exception as error:
        results["failing"] = str(error)
    for attempt in ("first", "second"):
        task = SageMakerRegisterModelVersionOperator(
            task_id="task", aws_conn_id=None, **requests["register"]
        )
        results[f"register, {attempt}"] = execute(task)
    Path(sys.argv[1]).write_text(json.dumps(results, default=str))


if __name__ == "__main__":
    main()
