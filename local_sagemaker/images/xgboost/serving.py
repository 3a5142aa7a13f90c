"""What the XGBoost image answers an endpoint's calls: by itself, or for a user's module.

The contract, and the words, are those of aws/sagemaker-xgboost-container: serve.py and
serve_utils.py with its pull requests 269 (one prediction a line) and 281 (the form of JSON), and
handler_service.py at dac918c for a user's module.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost
from sagemaker_inference import content_types, default_inference_handler, errors
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CSV, _LIBSVM = ("csv", "text/csv"), ("libsvm", "text/libsvm", "text/x-libsvm")
_ACCEPTED = (
    "csv, libsvm, parquet, recordio-protobuf, text/csv, text/libsvm, text/x-libsvm,"
    " application/x-parquet, application/x-recordio-protobuf"
)
_DELIMITERS = (",", "\t", ";", " ", ":", "|")
_ANSWERS = ["application/json", "text/csv"]


class _RefusedError(Exception):
    """A request that is answered with a status other than 200."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Handler(default_inference_handler.DefaultInferenceHandler):  # type: ignore[misc]
    """The defaults for a user's module; there is none of model_fn."""

    def default_input_fn(self, body: Any, content_type: str) -> Any:
        """Decode text/csv and text/libsvm to a DMatrix."""
        try:
            return _matrix(body.encode() if isinstance(body, str) else bytes(body), content_type)
        except _RefusedError as error:
            raise errors.GenericInferenceToolkitError(error.status, str(error)) from error

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """Call the booster."""
        return model.predict(data, validate_features=False)

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        """Encode the prediction as the caller accepts it: a line each in CSV, a list in JSON."""
        try:
            return super().default_output_fn(prediction, accept)
        except errors.UnsupportedFormatError as error:
            raise errors.GenericInferenceToolkitError(406, str(error)) from error


def load(folder: Path) -> Callable[[bytes, str, str], tuple[int, bytes, str]]:
    """Load a model; return what answers a body, a Content-Type and an Accept.

    Several files are an ensemble, whose mean is the prediction.

    Raises:
        SystemExit: There is no model, or something is asked for that is not emulated.
    """
    if "SAGEMAKER_INFERENCE_OUTPUT" in os.environ:
        sys.exit("SAGEMAKER_INFERENCE_OUTPUT is not emulated by the embedded SageMaker")
    boosters = [_load_booster(file) for file in sorted(folder.iterdir()) if file.is_file()]
    if not boosters:
        sys.exit(f"There is no model in {folder}; a training job leaves xgboost-model there")

    def respond(body: bytes, content_type: str, accept: str) -> tuple[int, bytes, str]:
        if not body:
            return 204, b"", "text/plain"
        try:
            data = _matrix(body, content_type or "text/csv")
            predicted = _predict(boosters, data, libsvm=content_type.lower() in _LIBSVM)
            answer = _accepted(accept)
        except _RefusedError as error:
            traceback.print_exc()
            return error.status, str(error).encode(), "text/html; charset=utf-8"
        if answer == "application/json":
            scores = [{"score": score} for score in predicted.tolist()]
            return 200, json.dumps({"predictions": scores}).encode(), answer
        rows = (row if isinstance(row, list) else [row] for row in predicted.tolist())
        return 200, "".join(f"{','.join(map(str, row))}\n" for row in rows).encode(), answer

    return respond


def _load_booster(file: Path) -> Any:
    booster = xgboost.Booster()
    try:
        booster.load_model(file)
    except xgboost.core.XGBoostError as unreadable:
        try:
            booster = pickle.loads(file.read_bytes())  # noqa: S301 -- a model's code is run anyway
        except Exception as error:  # whatever a file that is no pickle may lead to
            sys.exit(f"Model at {file} cannot be loaded:\n{error}\n{unreadable}")
    booster.set_param({"nthread": 1})
    return booster


def _matrix(body: bytes, content_type: str) -> Any:
    told, *parameters = (part.strip() for part in content_type.lower().split(";"))
    try:
        if told in _LIBSVM:
            return xgboost.DMatrix(_from_libsvm(body.strip().decode()))
        if told in _CSV and not any(
            name.strip() == "label_size" and value.strip() != "1"
            for name, _, value in (parameter.partition("=") for parameter in parameters)
        ):
            return xgboost.DMatrix(_from_csv(body.strip().decode()))
    except (ValueError, ArithmeticError, xgboost.core.XGBoostError) as error:
        form = "libsvm" if told in _LIBSVM else "csv"
        raise _RefusedError(
            415,
            f"Loading {form} data failed with Exception, please ensure data is in {form} format:\n"
            f" {type(error)}\n {error}",
        ) from error
    raise _RefusedError(415, f"{content_type} is not an accepted ContentType: {_ACCEPTED}.")


def _from_csv(text: str) -> Any:
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in _DELIMITERS if mark in first), ",")
    rows = [line.rstrip("\r").split(delimiter) for line in text.split("\n")]
    return np.array([[cell.strip() or "nan" for cell in row] for row in rows]).astype(float)


def _from_libsvm(text: str) -> Any:
    rows, columns, values = [], [], []
    for number, line in enumerate(text.split("\n")):
        for item in line.split():
            # The label, if there is one, has no colon.
            if ":" in item:
                column, _, value = item.partition(":")
                rows.append(number)
                columns.append(int(column))
                values.append(float(value))
    return sparse.csr_matrix(
        (np.array(values, float), (np.array(rows, int), np.array(columns, int)))
    )


def _predict(boosters: list[Any], data: Any, *, libsvm: bool) -> Any:
    refused = "Unable to evaluate payload provided: "
    trained, given = boosters[0].num_features(), data.num_col()
    if libsvm and given > trained + 1:
        raise _RefusedError(
            400,
            f"{refused}Feature size of libsvm inference data {given} is larger than feature size of"
            f" trained model {trained}.",
        )
    # A model that was trained on libsvm has a column more, as its columns are counted from 1.
    if not libsvm and given not in (trained, trained - 1):
        raise _RefusedError(
            400,
            f"{refused}Feature size of csv inference data {given} is not consistent with feature"
            f" size of trained model {trained}.",
        )
    try:
        return np.mean([x.predict(data, validate_features=False) for x in boosters], axis=0)
    except xgboost.core.XGBoostError as error:
        raise _RefusedError(400, f"{refused}{error}") from error


def _accepted(accept: str) -> str:
    told = accept.partition(";")[0].strip().lower()
    if told in ("", content_types.ANY):
        told = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv").lower()
    if told not in _ANSWERS:
        raise _RefusedError(
            406,
            f"Accept type {told} is not supported. Please use supported accept types: {_ANSWERS}.",
        )
    return told
