"""Score the model on the untouched test reviews, as its endpoint will answer them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.champion import Contest, against_champion
from kit.classification import (
    class_metrics,
    classification_difference,
    classification_metrics,
)
from kit.evaluation import Smoke, evaluation_arguments, write_evaluation
from kit.failure import BadInputError
from kit.job import processing_job, stopwatch
from kit.latency import serving_metrics
from kit.model_archive import ENTRY_POINT, answering, load_entry_point, predict, unpacked
from kit.record import NAME, origin, read_record
from kit.requirements import install

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = "application/json"
CURVES, WEIGHTS = "learning_curves.json", "network.safetensors"
WORST, LONGEST = 20, 1_000


def worst_errors(
    texts: Sequence[str], actual: Sequence[int], answers: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Give the mistakes that the model was surest of, with their texts."""
    wrong = [
        {"text": text[:LONGEST], "actual": label, "predicted": answer["label"],
         "probability": answer["probability"]}
        for text, label, answer in zip(texts, actual, answers, strict=True)
        if answer["label"] != label
    ]  # fmt: skip
    return sorted(wrong, key=lambda mistake: -mistake["probability"])[:WORST]


def labels(answers: Any, rows: int) -> list[int]:
    """Give the labels of a model's answers.

    Raises:
        BadInputError: There are not as many as rows, or one has no label.
    """
    told = [answer.get("label") if isinstance(answer, dict) else None for answer in answers]
    if len(told) != rows or not all(isinstance(label, int) for label in told):
        raise BadInputError(f"the model gives {len(told)} answers for {rows} rows, or no labels")
    return told


def measured(
    actual: Sequence[int], predicted: Sequence[int], **bootstrap: int
) -> dict[str, dict[str, Any]]:
    """Give all metrics of predicted labels."""
    return {
        **classification_metrics(actual, predicted, **bootstrap),
        **class_metrics(actual, predicted, **bootstrap),
    }


def main() -> None:
    """Run the job; exit with 1 and a message where its inputs cannot be used."""
    parser = evaluation_arguments(__doc__)
    train = Path("/opt/ml/processing/input/train")
    parser.add_argument("--train", type=Path, default=train, metavar="DIR")
    with (
        processing_job(parser) as options,
        unpacked(options.model, WEIGHTS, CURVES, NAME, ENTRY_POINT) as folder,
    ):
        install(Path(__file__).with_name("requirements.txt"))
        # Not before: the image lacks what they import.
        from baselines import baselines  # noqa: PLC0415
        from splits import read_split  # noqa: PLC0415

        say = stopwatch()
        test = read_split(options.test / "test.parquet")
        texts, actual = test["text"].to_pylist(), test["sentiment"].to_pylist()
        lesser = baselines(read_split(options.train / "train.parquet"), test)
        say("fitted the baselines")
        body = json.dumps({"features": texts})
        module = load_entry_point(folder)
        answers = predict(module, folder, body, content_type=JSON)
        predicted = labels(answers, len(texts))
        say(f"predicted {len(texts)} test reviews")

        requests = [json.dumps({"features": [text]}) for text in texts]
        answer = answering(module, folder, content_type=JSON, accept=JSON)
        serving = serving_metrics(options.model, requests, answer=answer)
        say("timed single reviews")

        bootstrap = {"samples": options.bootstrap_samples, "seed": options.seed}
        record = read_record(folder)
        contest = Contest(
            rows={"body": body, "content_type": JSON},
            columns={"sentiment": actual, "words": [len(text.split()) for text in texts]},
            actual=actual,
            predicted=predicted,
            measure=partial(measured, **bootstrap),
            compare=partial(classification_difference, **bootstrap),
            check=partial(labels, rows=len(texts)),
        )
        report = {
            **contest.measure(actual, predicted),
            **serving,
            "baselines": lesser,
            **json.loads((folder / CURVES).read_text(encoding="utf-8")),
            "worst_errors": worst_errors(texts, actual, answers),
            **origin(record, tested=len(texts)),
            "bootstrap": bootstrap,
            **against_champion(options, contest, record=record),
        }
        say(f"{options.bootstrap_samples} bootstrap samples")
        write_evaluation(
            options.output,
            report,
            actual=actual,
            predicted=predicted,
            smoke=Smoke(
                requests,
                [{"predictions": [answer]} for answer in answers],
                content_type=JSON,
                accept=JSON,
            ),
        )


if __name__ == "__main__":
    main()
