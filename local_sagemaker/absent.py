"""Pipelines, experiments and lineage: none can be made here, so that none is there.

Whoever looks for some is told so in the service's shapes; whoever makes one is refused by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_sagemaker.errors import ServiceError
from local_sagemaker.listing import page_of
from local_sagemaker.requests import arn

if TYPE_CHECKING:
    from local_sagemaker.emulator import Emulator
    from local_sagemaker.requests import Request


def list_none(_emulator: Emulator, request: Request, *, answer: str) -> dict[str, object]:
    """Answer ListPipelines and its like: an empty list.

    Args:
        request: The caller's; a NextToken cannot be one that it was given.
        answer: The member that holds the summaries.

    Raises:
        RequestInvalidError: There is a NextToken.
    """
    return page_of(lambda _after: iter(()), answer=answer, request=request)


def list_trials(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer ListTrials.

    Raises:
        ServiceError: ResourceNotFound, of what they are asked for.
    """
    for noun in ("Experiment", "TrialComponent"):
        if name := request.members.get(f"{noun}Name"):
            raise ServiceError("ResourceNotFound", f"{noun} {name} does not exist.")
    return list_none(emulator, request, answer="TrialSummaries")


def describe_pipeline(_emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DescribePipeline.

    Raises:
        ServiceError: ResourceNotFound, always.
    """
    name = request.text("PipelineName").rpartition("/")[2]
    missing = arn(request.region, "pipeline", name=name)
    raise ServiceError("ResourceNotFound", f"Pipeline '{missing}' does not exist.")
