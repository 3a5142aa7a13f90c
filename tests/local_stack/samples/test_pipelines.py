from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local_stack.programs.places import PROJECT
from local_stack.samples.pipelines import (
    ABALONE,
    CALIFORNIA_HOUSING,
    LARGE_PIPELINES,
    PIPELINES,
    PRODUCT_REVIEWS,
    UnknownPipelineError,
    chosen_pipelines,
    full_name,
)


@pytest.mark.parametrize("name", ["california-housing", "california_housing"])
def test_a_pipeline_is_found_by_its_name_or_its_folders(name: str) -> None:
    assert chosen_pipelines(name) == (CALIFORNIA_HOUSING,)
    assert full_name(name) == "california-housing"


@pytest.mark.parametrize("name", [None, ""])
def test_all_but_the_large_ones_are_meant_where_none_is_named(name: str | None) -> None:
    assert chosen_pipelines(name) == PIPELINES
    assert chosen_pipelines("product_reviews") == LARGE_PIPELINES == (PRODUCT_REVIEWS,)


def test_an_unknown_one_is_an_error_that_names_the_known() -> None:
    with pytest.raises(UnknownPipelineError) as raised:
        chosen_pipelines("abalones")
    assert str(raised.value) == (
        "there is no data for a pipeline 'abalones'; there is for california-housing, abalone, "
        "product-reviews"
    )


def test_the_name_of_somebodys_own_pipeline_stays_as_it_is() -> None:
    assert full_name("my_own-pipeline") == "my_own-pipeline"


def test_the_latest_night_is_that_of_the_dags_schedule() -> None:
    for pipeline in PIPELINES + LARGE_PIPELINES:
        dag = (PROJECT / "dags" / f"{pipeline.dag_id}.py").read_text()
        assert f'schedule="0 {pipeline.hour} * * *"' in dag
    now = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
    assert CALIFORNIA_HOUSING.latest_night(now) == "2026-11-21"
    assert ABALONE.latest_night(now) == "2026-11-20"


def test_each_demo_shows_a_rejection_and_then_a_registration() -> None:
    for pipeline in PIPELINES + LARGE_PIPELINES:
        assert [run.outcome for run in pipeline.demo][:2] == ["rejected", "registered"]
    assert CALIFORNIA_HOUSING.dag_id == "california_housing_retraining"
    assert ABALONE.dag_id == "abalone_retraining"
