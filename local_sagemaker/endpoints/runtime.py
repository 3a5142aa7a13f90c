"""The protocol's edge of SageMaker Runtime: InvokeEndpoint, in REST and JSON."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from local_sagemaker import ACCOUNT
from local_sagemaker.endpoints.container import ContainerGoneError
from local_sagemaker.endpoints.deployment import StartFailedError
from local_sagemaker.endpoints.serving import BusyError
from local_sagemaker.errors import ServiceError, unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Request as HttpRequest

    from local_sagemaker.emulator import Emulator
    from local_sagemaker.endpoints.deployment import Deployment

_PATH = re.compile(r"/endpoints/([a-zA-Z0-9](?:-*[a-zA-Z0-9])*)/invocations")
_PREFIX = "X-Amzn-SageMaker-"
_ATTRIBUTES = f"{_PREFIX}Custom-Attributes"
# Members that would change what is done, and do not here.
_REFUSED = {
    f"{_PREFIX}{name}": member
    for name, member in {
        "Target-Model": "TargetModel",
        "Target-Container-Hostname": "TargetContainerHostname",
        "Enable-Explanations": "EnableExplanations",
        "Inference-Component": "InferenceComponentName",
        "Session-Id": "SessionId",
        "Prefix-Aware-Id": "PrefixAwareId",
    }.items()
}
_MEGABYTE = 1024 * 1024
_MOST, _MOST_SERVERLESS = 6 * _MEGABYTE, 4 * _MEGABYTE
_LONGEST_MESSAGE, _LONGEST_QUOTE = 2048, 1024
_HTTP_STATUSES = {"ModelError": 424, "ServiceUnavailable": 503}


class _ModelError(ServiceError):
    def __init__(self, told: str, *, status: int, original: str, stream: str) -> None:
        super().__init__("ModelError", told)
        self.details = {
            "OriginalStatusCode": status,
            "OriginalMessage": original[:_LONGEST_MESSAGE],
            "LogStreamArn": stream,
        }


def invoked_endpoint(http: HttpRequest) -> str | None:
    """Return the endpoint that a request invokes; None if it is not an InvokeEndpoint."""
    found = _PATH.fullmatch(http.path) if http.method == "POST" else None
    return found[1] if found else None


def answer_invocation(
    emulator: Emulator, http: HttpRequest, *, region: str, endpoint: str
) -> Response:
    """Answer InvokeEndpoint; whatever goes wrong is an answer, too."""
    try:
        return _invoke(emulator, http, region=region, endpoint=endpoint)
    except ServiceError as error:
        return _error(error)


def _invoke(emulator: Emulator, http: HttpRequest, *, region: str, endpoint: str) -> Response:
    hosting = emulator.hosting
    for header, member in _REFUSED.items():
        if header in http.headers:
            raise unsupported(f"InvokeEndpoint: {member} is not emulated here.")
    serving = hosting.serving(region, endpoint)
    if serving is None:
        raise _not_found(endpoint)
    deployment, body = serving.deployment, http.get_data()
    _check(deployment, body, target=http.headers.get(f"{_PREFIX}Target-Variant"))
    names = ("Content-Type", "Accept", _ATTRIBUTES)
    headers = {name: http.headers[name] for name in names if http.headers.get(name)}
    try:
        deployment, answer, stream = hosting.invoke(region, endpoint, body=body, headers=headers)
    except KeyError as error:
        raise _not_found(endpoint) from error
    except BusyError as error:
        raise ServiceError(
            "ThrottlingException",
            f"The serverless endpoint {endpoint} already has as many invocations in flight as its"
            " MaxConcurrency allows.",
        ) from error
    except StartFailedError as error:
        raise ServiceError(
            "ServiceUnavailable", f"The container of endpoint {endpoint} did not start: {error}"
        ) from error
    except ContainerGoneError as error:
        raise _failed(deployment, serving.stream, status=0, message=str(error)) from error
    if answer.status >= 400:
        message = answer.body.decode("utf-8", "replace")
        raise _failed(deployment, stream, status=answer.status, message=message)
    if len(answer.body) > _limit(deployment):
        raise _failed(deployment, stream, status=500, message=None)
    response = Response(answer.body, 200, content_type=answer.headers.get("content-type"))
    response.headers["x-Amzn-Invoked-Production-Variant"] = deployment.variant_name
    response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
    return response


def _check(deployment: Deployment, body: bytes, *, target: str | None) -> None:
    limit = _limit(deployment)
    if len(body) > limit:
        raise ServiceError(
            "ValidationError",
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member"
            f" must have length less than or equal to {limit}. The request has {len(body)} bytes.",
        )
    if target and target != deployment.variant_name:
        raise ServiceError(
            "ValidationError",
            f"Variant {target} does not exist in endpoint {deployment.endpoint}; it has"
            f" {deployment.variant_name}.",
        )


def _limit(deployment: Deployment) -> int:
    return _MOST_SERVERLESS if deployment.serverless else _MOST


def _not_found(endpoint: str) -> ServiceError:
    return ServiceError("ValidationError", f"Endpoint {endpoint} of account {ACCOUNT} not found.")


def _failed(
    deployment: Deployment, stream: str, *, status: int, message: str | None
) -> _ModelError:
    side = "client" if 400 <= status < 500 else "server"
    place = "model" if deployment.serverless else "primary"
    told = (
        "and could not load the entire response body"
        if message is None
        else f'with message "{message[:_LONGEST_QUOTE]}"'
    )
    region, group = deployment.region, deployment.log_group
    return _ModelError(
        f"Received {side} error ({status}) from {place} {told}. See"
        f" https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#logEventViewer:group={group} in account {ACCOUNT} for more information.",
        status=status,
        original=message or "",
        stream=f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}:log-stream:{stream}",
    )


def _error(error: ServiceError) -> Response:
    details: Mapping[str, object] = error.details if isinstance(error, _ModelError) else {}
    # `Message` is the model's member; generic errors are read from `message`.
    document = {"Message": error.message, "message": error.message, **details}
    response = Response(
        json.dumps(document),
        status=_HTTP_STATUSES.get(error.code, 400),
        content_type="application/json",
    )
    response.headers["x-amzn-ErrorType"] = error.code
    response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
    return response
