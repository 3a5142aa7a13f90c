"""A Lambda step against a server that speaks Lambda's Invoke over HTTP."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from retraining.sagemaker_pipelines.references import DefinitionError

from tests.retraining.sagemaker_pipelines.test_compiler import GET, compiled, edges, model
from tests.retraining.sagemaker_pipelines.test_operators import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

ARN = "arn:aws:lambda:us-east-1:123456789012:function:tell"


class Function(HTTPServer):
    """Answers to each call with what ``answers`` says of the event's ``ask``."""

    answers: dict[str, tuple[int, dict[str, str], str]]
    calls: list[tuple[str, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Function

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append((unquote(self.path), event))
        status, headers, body = self.server.answers[event["ask"]]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def function() -> Iterator[Function]:
    server = Function(("127.0.0.1", 0), Handler)
    server.calls = []
    server.answers = {
        "well": (200, {}, '{"Name": "a", "Count": 2, "Rate": 1, "Done": true, "more": null}'),
        "nothing": (200, {}, "null"),
        "lacking": (200, {}, '{"Name": "a"}'),
        "typed": (200, {}, '{"Name": 1, "Count": 2, "Rate": 0.5, "Done": true}'),
        "broken": (200, {}, "{"),
        "raised": (200, {"X-Amz-Function-Error": "Unhandled"}, '{"errorMessage": "no such row"}'),
        "busy": (429, {"x-amzn-ErrorType": "TooManyRequestsException"}, '{"message": "slow"}'),
        "ill": (500, {"x-amzn-ErrorType": "ServiceException"}, '{"message": "ill"}'),
    }
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def airflow(become_a_task: Any, function: Function) -> SimpleNamespace:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task(AWS_ENDPOINT_URL_LAMBDA=f"http://127.0.0.1:{function.server_port}")
    from airflow.sdk.exceptions import AirflowFailException  # noqa: PLC0415
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return SimpleNamespace(pipeline_dag=pipeline_dag, Fail=AirflowFailException)


def step(ask: object, *outputs: str) -> dict[str, Any]:
    kinds = {"Name": "String", "Count": "Integer", "Rate": "Float", "Done": "Boolean"}
    return {
        "Name": "Tell",
        "Type": "Lambda",
        "Arguments": {"ask": ask, "by": {GET: "Execution.PipelineName"}},
        "FunctionArn": ARN,
        "OutputParameters": [{"OutputName": name, "OutputType": kinds[name]} for name in outputs],
    }


def test_the_function_gets_the_arguments_and_its_outputs_are_properties(
    airflow: SimpleNamespace, function: Function
) -> None:
    said = {"Std:Join": {"On": " ", "Values": [
        {GET: f"Steps.Tell.OutputParameters['{name}']"} for name in ("Name", "Count", "Rate")
    ]}}  # fmt: skip
    fail = {"Name": "Say", "Type": "Fail", "Arguments": {"ErrorMessage": said}}
    run = Run(airflow, step("well", "Name", "Count", "Rate", "Done"), fail, name="lambdas")
    assert run.do("Tell") == {
        "OutputParameters": {"Name": "a", "Count": 2, "Rate": 1.0, "Done": True}
    }
    assert function.calls[-1] == (
        f"/2015-03-31/functions/{ARN}/invocations",
        {"ask": "well", "by": "lambdas"},
    )
    with pytest.raises(airflow.Fail, match=r"^a 2 1\.0$"):
        run.do("Say")


def test_a_function_without_outputs_may_answer_anything(airflow: SimpleNamespace) -> None:
    for ask in ("nothing", "broken"):
        assert Run(airflow, step(ask), name="lambdas").do("Tell") == {"OutputParameters": {}}


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        ("raised", f'step Tell: {ARN} failed: .*"no such row"'),
        ("lacking", "its answer lacks the output Count, Rate"),
        ("nothing", "its answer is null, and no object with its outputs"),
        ("typed", "Name is 1, not of type String"),
        ("broken", "Expecting property name"),
    ],
)
def test_a_function_that_does_not_answer_as_declared_fails_the_step(
    airflow: SimpleNamespace, ask: str, message: str
) -> None:
    run = Run(airflow, step(ask, "Name", "Count", "Rate"), name="lambdas")
    with pytest.raises(airflow.Fail, match=message):
        run.do("Tell")


@pytest.mark.parametrize("ask", ["busy", "ill"])
def test_the_function_is_called_once_an_attempt(
    airflow: SimpleNamespace, function: Function, ask: str
) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415
    from retraining.retries import passing_failure  # noqa: PLC0415

    before = len(function.calls)
    with pytest.raises(ClientError) as raised:
        Run(airflow, step(ask), name="lambdas").do("Tell")
    assert len(function.calls) == before + 1
    # And Airflow tries it again.
    assert passing_failure(raised.value)


def test_only_declared_outputs_may_be_referred_to(airflow: SimpleNamespace) -> None:
    asks = model("A", {GET: "Steps.Tell.OutputParameters['Name']"})
    assert edges(compiled(airflow, step("well", "Name"), asks)) == {("Tell", "A")}
    for path in ("OutputParameters['Count']", "Name", "OutputParameters"):
        asks = model("A", {GET: f"Steps.Tell.{path}"})
        with pytest.raises(DefinitionError, match="the outputs of step Tell are Name"):
            compiled(airflow, step("well", "Name"), asks)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"FunctionArn": None}, "step Tell: FunctionArn is None"),
        ({"OutputParameters": [{"OutputName": "a", "OutputType": "Date"}]}, "one of String"),
        ({"OutputParameters": [{"OutputName": "a"}, {"OutputName": "a"}]}, "more than once"),
        ({"Type": "Fail"}, "a step of type Fail has no FunctionArn"),
    ],
)
def test_a_malformed_lambda_step_is_refused(
    airflow: SimpleNamespace, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        compiled(airflow, step("well") | changed)
