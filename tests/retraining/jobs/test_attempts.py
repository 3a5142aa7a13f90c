"""How a request differs from what the service describes."""

from __future__ import annotations

from typing import Any

import pytest
from retraining.jobs.attempts import differences


@pytest.mark.parametrize(
    ("asked", "described", "said"),
    [
        ({"A": 1}, {"A": 1, "B": 2}, ""),
        ({"A": {"B": [1, 2]}}, {"A": {"B": [1, 3], "C": 1}}, "A.B[1]: 3 is now 2"),
        ({"A": [1]}, {"A": [1, 2]}, "A: [1, 2] is now [1]"),
        ({"A": "x"}, {}, 'A: nothing is now "x"'),
        ({"A": "x" * 99}, {"A": "ä"}, f'A: "ä" is now "{"x" * 59}…'),
        (
            {str(number): number for number in range(8)},
            {},
            "; ".join(f"{number}: nothing is now {number}" for number in range(5)) + "; and 3 more",
        ),
    ],
)
def test_differences_are_named(asked: Any, described: Any, said: str) -> None:
    assert differences(asked, described) == said
