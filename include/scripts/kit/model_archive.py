"""A trained model's archive: unpacking it, and asking it what its endpoint will answer.

What the archive's own ``code/entry_point.py`` says is asked as AWS's inference toolkit asks it.
https://github.com/aws/sagemaker-inference-toolkit
"""

from __future__ import annotations

import importlib.util
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.archives import ArchiveError, unpack
from kit.failure import BadInputError
from kit.outputs import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

ENTRY_POINT = "code/entry_point.py"


@contextmanager
def unpacked(folder: Path, *files: str, writer: str = "train.py") -> Iterator[Path]:
    """Unpack ``model.tar.gz`` of ``folder`` into a scratch folder, for as long as the block runs.

    Args:
        folder: The model input of a processing job.
        files: What the archive must hold.
        writer: Who writes these, for the message.

    Raises:
        BadInputError: There is no archive, it is damaged or unsafe, or it lacks a file.
    """
    archive = folder / "model.tar.gz"
    if not archive.is_file():
        raise BadInputError(f"{archive}: there is no such file; did the training job succeed?")
    with TemporaryDirectory() as scratch:
        target = Path(scratch)
        try:
            with archive.open("rb") as file:
                unpack(file, target)
        except (ArchiveError, OSError) as error:
            raise BadInputError(f"{archive}: it cannot be unpacked: {error}") from error
        missing = [name for name in files if not (target / name).is_file()]
        if missing:
            raise BadInputError(f"{archive}: it lacks {', '.join(missing)}; {writer} writes these")
        yield target


def load_entry_point(folder: Path) -> ModuleType:
    """Import the archive's own entry point, not one beside the running script.

    Args:
        folder: Of the unpacked archive.

    Raises:
        BadInputError: There is none, or it lacks a function that the endpoint needs.
    """
    path = folder / ENTRY_POINT
    if not path.is_file():
        raise BadInputError(f"model.tar.gz: it lacks {ENTRY_POINT}; train.py writes it")
    spec = importlib.util.spec_from_file_location("archived_entry_point", path)
    if spec is None or spec.loader is None:
        raise BadInputError(f"{ENTRY_POINT}: it cannot be imported")
    module = importlib.util.module_from_spec(spec)
    # An endpoint too finds what lies beside it, and nothing of the same name of this job's.
    beside = {file.stem for file in path.parent.iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in beside]:
        del sys.modules[name]
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    missing = [name for name in ("model_fn", "input_fn", "predict_fn") if not hasattr(module, name)]
    if missing:
        raise BadInputError(f"{ENTRY_POINT}: it has no {', '.join(missing)}")
    return module


def predict(module: ModuleType, folder: Path, body: str | bytes, *, content_type: str) -> Any:
    """Give what the entry point predicts for one request with all rows, before it is encoded.

    Raises:
        BadInputError: A row cannot be decoded.
    """
    return _predicted(module, module.model_fn(str(folder)), body, content_type=content_type)


def _predicted(module: ModuleType, model: Any, body: str | bytes, *, content_type: str) -> Any:
    try:
        rows = module.input_fn(body, content_type)
    except ValueError as error:
        raise BadInputError(
            f"test.csv: the endpoint refuses the rows (header apart): {error}"
        ) from error
    return module.predict_fn(rows, model)


def load(folder: Path) -> tuple[ModuleType, Any]:
    """Load an unpacked archive's model by its entry point, for ``ask``."""
    module = load_entry_point(folder)
    return module, module.model_fn(str(folder))


def ask(model: tuple[ModuleType, Any], rows: Mapping[str, Any]) -> Any:
    """Give what a loaded model predicts, before it is encoded.

    Args:
        model: Of ``load``.
        rows: ``body`` and ``content_type`` of one request with all rows; or ``columns``, the texts
            of each by its name, of which the entry point's ``FEATURES`` are sent as text/csv.

    Raises:
        BadInputError: The model wants a column that is not there, or a row cannot be decoded.
    """
    module, loaded = model
    if "columns" not in rows:
        return _predicted(module, loaded, rows["body"], content_type=rows["content_type"])
    columns = rows["columns"]
    wanted = [str(name) for name in getattr(module, "FEATURES", columns)]
    if missing := [name for name in wanted if name not in columns]:
        raise BadInputError(f"it wants the columns {', '.join(missing)}, which the test rows lack")
    body = "\n".join(map(",".join, zip(*(columns[name] for name in wanted), strict=True)))
    return _predicted(module, loaded, body, content_type="text/csv")


def answers(folder: Path, bodies: Sequence[str], *, content_type: str, accept: str) -> list[Any]:
    """Give what the endpoint will answer to each request, decoded.

    Args:
        folder: Of the unpacked archive.
        bodies: The requests.
        content_type: Of the requests.
        accept: Of the answers, ``application/json`` or ``text/csv``.

    Returns:
        Of JSON the value. Of text/csv a number or a text, or a list of them where it has several.

    Raises:
        BadInputError: The entry point refuses a request.
    """
    answer = answering(load_entry_point(folder), folder, content_type=content_type, accept=accept)
    answered = []
    for number, body in enumerate(bodies, 1):
        try:
            answered.append(answer(body))
        except BadInputError as error:
            raise BadInputError(f"test row {number}: {error}") from error
    return answered


def answering(
    module: ModuleType, folder: Path, *, content_type: str, accept: str
) -> Callable[[str], Any]:
    """Load the model, and return what gives its answer to one request, as ``answers`` does.

    What it returns raises ``BadInputError`` of a request that the entry point refuses.
    """
    model = module.model_fn(str(folder))
    encode = getattr(module, "output_fn", None)

    def answer(body: str) -> Any:
        try:
            rows = module.input_fn(body, content_type)
        except ValueError as error:
            raise BadInputError(f"the endpoint refuses {body[:200]!r}: {error}") from error
        prediction = module.predict_fn(rows, model)
        if encode is None:
            return _of_toolkit(prediction, accept)
        return _decoded(encode(prediction, accept), accept)

    return answer


def _of_toolkit(prediction: Any, accept: str) -> Any:
    if accept == "text/csv":
        fields = np.ravel(prediction).tolist()
        return fields[0] if len(fields) == 1 else fields
    return json.loads(json.dumps(prediction, default=plain))


def _decoded(answer: Any, accept: str) -> Any:
    body = answer[0] if isinstance(answer, tuple) else answer
    text = body if isinstance(body, str) else bytes(body).decode("utf-8")
    if accept != "text/csv":
        return json.loads(text)
    fields = [_number_or_text(field) for line in text.splitlines() for field in line.split(",")]
    return fields[0] if len(fields) == 1 else fields


def _number_or_text(field: str) -> float | str:
    # In JSON's grammar a label such as 007 is no number.
    try:
        value = json.loads(field, parse_constant=str)
    except ValueError:
        return field
    return value if type(value) in {int, float} else field
