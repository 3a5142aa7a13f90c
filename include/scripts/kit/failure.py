"""How a job says why it failed: on stderr, and in the file that SageMaker reads back.

A processing job's ``/opt/ml/output/message`` becomes its ExitMessage, a training job's
``/opt/ml/output/failure`` its FailureReason. SageMaker shows the first 1,024 characters.
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST = 1024


class BadInputError(Exception):
    """What the job was given cannot be used; the message says what, where and what to do."""


@contextmanager
def reported_to(path: Path) -> Iterator[None]:
    """Write the reason of a failure in the block to ``path`` and stderr, and exit with 1.

    Bad input ends without a traceback, as the message says it all. Any other error keeps its
    own: it is the program's fault.
    """
    try:
        yield
    except BadInputError as error:
        sys.stdout.flush()
        print(error, file=sys.stderr, flush=True)
        _write(path, str(error))
        sys.exit(1)
    except Exception as error:
        _write(path, f"{type(error).__name__}: {error} (the job's log has the traceback)")
        raise


def _write(path: Path, text: str) -> None:
    if len(text) > LONGEST:
        text = text[: LONGEST - 2] + " …"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        # The reason itself matters more than the place that could not be written.
        print(f"the reason could not be written to {path}: {error}", file=sys.stderr, flush=True)
