"""Fine-tune a pretrained BERT on the train split, and keep what the validation split finds best.

SageMaker's training toolkit runs this script in script mode: hyperparameters arrive as
command-line arguments, channels and folders as SM_* variables. On several instances, or under
``torchrun``, the workers share each batch. It goes on from the newest checkpoint, if there is one.
"""

from __future__ import annotations

import math
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import checkpoints
import torch
from fitting import Fitting, batches
from kit.failure import BadInputError
from kit.job import training_job
from kit.outputs import write_json
from kit.record import NAME, read_record
from kit.training import model_folder, training_arguments, truth
from network import WEIGHTS, load_pretrained
from safetensors.torch import save_file
from splits import read_split
from table import SENTIMENTS
from tokens import CONFIG, read_tokenizer
from workers import worker

if TYPE_CHECKING:
    import argparse

    from fitting import Row
    from workers import Worker

CURVES = "learning_curves.json"
SERVED = ("network.py", "requirements.txt", "table.py", "tokens.py")


def read_rows(path: Path) -> list[Row]:
    """Read a split: the tokens of each text, and the place of its sentiment.

    Raises:
        BadInputError: It has no rows, or cannot be read.
    """
    table = read_split(path)
    if not len(table):
        raise BadInputError(f"{path}: it has no rows; give its split a share of the reviews")
    places = [SENTIMENTS.index(sentiment) for sentiment in table["sentiment"].to_pylist()]
    return list(zip(table["tokens"].to_pylist(), places, strict=True))


def fit(options: argparse.Namespace, me: Worker) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Train for all epochs that are not done yet.

    Returns:
        The weights of the best epoch, and what each epoch came to.
    """
    longest = read_record(options.preprocessor)["max_sequence_length"]
    tokenizer = read_tokenizer(options.pretrained, longest=longest)
    train = read_rows(options.train / "train.parquet")
    validation = read_rows(options.validation / "validation.parquet")
    lengths = [len(tokens) for tokens, _ in train]
    # Every worker must have a part of each batch, as they wait for each other.
    size = options.batch_size
    whole = len(train) - len(train) % size if me.size > 1 else len(train)
    in_epoch = min(-(-whole // size), options.train_steps or len(train))
    if me.size > size or not whole:
        raise BadInputError(
            f"{len(train)} rows in batches of {size} are too few for {me.size} workers"
        )
    judged = batches([len(tokens) for tokens, _ in validation], size=size, seed=None)
    judged = judged[:: max(1, len(judged) // (options.validation_steps or len(judged)))]

    torch.manual_seed(options.seed)
    fitting = Fitting(
        load_pretrained(options.pretrained), me,
        steps=in_epoch * options.epochs, learning_rate=options.learning_rate,
        freeze=options.freeze_encoder, padding=tokenizer.pad_token_id,
    )  # fmt: skip
    settings = {
        name: getattr(options, name)
        for name in ("epochs", "learning_rate", "batch_size", "train_steps",
                     "validation_steps", "freeze_encoder", "seed")
    } | {"train_rows": len(train), "workers": me.size}  # fmt: skip
    curves: list[dict[str, float]] = []
    best: dict[str, Any] = {}
    if state := checkpoints.latest(options.checkpoints, settings):
        fitting.restore(state)
        curves, best = state["curves"], state["best"]
        print(f"resumed after epoch {len(curves)} of {options.epochs}", flush=True)
    for epoch in range(len(curves) + 1, options.epochs + 1):
        # Of the epoch, so that one that is resumed goes the same way.
        seed = random.Random(f"{options.seed} {epoch}").getrandbits(32)  # noqa: S311 -- no secret
        torch.manual_seed(seed + me.rank)
        order = [
            batch for batch in batches(lengths, size=size, seed=seed)
            if me.size == 1 or len(batch) == size
        ][:in_epoch]  # fmt: skip
        start = time.perf_counter()
        loss, accuracy = fitting.learn(train, order)
        seconds = time.perf_counter() - start
        judged_loss, judged_accuracy = fitting.judge(validation, judged)
        if not (math.isfinite(loss) and math.isfinite(judged_loss)):
            raise BadInputError(
                f"epoch {epoch}: the loss is {loss} on the train split and {judged_loss} on the "
                f"validation split; learning-rate is {options.learning_rate}, try a lower one"
            )
        curves.append({
            "epoch": epoch, "train_loss": loss, "train_accuracy": accuracy,
            "validation_loss": judged_loss, "validation_accuracy": judged_accuracy,
        })  # fmt: skip
        print(
            f"epoch={epoch}; train:loss={loss:.6f}; train:accuracy={accuracy:.6f}; "
            f"validation:loss={judged_loss:.6f}; validation:accuracy={judged_accuracy:.6f}; "
            f"train:rows_per_second={sum(map(len, order)) / seconds:.1f};",
            flush=True,
        )
        if max(curves, key=_worth) is curves[-1]:
            best = {name: value.cpu().clone() for name, value in fitting.state()["network"].items()}
        if me.is_first:
            state = {"settings": settings, "curves": curves, "best": best, **fitting.state()}
            checkpoints.save(options.checkpoints, state, epoch=epoch)
    return best, curves


def _worth(epoch: dict[str, float]) -> tuple[float, float]:
    return epoch["validation_accuracy"], -epoch["validation_loss"]


def save(options: argparse.Namespace, best: dict[str, Any], curves: list[dict[str, float]]) -> None:
    """Write all that the model's archive shall hold, or nothing."""
    here, pretrained = Path(__file__).resolve(), options.pretrained
    record = (options.preprocessor / NAME).read_bytes()
    entry_point = here.with_name("entry_point.py")
    with model_folder(
        options.model_dir, entry_point=entry_point, beside=SERVED, record=record
    ) as folder:
        save_file(best, folder / WEIGHTS)
        (folder / CONFIG).write_bytes((pretrained / CONFIG).read_bytes())
        longest = read_record(options.preprocessor)["max_sequence_length"]
        read_tokenizer(pretrained, longest=longest).save_pretrained(folder)
        write_json(folder / CURVES, {"learning_curves": curves})
    print(f"wrote {WEIGHTS}, {CURVES}, code/entry_point.py", flush=True)


def main() -> None:
    """Run the job; exit with 1 and a message where its inputs cannot be used."""
    parser = training_arguments(__doc__)
    model = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    for option, default in (
        ("--pretrained", os.environ.get("SM_CHANNEL_PRETRAINED", "/opt/ml/input/data/pretrained")),
        ("--checkpoints", model.with_name("checkpoints")),
    ):
        parser.add_argument(option, type=Path, default=default, metavar="DIR")
    parser.add_number("--epochs", 2, low=1)
    parser.add_number("--learning-rate", 1e-4, low=0, about="of what is pretrained, at its highest")
    parser.add_number("--batch-size", 32, low=1, about="of all workers together")
    parser.add_number("--train-steps", 0, low=0, about="batches of an epoch; 0: all")
    parser.add_number("--validation-steps", 0, low=0, about="batches after each epoch; 0: all")
    parser.add_argument("--freeze-encoder", type=truth, default=False, metavar="true|false")
    parser.add_number("--seed", 42, low=0, high=2**32 - 1)
    with training_job(parser) as options, worker() as me:
        if options.validation is None:
            raise BadInputError("there is no channel validation, which finds the best epoch")
        best, curves = fit(options, me)
        if me.is_first:
            save(options, best, curves)


if __name__ == "__main__":
    main()
