"""Answers IAM's simulation of a role's policies, which moto lacks, before moto is asked.

Nobody's permissions are looked at here, as no call is refused for want of one: whatever is asked
about is allowed. Source: the IAM API, SimulatePrincipalPolicy.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from local_sagemaker.error_answers import error_answer
from local_sagemaker.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(user|group|role)/[\w+=,.@/-]+")
_ACTION = re.compile(r"[\w-]+:[\w*?]+")


def with_simulation(moto: WSGIApplication) -> WSGIApplication:
    """Wrap moto's IAM; the body of each request is in memory."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"].seek(0)
        form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        if form.get("Action") != "SimulatePrincipalPolicy":
            return moto(environ, start_response)
        return _simulated(form)(environ, start_response)

    return application


def _simulated(form: dict[str, str]) -> Response:
    principal = form.get("PolicySourceArn", "")
    actions = _members(form, "ActionNames")
    if not _PRINCIPAL.fullmatch(principal):
        return _error(
            f"Invalid Entity Arn: {principal} does not clearly define entity type and name."
        )
    wrong = next((action for action in actions if not _ACTION.fullmatch(action)), None)
    if not actions or wrong is not None:
        return _error(f"Invalid action: {wrong or 'none is named'}; it is service:Action.")
    results = "".join(
        "<member>"
        f"<EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
        "<EvalDecision>allowed</EvalDecision><MatchedStatements/><MissingContextValues/>"
        "</member>"
        for action in actions
        for resource in _members(form, "ResourceArns") or ["*"]
    )
    return _xml(
        f'<SimulatePrincipalPolicyResponse xmlns="{_NAMESPACE}"><SimulatePrincipalPolicyResult>'
        f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
        f"</SimulatePrincipalPolicyResult>{_metadata()}</SimulatePrincipalPolicyResponse>"
    )


def _members(form: dict[str, str], name: str) -> list[str]:
    """Return a list as the query protocol spells it: ``Name.member.1`` and so on."""
    found = {
        int(key.rpartition(".")[2]): value
        for key, value in form.items()
        if re.fullmatch(rf"{name}\.member\.[0-9]{{1,6}}", key)
    }
    return [found[number] for number in sorted(found)]


def _error(message: str) -> Response:
    return error_answer(ServiceError("InvalidInput", message), "iam")


def _metadata() -> str:
    return f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"


def _xml(body: str) -> Response:
    return Response(body, content_type="text/xml")
