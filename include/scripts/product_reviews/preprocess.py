"""Check the reviews of a snapshot, split them, and write them as the tokens that BERT reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from kit.data_report import data_report, place
from kit.job import processing_job, stopwatch
from kit.outputs import published, write_json
from kit.preprocessing import preprocessing_arguments, read_and_split
from kit.record import NAME, describe
from kit.requirements import install
from kit.training import truth
from table import RATING, SENTIMENTS, TABLE, TEXT, sentiments

if TYPE_CHECKING:
    import pandas as pd


def distinct(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the first of reviews with the same text, so that none is trained on and tested with.

    Spaces and case make no other text. Reviews without a text are dropped.
    """
    texts = rows[TEXT].fillna("").str.split().str.join(" ")
    first = (texts != "") & ~texts.str.casefold().duplicated()
    kept = rows[first].assign(**{TEXT: texts[first]})
    print(f"{len(rows) - len(kept)} reviews without a text of their own are left out", flush=True)
    return kept


def balanced(rows: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Draw as many rows of each sentiment as the rarest has; their order stays."""
    found = sentiments(rows[RATING])
    fewest = min(int((found == sentiment).sum()) for sentiment in np.unique(found))
    random = np.random.default_rng(seed)
    drawn = [
        random.choice(np.flatnonzero(found == sentiment), fewest, replace=False)
        for sentiment in np.unique(found)
    ]
    return rows.iloc[np.sort(np.concatenate(drawn))]


def main() -> None:
    """Run the job; exit with 1 and a message where the snapshot cannot be used."""
    parser = preprocessing_arguments(__doc__, shares=(0.8, 0.1, 0.1))
    places = "/opt/ml/processing/input/pretrained"
    parser.add_argument("--pretrained", type=Path, default=places, metavar="DIR")
    parser.add_number("--max-sequence-length", 128, low=3, about="in tokens, two marks among them")
    parser.add_argument("--balance", type=truth, default=False, metavar="true|false")
    with processing_job(parser) as options:
        install(Path(__file__).with_name("requirements.txt"))
        # Not before: the image lacks what they import.
        from splits import write_split  # noqa: PLC0415
        from tokens import read_tokenizer, tokenized  # noqa: PLC0415

        tokenizer = read_tokenizer(options.pretrained, longest=options.max_sequence_length)
        snapshot, splits = read_and_split(options, TABLE, clean=distinct)
        if options.balance:
            splits["train"] = balanced(splits["train"], seed=options.seed)
        record = describe(snapshot, splits, options) | {
            "max_sequence_length": options.max_sequence_length,
            "balanced": options.balance,
            "sentiments": {
                name: {str(s): int((sentiments(rows[RATING]) == s).sum()) for s in SENTIMENTS}
                for name, rows in splits.items()
            },
        }
        say = stopwatch()
        with published(options.output) as folder:
            for name, rows in splits.items():
                (folder / name).mkdir()
                texts = rows[TEXT].tolist()
                write_split(
                    folder / name / f"{name}.parquet",
                    texts=texts,
                    sentiments=sentiments(rows[RATING]).tolist(),
                    tokens=tokenized(tokenizer, texts),
                )
            write_json(folder / "preprocessor" / NAME, record)
            write_json(place(folder), data_report(snapshot.rows, TABLE))
        say("tokenised and wrote all")


if __name__ == "__main__":
    main()
