"""The versions that a person passed over by rolling back, as an endpoint's tag has them.

They are the approved ones that were newer than what was asked for, at that time: what is approved
later is deployed, whatever its number and its data's date. A tag has 256 characters, so the numbers
are written as ranges: ``2-5 7``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retraining import naming

if TYPE_CHECKING:
    from collections.abc import Iterable


def covers(tag: str, number: int) -> bool:
    """Say whether a version is one of them; none is, of a tag that somebody else wrote."""
    # Earlier releases wrote the newest one's ARN, and meant all before it.
    if tag.startswith("arn:"):
        tag = f"1-{tag.rpartition('/')[2]}"
    ranges = [re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part) for part in tag.split()]
    return any(found and int(found[1]) <= number <= int(found[2] or found[1]) for found in ranges)


def tag_of(numbers: Iterable[int]) -> str:
    """Return the tag's value; "" for none.

    Where the ranges are too many for a tag, all between the first and the last are passed over.
    """
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    text = " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
    if len(text) > naming.METADATA_VALUE_LENGTH:
        return f"{ranges[0][0]}-{ranges[-1][1]}"
    return text
