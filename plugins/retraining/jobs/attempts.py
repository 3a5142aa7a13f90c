"""What the attempts of a task know of each other: whose a job is, and what another asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from retraining import naming
from retraining.settings import settings

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context
    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.jobs.kinds import JobType

log = logging.getLogger(__name__)

# A task in any other state, even one that failed and is to be retried, may wait for its job.
OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
# A person has cleared the task, and its process is to end.
_RESTARTING = "restarting"
# So many jobs are looked at for one of an earlier attempt, and so many differences are told.
_LOOKED_AT = 50
_TOLD = 5
_VALUE_LENGTH = 60


def generation_of(ti: Any, retries: int | None) -> int:
    """Return a number that grows with each clear by a person and is the same for all retries."""
    return int(ti.max_tries) - (retries or 0)


def number_of(ti: Any, generation: int) -> int:
    """Return which attempt this is since a person last cleared the task: 1, 2 and so on."""
    return int(ti.try_number) - generation


def tags(ti: Any, generation: int) -> list[dict[str, str]]:
    """Return the tags that say whose a job is."""
    values = _owner(ti, generation) | _as_tags({"try_number": ti.try_number})
    return [{"Key": key, "Value": value} for key, value in values.items()]


def state_of(ti: Any) -> str | None:
    """Return the state that Airflow has of a task by now; None if there is no such task."""
    states: Mapping[str, str] = ti.get_task_states(
        dag_id=ti.dag_id,
        run_ids=[ti.run_id],
        task_ids=[ti.task_id],
        map_index=-1 if ti.map_index is None else ti.map_index,
    ).get(ti.run_id, {})
    return next(iter(states.values()), None)


def waits(ti: Any) -> bool:
    """Say whether the task of this process is still to wait, as far as Airflow knows.

    It is not once a person has marked it or its run, cleared it or deleted it. The end of a worker
    changes nothing: another attempt waits on.
    """
    state = state_of(ti)
    return state is not None and state not in {*OVER, _RESTARTING}


def warn_of_other_request(
    client: SageMakerClient, job_type: JobType, name: str, request: Mapping[str, Any], *,
    generation: int, context: Context,
) -> None:  # fmt: skip
    """Say so if an earlier attempt asked for something else, and so created another job.

    Args:
        client: The client.
        job_type: The job's type.
        name: What this attempt's job is to be named; there is none of that name.
        request: This attempt's request.
        generation: How often a person has cleared the task.
        context: The task's.
    """
    ti, run = context["ti"], context["dag_run"]
    if number_of(ti, generation) == 1:
        return
    try:
        other = _other_job(
            client,
            job_type,
            name,
            since=run.start_date or run.run_after,
            tags=_owner(ti, generation),
        )
    except (BotoCoreError, ClientError) as error:
        log.warning("cannot look for a job of an earlier attempt: %s", error)
        return
    if other:
        log.warning(
            "an earlier attempt created %s, which is %s, by another request, so this one creates a"
            " job of its own and both are paid for: %s. Take out of the task's config what changes"
            " between attempts, such as now(), uuid4() and try_number",
            other[job_type.name_member],
            job_type.status(other),
            differences(request, other) or "nothing that can be seen",
        )


def differences(asked: object, described: object) -> str:
    """Say where a request differs from a job's description: ``Environment.A: "1" is now "2"``.

    Members that only the description has are no difference: the service adds some.
    """
    found = list(_differences(asked, described, ""))
    more = [f"and {len(found) - _TOLD} more"] if len(found) > _TOLD else []
    return "; ".join([*found[:_TOLD], *more])


def _differences(asked: object, described: object, path: str) -> Iterator[str]:
    if isinstance(asked, Mapping) and isinstance(described, Mapping):
        for key, value in asked.items():
            step = f"{path}.{key}" if path else str(key)
            yield from _differences(value, described.get(key), step)
    elif isinstance(asked, list) and isinstance(described, list) and len(asked) == len(described):
        for index, (one, other) in enumerate(zip(asked, described, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif asked != described:
        yield f"{path}: {_shown(described)} is now {_shown(asked)}"


def _shown(value: object) -> str:
    text = "nothing" if value is None else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"


def _other_job(
    client: SageMakerClient, job_type: JobType, name: str, *,
    since: datetime, tags: Mapping[str, str],
) -> Mapping[str, Any] | None:  # fmt: skip
    """Describe the newest job that has these tags; None if there is none."""
    begin = name.rpartition("-")[0]
    jobs = job_type.created_since(client, since, name_contains=begin)
    for summary in islice(jobs, _LOOKED_AT):
        told = client.list_tags(ResourceArn=job_type.arn(summary))["Tags"]
        if tags.items() <= {tag["Key"]: tag["Value"] for tag in told}.items():
            return job_type.describe(client, summary[job_type.name_member])
    return None


def _owner(ti: Any, generation: int) -> dict[str, str]:
    return _as_tags(
        {
            "deployment": settings().bucket,
            "dag_id": ti.dag_id,
            "run_id": ti.run_id,
            "task_id": ti.task_id,
            "map_index": ti.map_index,
            "generation": generation,
        }
    )


def _as_tags(values: Mapping[str, object]) -> dict[str, str]:
    return {naming.tag_key(key): naming.metadata_value(value) for key, value in values.items()}
