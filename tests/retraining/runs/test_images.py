from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from retraining.runs.images import image_uri
from retraining.settings import DEFAULT_IMAGE_VERSION, Settings

SETTINGS = Settings(
    bucket="b",
    role_arn="r",
    image_uri=None,
    image_version=DEFAULT_IMAGE_VERSION,
    scripts_folder=Path(),
    git_commit=None,
    stop_orphans=False,
)


def test_the_sdk_names_the_image_of_a_region() -> None:
    uri = image_uri(SETTINGS, region="eu-west-1", instance_type="ml.m5.large")
    assert uri.endswith(".eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3")


def test_a_version_that_cannot_serve_is_refused() -> None:
    settings = replace(SETTINGS, image_version="1.4-2")
    with pytest.raises(ValueError, match=r"1\.4-2"):
        image_uri(settings, region="eu-west-1", instance_type="ml.m5.large")


def test_the_settings_image_goes_first() -> None:
    settings = replace(SETTINGS, image_uri="mine:1")
    assert image_uri(settings, region="nowhere", instance_type="x") == "mine:1"
