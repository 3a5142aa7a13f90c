"""What an entry point serves with: CSV by the snapshot's rules, and a client's faults as 4xx.

It travels in the model's archive, as ``code/kit/``.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kit.csv_table import illegal_cells, impossible_cells, read_cells

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from kit.table import Table

CSV, JSON = "text/csv", "application/json"
# A response shows the first 1,024 characters of a model's message.
LONGEST = 500

_outside = 0


class RefusedError(ValueError):
    """A client's fault.

    Attributes:
        status_code: What it is answered with: 400, 406 or 415.
        reason: One line that says what to send.
    """

    def __init__(self, status_code: int, reason: str) -> None:
        super().__init__(reason)
        self.status_code = status_code
        self.reason = reason


def read_rows(
    body: str | bytes, content_type: str, table: Table, *, outside: Literal["refuse", "warn"]
) -> pd.DataFrame:
    """Decode a text/csv request: a line a row, the table's features in their order, no header.

    Args:
        body: The request's.
        content_type: The request's.
        table: As preprocessing reads it.
        outside: What comes of a number that is impossible in a snapshot: it is refused, or served
            with a warning in the endpoint's log, which counts such cells since the server began.

    Returns:
        A column a feature, float64 or texts, nulls included.

    Raises:
        RefusedError: It is of another type, or no such rows.
    """
    wanted = table.requests
    send = "send text/csv: a line a row, without a header"
    names = ",".join(wanted.names)
    if _type(content_type) != CSV:
        raise RefusedError(415, f"the content type is {content_type!r}; {send}: {names}")
    content = body.encode() if isinstance(body, str) else bytes(body)
    if not content.strip():
        raise RefusedError(400, f"the request is empty; {send}: {names}")
    rows, problems = read_cells(content, wanted)
    if not rows.empty:
        for column in wanted.columns:
            problems += illegal_cells(rows[column.name], column)
            impossible = impossible_cells(rows[column.name], column)
            if impossible and outside == "warn":
                _warn(impossible[0], rows[column.name], column)
            else:
                problems += impossible
    if problems:
        told = "; ".join(problems)
        told = told if len(told) <= LONGEST else told[: LONGEST - 2] + " …"
        raise RefusedError(400, f"{told}; {send}" + (f": {names}" if names not in told else ""))
    return rows


def write_answer(prediction: Any, accept: str) -> tuple[str, str]:
    """Encode an array of predictions: text/csv, a line a row, or application/json, a list.

    Raises:
        RefusedError: The client accepts neither.
    """
    values = np.asarray(prediction)
    accepted = {_type(part) for part in accept.split(",")}
    if accepted & {CSV, "text/*", "*/*"}:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            row if isinstance(row, list) else [row] for row in values.tolist()
        )
        return text.getvalue(), CSV
    if accepted & {JSON, "application/*"}:
        return json.dumps(values.tolist()), JSON
    raise RefusedError(406, f"accepted is {accept!r}; accept {CSV} or {JSON}")


def refusing(
    input_fn: Callable[[Any, str], Any],
    predict_fn: Callable[[Any, Any], Any],
    output_fn: Callable[[Any, str], Any] = write_answer,
) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Make of a RefusedError in the first or last function an answer with its status.

    Whatever else is raised stays the model's own failure, a 500.

    Returns:
        The three functions, for AWS's serving toolkits.
    """

    def read(body: Any, content_type: str) -> Any:
        try:
            return input_fn(body, content_type)
        except RefusedError as error:
            return _refused(error)

    def predict(rows: Any, model: Any) -> Any:
        return rows if isinstance(rows, RefusedError) else predict_fn(rows, model)

    def write(prediction: Any, accept: str) -> Any:
        if not isinstance(prediction, RefusedError):
            try:
                return output_fn(prediction, accept)
            except RefusedError as error:
                prediction = _refused(error)
        return sys.modules["flask"].Response(
            prediction.reason, status=prediction.status_code, mimetype="text/plain"
        )

    return read, predict, write


def _refused(error: RefusedError) -> RefusedError:
    flask, toolkit = map(sys.modules.get, ("flask", "sagemaker_inference.errors"))
    has_flask = flask is not None and flask.has_request_context()
    if not has_flask and toolkit is None:
        raise error
    print(f"refused with {error.status_code}: {error.reason}", file=sys.stderr, flush=True)
    if has_flask:
        # sagemaker-containers makes a 500 of all that is raised, and passes a response on.
        return error
    # sagemaker-inference asks for an error of its own, and may add a traceback to its message.
    raise toolkit.GenericInferenceToolkitError(error.status_code, error.reason) from None


def _warn(told: str, cells: pd.Series, column: Any) -> None:
    global _outside  # noqa: PLW0603 -- a server's count has its life
    values = cells.to_numpy()
    _outside += int(((values < column.low) | (values > column.high)).sum())
    print(f"warning: {told}; {_outside} such cells so far", file=sys.stderr, flush=True)


def _type(media: str) -> str:
    return media.partition(";")[0].strip().lower()
