from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.deployment import passed_over

from local_sagemaker.validation import validate_request

if TYPE_CHECKING:
    from collections.abc import Iterable

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


@pytest.mark.parametrize("numbers", [(), (2,), range(1, 9), range(1, 180, 3), range(1, 999, 2)])
def test_the_service_takes_the_tag(numbers: Iterable[int]) -> None:
    tags = [{"Key": "k", "Value": passed_over.tag_of(numbers)}]
    validate_request("AddTags", {"ResourceArn": f"{ARN}:endpoint/houses", "Tags": tags})


@given(st.sets(st.integers(1, 60)))
def test_the_tag_covers_what_was_passed_over(numbers: set[int]) -> None:
    tag = passed_over.tag_of(numbers)
    assert {number for number in range(62) if passed_over.covers(tag, number)} == numbers


def test_more_than_a_tag_holds_is_passed_over_from_the_first_to_the_last() -> None:
    assert passed_over.tag_of(range(1, 999, 2)) == "1-997"


@pytest.mark.parametrize("tag", ["", "none", "2-", "-3", "3-2", "２", "2,4", "1e3", "x" * 256])
def test_a_tag_that_somebody_else_wrote_passes_over_nothing(tag: str) -> None:
    assert not any(passed_over.covers(tag, number) for number in range(10))


def test_an_earlier_releases_tag_passes_over_all_up_to_that_version() -> None:
    tag = f"{ARN}:model-package/houses/7"
    assert [passed_over.covers(tag, number) for number in (1, 7, 8)] == [True, True, False]
