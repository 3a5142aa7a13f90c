from __future__ import annotations

import io
import json
import os
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[3]
DEFAULTS = """
class Sums:
    def predict(self, rows):
        assert rows.dtype == "float32", rows.dtype
        return rows.sum(axis=-1)

def model_fn(model_dir):
    return Sums()
"""


@pytest.fixture(scope="module")
def sums(endpoints):
    return endpoints.up(DEFAULTS)


@pytest.fixture(scope="module")
def echo(endpoints):
    return endpoints.up(
        """
        from flask import Response

        def model_fn(model_dir):
            return model_dir

        def input_fn(body, content_type):
            if body == "fail":
                raise ValueError("line 1 is wrong: \\u20ac")
            if body == "object":
                return object()
            if body == "large":
                return "x" * (6 * 1024 * 1024 + 1)
            return f"{content_type}:{len(body)}"

        def predict_fn(body, model):
            return body

        def output_fn(prediction, accept):
            if prediction == "text/csv:6":
                return Response("this cannot be predicted", status=422, mimetype="text/plain")
            return prediction, "text/plain"
        """
    )


def failed(endpoints, name: str, body: bytes, **more) -> dict:
    with pytest.raises(ClientError) as error:
        endpoints.call(name, body, **more)
    return error.value.response


def test_without_functions_of_its_own_a_model_is_served_as_the_image_does(endpoints, sums):
    csv = endpoints.invoke(sums, b"1,2\n3,4\n", Accept="text/csv")
    assert (csv["Body"].read(), csv["ContentType"]) == (
        b"3.0\n7.0\n",
        "text/csv; charset=utf-8",
    )
    assert csv["InvokedProductionVariant"] == "AllTraffic"
    body = endpoints.invoke(sums, b"[[1, 2], [3, 4]]", ContentType="application/json")
    assert (json.loads(body["Body"].read()), body["ContentType"]) == (
        [3.0, 7.0],
        "application/json",
    )
    array = io.BytesIO()
    np.save(array, np.array([[1, 2]], dtype="float32"))
    npy = endpoints.call(
        sums,
        array.getvalue(),
        ContentType="application/x-npy",
        Accept="application/x-npy",
    )
    assert np.load(io.BytesIO(npy)).tolist() == [3.0]


def test_the_answers_default_type_is_a_variable(endpoints):
    name = endpoints.up(DEFAULTS, environment={"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"})
    assert endpoints.call(name, b"1,2\n3,4") == b"3.0\n7.0\n"


def test_the_functions_of_the_entry_point_come_first(endpoints, echo):
    answer = endpoints.invoke(echo, b"12345", CustomAttributes="trace=7")
    assert answer["Body"].read() == b"text/csv:5"
    assert answer["ContentType"].startswith("text/plain")


def test_a_transform_fn_does_it_all(endpoints):
    name = endpoints.up(
        """
        def model_fn(model_dir):
            return "m"
        def transform_fn(model, body, content_type, accept):
            return f"{model} {body} {accept}", accept
        """
    )
    assert endpoints.call(name, b"b", Accept="text/csv") == b"m b text/csv"


def test_an_error_of_the_container_is_a_model_error_with_its_message(endpoints, echo):
    error = failed(endpoints, echo, b"fail")
    assert error["Error"]["Code"] == "ModelError"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["OriginalStatusCode"] == 500
    # The image tells the caller nothing of the reason, and its log everything.
    assert "<title>500 Internal Server Error</title>" in error["OriginalMessage"]
    assert error["Error"]["Message"].startswith(
        'Received server error (500) from primary with message "<!DOCTYPE HTML'
    )
    assert error["Error"]["Message"].endswith(
        ". See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        f"#logEventViewer:group=/aws/sagemaker/Endpoints/{echo} in account 123456789012 for more"
        " information."
    )
    group, _, stream = error["LogStreamArn"].partition(":log-stream:")
    assert group == f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/{echo}"
    endpoints.poll(
        lambda: any(
            "line 1 is wrong: €" in event["message"]
            for event in endpoints.logs.get_log_events(
                logGroupName=f"/aws/sagemaker/Endpoints/{echo}", logStreamName=stream
            )["events"]
        ),
        what="the error in the log",
    )


def test_an_error_may_be_the_clients(endpoints, echo):
    error = failed(endpoints, echo, b"refuse")
    assert error["OriginalStatusCode"] == 422
    assert error["Error"]["Message"].startswith(
        'Received client error (422) from primary with message "this cannot be predicted'
    )


def test_an_output_that_is_neither_text_nor_bytes_is_an_error(endpoints, echo):
    error = failed(endpoints, echo, b"object")
    assert error["OriginalStatusCode"] == 500
    endpoints.poll(
        lambda: "'object' object is not iterable" in "".join(endpoints.lines(echo)),
        what="the error in the log",
    )


def test_a_response_beyond_the_limit_is_a_model_error(endpoints, echo):
    error = failed(endpoints, echo, b"large")
    assert "and could not load the entire response body" in error["Error"]["Message"]


@pytest.mark.parametrize(
    ("serverless", "limit"),
    [(None, 6_291_456), ({"MemorySizeInMB": 1024, "MaxConcurrency": 1}, 4_194_304)],
)
def test_a_request_is_limited_in_size(endpoints, answering, serverless, limit):
    name = endpoints.up(answering("", predict="return str(len(body))"), serverless=serverless)
    assert endpoints.call(name, b"x" * limit) == str(limit).encode()
    error = failed(endpoints, name, b"x" * (limit + 1))
    assert error["Error"]["Code"] == "ValidationError"
    assert f"length less than or equal to {limit}" in error["Error"]["Message"]


def test_a_serverless_endpoint_throttles_beyond_its_concurrency(
    endpoints, poll, answering, until_there, tmp_path
):
    gate = tmp_path / "gate"
    name = endpoints.up(
        answering("done", predict=until_there(gate)),
        serverless={"MemorySizeInMB": 1024, "MaxConcurrency": 2},
    )
    answers: list[bytes] = []
    callers = [
        threading.Thread(target=lambda: answers.append(endpoints.call(name))) for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    poll(lambda: endpoints.lines(name).count("taken") == 2, what="two requests in flight")
    error = failed(endpoints, name, b"1")
    assert error["Error"]["Code"] == "ThrottlingException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    gate.touch()
    for caller in callers:
        caller.join()
    assert answers == [b"done", b"done"]
    assert endpoints.call(name) == b"done"


def test_instances_take_requests_side_by_side(endpoints, answering):
    name = endpoints.up(
        answering(
            "met",
            load="import threading; globals()['both'] = threading.Barrier(2)",
            predict="both.wait(10)",
        )
    )
    answers: list[bytes] = []
    callers = [
        threading.Thread(target=lambda: answers.append(endpoints.call(name))) for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert answers == [b"met", b"met"]


def test_an_answer_that_does_not_come_is_given_up(
    run_embedded_sagemaker, make_endpoints, tmp_path, answering
):
    options = ("--invocation-timeout", "1", "--stop-grace", "1")
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        endpoints = make_endpoints(server)
        name = endpoints.up(answering("late", predict="time.sleep(int(body))"))
        error = failed(endpoints, name, b"30")
        assert error["Error"]["Code"] == "ModelError"
        assert error["OriginalMessage"].startswith("Your invocation timed out while waiting")
        assert endpoints.call(name, b"0") == b"late"


def test_a_variant_must_be_the_endpoints(endpoints, sums):
    assert endpoints.call(sums, b"1,2\n3,4", TargetVariant="AllTraffic")
    error = failed(endpoints, sums, b"1", TargetVariant="Other")
    assert error["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("TargetModel", "m.tar.gz"),
        ("TargetContainerHostname", "h"),
        ("InferenceComponentName", "c"),
        ("EnableExplanations", "`true`"),
        ("SessionId", "NEW_SESSION"),
    ],
)
def test_members_that_are_not_emulated_are_refused(endpoints, sums, member, value):
    error = failed(endpoints, sums, b"1", **{member: value})
    assert error["Error"]["Code"] == "UnsupportedOperation"
    assert member in error["Error"]["Message"]


def test_an_endpoint_is_not_found_in_another_region(endpoints, sums):
    elsewhere = endpoints.server.client("sagemaker-runtime", region="eu-central-1")
    with pytest.raises(ClientError, match=f"Endpoint {sums} of account 123456789012 not found"):
        elsewhere.invoke_endpoint(EndpointName=sums, Body=b"1")


def test_an_endpoint_that_never_was_is_not_found(endpoints):
    error = failed(endpoints, "never-was", b"1")
    assert error["Error"] == {
        "Code": "ValidationError",
        "Message": "Endpoint never-was of account 123456789012 not found.",
    }
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("isolation", ["default", "none"])
def test_a_container_sees_its_own_environment_only(
    run_embedded_sagemaker, make_endpoints, tmp_path, monkeypatch, isolation
):
    monkeypatch.setenv("OF_THE_SERVER", "secret")
    options = () if isolation == "default" else ("--isolation", isolation)
    with run_embedded_sagemaker(tmp_path / "state", *options) as server:
        endpoints = make_endpoints(server)
        name = endpoints.up(
            """
            import json, os
            def model_fn(model_dir):
                return model_dir
            def predict_fn(data, model):
                code = os.path.join(model, "code")
                return {**os.environ, "model_dir": model, "code": os.listdir(code)}
            """,
            environment={"OWN": "/opt/ml/model/x"},
        )
        seen = json.loads(endpoints.call(name, b"1"))
    assert "OF_THE_SERVER" not in seen
    root = seen["SAGEMAKER_BASE_DIR"]
    assert seen["OWN"] == f"{root}/model/x"
    assert seen["model_dir"] == seen["SM_MODEL_DIR"] == f"{root}/model"
    assert "entry_point.py" in seen["code"]
    assert seen["AWS_ENDPOINT_URL"] == server.url
    assert seen["HOME"] != os.environ["HOME"]


def test_the_projects_own_entry_point_serves_a_scikit_learn_model(endpoints, packed, tmp_path):
    fit = """
import sys, joblib, numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
low, high = [[1, 1, 1, 1, 3, 1, 33, -124], [15, 52, 10, 2, 3000, 5, 41, -115]]
rows = np.random.default_rng(7).uniform(low, high, size=(50, 8))
target = (rows / high).sum(axis=1) ** 2
model = make_pipeline(SimpleImputer(), LinearRegression()).fit(rows, target)
joblib.dump(model, sys.argv[1])
print("\\n".join(repr(float(value)) for value in model.predict(rows[:5])))
np.savetxt(sys.argv[2], rows[:5], delimiter=",", fmt="%.17g")
"""
    python = ROOT / ".local" / "images" / "sklearn-1.4-2" / "bin" / "python3"
    model, rows = tmp_path / "model.joblib", tmp_path / "rows.csv"
    done = subprocess.run(
        [python, "-c", fit, model, rows], capture_output=True, text=True, check=True
    )
    scripts = ROOT / "include" / "scripts"
    beside = [*(scripts / "california_housing").glob("*.py"), *(scripts / "kit").glob("*.py")]
    code = {path: f"kit/{path.name}" if path.parent.name == "kit" else path.name for path in beside}
    archive = packed(
        {
            "model.joblib": model.read_bytes(),
            **{f"code/{name}": path.read_text() for path, name in code.items()},
        }
    )
    config = endpoints.config(endpoints.model(endpoints.put(archive)))
    name = endpoints.create(config)
    assert endpoints.settle(name)["EndpointStatus"] == "InService", endpoints.lines(name)
    answer = endpoints.call(name, rows.read_bytes(), Accept="text/csv").decode()
    assert [float(line) for line in answer.split()] == pytest.approx(
        [float(line) for line in done.stdout.split()], rel=0, abs=1e-12
    )
    assert failed(endpoints, name, b"1,2,3")["OriginalStatusCode"] >= 400
    endpoints.poll(
        lambda: "line 1 has 3 fields" in "".join(endpoints.lines(name)),
        what="the reason in the log",
    )
