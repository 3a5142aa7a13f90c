from __future__ import annotations

import pytest
from retraining.web.pipelines import pipeline_name


@pytest.mark.parametrize(
    ("dag_id", "tags", "pipeline"),
    [
        ("houses_retraining", {"retraining", "houses"}, "houses"),
        ("any_name", {"retraining", "houses"}, "houses"),
        ("houses_retraining", {"retraining", "houses", "nightly"}, "houses"),
        ("big_houses_retraining", {"retraining", "big", "big-houses"}, "big-houses"),
        ("any_name", {"retraining", "houses", "nightly"}, None),
        ("houses_retraining", {"retraining"}, None),
        ("houses_retraining", {"houses"}, None),
        ("houses_retraining", {"retraining", "../houses"}, None),
        ("houses_retraining", {"retraining", "houses", "of wood/"}, "houses"),
    ],
)
def test_the_tags_tell_the_pipeline(dag_id: str, tags: set[str], pipeline: str | None) -> None:
    assert pipeline_name(dag_id, tags, role="retraining") == pipeline
