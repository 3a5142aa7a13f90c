"""A job's beginning and end: its command line, its log, and the report of its failure."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kit.failure import BadInputError, reported_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MESSAGE = Path("/opt/ml/output/message")


class ArgumentParser(argparse.ArgumentParser):
    """Refuses a bad command line as bad input, so that the reason reaches the job's record."""

    def __init__(self, description: str | None) -> None:
        super().__init__(prog=Path(sys.argv[0]).name, description=description, allow_abbrev=False)
        self._numbers: dict[str, tuple[float, float]] = {}

    def add_number(
        self, option: str, default: float, *, low: float = -inf, high: float = inf, about: str = ""
    ) -> None:
        """Add an option that takes a number of the default's type; both ends are legal."""
        self.add_argument(option, type=type(default), default=default, help=about)
        self._numbers[option] = (low, high)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """Parse the command line.

        Raises:
            BadInputError: An argument is unknown, or its value cannot be used.
        """
        options: argparse.Namespace = super().parse_args(args, namespace)
        for option, (low, high) in self._numbers.items():
            value = getattr(options, option.removeprefix("--").replace("-", "_"))
            if not low <= value <= high:
                legal = f"{low} or more" if high == inf else f"{low} to {high}"
                self.error(f"{option} is {value}; it must be {legal}")
        return options

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting, as ``argparse`` would do, with nothing but a usage line."""
        known = ", ".join(
            action.option_strings[0] for action in self._actions if action.dest != "help"
        )
        raise BadInputError(f"{self.prog}: {message} (known arguments: {known})")


@contextmanager
def processing_job(parser: ArgumentParser) -> Iterator[argparse.Namespace]:
    """Yield a processing job's options; a failure in the block is told where ``--message`` says.

    Bad input, a bad command line too, ends the job with exit code 1 and no traceback.
    """
    parser.add_argument(
        "--message", type=Path, default=MESSAGE, metavar="FILE", help="where a failure is told"
    )
    with reported_to(_message_path(sys.argv[1:])):
        yield parser.parse_args()


@contextmanager
def training_job(parser: ArgumentParser) -> Iterator[argparse.Namespace]:
    """Yield a training job's options; a failure in the block is told in SageMaker's failure file.

    The toolkit writes this file itself, but keeps one that is already there.
    """
    with reported_to(Path(os.environ.get("SM_OUTPUT_DIR", "/opt/ml/output")) / "failure"):
        yield parser.parse_args()


def stopwatch() -> Callable[[str], None]:
    """Return a function that prints what was done, and the seconds since it last did so."""
    start = time.perf_counter()

    def say(what: str) -> None:
        nonlocal start
        print(f"{what} in {time.perf_counter() - start:.2f} s", flush=True)
        start = time.perf_counter()

    return say


def _message_path(arguments: list[str]) -> Path:
    # The other arguments may be wrong.
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--message", type=Path, default=MESSAGE)
    try:
        known, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return MESSAGE
    return Path(known.message)
