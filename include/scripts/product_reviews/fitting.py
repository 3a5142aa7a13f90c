"""Epochs over a train split: in which order rows come, what is learnt from them, how good it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from network import padded
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workers import Worker

WARM_UP = 0.1  # of all steps
LARGEST_GRADIENT = 1.0
NEW_LAYER = 10  # it begins at random, so it learns faster than what is pretrained
# Batches of like lengths are made of so many shuffled ones.
WINDOW = 50

Row = tuple[list[int], int]


def batches(lengths: Sequence[int], *, size: int, seed: int | None) -> list[list[int]]:
    """Put the numbers of rows of like lengths together, as padding takes time.

    Args:
        lengths: Of the rows, in tokens.
        size: Rows of a batch; the last one may have fewer.
        seed: Of the order; the same one makes the same batches. None: by length alone.
    """
    if seed is None:
        order = sorted(range(len(lengths)), key=lambda number: lengths[number])
        return [order[at : at + size] for at in range(0, len(order), size)]
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(lengths), generator=random).tolist()
    found: list[list[int]] = []
    for start in range(0, len(order), size * WINDOW):
        near = sorted(order[start : start + size * WINDOW], key=lambda number: lengths[number])
        found += [near[at : at + size] for at in range(0, len(near), size)]
    return [found[number] for number in torch.randperm(len(found), generator=random).tolist()]


class Fitting:
    """A network that is being trained, with all that the next step depends on.

    Args:
        network: The network.
        worker: This process.
        steps: How many there will be.
        learning_rate: Of what is pretrained, at its highest.
        freeze: Whether what is pretrained stays as it is.
        padding: The token that fills a text up.
    """

    def __init__(
        self,
        network: nn.Module,
        worker: Worker,
        *,
        steps: int,
        learning_rate: float,
        freeze: bool,
        padding: int,
    ) -> None:
        self.worker, self.freeze, self.padding = worker, freeze, padding
        self.network: Any = network.to(worker.device)
        self.network.bert.requires_grad_(requires_grad=not freeze)
        new = {"params": list(self.network.scores.parameters()), "lr": learning_rate * NEW_LAYER}
        groups = [new] if freeze else [new, {"params": list(self.network.bert.parameters())}]
        self.optimizer = torch.optim.AdamW(groups, lr=learning_rate)
        warm_up = max(1, round(steps * WARM_UP))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min(
                (step + 1) / warm_up, max(0.0, (steps - step) / max(1, steps - warm_up))
            ),
        )
        self.shared: Any = (
            nn.parallel.DistributedDataParallel(self.network) if worker.size > 1 else self.network
        )

    def learn(self, rows: Sequence[Row], order: Sequence[Sequence[int]]) -> tuple[float, float]:
        """Take one step a batch; each worker has its own part of it.

        Returns:
            The mean loss and the accuracy on the rows as they were learnt from.
        """
        self.shared.train()
        if self.freeze:
            self.network.bert.eval()
        loss_sum = hits = seen = 0.0
        for tokens, mask, wanted in self._own(rows, order):
            scores = self.shared(tokens, mask)
            loss = nn.functional.cross_entropy(scores, wanted)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            loss_sum += loss.item() * len(wanted)
            hits += (scores.argmax(-1) == wanted).sum().item()
            seen += len(wanted)
        loss_sum, hits, seen = self.worker.total(loss_sum, hits, seen)
        return loss_sum / seen, hits / seen

    @torch.inference_mode()
    def judge(self, rows: Sequence[Row], order: Sequence[Sequence[int]]) -> tuple[float, float]:
        """Return the mean loss and the accuracy on rows that are not learnt from."""
        self.network.eval()
        loss_sum = hits = seen = 0.0
        for tokens, mask, wanted in self._own(rows, order):
            scores = self.network(tokens, mask)
            loss_sum += nn.functional.cross_entropy(scores, wanted, reduction="sum").item()
            hits += (scores.argmax(-1) == wanted).sum().item()
            seen += len(wanted)
        loss_sum, hits, seen = self.worker.total(loss_sum, hits, seen)
        return loss_sum / seen, hits / seen

    def state(self) -> dict[str, Any]:
        """Return what ``restore`` takes."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint has."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])

    def _own(
        self, rows: Sequence[Row], order: Sequence[Sequence[int]]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        for numbers in order:
            own = numbers[self.worker.rank :: self.worker.size]
            if own:
                tokens, mask = padded([rows[number][0] for number in own], self.padding)
                wanted = torch.tensor([rows[number][1] for number in own])
                yield tuple(part.to(self.worker.device) for part in (tokens, mask, wanted))  # type: ignore[misc]
