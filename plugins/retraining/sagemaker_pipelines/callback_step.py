"""The task of a Callback step: it sends a message with a token, and waits for the answer.

There is no pipeline execution that SendPipelineExecutionStepSuccess could answer to. Whoever does
the work writes what it would have sent, as JSON, to where the message says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from retraining import naming
from retraining.aws import clients
from retraining.aws import s3 as objects
from retraining.gate.report import kind_of
from retraining.gate.words import one_line
from retraining.jobs import attempts
from retraining.jobs.triggers import OUT_OF_TIME
from retraining.sagemaker_pipelines.callback_trigger import CallbackAnsweredTrigger
from retraining.sagemaker_pipelines.definition import Parameter
from retraining.sagemaker_pipelines.graph import OUTPUTS
from retraining.sagemaker_pipelines.step_task import StepTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from retraining.sagemaker_pipelines.execution import Execution

_TOKEN_LENGTH = 10
# No execution of a pipeline lasts longer.
_LONGEST = timedelta(days=28)
_FAILURE = "FailureReason"
# What the two calls of the service take.
_MEMBERS = frozenset({OUTPUTS, _FAILURE, "CallbackToken", "ClientRequestToken"})


class CallbackStepOperator(StepTask):
    """Executes a Callback step: sends its arguments to a queue, and waits, deferred, for an answer.

    The message is that of SageMaker Pipelines, ``token``, ``pipelineExecutionArn``, ``arguments``
    and ``status``, with ``answerUri`` besides. There the answer is the request of
    SendPipelineExecutionStepSuccess or of SendPipelineExecutionStepFailure. An attempt whose
    message may not have arrived sends the same one again, with the same token.

    Returns:
        ``OutputParameters``: the declared outputs by name.
    """

    def run(self, execution: Execution, context: Context) -> dict[str, Any]:
        """Send the message, unless it is answered already, and wait.

        Raises:
            AirflowFailException: The answer is a failure, or none that the step declares.
        """
        ti = context["ti"]
        generation = attempts.generation_of(ti, self.retries)
        identity = naming.fingerprint(ti.dag_id, ti.run_id, self.step, generation, ti.map_index)
        token = identity[:_TOKEN_LENGTH]
        uri = naming.callback_uri(execution.uri, self.step, token)
        if objects.find_modified(clients.client("s3"), uri) is not None:
            return self._answer(uri)
        message = {
            "token": token,
            "pipelineExecutionArn": execution.execution("PipelineExecutionArn"),
            "arguments": self.step_arguments,
            "status": "Executing",
            "answerUri": uri,
        }
        queue = self.compiled.nodes[self.step].step.queue
        assert queue is not None  # noqa: S101 - else it would not have been read
        clients.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(message))
        self.log.info("sent token %s to %s; the answer is awaited at %s", token, queue, uri)
        return self.defer(
            trigger=CallbackAnsweredTrigger(
                uri,
                deadline=(datetime.now(tz=UTC) + _LONGEST).isoformat(),
                aws_conn_id=clients.AWS_CONN_ID,
                region_name=None,
            ),
            method_name="resume",
        )

    def resume(self, context: Context, event: Mapping[str, str]) -> dict[str, Any]:
        """Take the answer.

        Raises:
            AirflowFailException: There is none in time, it is a failure, or none that the step
                declares.
        """
        del context
        if event["status"] == OUT_OF_TIME:
            raise AirflowFailException(
                f"step {self.step}: there is no answer at {event['uri']} after {_LONGEST}"
            )
        return self._answer(event["uri"])

    def _answer(self, uri: str) -> dict[str, Any]:
        outputs = self.compiled.nodes[self.step].step.outputs
        try:
            answer = json.loads(objects.get(clients.client("s3"), uri).content)
            reason = _failure(answer)
            found = {} if reason else _outputs(answer, outputs)
        except (ValueError, RecursionError) as error:
            raise AirflowFailException(f"step {self.step}: {uri}: {error}") from error
        if reason:
            raise AirflowFailException(f"step {self.step}: {one_line(reason)} ({uri})")
        return {OUTPUTS: found}


def _failure(answer: object) -> str | None:
    """Return why the work has failed, None if it has not.

    Raises:
        ValueError: It is no answer.
    """
    if not isinstance(answer, Mapping):
        raise ValueError(f"the answer is {kind_of(answer)}, not an object")  # noqa: TRY004 - the answer's error
    if unknown := sorted(answer.keys() - _MEMBERS):
        raise ValueError(f"the answer has {', '.join(unknown)}, which is unknown")
    if _FAILURE in answer:
        return str(answer[_FAILURE] or "it failed, and does not say why")
    return None


def _outputs(answer: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, object]:
    """Return the declared outputs in an answer; the service's answers have their values as texts.

    Raises:
        ValueError: One is missing or of another type.
    """
    listed = answer.get(OUTPUTS) or []
    is_list = isinstance(listed, list)
    if not is_list or not all(isinstance(x, Mapping) and {*x} == {"Name", "Value"} for x in listed):
        raise ValueError(f"{OUTPUTS} is not a list of a Name and a Value each")
    given = {str(item["Name"]): item["Value"] for item in listed}
    if missing := [name for name in wanted if name not in given]:
        raise ValueError(f"the answer lacks the output {', '.join(missing)}")
    return {
        name: Parameter(name, kind).value_of(_typed(given[name], kind))
        for name, kind in wanted.items()
    }


def _typed(value: object, kind: str) -> object:
    if kind == "String" or not isinstance(value, str):
        return value
    try:
        # A number or a truth value is spelled alike in JSON.
        return json.loads(value.lower() if kind == "Boolean" else value)
    except ValueError:
        return value
