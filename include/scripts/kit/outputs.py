"""All of a job's files, or none of them."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def published(folder: Path) -> Iterator[Path]:
    """Yield a scratch folder whose tree is moved into ``folder`` if the block ends well.

    A failed job's outputs may be uploaded too, and must not look like a good job's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    moved: list[Path] = []
    with TemporaryDirectory(prefix=".unfinished-", dir=folder) as scratch:
        yield Path(scratch)
        try:
            for path in sorted(path for path in Path(scratch).rglob("*") if path.is_file()):
                target = folder / path.relative_to(scratch)
                target.parent.mkdir(parents=True, exist_ok=True)
                moved.append(target)
                # Not a rename: SageMaker may mount an output's folder as a volume of its own.
                shutil.move(path, target)
        except BaseException:
            for target in moved:
                target.unlink(missing_ok=True)
            raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as indented JSON, numpy's values too; the folder is made.

    Raises:
        ValueError: It holds a NaN or an infinity, which JSON has no word for.
        TypeError: It holds something else that JSON has no word for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, allow_nan=False, default=plain)
    path.write_text(text + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Give Python's own value for a number or an array of numpy, as ``json.dumps`` asks for it.

    Raises:
        TypeError: The value is none of numpy's.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"JSON has no word for {type(value).__name__} {value!r}")
