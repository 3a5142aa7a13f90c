"""The network: a BERT, the mean of what it makes of a text's tokens, and a layer that classifies.

It also says how texts of different lengths are put together, in training as in serving.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from kit.failure import BadInputError
from safetensors import SafetensorError
from safetensors.torch import load_file
from table import SENTIMENTS
from tokens import CONFIG, read_config
from torch import nn
from transformers import BertModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PRETRAINED, WEIGHTS = "model.safetensors", "network.safetensors"


class Network(nn.Module):
    """Tokens in, a score of each sentiment out.

    Args:
        config: Of the BERT; its weights are random until some are loaded.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.scores = nn.Linear(config.hidden_size, len(SENTIMENTS))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Score texts.

        Args:
            tokens: Of shape (texts, tokens), padded.
            mask: Of the same shape; 1 where a token is, 0 where none is.

        Returns:
            Of shape (texts, sentiments), in the order of ``SENTIMENTS``.
        """
        states = self.bert(input_ids=tokens, attention_mask=mask).last_hidden_state
        present = mask.unsqueeze(-1).to(states.dtype)
        means = (states * present).sum(1) / present.sum(1)
        scores: torch.Tensor = self.scores(self.dropout(means))
        return scores


def load_pretrained(folder: Path) -> Network:
    """Make the network of a pretrained BERT; the layer that classifies is new.

    Raises:
        BadInputError: The folder has no BERT, or weights are missing.
    """
    network = _made(folder)
    found = {
        name.removeprefix("bert.").replace("gamma", "weight").replace("beta", "bias"): weight
        for name, weight in _weights(folder / PRETRAINED).items()
    }
    wanted = network.bert.state_dict()
    if missing := [name for name in wanted if name not in found]:
        raise BadInputError(
            f"{PRETRAINED}: it has no {missing[0]}, of {len(missing)} weights that lack"
        )
    try:
        network.bert.load_state_dict({name: found[name] for name in wanted})
    except RuntimeError as error:
        raise BadInputError(f"{PRETRAINED}: it does not fit config.json: {error}") from error
    return network


def load_trained(folder: Path) -> Network:
    """Load what training saved, ready to predict.

    Raises:
        BadInputError: It is not there, or is damaged.
    """
    network = _made(folder)
    try:
        network.load_state_dict(_weights(folder / WEIGHTS))
    except RuntimeError as error:
        raise BadInputError(f"{WEIGHTS}: it does not fit config.json: {error}") from error
    return network.eval()


def padded(tokens: Sequence[Sequence[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Put texts of different lengths together: tokens and mask, as the network takes them."""
    longest = max(map(len, tokens))
    rows = [[*row, *[padding] * (longest - len(row))] for row in tokens]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in tokens]
    return torch.tensor(rows), torch.tensor(mask)


@torch.inference_mode()
def probabilities(
    network: Network, tokens: Sequence[Sequence[int]], *, padding: int, batch_size: int = 32
) -> torch.Tensor:
    """Give the probability of each sentiment for each text: (texts, sentiments), on the CPU.

    Texts of like lengths are scored together, as padding takes time.
    """
    device = next(network.parameters()).device
    order = sorted(range(len(tokens)), key=lambda number: len(tokens[number]))
    found = torch.empty(len(tokens), len(SENTIMENTS))
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        batch, mask = padded([tokens[number] for number in numbers], padding)
        found[numbers] = network(batch.to(device), mask.to(device)).softmax(-1).cpu()
    return found


def _made(folder: Path) -> Network:
    config = read_config(folder)
    try:
        return Network(config)
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise BadInputError(
            f"{folder / CONFIG}: no BERT can be made of it: {type(error).__name__} {error}"
        ) from error


def _weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadInputError(f"{path}: its weights cannot be read: {error}") from error
