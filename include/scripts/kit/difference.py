"""How one model differs from another on the same rows."""

from __future__ import annotations

import numpy as np

# Between them lies what 95 % of the draws give.
_LOW, _HIGH = 2.5, 97.5


def difference(
    candidate: float,
    champion: float,
    candidate_draws: np.ndarray,
    champion_draws: np.ndarray,
    *,
    lower_is_better: bool,
) -> dict[str, float]:
    """Give the difference of a metric, and what a paired bootstrap says of it.

    Args:
        candidate: The metric of the one model.
        champion: The metric of the other.
        candidate_draws: The first over rows that are drawn anew, NaN where it has none.
        champion_draws: The second over the same rows.
        lower_is_better: Whether the better model has less of it.

    Returns:
        Both values; ``value``, candidate − champion, with its ``standard_deviation`` and its 95 %
        interval ``low`` to ``high``, the draws' percentiles; ``worse_by``, the same without its
        direction: more than 0 where the candidate is worse; and ``better_share``, the share of
        draws in which it is better, ties half. Empty where something is not finite.
    """
    with np.errstate(invalid="ignore"):
        draws = candidate_draws - champion_draws
    draws = draws[np.isfinite(draws)]
    value = float(candidate - champion)
    if not len(draws):
        draws = np.array([value])
    low, high = np.percentile(draws, (_LOW, _HIGH))
    gain = -draws if lower_is_better else draws
    told = {
        "candidate": float(candidate),
        "champion": float(champion),
        "value": value,
        "standard_deviation": float(np.std(draws, ddof=1)) if len(draws) > 1 else 0.0,
        "low": float(low),
        "high": float(high),
        "worse_by": value if lower_is_better else 0.0 - value,
        "better_share": share_of_wins(gain, np.zeros(1)),
    }
    return told if np.isfinite(list(told.values())).all() else {}


def share_of_wins(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Give the share of places where ours is greater; where both are equal, half counts."""
    return float(np.mean((ours > theirs) + 0.5 * (ours == theirs)))
