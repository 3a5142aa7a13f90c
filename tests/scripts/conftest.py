"""Running scripts fast."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import IMAGE, LIBRARIES, PROGRAM_ENVIRONMENT, SCRIPTS, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def run_warm() -> Iterator[Callable[..., Outcome]]:
    """Runs a script as a program of its own, a fork of a process that knows the libraries.

    A name is that of one of California housing's scripts, a path any script's.
    """
    with warm(IMAGE, *LIBRARIES) as run:
        yield run


@contextmanager
def warm(image: Path, *libraries: str, **variables: str) -> Iterator[Callable[..., Outcome]]:
    """Give what runs scripts in forks of a process of an image that has imported libraries."""
    process = subprocess.Popen(
        [image / "python", Path(__file__).with_name("warm_interpreter.py"), *libraries],
        env=PROGRAM_ENVIRONMENT | {"PATH": f"{image}:/usr/bin:/bin"} | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(script: str | Path, *arguments: object, **environment: object) -> Outcome:
        job = {
            "argv": [str(SCRIPTS / script), *map(str, arguments)],
            "env": {name: str(value) for name, value in environment.items()},
        }
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        return Outcome(**json.loads(process.stdout.readline()))

    with process:
        yield run
        process.stdin.close()
