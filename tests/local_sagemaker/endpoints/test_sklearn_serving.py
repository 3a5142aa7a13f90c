"""An endpoint of the scikit-learn image answers as the image's own server code does."""

from __future__ import annotations

import io
import json
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from botocore.exceptions import ClientError

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
# Linear regression on two features: 2a + b.
LINEAR = """
import numpy as np
from sklearn.linear_model import LinearRegression

def model_fn(model_dir):
    rows = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    return LinearRegression().fit(rows, rows @ [2, 1])
"""


@pytest.fixture(scope="module")
def linear(endpoints):
    return endpoints.up(LINEAR)


def status(endpoints, name: str, body: bytes, **more) -> int:
    """The status that the container answers with."""
    try:
        endpoints.call(name, body, **more)
    except ClientError as error:
        return error.response["OriginalStatusCode"]
    return 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1.5,2\n3.5,4", [5, 11]),
        (b'"1","2"\n"3","4"', [4, 10]),
        (b"1,2\n3,4\n", [4, 10]),
        (b"1,\n3,4", 500),
        (b"#1,2\n3,4\n5,6", 500),
        (b"1,2\n3,4\n\n", 500),
        (b"a,b\n1,2", 500),
        (b"", 500),
        # One row is an array of one dimension, which scikit-learn's models refuse.
        (b"1,2", 500),
    ],
    ids=lambda value: repr(value) if isinstance(value, bytes) else "",
)
def test_csv_is_decoded_as_the_image_does(endpoints, linear, body, expected):
    if expected == 500:
        assert status(endpoints, linear, body) == 500
    else:
        assert json.loads(endpoints.call(linear, body)) == pytest.approx(expected, abs=1e-5)


def test_one_row_of_csv_has_one_dimension(endpoints):
    name = endpoints.up(
        """
        def model_fn(model_dir):
            return None
        def predict_fn(rows, model):
            return [list(rows.shape), str(rows.dtype)]
        """
    )
    assert json.loads(endpoints.call(name, b"1,2")) == [[2], "float32"]
    assert json.loads(endpoints.call(name, b"1,2\n3,4")) == [[2, 2], "float32"]


def test_types_that_the_image_does_not_know_are_the_servers_errors(endpoints, linear):
    rows = b"[[1, 2], [3, 4]]"
    assert status(endpoints, linear, rows, ContentType="application/json") == 200
    for unknown in ("application/xml", "application/json; charset=utf-8"):
        assert status(endpoints, linear, rows, ContentType=unknown) == 500
    for unknown in ("application/xml", "application/x-npy, text/csv"):
        assert status(endpoints, linear, b"1,2\n3,4", Accept=unknown) == 500


def test_an_array_of_objects_is_unpickled_as_in_the_image(endpoints):
    name = endpoints.up(
        """
        def model_fn(model_dir):
            return None
        def predict_fn(rows, model):
            return [str(rows.dtype), rows.tolist()]
        """
    )
    array = io.BytesIO()
    np.save(array, np.array([Path("x")], dtype=object), allow_pickle=True)
    assert status(endpoints, name, array.getvalue(), ContentType="application/x-npy") == 500
    array = io.BytesIO()
    np.save(array, np.array(["x", None], dtype=object), allow_pickle=True)
    answer = endpoints.call(name, array.getvalue(), ContentType="application/x-npy")
    assert json.loads(answer) == ["object", ["x", None]]


def test_labels_with_quotes_or_commas_are_quoted(endpoints):
    name = endpoints.up(
        """
        def model_fn(model_dir):
            return ["plain", 'an "inner" quote', "a, b"]
        def predict_fn(rows, model):
            return model
        """
    )
    answer = endpoints.call(name, b"1,2\n3,4", Accept="text/csv")
    assert answer == b'plain\n"an ""inner"" quote"\n"a, b"\n'


def test_what_output_fn_returns_is_flasks_answer(endpoints):
    name = endpoints.up(
        """
        import flask
        from sagemaker_containers.beta.framework import worker

        def model_fn(model_dir):
            return None
        def input_fn(body, content_type):
            return body
        def predict_fn(body, model):
            return body
        def output_fn(body, accept):
            return {
                "dictionary": {"told": [1, 2]},
                "text": "1.5",
                "pair": ("1.5", "text/plain"),
                "response": worker.Response("no", status=400, mimetype="text/plain"),
                "header": flask.request.headers.get("X-Amzn-SageMaker-Custom-Attributes"),
            }[body]
        """
    )

    def asked(body: str) -> tuple[bytes, str]:
        answer = endpoints.invoke(
            name, body.encode(), Accept="text/csv", CustomAttributes="trace=7"
        )
        return answer["Body"].read(), answer["ContentType"]

    body, content_type = asked("dictionary")
    assert (json.loads(body), content_type) == ({"told": [1, 2]}, "application/json")
    assert asked("text") == (b"1.5", "text/html; charset=utf-8")
    assert asked("pair") == (b"1.5", "text/plain; charset=utf-8")
    assert asked("header")[0] == b"trace=7"
    with pytest.raises(ClientError) as refused:
        asked("response")
    assert refused.value.response["OriginalStatusCode"] == 400
    assert refused.value.response["OriginalMessage"] == "no"


def test_input_fn_has_two_arguments(endpoints):
    name = endpoints.up(
        """
        def model_fn(model_dir):
            return None
        def input_fn(body, content_type, context):
            return body
        """
    )
    assert status(endpoints, name, b"1,2") == 500


def test_a_transform_fn_beside_the_others_is_refused_at_the_start(endpoints):
    name = endpoints.create(
        endpoints.configured(
            """
            def model_fn(model_dir):
                return None
            def input_fn(body, content_type):
                return body
            def transform_fn(model, body, content_type, accept):
                return body, accept
            """
        )
    )
    assert endpoints.settle(name)["EndpointStatus"] == "Failed"


def wheel(name: str, version: str, module: str) -> bytes:
    """A package of one module."""
    buffer = io.BytesIO()
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}.py", module)
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return buffer.getvalue()


def test_requirements_of_the_archive_are_installed_for_its_endpoint_alone(endpoints, packed):
    asks = """
    import json
    try:
        import shipped, model_archiver
        found = [shipped.WORD, model_archiver.WORD]
    except (ImportError, AttributeError) as error:
        found = str(error)

    def model_fn(model_dir):
        return found
    def predict_fn(rows, model):
        return model
    """
    files = {
        "code/entry_point.py": textwrap.dedent(asks),
        "code/requirements.txt": (
            "--no-index\n./shipped-1.0-py3-none-any.whl\n./model_archiver-9.0-py3-none-any.whl\n"
        ),
        "code/shipped-1.0-py3-none-any.whl": wheel("shipped", "1.0", "WORD = 'installed'"),
        # The image has another version of this one, which pip takes out of the way.
        "code/model_archiver-9.0-py3-none-any.whl": wheel(
            "model_archiver", "9.0", "WORD = 'replaced'"
        ),
    }
    name = endpoints.create(endpoints.config(endpoints.model(endpoints.put(packed(files)))))
    assert endpoints.settle(name)["EndpointStatus"] == "InService", "\n".join(endpoints.lines(name))
    assert json.loads(endpoints.call(name, b"1,2\n3,4")) == ["installed", "replaced"]
    without = endpoints.up(files["code/entry_point.py"])
    assert json.loads(endpoints.call(without, b"1,2\n3,4")) == "No module named 'shipped'"


def test_requirements_that_cannot_be_installed_fail_the_start(endpoints, packed):
    files = {
        "code/entry_point.py": LINEAR,
        "code/requirements.txt": "--no-index\nnowhere-to-be-found==1.0\n",
    }
    name = endpoints.create(endpoints.config(endpoints.model(endpoints.put(packed(files)))))
    assert endpoints.settle(name)["EndpointStatus"] == "Failed"
    assert any("nowhere-to-be-found" in line for line in endpoints.lines(name))


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"SAGEMAKER_PROGRAM": "entry_point.py"}, "there is no module entry_point in"),
        ({"SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}, "SAGEMAKER_PROGRAM is not set"),
    ],
)
def test_a_module_is_looked_for_where_the_variables_say(endpoints, environment, told):
    model = endpoints.name("model")
    container = {"Image": IMAGE, "ModelDataUrl": endpoints.archive(LINEAR)}
    endpoints.sagemaker.create_model(
        ModelName=model, PrimaryContainer={**container, "Environment": environment}
    )
    name = endpoints.create(endpoints.config(model))
    assert endpoints.settle(name)["EndpointStatus"] == "Failed"
    assert told in "".join(endpoints.lines(name))
