"""The evaluation job's words: its command line, and the three files that it leaves.

``evaluation.json`` is what the gate reads, ``predictions.csv`` what each test row came to, and
``smoke.json`` what an endpoint must answer before it is trusted.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.champion import champion_arguments
from kit.job import ArgumentParser
from kit.outputs import published, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# So many test rows go into smoke.json; a deployment asks about fewer.
LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Smoke:
    """Requests of one test row each, in the order of the test split, and their answers.

    Attributes:
        bodies: What is sent, as it is.
        expected: What must be answered: a number, a text or, of application/json, any JSON value.
        content_type: Of the requests.
        accept: Of the answers, ``text/csv`` or ``application/json``.
    """

    bodies: Sequence[str]
    expected: Sequence[Any]
    content_type: str = "text/csv"
    accept: str = "text/csv"

    def content(self) -> dict[str, Any]:
        """Give what smoke.json says; of very many requests the first.

        Raises:
            ValueError: An answer in text/csv would be taken for several.
        """
        for expected in self.expected if self.accept == "text/csv" else ():
            if isinstance(expected, str) and any(mark in expected for mark in ",\r\n"):
                raise ValueError(f"text/csv cannot carry {expected!r}: answer in application/json")
        pairs = zip(self.bodies[:LONGEST], self.expected[:LONGEST], strict=True)
        return {
            "content_type": self.content_type,
            "accept": self.accept,
            "requests": [{"body": body, "expected": expected} for body, expected in pairs],
        }


def evaluation_arguments(description: str | None, *, preprocessor: bool = False) -> ArgumentParser:
    """Make the command line's parser; the defaults are SageMaker's places.

    Args:
        description: For ``--help``.
        preprocessor: Whether the job is given preprocessing's record, which the model's archive of
            a built-in algorithm does not carry.
    """
    parser = ArgumentParser(description)
    inputs, output = Path("/opt/ml/processing/input"), Path("/opt/ml/processing/output")
    parser.add_argument(
        "--model", type=Path, default=inputs / "model", metavar="DIR", help="has model.tar.gz"
    )
    parser.add_argument(
        "--test", type=Path, default=inputs / "test", metavar="DIR", help="has test.csv"
    )
    if preprocessor:
        parser.add_argument(
            "--preprocessor",
            type=Path,
            default=inputs / "preprocessor",
            metavar="DIR",
            help="has preprocessing.json",
        )
    parser.add_argument("--output", type=Path, default=output / "evaluation", metavar="DIR")
    parser.add_number("--bootstrap-samples", 1_000, low=2)
    parser.add_number("--seed", 42, low=0, about="of the bootstrap")
    champion_arguments(parser)
    return parser


def write_evaluation(
    output: Path,
    report: Mapping[str, Any],
    *,
    actual: Sequence[Any],
    predicted: Sequence[Any],
    smoke: Smoke,
) -> None:
    """Print the report's metrics and write the three files, or none of them.

    Args:
        output: The folder.
        report: What evaluation.json says.
        actual: Of each test row the number or label that is true.
        predicted: Of each test row the number or label that the model gives.
        smoke: Of each test row the request and its answer.

    Raises:
        ValueError: These are not equally many, or the report holds a NaN, or a metric whose value
            is no number.
    """
    if len({len(each) for each in (actual, predicted, smoke.bodies, smoke.expected)}) > 1:
        raise ValueError(
            f"{len(actual)} actual and {len(predicted)} predicted values, {len(smoke.bodies)} "
            f"requests and {len(smoke.expected)} answers: each test row has one of them"
        )
    for line in _lines(report):
        print(line, flush=True)
    with published(output) as folder:
        write_json(folder / "evaluation.json", report)
        write_json(folder / "smoke.json", smoke.content())
        with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
            pairs = csv.writer(file, lineterminator="\n")
            pairs.writerow(["actual", "predicted"])
            pairs.writerows(zip(_listed(actual), _listed(predicted), strict=True))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    for section, metrics in report.items():
        is_section = section.endswith("_metrics") and isinstance(metrics, Mapping)
        for name, metric in metrics.items() if is_section else ():
            if not isinstance(metric, Mapping) or not {"value", "standard_deviation"} <= {*metric}:
                continue
            value, spread = metric["value"], metric["standard_deviation"]
            try:
                yield f"test:{name}={value:.6f}; (± {spread:.6f})"
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"evaluation.json: {section}.{name} is {value!r} (± {spread!r}); a metric's"
                    " value and standard_deviation are numbers"
                ) from error


def _listed(values: Any) -> list[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)
