"""Score the model on the untouched test rows, the way its endpoint will.

The archive is unpacked, its own ``code/entry_point.py`` loads the model and decodes the rows as
text/csv, and what it predicts is judged against the target.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import sys
import tarfile
import time
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

# Must precede numpy. On more threads sums are rounded in another order, and the same input
# would give other bytes on a machine of another size.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
from failure import MESSAGE, ArgumentParser, BadInputError, message_path, reported_to
from outputs import published, write_json

if TYPE_CHECKING:
    import argparse
    from types import ModuleType

TARGET = "MedHouseVal"
FILES = ("model.joblib", "preprocessing.json", "code/entry_point.py")
# So many resampled rows are held at once, four moments each: 64 MB.
BATCH = 2_000_000


def unpack(folder: Path, target: Path) -> None:
    """Unpack ``model.tar.gz`` of ``folder`` below ``target``.

    Raises:
        BadInputError: There is no archive, it is damaged or unsafe, or it lacks a file.
    """
    archive = folder / "model.tar.gz"
    if not archive.is_file():
        raise BadInputError(f"{archive}: there is no such file; did the training job succeed?")
    try:
        with tarfile.open(archive, "r:gz") as tar:
            # Python has the filter that does this since 3.11.4 only.
            for member in tar:
                path = (target / member.name).resolve()
                if not path.is_relative_to(target.resolve()):
                    raise tarfile.ExtractError(f"{member.name!r} would be outside of its folder")
                if member.isfile():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with tar.extractfile(member) as content, path.open("wb") as file:
                        shutil.copyfileobj(content, file)
                elif not member.isdir():
                    raise tarfile.ExtractError(f"{member.name!r} is neither a file nor a folder")
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise BadInputError(f"{archive}: it cannot be unpacked: {error}") from error
    missing = [name for name in FILES if not (target / name).is_file()]
    if missing:
        raise BadInputError(f"{archive}: it lacks {', '.join(missing)}; train.py writes these")


def load_entry_point(path: Path) -> ModuleType:
    """Import the archive's own ``entry_point.py``, not the one beside this script.

    Raises:
        BadInputError: It lacks a function that the endpoint needs.
    """
    spec = importlib.util.spec_from_file_location("archived_entry_point", path)
    if spec is None or spec.loader is None:
        raise BadInputError(f"{path}: it cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    missing = [name for name in ("model_fn", "input_fn", "predict_fn") if not hasattr(module, name)]
    if missing:
        raise BadInputError(f"code/entry_point.py: it has no {', '.join(missing)}")
    return module


def read_test(path: Path, features: tuple[str, ...]) -> tuple[bytes, np.ndarray]:
    """Read the test split as the body of a text/csv request, digits untouched, and the targets.

    Raises:
        BadInputError: There is no such file, no row, a column is missing or a target is no number.
    """
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file; is the test input's prefix right?")
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        missing = [name for name in (*features, TARGET) if name not in (rows.fieldnames or ())]
        if missing:
            raise BadInputError(f"{path.name}: line 1, the header, lacks {', '.join(missing)}")
        body, actual = [], []
        for row in rows:
            if None in row or None in row.values():
                raise BadInputError(
                    f"{path.name}: line {rows.line_num} has more or fewer fields than the header"
                )
            try:
                actual.append(float(row[TARGET]))
            except ValueError:
                raise BadInputError(
                    f"{path.name}: line {rows.line_num}, column {TARGET}: {row[TARGET]!r} is no "
                    "number"
                ) from None
            body.append(",".join(row[name] for name in features))
    targets = np.array(actual, dtype=np.float64)
    if len(targets) < 2 or not np.isfinite(targets).all() or np.ptp(targets) == 0:
        raise BadInputError(
            f"{path.name}: it has {len(targets)} test rows; r2 needs two or more, with finite "
            f"and different values of {TARGET}"
        )
    return "\n".join(body).encode(), targets


def predict(module: ModuleType, folder: Path, body: bytes) -> np.ndarray:
    """Load the model and predict, through the functions that the endpoint calls.

    Raises:
        BadInputError: A test row cannot be decoded, or a prediction is no finite number.
    """
    model = module.model_fn(str(folder))
    try:
        rows = module.input_fn(body, "text/csv")
    except ValueError as error:
        raise BadInputError(
            f"test.csv: the endpoint refuses the rows (header apart): {error}"
        ) from error
    predicted = np.asarray(module.predict_fn(rows, model), dtype=np.float64)
    if predicted.shape != (len(rows),):
        raise BadInputError(f"the model gives an array of {predicted.shape} for {len(rows)} rows")
    finite = np.isfinite(predicted)
    if not finite.all():
        first = int(np.argmin(finite))
        raise BadInputError(
            f"test.csv: line {first + 2}: the model predicts {predicted[first]}, and no number for "
            f"{len(finite) - finite.sum()} rows in all; is its training data sound?"
        )
    return predicted


def regression_metrics(
    actual: np.ndarray, predicted: np.ndarray, *, samples: int, seed: int
) -> dict[str, dict[str, float]]:
    """Give mse, rmse, mae and r2_score, each with its bootstrap standard deviation.

    The form is that of SageMaker's model quality reports.
    https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html

    Args:
        actual: Targets, not all equal.
        predicted: As many predictions.
        samples: How often the rows are drawn anew, with replacement; two or more.
        seed: Of the drawing.
    """
    error = predicted - actual
    centred = actual - actual.mean()
    moments = np.column_stack([error**2, np.abs(error), centred, centred**2])
    rows = len(actual)
    random = np.random.default_rng(seed)
    batch = max(1, BATCH // rows)
    means = np.concatenate(
        [
            moments[random.integers(rows, size=(min(batch, samples - done), rows))].mean(axis=1)
            for done in range(0, samples, batch)
        ]
    )
    drawn = _metrics(means)
    metrics = {}
    for name, value in _metrics(moments.mean(axis=0)).items():
        # A draw of equal targets has no r2; it takes a handful of rows to see one.
        values = drawn[name][np.isfinite(drawn[name])]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        metrics[name] = {"value": float(value), "standard_deviation": spread}
    return metrics


def _metrics(means: np.ndarray) -> dict[str, Any]:
    mse, mae, mean, square = means.T
    variance = square - mean**2
    # What rounding leaves of a variance of zero must not pass for one.
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(variance > 1e-12 * square, 1 - mse / variance, np.nan)
    return {"mse": mse, "rmse": np.sqrt(mse), "mae": mae, "r2_score": r2}


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; the defaults are SageMaker's places.

    Raises:
        BadInputError: An argument is unknown, or its value cannot be used.
    """
    inputs = Path("/opt/ml/processing/input")
    output = Path("/opt/ml/processing/output/evaluation")
    parser = ArgumentParser(prog="evaluate.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", type=Path, default=inputs / "model", help="has model.tar.gz")
    parser.add_argument("--test", type=Path, default=inputs / "test", help="has test.csv")
    parser.add_argument("--output", type=Path, default=output, metavar="DIR")
    parser.add_argument("--message", type=Path, default=MESSAGE, help="where a failure is told")
    parser.add_argument("--bootstrap-samples", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args(arguments)
    if options.bootstrap_samples < 2:
        parser.error(f"--bootstrap-samples is {options.bootstrap_samples}; it must be 2 or more")
    if options.seed < 0:
        parser.error(f"--seed is {options.seed}; it must be 0 or more")
    return options


def main() -> None:
    """Run the job; exit with 1 and a message where its inputs cannot be used."""
    with reported_to(message_path(sys.argv[1:])), TemporaryDirectory() as scratch:
        options = parse(sys.argv[1:])
        folder = Path(scratch)
        start = time.perf_counter()
        unpack(options.model, folder)
        module = load_entry_point(folder / "code" / "entry_point.py")
        body, actual = read_test(options.test / "test.csv", module.FEATURES)
        predicted = predict(module, folder, body)
        seconds = time.perf_counter() - start
        print(f"predicted {len(actual)} test rows in {seconds:.2f} s", flush=True)

        start = time.perf_counter()
        metrics = regression_metrics(
            actual, predicted, samples=options.bootstrap_samples, seed=options.seed
        )
        seconds = time.perf_counter() - start
        print(f"{options.bootstrap_samples} bootstrap samples in {seconds:.2f} s", flush=True)
        for name, metric in metrics.items():
            spread = metric["standard_deviation"]
            print(f"test:{name}={metric['value']:.6f}; (± {spread:.6f})", flush=True)

        record = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))
        rows = record["rows"]
        report = {
            "regression_metrics": metrics,
            "rows": {
                "snapshot": rows["read"],
                "train": rows["train"],
                "validation": rows["validation"],
                "test": len(actual),
            },
            "features": record["features"],
            "split_seed": record["seed"],
            "snapshot_fingerprint": record["fingerprint"],
            "bootstrap": {"samples": options.bootstrap_samples, "seed": options.seed},
        }
        with published(options.output) as target:
            write_json(target / "evaluation.json", report)
            pairs = zip(actual.tolist(), predicted.tolist(), strict=True)
            lines = ["actual,predicted", *(f"{a!r},{p!r}" for a, p in pairs)]
            (target / "predictions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
