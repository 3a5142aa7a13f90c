"""How good the product reviews' model is, and how fast its scripts are.

`accuracy` runs the three scripts, as their jobs do, on any table of reviews: what BERT, the most
frequent sentiment and a linear model of words reach on the same test split. `speed` has the scripts
and the plain loop of `transformers`' documentation (shuffled batches, each padded to its longest
text) work on the same reviews in turns, with the same BERT, so that their ratio can be trusted on a
machine that others use. Each prints the table that docs/product-reviews.md quotes:

    .local/images/pytorch-2.6.0/bin/python benchmarks/product_reviews.py accuracy [--reviews FILE]
    .local/images/pytorch-2.6.0/bin/python benchmarks/product_reviews.py speed [--reviews FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "include" / "scripts"
sys.path[:0] = [str(SCRIPTS / "product_reviews"), str(SCRIPTS)]

import pandas as pd  # noqa: E402 - after the path
import torch  # noqa: E402
from fitting import Fitting, batches  # noqa: E402
from network import load_pretrained, probabilities  # noqa: E402
from tokens import read_tokenizer, tokenized  # noqa: E402
from transformers import BertForSequenceClassification, DataCollatorWithPadding  # noqa: E402
from workers import Worker  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = ROOT / ".local" / "sample-data"
SIZE, LONGEST = 32, 128


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["accuracy", "speed"])
    parser.add_argument("--reviews", type=Path, default=DATA / "product_reviews.csv", help="CSV")
    parser.add_argument("--epochs", default="2", help="of accuracy")
    parser.add_argument("--max-sequence-length", default="64", help="of accuracy, in tokens")
    parser.add_argument("--rows", type=int, default=640, help="of speed")
    parser.add_argument("--rounds", type=int, default=3, help="of speed")
    options = parser.parse_args()
    table = pd.read_csv(options.reviews)
    table = table.rename(columns={"Review Text": "review_text", "Rating": "rating"})
    reviews = table[["review_text", "rating"]].dropna()
    reviews["review_text"] = reviews["review_text"].str.split().str.join(" ")
    pretrained = next(DATA.glob("all-minilm-l6-v2-*"))
    {"accuracy": accuracy, "speed": speed}[options.what](reviews, pretrained, options)


def accuracy(reviews: pd.DataFrame, pretrained: Path, options: argparse.Namespace) -> None:
    """Preprocess, train and evaluate, and print each model's accuracy with its standard error."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot, splits, model = folder / "snapshot", folder / "splits", folder / "model"
        snapshot.mkdir()
        reviews.to_csv(snapshot / "reviews.csv", index=False)
        _run(
            "preprocess.py", folder, snapshot=snapshot, output=splits, pretrained=pretrained,
            max_sequence_length=options.max_sequence_length,
        )  # fmt: skip
        _run(
            "train.py", folder, pretrained=pretrained, model_dir=model, epochs=options.epochs,
            checkpoints=folder / "checkpoints",
            **{part: splits / part for part in ("train", "validation", "preprocessor")},
        )  # fmt: skip
        (folder / "archive").mkdir()
        with tarfile.open(folder / "archive" / "model.tar.gz", "w:gz") as archive:
            archive.add(model, ".")
        _run(
            "evaluate.py", folder, model=folder / "archive", output=folder / "evaluation",
            **{part: splits / part for part in ("train", "test")},
        )  # fmt: skip
        report = json.loads((folder / "evaluation" / "evaluation.json").read_text())
    tested = report["rows"]["test"]
    of_bert = report["multiclass_classification_metrics"]["accuracy"]
    print(f"\n| model, of {tested} reviews of the test split | accuracy | standard error |")
    print("| --- | ---: | ---: |")
    for model_name, found in report["baselines"].items():
        share = found["accuracy"]
        print(f"| {model_name} | {share:.4f} | {math.sqrt(share * (1 - share) / tested):.4f} |")
    print(f"| BERT | {of_bert['value']:.4f} | {of_bert['standard_deviation']:.4f} |")


def _run(script: str, folder: Path, **options: object) -> None:
    arguments = [
        part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)
    ]
    if script != "train.py":
        arguments += ["--message", folder / "message"]
    subprocess.run(
        [sys.executable, SCRIPTS / "product_reviews" / script, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS), "SM_OUTPUT_DIR": str(folder)},
        check=True,
    )


def speed(reviews: pd.DataFrame, pretrained: Path, options: argparse.Namespace) -> None:
    """Time the plain loop and the scripts, and print their rates and ratio."""
    texts = reviews["review_text"].sample(options.rows, random_state=1).tolist()
    tokenizer = read_tokenizer(pretrained, longest=LONGEST)
    tokens = tokenized(tokenizer, texts)
    rows = [(one, number % 3) for number, one in enumerate(tokens)]
    print(f"{len(rows)} reviews of {statistics.mean(map(len, tokens)):.0f} tokens on average")

    worker = Worker(0, 1, torch.device("cpu"))
    fitting = Fitting(
        load_pretrained(pretrained), worker,
        steps=10_000, learning_rate=1e-5, freeze=False, padding=tokenizer.pad_token_id,
    )  # fmt: skip
    plain = BertForSequenceClassification.from_pretrained(pretrained, num_labels=3)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-5)
    collate = DataCollatorWithPadding(tokenizer)
    loader = torch.utils.data.DataLoader(
        [{"input_ids": one, "labels": label} for one, label in rows],  # type: ignore[arg-type]
        batch_size=SIZE, shuffle=True, collate_fn=collate,
    )  # fmt: skip

    def plain_training() -> None:
        plain.train()
        for batch in loader:
            plain(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    @torch.inference_mode()
    def plain_inference() -> None:
        plain.eval()
        for batch in loader:
            batch.pop("labels")
            plain(**batch).logits.softmax(-1)

    def training() -> None:
        fitting.learn(rows, batches([*map(len, tokens)], size=SIZE, seed=1))

    def inference() -> None:
        network: Any = fitting.network.eval()
        probabilities(network, tokens, padding=tokenizer.pad_token_id, batch_size=SIZE)

    print("| reviews a second of processor time | plain loop | scripts | ratio |")
    print("| --- | ---: | ---: | ---: |")
    for what, one, other in (
        ("training", plain_training, training), ("inference", plain_inference, inference)
    ):  # fmt: skip
        pairs = [(_rate(one, rows), _rate(other, rows)) for _ in range(options.rounds)]
        first, second = (statistics.median(rates) for rates in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"| {what} | {first:.1f} | {second:.1f} | {ratio:.2f} |", flush=True)


def _rate(work: Callable[[], None], rows: list[Any]) -> float:
    # Of the processor: how long one waits for it is the other users' doing.
    start = time.process_time()
    work()
    return len(rows) / (time.process_time() - start)


if __name__ == "__main__":
    main()
