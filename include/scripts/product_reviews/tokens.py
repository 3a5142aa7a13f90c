"""Texts in, the numbers that BERT reads out.

A pretrained model is a folder in Hugging Face's format: ``config.json``, ``model.safetensors`` and
the tokenizer's files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kit.failure import BadInputError
from transformers import BertConfig, BertTokenizerFast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONFIG, TOKENIZER = "config.json", ("tokenizer.json", "vocab.txt")
SIZES = ("vocab_size", "max_position_embeddings")


def read_config(folder: Path) -> BertConfig:
    """Read what a pretrained model is like.

    Raises:
        BadInputError: The folder has no such file, or the model is no BERT.
    """
    if not (folder / CONFIG).is_file():
        raise BadInputError(
            f"{folder / CONFIG}: there is no such file; the input pretrained must be the folder "
            "of a BERT in Hugging Face's format"
        )
    try:
        told = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        kind = told["model_type"]
        config = BertConfig.from_dict(told)
        sizes = {name: int(getattr(config, name)) for name in SIZES}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInputError(
            f"{folder / CONFIG}: it is no model's configuration: {type(error).__name__} {error}"
        ) from error
    if kind != "bert":
        raise BadInputError(f"{folder / CONFIG}: it is of a {kind}, not of a BERT")
    if min(sizes.values()) < 1:
        raise BadInputError(f"{folder / CONFIG}: {sizes} must be above 0")
    return config


def read_tokenizer(folder: Path, *, longest: int | None = None) -> Any:
    """Read the tokenizer of a model.

    Args:
        folder: The model's.
        longest: How many tokens of a text are kept, its two marks among them; None for what the
            tokenizer was saved with.

    Raises:
        BadInputError: It has no tokenizer that fits it, or the model reads fewer tokens.
    """
    config = read_config(folder)
    most = config.max_position_embeddings
    if longest is not None and longest > most:
        raise BadInputError(
            f"max-sequence-length is {longest}; this BERT reads at most {most} tokens"
        )
    if not any((folder / name).is_file() for name in TOKENIZER):
        raise BadInputError(f"{folder}: it has neither of {', '.join(TOKENIZER)}; one is needed")
    try:
        tokenizer = BertTokenizerFast.from_pretrained(folder, local_files_only=True)
        tokenizer(["ready"])
    except Exception as error:  # what is wrong in a file is told by a bare Exception
        raise BadInputError(f"{folder}: its tokenizer cannot be used: {error}") from error
    if len(tokenizer) > config.vocab_size:
        raise BadInputError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, {CONFIG} {config.vocab_size}"
        )
    tokenizer.model_max_length = longest or min(tokenizer.model_max_length, most)
    return tokenizer


def tokenized(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Give the tokens of each text, cut to the tokenizer's length and not padded."""
    # Without a text it would give no lists.
    return tokenizer(list(texts), truncation=True)["input_ids"] if len(texts) else []
