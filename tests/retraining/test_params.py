"""The parameters that the library gives DAGs refuse, in Airflow's form, what no task could use."""

from __future__ import annotations

import math
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError
from retraining import params

from tests.retraining.parameters import unbounded

LEAST = params.threshold(0.6, title="Least")
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/housing/7"
GIVEN = {
    "least": LEAST,
    "epochs": params.number(2, "Epochs", 1, 1_000),
    "rate": params.number(1e-4, "Learning rate", 1e-9, 1),
    **params.retraining(),
    "pretrained": params.pretrained("a-model-1.0"),
    **{f"of_{name}": param for name, param in params.deployment("housing").items()},
}


@pytest.mark.parametrize("name", GIVEN)
def test_each_number_has_bounds_and_each_text_a_pattern_and_a_length(name: str) -> None:
    assert unbounded(GIVEN[name].schema) == []
    GIVEN[name].resolve()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 2.5),
        ("epochs", 1_001),
        ("rate", 0),
        ("least", 10**20),
        ("least", -1e308),
        ("least", math.inf),
        ("least", "0.6"),
        ("least", None),
        ("snapshot", "٢٠٢٦-١١-٢٠"),
        ("snapshot", "2026-11-20\n"),
        ("snapshot", "2026-02-30"),
        ("snapshot", "20261120"),
        ("instance_type", "ml.m5.large\n"),
        ("instance_type", f"ml.m5.{'l' * 40}"),
        ("instance_type", ""),
        ("approval_hours", 1e-300),
        ("pretrained", "s3://bucket/a model\n"),
        ("pretrained", "../other"),
        ("pretrained", "m" * 1_025),
        ("of_version", "١"),
        ("of_version", "1\n"),
        ("of_version", " "),
        ("of_version", "newest"),
        ("of_version", "1" * 5_000),
        ("of_version", 10**20),
        ("of_version", 0),
        ("of_version", ARN.replace("7", "٧")),
        ("of_version", True),
        ("of_endpoint_name", "housing\n"),
        ("of_endpoint_name", "h" * 64),
        ("of_keep", 10**20),
        ("of_tolerance", -1e308),
        ("of_instance_type", "ml.m5"),
    ],
)
def test_what_no_task_could_use_is_refused(name: str, value: object) -> None:
    with pytest.raises(ParamValidationError):
        GIVEN[name].resolve(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("least", -3),
        ("snapshot", "2026-11-20"),
        ("snapshot", None),
        ("of_version", ""),
        ("of_version", None),
        ("of_version", 7),
        ("of_version", "7"),
        ("of_version", ARN),
        ("of_version", ARN.replace("aws:", "aws-us-gov:")),
        ("of_endpoint_name", "h" * 63),
        ("of_instance_type", ""),
        ("instance_type", "ml.p4de.24xlarge"),
    ],
)
def test_what_the_form_says_is_taken(name: str, value: Any) -> None:
    assert GIVEN[name].resolve(value) == value


def test_a_script_is_told_parameters_under_names_of_a_command_line() -> None:
    assert params.arguments("batch_size", "seed") == {
        "batch-size": "{{ params.batch_size }}",
        "seed": "{{ params.seed }}",
    }


@pytest.mark.parametrize(
    "limits",
    [
        {"minimum": 1},
        {"maximum": 0.5},
        {"maximum": math.inf},
        {"minimum": math.nan},
        {"minimum": -1e300},
        {"default": math.nan},
    ],
)
def test_a_threshold_with_limits_that_limit_nothing_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="threshold 'Least'"):
        params.threshold(**{"default": 0.6, "title": "Least", **limits})  # type: ignore[arg-type]
