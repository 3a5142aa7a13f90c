"""Who trains along: one process, or one on each instance or GPU, which share a batch among them."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import distributed

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = "7777"  # the training toolkit's


@dataclass(frozen=True, slots=True)
class Worker:
    """This process among those that train.

    Attributes:
        rank: Its number, from 0; the first one writes.
        size: How many there are.
        device: Where its tensors are.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def total(self, *numbers: float) -> list[float]:
        """Add each number up over all workers; a rendezvous."""
        values = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        if self.size > 1:
            distributed.all_reduce(values)
        return values.tolist()


@contextmanager
def worker() -> Iterator[Worker]:
    """Join the others, if there are any, and leave them in the end.

    ``torchrun`` tells each process its rank; else each of SageMaker's hosts is one process.
    """
    if "WORLD_SIZE" in os.environ:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    else:
        hosts = sorted(json.loads(os.environ.get("SM_HOSTS", "[]"))) or ["localhost"]
        rank, size = hosts.index(os.environ.get("SM_CURRENT_HOST", hosts[0])), len(hosts)
        os.environ.setdefault("MASTER_ADDR", hosts[0])
        os.environ.setdefault("MASTER_PORT", PORT)
    has_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if has_gpu else "cpu"
    if size > 1:
        distributed.init_process_group("nccl" if has_gpu else "gloo", rank=rank, world_size=size)
    try:
        yield Worker(rank, size, torch.device(device))
    finally:
        if size > 1:
            distributed.destroy_process_group()
