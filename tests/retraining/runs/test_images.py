from __future__ import annotations

from dataclasses import replace

import pytest
from retraining import Image
from retraining.runs.images import image_uris
from retraining.settings import Settings

from tests.retraining.declarations import pipeline

SETTINGS = Settings(
    bucket="b",
    role_arn="r",
    image_uris={},
    scripts_folder=None,
    git_commit=None,
    stop_orphans=False,
)
SKLEARN, XGBOOST = Image("sklearn", "1.4-2-py312"), Image("xgboost", "3.0-5")


def test_the_sdk_names_the_images_of_a_region() -> None:
    uris = image_uris(
        pipeline("p", training_image=XGBOOST),
        SETTINGS,
        region="eu-west-1",
        instance_type="ml.m5.large",
    )
    host = "141502667606.dkr.ecr.eu-west-1.amazonaws.com"
    assert uris == {
        "image_uri": f"{host}/sagemaker-scikit-learn:1.4-2-py312-cpu-py3",
        "training_image_uri": f"{host}/sagemaker-xgboost:3.0-5",
        "inference_image_uri": f"{host}/sagemaker-xgboost:3.0-5",
    }


def test_an_image_that_cannot_serve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.4-2"):
        image_uris(
            pipeline("p", image=Image("sklearn", "1.4-2")),
            SETTINGS,
            region="eu-west-1",
            instance_type="ml.m5.large",
        )


def test_what_trains_may_be_another_image_than_what_serves() -> None:
    settings = replace(
        SETTINGS,
        image_uris={"pytorch:2:training": "t:1", "pytorch:2:inference": "i:1", str(SKLEARN): "s:1"},
    )
    torch = Image("pytorch", "2")
    uris = image_uris(
        pipeline("p", training_image=torch), settings, region="nowhere", instance_type="x"
    )
    assert list(uris.values()) == ["s:1", "t:1", "i:1"]


def test_the_settings_go_before_the_sdk_and_a_uri_before_both() -> None:
    settings = replace(SETTINGS, image_uris={str(SKLEARN): "mine:1"})
    declared = pipeline("p", inference_image="theirs:2")
    uris = image_uris(declared, settings, region="nowhere", instance_type="x")
    assert list(uris.values()) == ["mine:1", "mine:1", "theirs:2"]
