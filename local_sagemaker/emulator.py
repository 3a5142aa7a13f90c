"""The parts that operations work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_sagemaker.access.grants import Access
    from local_sagemaker.access.iam_state import IamState
    from local_sagemaker.endpoints.hosting import Hosting
    from local_sagemaker.images import Images
    from local_sagemaker.jobs.plan import JobKind
    from local_sagemaker.jobs.runner import Runner
    from local_sagemaker.store import Store


@dataclass(frozen=True, slots=True)
class Emulator:
    """What a handler may use.

    Attributes:
        store: The resources.
        runner: The jobs' processes.
        hosting: The endpoints' processes.
        images: What stands for images.
        kinds: Of jobs.
        access: Who may do what.
        iam: Users, roles and policies.
        max_jobs: How many jobs may run at once, over all regions and kinds.
    """

    store: Store
    runner: Runner
    hosting: Hosting
    images: Images
    kinds: tuple[JobKind, ...]
    access: Access
    iam: IamState
    max_jobs: int
