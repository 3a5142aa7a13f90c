"""Stands between IAM's clients and moto: keeps what changes, and answers what moto lacks.

Source of the simulation of a principal's policies: the IAM API, SimulatePrincipalPolicy.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import sys
import uuid
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from local_sagemaker.error_answers import error_answer
from local_sagemaker.errors import ServiceError, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from local_sagemaker.access.grants import Access
    from local_sagemaker.access.iam_state import IamState

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(user|group|role)/[\w+=,.@/-]+")
_ACTION = re.compile(r"[\w-]+:[\w*?]+")
# What a simulation may be told instead of what there is.
_REFUSED = (
    "PolicyInputList",
    "PermissionsBoundaryPolicyInputList",
    "ResourcePolicy",
    "CallerArn",
    "ResourceHandlingOption",
)
_READING = ("Get", "List", "Simulate")

log = logging.getLogger(__name__)


def durable_iam(moto: WSGIApplication, state: IamState) -> WSGIApplication:
    """Wrap moto's IAM so that a success is on disk before the client hears of it.

    Args:
        moto: moto's IAM, which works under the state's lock.
        state: Where its users, roles and policies are kept.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _form(environ).get("Action", "").startswith(_READING):
            return moto(environ, start_response)
        try:
            with state.changing():
                return moto(environ, start_response)
        except (OSError, sqlite3.Error) as error:
            refused = sys.exc_info()
            log.exception("iam")
            told = "The embedded SageMaker cannot keep this on its disk; nothing is changed"
            answer = error_answer(
                ServiceError("ServiceFailure", f"{told}: {error}", status=500), "iam"
            )
            # moto has begun to answer that it is done.
            return answer(
                environ, lambda status, headers, _=None: start_response(status, headers, refused)
            )

    return application


def with_simulation(moto: WSGIApplication, access: Access) -> WSGIApplication:
    """Wrap moto's IAM; the body of each request is in memory.

    Args:
        moto: IAM.
        access: Knows what is allowed.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        form = _form(environ)
        if form.get("Action") != "SimulatePrincipalPolicy":
            return moto(environ, start_response)
        return _simulated(form, access)(environ, start_response)

    return application


def _form(environ: WSGIEnvironment) -> dict[str, str]:
    body = environ["wsgi.input"].read()
    environ["wsgi.input"].seek(0)
    pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    return dict(reversed(pairs))  # of doubles the first counts, as with moto


def _simulated(form: dict[str, str], access: Access) -> Response:
    principal = form.get("PolicySourceArn", "")
    actions = _members(form, "ActionNames")
    if not _PRINCIPAL.fullmatch(principal):
        return _error(
            f"Invalid Entity Arn: {principal} does not clearly define entity type and name."
        )
    wrong = next((action for action in actions if not _ACTION.fullmatch(action)), None)
    if not actions or wrong is not None:
        return _error(f"Invalid action: {wrong or 'none is named'}; it is service:Action.")
    if given := next((one for one in _REFUSED if any(key.startswith(one) for key in form)), None):
        raise unsupported(f"iam: SimulatePrincipalPolicy: {given} is not emulated here.")
    values = _context(form)

    def decide(action: str, resource: str) -> str:
        return access.simulate(principal, action, resource=resource, values=values)

    results = "".join(
        "<member>"
        f"<EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{decide(action, resource)}</EvalDecision><MatchedStatements/>"
        "<MissingContextValues/>"
        "</member>"
        for action in actions
        for resource in _members(form, "ResourceArns") or ["*"]
    )
    return _xml(
        f'<SimulatePrincipalPolicyResponse xmlns="{_NAMESPACE}"><SimulatePrincipalPolicyResult>'
        f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
        f"</SimulatePrincipalPolicyResult>{_metadata()}</SimulatePrincipalPolicyResponse>"
    )


def _context(form: dict[str, str]) -> dict[str, tuple[str, ...]]:
    found = {}
    for number in range(1, len(form)):
        entry = f"ContextEntries.member.{number}."
        if name := form.get(f"{entry}ContextKeyName"):
            found[name] = tuple(_members(form, f"{entry}ContextKeyValues"))
    return found


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
