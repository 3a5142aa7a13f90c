"""How good predicted numbers are, in the form of SageMaker's model quality reports.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kit.difference import difference, share_of_wins
from kit.failure import BadInputError

# So many resampled rows are held at once, four moments each: 64 MB.
BATCH = 2_000_000
# Of these less is better.
_ERRORS = frozenset({"mse", "rmse", "mae"})


def check_targets(targets: np.ndarray, name: str) -> None:
    """See that there is something to be judged.

    Args:
        targets: Of the test split.
        name: Of their column.

    Raises:
        BadInputError: They are fewer than two, not all finite, or all equal.
    """
    if len(targets) < 2 or not np.isfinite(targets).all() or np.ptp(targets) == 0:
        raise BadInputError(
            f"test.csv: it has {len(targets)} test rows; r2 needs two or more, with finite "
            f"and different values of {name}"
        )


def check_predictions(predicted: Any, rows: int, *, first_row: int = 2) -> np.ndarray:
    """Return predictions as a float64 array of shape (rows,).

    Args:
        predicted: What the model gives.
        rows: How many rows it was asked about.
        first_row: The line of test.csv that has the first of them.

    Raises:
        BadInputError: They are of another shape, or one is no finite number.
    """
    try:
        numbers = np.asarray(predicted, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"the model does not predict numbers: {error}") from error
    if numbers.shape != (rows,):
        raise BadInputError(f"the model gives an array of {numbers.shape} for {rows} rows")
    finite = np.isfinite(numbers)
    if not finite.all():
        first = int(np.argmin(finite))
        raise BadInputError(
            f"test.csv: line {first + first_row}: the model predicts {numbers[first]}, and no "
            f"number for {len(finite) - finite.sum()} rows in all; is its training data sound?"
        )
    return numbers


# What overflows is told in words at the end.
@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def regression_metrics(
    actual: np.ndarray, predicted: np.ndarray, *, samples: int, seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Give mse, rmse, mae and r2_score, each with its bootstrap standard deviation.

    Args:
        actual: Targets, not all equal.
        predicted: As many predictions.
        samples: How often the rows are drawn anew, with replacement; two or more.
        seed: Of the drawing.

    Returns:
        The report's member ``regression_metrics``.

    Raises:
        BadInputError: A metric is no finite number.
    """
    measured, drawn = _drawn(actual, predicted, samples=samples, seed=seed)
    metrics = {}
    for name, value in measured.items():
        # A draw of equal targets has no r2; it takes a handful of rows to see one.
        values = drawn[name][np.isfinite(drawn[name])]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        if not np.isfinite([value, spread]).all():
            raise BadInputError(
                f"test.csv: {name} is {value} (± {spread}), which no gate can judge: the targets "
                "differ too little, or the errors are too great"
            )
        metrics[name] = {"value": float(value), "standard_deviation": spread}
    return {"regression_metrics": metrics}


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def regression_difference(
    actual: np.ndarray, candidate: np.ndarray, champion: np.ndarray, *, samples: int, seed: int
) -> dict[str, Any]:
    """Give how two models' metrics differ, with a paired bootstrap.

    Args:
        actual: Targets.
        candidate: As many predictions.
        champion: As many of the other model's.
        samples: As of ``regression_metrics``.
        seed: As of ``regression_metrics``.

    Returns:
        ``regression_metrics``, of each metric what ``difference`` gives, without those that are no
        finite number; and ``win_rate``, the share of rows with the smaller absolute error.
    """
    errors = [np.abs(predicted - actual) for predicted in (candidate, champion)]
    # The same seed draws the same rows.
    ours, theirs = (
        _drawn(actual, predicted, samples=samples, seed=seed) for predicted in (candidate, champion)
    )
    found = {
        name: difference(
            *(ours[0][name], theirs[0][name], ours[1][name], theirs[1][name]),
            lower_is_better=name in _ERRORS,
        )
        for name in ours[0]
    }
    return {
        "regression_metrics": {name: told for name, told in found.items() if told},
        "win_rate": share_of_wins(-errors[0], -errors[1]),
    }


def _drawn(
    actual: np.ndarray, predicted: np.ndarray, *, samples: int, seed: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Give each metric's value, and its values over rows that are drawn anew."""
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
    return _metrics(moments.mean(axis=0)), _metrics(means)


def _metrics(means: np.ndarray) -> dict[str, Any]:
    mse, mae, mean, square = means.T
    variance = square - mean**2
    # What rounding leaves of a variance of zero must not pass for one.
    r2 = np.where(variance > 1e-12 * square, 1 - mse / variance, np.nan)
    return {"mse": mse, "rmse": np.sqrt(mse), "mae": mae, "r2_score": r2}
