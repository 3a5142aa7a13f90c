"""Callback steps: the message goes through moto's SQS, the answer lies on the embedded S3."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from retraining import naming
from retraining.sagemaker_pipelines.references import DefinitionError

from tests.retraining.sagemaker_pipelines.test_compiler import GET, compiled, edges, model
from tests.retraining.sagemaker_pipelines.test_operators import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "callbacks"
REGION = "us-east-1"
OUTPUTS = {"Name": "String", "Count": "Integer", "Rate": "Float", "Done": "Boolean"}


@pytest.fixture(scope="module")
def queue() -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    sqs = boto3.client(
        "sqs",
        endpoint_url=f"http://{host}:{port}",
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    yield SimpleNamespace(sqs=sqs, url=sqs.create_queue(QueueName="work")["QueueUrl"])
    server.stop()


@pytest.fixture(scope="module")
def airflow(become_a_task: Any, embedded_sagemaker: Any, queue: Any) -> SimpleNamespace:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task(RETRAINING_BUCKET=BUCKET, AWS_ENDPOINT_URL_SQS=queue.sqs.meta.endpoint_url)
    embedded_sagemaker.client("s3").create_bucket(Bucket=BUCKET)
    from airflow.sdk.exceptions import AirflowFailException, TaskDeferred  # noqa: PLC0415
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return SimpleNamespace(
        pipeline_dag=pipeline_dag, Fail=AirflowFailException, Deferred=TaskDeferred
    )


def step(url: str, outputs: Any = None, **members: Any) -> dict[str, Any]:
    wanted = OUTPUTS if outputs is None else outputs
    return {
        "Name": "Ask",
        "Type": "Callback",
        "Arguments": {"rows": 5, "where": {GET: "Execution.PipelineName"}},
        "SqsQueueUrl": url,
        "OutputParameters": [{"OutputName": n, "OutputType": kind} for n, kind in wanted.items()],
        **members,
    }


def messages(queue: Any) -> list[dict[str, Any]]:
    found = queue.sqs.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)
    for message in found.get("Messages", []):
        queue.sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in found.get("Messages", [])]


def answer(sagemaker: Any, uri: str, content: Any) -> None:
    bucket, key = naming.split_s3_uri(uri)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    sagemaker.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


async def event_of(trigger: Any) -> Any:
    async with aclosing(trigger.run()) as events:
        return (await anext(events)).payload


def success(**values: Any) -> dict[str, Any]:
    return {"OutputParameters": [{"Name": n, "Value": value} for n, value in values.items()]}


GOOD = success(Name="a", Count="2", Rate="0.5", Done="True", more="x")


def test_the_sdk_writes_such_a_step(airflow: SimpleNamespace) -> None:
    from sagemaker.core.workflow.execution_variables import ExecutionVariables  # noqa: PLC0415
    from sagemaker.mlops.workflow.callback_step import (  # noqa: PLC0415
        CallbackOutput,
        CallbackOutputTypeEnum,
        CallbackStep,
    )

    assert airflow
    outputs = [
        CallbackOutput(n, getattr(CallbackOutputTypeEnum, kind)) for n, kind in OUTPUTS.items()
    ]
    name = ExecutionVariables.PIPELINE_NAME
    made = CallbackStep("Ask", "https://q", {"rows": 5, "where": name}, outputs).to_request()
    made["Arguments"]["where"] = name.expr
    assert made == step("https://q")


def test_the_message_is_pipelines_own_and_the_answer_has_the_outputs(
    airflow: SimpleNamespace, embedded_sagemaker: Any, queue: Any
) -> None:
    said = {GET: "Steps.Ask.OutputParameters['Name']"}
    refers = {"Name": "M", "Type": "Fail", "Arguments": {"ErrorMessage": said}}
    run = Run(airflow, step(queue.url), refers, name="asks")
    assert edges(run.dag) == {("Ask", "M")}
    with pytest.raises(airflow.Deferred) as deferred:
        run.do("Ask")
    (message,) = messages(queue)
    assert message["arguments"] == {"rows": 5, "where": "asks"}
    assert message["status"] == "Executing"
    assert message["token"].isalnum()
    assert len(message["token"]) == 10
    assert ":pipeline/asks/execution/" in message["pipelineExecutionArn"]
    uri = message["answerUri"]
    assert uri.startswith(naming.run_uri(BUCKET, "asks", "2026-11-20", "manual__1"))

    trigger = deferred.value.trigger
    path, arguments = trigger.serialize()
    assert path.endswith(".CallbackAnsweredTrigger")
    again = type(trigger)(**arguments)

    async def answered() -> Any:
        waiting = asyncio.create_task(event_of(again))
        await asyncio.sleep(1.5)
        assert not waiting.done()
        await asyncio.to_thread(answer, embedded_sagemaker, uri, GOOD)
        return await waiting

    event = asyncio.run(answered())
    task = run.dag.get_task("Ask")
    told = task.resume(run.context("Ask"), event)
    assert told == {"OutputParameters": {"Name": "a", "Count": 2, "Rate": 0.5, "Done": True}}
    # An attempt that did not come to know of it sends nothing again.
    assert run.do("Ask") == told
    assert messages(queue) == []
    with pytest.raises(airflow.Fail, match=r"^a$"):
        run.do("M")
    # A person who clears it wants the work done again.
    with pytest.raises(airflow.Deferred):
        run.do("Ask", clears=1)
    (second,) = messages(queue)
    assert second["token"] != message["token"]


def test_a_lost_message_is_sent_again_with_its_token(airflow: SimpleNamespace, queue: Any) -> None:
    run = Run(airflow, step(queue.url), name="lost")
    for _ in range(2):
        with pytest.raises(airflow.Deferred):
            run.do("Ask")
    one, other = messages(queue)
    assert one == other


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"FailureReason": "no such\ntable"}, r"no such.+table \(s3://"),
        ({"FailureReason": ""}, "does not say why"),
        (b"{", r"s3://.*\.json: Expecting"),
        ([], "the answer is a list, not an object"),
        ({"Outputs": []}, "the answer has Outputs, which is unknown"),
        ({"OutputParameters": {"Name": "a"}}, "not a list of a Name and a Value each"),
        ({"OutputParameters": ["Name"]}, "not a list of a Name and a Value each"),
        ({}, "lacks the output Name, Count, Rate, Done"),
        (success(Name="a", Count="2.5", Rate="1", Done="true"), "Count is 2.5, not of type Int"),
        (success(Name=1, Count="2", Rate="1", Done="true"), "Name is 1, not of type String"),
        (success(Name="a", Count="2", Rate="NaN", Done="true"), "Rate is .*, not of type Float"),
        (success(Name="a", Count="2", Rate="1", Done="yes"), "Done is 'yes', not of type Bool"),
    ],
)
def test_an_answer_that_is_none_fails_the_step(
    airflow: SimpleNamespace, embedded_sagemaker: Any, queue: Any, content: Any, said: str
) -> None:
    run = Run(airflow, step(queue.url), name="answers")
    run.run_id = f"manual__{naming.fingerprint(repr(content))}"
    with pytest.raises(airflow.Deferred):
        run.do("Ask")
    (message,) = messages(queue)
    answer(embedded_sagemaker, message["answerUri"], content)
    with pytest.raises(airflow.Fail, match=f"step Ask: .*{said}"):
        run.do("Ask")


def test_one_that_nobody_answers_fails_in_the_end(airflow: SimpleNamespace, queue: Any) -> None:
    run = Run(airflow, step(queue.url), name="unanswered")
    with pytest.raises(airflow.Deferred) as deferred:
        run.do("Ask")
    messages(queue)
    _, arguments = deferred.value.trigger.serialize()
    left = datetime.fromisoformat(arguments["deadline"]) - datetime.now(tz=UTC)
    assert timedelta(days=27) < left < timedelta(days=28)
    over = type(deferred.value.trigger)(
        **{**arguments, "deadline": datetime.now(tz=UTC).isoformat()}
    )
    with pytest.raises(airflow.Fail, match=r"there is no answer at s3://callbacks/unanswered/"):
        run.dag.get_task("Ask").resume(run.context("Ask"), asyncio.run(event_of(over)))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"SqsQueueUrl": None}, "SqsQueueUrl is None, not a text"),
        ({"FunctionArn": "arn"}, "a step of type Callback has no FunctionArn"),
        ({"Type": "Fail", "OutputParameters": None}, "a step of type Fail has no SqsQueueUrl"),
    ],
)
def test_a_malformed_step_is_refused(
    airflow: SimpleNamespace, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        compiled(airflow, step("https://q", **members))


def test_an_output_that_it_does_not_declare_is_refused(airflow: SimpleNamespace) -> None:
    refers = model("M", {GET: "Steps.Ask.OutputParameters['Other']"})
    with pytest.raises(DefinitionError, match="the outputs of step Ask are Name, Count"):
        compiled(airflow, step("https://q"), refers)
