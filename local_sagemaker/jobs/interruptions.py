"""When the instances of a managed spot training job are taken away: what the server was told."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_RULE = re.compile(r"([A-Za-z0-9*?\[\]!-]+):(\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class Interruption:
    """A rule for jobs of managed spot training; each of them is interrupted once.

    Attributes:
        jobs: Their names, with ``*`` and ``?``.
        after: Seconds from the script's start to the interruption.
        wait: Seconds until there is capacity again.
    """

    jobs: str
    after: float
    wait: float = 0.0


def parse_interruption(text: str) -> Interruption:
    """Read a rule of the command line: ``NAMES:AFTER`` or ``NAMES:AFTER:WAIT``.

    Raises:
        ArgumentTypeError: It is not of that form.
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAMES:AFTER[:WAIT], such as 'nightly-*:2.5' or '*:10:60'"
        )
    return Interruption(found[1], float(found[2]), float(found[3] or 0))


def interruption_of(rules: Sequence[Interruption], name: str) -> Interruption | None:
    """Return the first rule that a job's name falls under."""
    return next((rule for rule in rules if fnmatchcase(name, rule.jobs)), None)
