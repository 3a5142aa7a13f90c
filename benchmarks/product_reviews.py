"""How many reviews a second the product reviews' scripts learn from and answer.

Beside them is the plain loop of `transformers`' documentation: shuffled batches, each padded to its
longest text. Both work on the same reviews in turns, with the same BERT, so that their ratio can be
trusted on a machine that others use. It prints the table that docs/product-reviews.md quotes:

    .local/images/pytorch-2.6.0/bin/python benchmarks/product_reviews.py [--reviews FILE] [--rows N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
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
    parser.add_argument("--reviews", type=Path, default=DATA / "product_reviews.csv")
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    pretrained = next(DATA.glob("all-minilm-l6-v2-*"))
    frame = pd.read_csv(options.reviews).rename(columns={"Review Text": "review_text"})
    texts = frame["review_text"].dropna().sample(options.rows, random_state=1).tolist()
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
