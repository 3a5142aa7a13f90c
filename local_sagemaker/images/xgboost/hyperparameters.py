"""The built-in algorithm's hyperparameters: which there are, and their ranges.

The table, and the words of the refusals, are those of aws/sagemaker-xgboost-container
(hyperparameter_validation.py at 13a194f). Everything comes as text. One thing is stricter: NaN and
infinity are out of every range here; the container's comparisons let them pass.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Computed by the container itself; see metrics.py.
OWN_METRICS = (
    "accuracy", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "mse", "precision",
    "precision_macro", "precision_micro", "r2", "recall", "recall_macro", "recall_micro",
)  # fmt: skip
MAXIMIZED = (
    "accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg",
    "precision", "r2", "recall", "precision_macro", "precision_micro", "recall_macro",
    "recall_micro",
)  # fmt: skip
_MINIMIZED = (
    "aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik",
    "interval-regression-accuracy", "logloss", "mae", "mape", "merror", "mlogloss", "mphe", "mse",
    "poisson-nloglik", "rmse", "rmsle", "tweedie-nloglik",
)  # fmt: skip
_METRICS = [*MAXIMIZED, *_MINIMIZED]
_WITH_THRESHOLD = ("error", "ndcg", "map")
_OBJECTIVES = [
    "aft_loss_distribution", "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson",
    "multi:softmax", "multi:softprob", "rank:pairwise", "rank:ndcg", "rank:map", "reg:linear",
    "reg:squarederror", "reg:logistic", "reg:gamma", "reg:pseudohubererror", "reg:squaredlogerror",
    "reg:tweedie", "survival:aft", "survival:cox",
]  # fmt: skip
_GROWERS = (
    "grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_quantile_histmaker",
)  # fmt: skip
_TREE_UPDATERS = (*_GROWERS, "grow_skmaker", "sync", "refresh", "prune")
_LINEAR_UPDATERS = ("shotgun", "coord_descent")
# Another name to the table's.
_ALIASES = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_lambda": "lambda",
    "reg_alpha": "alpha",
}


class UserError(Exception):
    """What the caller of a training job can mend; in the container's words, where it has some."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a hyperparameter's text is read and checked.

    Attributes:
        parse: Text to value; raises ValueError or SyntaxError.
        check: Name and value; raises `UserError`.
    """

    parse: Callable[[str], Any]
    check: Callable[[str, Any], None]


def _within(interval: str, value: float) -> bool:
    least, most = (float(end) for end in interval[1:-1].split(","))
    above = value > least if interval[0] == "(" else value >= least
    below = value < most if interval[-1] == ")" else value <= most
    return above and below and not (isinstance(value, float) and math.isinf(value))


def _number(parse: Callable[[str], float], interval: str) -> Kind:
    def check(name: str, value: float) -> None:
        if not _within(interval, value):
            raise UserError(f"Hyperparameter {name}: {value} is not in {interval}")

    return Kind(parse, check)


def _integer(interval: str) -> Kind:
    return _number(int, interval)


def _float(interval: str) -> Kind:
    return _number(float, interval)


def _one_of(*values: str) -> Kind:
    def check(name: str, value: str) -> None:
        if value not in values:
            raise UserError(f"Hyperparameter {name}: {value} is not in {list(values)}")

    return Kind(str, check)


def _each_of(known: Callable[[Any], bool], told: object, parse: Callable[[str], Any]) -> Kind:
    def check(name: str, values: Any) -> None:
        if not all(known(value) for value in values):
            raise UserError(f"Hyperparameter {name}: value {values} not in range {told}")

    return Kind(parse, check)


def _known_metric(metric: str) -> bool:
    name, threshold, number = (part.strip() for part in metric.partition("@"))
    if not threshold:
        return metric in _METRICS
    if name not in _WITH_THRESHOLD:
        raise UserError(
            f"Metric '{metric}' is not supported. Parameter 'eval_metric' with customized"
            " threshold should be one of these options: 'error', 'ndcg', 'map'."
        )
    try:
        float(number)
    except ValueError:
        raise UserError(f"Threshold value 't' in '{name}@t' expects float input.") from None
    return True


def _literal(form: type, text: str) -> Any:
    value = ast.literal_eval(text)
    if not isinstance(value, form):
        raise ValueError(text)  # noqa: TRY004 -- as of a number that is none
    return value


def _groups(text: str) -> list[list[int]]:
    groups: list[list[int]] = _literal(list, text)
    if not all(isinstance(group, list | tuple) for group in groups):
        raise ValueError(text)
    return [list(group) for group in groups]


_SWITCH = _integer("[0, 1]")
_TRUE_OR_FALSE = _one_of("true", "false")
_TABLE: Mapping[str, Kind] = {
    "num_round": _integer("[1, +inf)"),
    "csv_weights": _SWITCH,
    "early_stopping_rounds": _integer("[1, +inf)"),
    "booster": _one_of("gbtree", "gblinear", "dart"),
    "verbosity": _integer("[0, 3]"),
    "nthread": _integer("[1, +inf)"),
    "eta": _float("[0, 1]"),
    "gamma": _float("[0, +inf)"),
    "max_depth": _integer("[0, +inf)"),
    "min_child_weight": _float("[0, +inf)"),
    "max_delta_step": _float("[0, +inf)"),
    "subsample": _float("(0, 1]"),
    "colsample_bytree": _float("(0, 1]"),
    "colsample_bylevel": _float("(0, 1]"),
    "colsample_bynode": _float("(0, 1]"),
    "lambda": _float("[0, +inf)"),
    "alpha": _float("[0, +inf)"),
    "tree_method": _one_of("auto", "exact", "approx", "hist", "gpu_hist"),
    "sketch_eps": _float("(0, 1)"),
    "scale_pos_weight": _float("(0, +inf)"),
    "updater": _each_of(
        lambda name: name in (*_TREE_UPDATERS, *_LINEAR_UPDATERS),
        [*_TREE_UPDATERS, *_LINEAR_UPDATERS],
        lambda text: text.split(","),
    ),
    "dsplit": _one_of("row", "col"),
    "refresh_leaf": _SWITCH,
    "process_type": _one_of("default", "update"),
    "grow_policy": _one_of("depthwise", "lossguide"),
    "max_leaves": _integer("[0, +inf)"),
    "max_bin": _integer("[0, +inf)"),
    "predictor": _one_of("auto", "cpu_predictor", "gpu_predictor"),
    "monotone_constraints": _each_of(
        lambda value: value in (-1, 0, 1), [-1, 0, 1], lambda text: _literal(tuple, text)
    ),
    "interaction_constraints": _each_of(
        lambda group: all(isinstance(n, int) and n >= 1 for n in group), "[1, +inf)", _groups
    ),
    "sample_type": _one_of("uniform", "weighted"),
    "normalize_type": _one_of("tree", "forest"),
    "rate_drop": _float("[0, 1]"),
    "one_drop": _SWITCH,
    "skip_drop": _float("[0, 1]"),
    "lambda_bias": _float("[0, 1]"),
    "tweedie_variance_power": _float("(1, 2)"),
    "objective": _one_of(*_OBJECTIVES),
    "num_class": _integer("[2, +inf)"),
    "base_score": _float("[0, +inf)"),
    "_kfold": _integer("[2, +inf)"),
    "_num_cv_round": _integer("[1, +inf)"),
    "_tuning_objective_metric": _one_of(*(f"validation:{name}" for name in _METRICS)),
    "eval_metric": _each_of(_known_metric, _METRICS, lambda text: text.split(",")),
    "seed": _integer("(-2147483648, 2147483647)"),
    "num_parallel_tree": _integer("[1, +inf)"),
    "save_model_on_termination": _TRUE_OR_FALSE,
    "aft_loss_distribution": _one_of("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": _float("[0, +inf)"),
    "single_precision_histogram": _TRUE_OR_FALSE,
    "deterministic_histogram": _TRUE_OR_FALSE,
    "sampling_method": _one_of("uniform", "gradient_based"),
    "prob_buffer_row": _integer("(1.0, +inf)"),
    "use_dask_gpu_training": _TRUE_OR_FALSE,
}


def validated(given: Mapping[str, str]) -> dict[str, Any]:
    """Read and check the hyperparameters of a training job.

    Args:
        given: Name to text, as in hyperparameters.json.

    Returns:
        Name to value; other names for one are replaced by the table's.

    Raises:
        UserError: One is missing, unknown, unreadable, out of range, or does not go with another.
    """
    if "num_round" not in given:
        raise UserError("Missing required hyperparameter: num_round")
    values: dict[str, Any] = {}
    for given_name, text in given.items():
        name = _ALIASES.get(given_name, given_name)
        if name not in _TABLE or (name != given_name and name in given):
            raise UserError(f"Extraneous hyperparameter found: {given_name}")
        try:
            values[name] = _TABLE[name].parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
            raise UserError(
                f"Hyperparameter {given_name}: could not parse value"
                f" (caused by {type(error).__name__})"
            ) from error
    for name, value in values.items():
        _TABLE[name].check(name, value)
    _check_together(values)
    return values


def _check_together(values: Mapping[str, Any]) -> None:
    objective = values.get("objective", "")
    if objective in ("multi:softmax", "multi:softprob") and "num_class" not in values:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if "num_class" in values and not objective:
        raise UserError(
            "Do not need to setup parameter 'num_class' for learning task other than"
            " multi-classification."
        )
    metrics = values.get("eval_metric", ())
    if "auc" in metrics and not objective.startswith(("binary:", "rank:")):
        raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")
    for name, methods in (
        ("monotone_constraints", ("exact", "hist")),
        ("interaction_constraints", ("exact", "hist", "approx")),
    ):
        if name in values and values.get("tree_method") not in methods:
            told = ", ".join(f"'{method}'" for method in methods[:-1]) + f" or '{methods[-1]}'"
            raise UserError(
                f"{name} can be used only when the tree_method parameter is set to either {told}."
            )
    if "updater" in values:
        _check_updaters(values["updater"], values)


def _check_updaters(updaters: list[str], values: Mapping[str, Any]) -> None:
    if values.get("booster") == "gblinear":
        if len(updaters) != 1 or updaters[0] not in _LINEAR_UPDATERS:
            raise UserError(
                "Linear updater should be one of these options: 'shotgun', 'coord_descent'."
            )
    elif values.get("process_type") == "update":
        if not set(updaters) <= {"refresh", "prune"}:
            raise UserError(
                "process_type 'update' can only be used with updater 'refresh' and 'prune'"
            )
    elif not set(updaters) <= set(_TREE_UPDATERS):
        known = ", ".join(f"'{name}'" for name in _TREE_UPDATERS)
        raise UserError(f"Tree updater should be selected from these options: {known}.")
    elif sum(name in _GROWERS for name in updaters) > 1:
        raise UserError(
            "Only one tree grow plugin can be selected. Choose one from the following:"
            " 'grow_colmaker', 'distcol', 'grow_histmaker', 'grow_local_histmaker', 'grow_skmaker'"
        )
