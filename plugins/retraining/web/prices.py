"""What an hour of an instance costs, where the deployment says so."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "RETRAINING_INSTANCE_PRICES"
_PRICE = re.compile(r"(ml\.[a-z0-9-]+\.[a-z0-9]+)\s*=\s*([0-9]+(?:\.[0-9]+)?)")


class PricesError(ValueError):
    """The prices cannot be read; the message says what they should look like."""


def prices() -> Mapping[str, float]:
    """Return US dollars an hour by instance type, as the environment gives them; {} without.

    Raises:
        PricesError: The variable is malformed.
    """
    return read(os.environ.get(VARIABLE, ""))


def read(text: str) -> Mapping[str, float]:
    """Read ``ml.m5.large=0.115, ml.m5.xlarge=0.23``.

    Raises:
        PricesError: It is written otherwise.
    """
    found = {}
    for part in filter(None, map(str.strip, text.split(","))):
        match = _PRICE.fullmatch(part)
        if match is None:
            raise PricesError(
                f"{VARIABLE}: {part!r} is not of the form ml.m5.large=0.115 (US dollars an hour)"
            )
        found[match[1]] = float(match[2])
    return found
