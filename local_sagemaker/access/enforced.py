"""Access control: each call against the policies of its caller, each job against its role's."""

from __future__ import annotations

import json
import logging
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import botocore.session

from local_sagemaker import ACCOUNT
from local_sagemaker.access import other_actions, s3_actions, sagemaker_actions
from local_sagemaker.access.conditions import Context
from local_sagemaker.access.evaluation import denial, trusts
from local_sagemaker.access.grants import Grant
from local_sagemaker.access.identities import UnknownCallerError
from local_sagemaker.access.policies import Ask, PolicyError, check_policy
from local_sagemaker.access.refusals import MALFORMED, denied, refusal
from local_sagemaker.access.roles import RoleLogs, RoleObjects
from local_sagemaker.access.sessions import SessionError
from local_sagemaker.access.signatures import SignatureError, check_signature, read_claim
from local_sagemaker.access.sts import answer_sts
from local_sagemaker.errors import RequestInvalidError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.wrappers import Response

    from local_sagemaker.access.grants import LogStreams, Objects
    from local_sagemaker.access.iam_state import IamState
    from local_sagemaker.access.identities import Caller, Identities
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Store

# Under this name SageMaker assumes the roles of jobs.
_SESSION = "SageMaker"
_POLICY_MEMBERS = ("PolicyDocument", "AssumeRolePolicyDocument")
_TRUST_ACTIONS = ("CreateRole", "UpdateAssumeRolePolicy")
# A path alone, of which nothing is cut off.
_PATH = re.compile("/(?!/)[^#]*$")
# moto would also take an operation's name for that of its method.
_OPERATION = re.compile("[A-Za-z0-9]+")
_FORM = "application/x-www-form-urlencoded"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EnforcedAccess:
    """Nobody may do what no policy allows, but for the account's root.

    Attributes:
        store: Where resources' tags are.
        s3: The buckets.
        logs: Where jobs' output goes to.
        iam: Users, roles and policies.
        identities: Who calls.
    """

    store: Store
    s3: Objects
    logs: LogStreams
    iam: IamState
    identities: Identities

    @property
    def root_keys(self) -> tuple[str, str]:
        """The account's root's, the same at every start on this state."""
        return self.identities.root_key, self.identities.root_secret

    def admit(
        self, environ: WSGIEnvironment, body: bytes, *, region: str, service: str
    ) -> EnforcedPermit:
        """Find out who calls; see `Access`."""
        claim = read_claim(environ)
        if claim is None:
            raise refusal("unsigned", service)
        if claim.service != service or claim.region != region:
            raise refusal("signature", service, f"Credential should be scoped to {service}.")
        if _is_ambiguous(environ, body, service):
            raise refusal("malformed", service)
        try:
            secret = self.identities.secret_of(claim)
            check_signature(claim, secret, environ=environ, body=body)
            caller = self.identities.caller(claim)
        except UnknownCallerError as error:
            raise refusal("unknown", service) from error
        except SignatureError as error:
            raise refusal("signature", service, str(error)) from error
        except SessionError as error:
            raise refusal("expired" if error.expired else "unknown", service) from error
        return EnforcedPermit(self, caller, environ, body, region, service)

    def grant(self, role: str, *, region: str, arn: str) -> Grant:
        """Return what a role may do for a job or an endpoint; see `Access`."""

        def why_denied(action: str, resource: str, /, **values: str) -> str | None:
            if self.untrusted(role, arn):
                return f"SageMaker was unable to assume the role '{role}'"
            caller = self._as_role(role)
            told = self.context(caller, region)
            told = told.having({f"s3:{name}": (value,) for name, value in values.items()})
            return self.why_denied(caller, Ask(action, resource, told))

        found = self.identities.role(role)
        keys = self.identities.assume(found, _SESSION, seconds=None)[1] if found else None
        return Grant(
            RoleObjects(self.s3, why_denied),
            RoleLogs(self.logs, why_denied, arn),
            keys.variables if keys else {},
        )

    def simulate(
        self, principal: str, action: str, *, resource: str, values: Mapping[str, tuple[str, ...]]
    ) -> str:
        """Return IAM's decision on what somebody might ask; see `Access`."""
        caller = self.identities.principal(principal)
        if caller is None or caller.permissions is None:
            name = principal.rpartition("/")[2]
            raise ServiceError(
                "NoSuchEntity", f"The role or user with name {name} cannot be found.", status=404
            )
        context = self.context(caller, "us-east-1").having(values)
        refused = denial(Ask(action, resource, context), caller.permissions)
        if refused is None:
            return "allowed"
        return "explicitDeny" if refused.explicit else "implicitDeny"

    def context(self, caller: Caller, region: str) -> Context:
        """Return what is known of a caller's request of now, whatever it asks."""
        now = time.time()
        values = {
            **caller.facts,
            "aws:requestedregion": (region,),
            "aws:currenttime": (datetime.fromtimestamp(now, UTC).isoformat(),),
            "aws:epochtime": (str(int(now)),),
            # Nothing leaves the machine; on AWS the same call is one of TLS.
            "aws:securetransport": ("true",),
            "aws:viaawsservice": ("false",),
            "aws:resourceaccount": (ACCOUNT,),
            "s3:resourceaccount": (ACCOUNT,),
        }
        return Context(values, ("aws:resourcetag/",))

    def why_denied(self, caller: Caller, ask: Ask) -> str | None:
        """Return why a caller may not do something, in the service's words; None if it may."""
        refused = denial(ask, caller.permissions) if caller.permissions else None
        told = "denied" if refused else "allowed"
        log.debug("%s: %s on %s is %s", caller.arn, ask.action, ask.resource, told)
        return denied(caller.arn, ask, refused.reason) if refused else None

    def require(self, caller: Caller, asks: list[Ask], service: str) -> None:
        """Refuse a request of which something is denied.

        Raises:
            ServiceError: AccessDenied, as the service spells it.
        """
        for ask in asks:
            if why := self.why_denied(caller, ask):
                raise refusal("denied", service, why)

    def untrusted(self, role: str, source: str) -> bool:
        """Whether SageMaker may not assume a role for a resource."""
        found = self.identities.role(role)
        if found is None:
            return True
        values = {"aws:sourceaccount": (ACCOUNT,), "aws:sourcearn": (source,)}
        principals = (("Service", sagemaker_actions.SERVICE),)
        ask = Ask("sts:AssumeRole", role, Context(values), principals)
        return trusts(found.assume_role_policy_document, ask) is not None

    def _as_role(self, arn: str) -> Caller:
        found = self.identities.role(arn)
        if found is None:  # since a moment ago
            raise UnknownCallerError
        return self.identities.of_session(self.identities.assume(found, _SESSION, seconds=None)[0])


@dataclass(frozen=True, slots=True)
class EnforcedPermit:
    """A caller who is known, and the request; see `Permit`."""

    access: EnforcedAccess
    caller: Caller
    environ: WSGIEnvironment
    body: bytes
    region: str
    service: str

    def check(self, request: Request) -> None:
        """Refuse a request to SageMaker that the caller may not make; see `Permit`."""
        # SageMaker's resources have their tags in the store.
        told = Context(self._context().values)
        asks = sagemaker_actions.asks(request, store=self.access.store, context=told)
        self.access.require(self.caller, asks, self.service)
        for role in sagemaker_actions.passed_roles(request):
            if self.access.untrusted(role, asks[0].resource):
                raise RequestInvalidError(
                    f"Could not assume role {role}. Please ensure that the role exists and allows"
                    f" principal '{sagemaker_actions.SERVICE}' to assume the role."
                )

    def answer(self) -> Response | None:
        """Check a request to another service, and answer what it would not; see `Permit`."""
        if self.service == "sts":
            return answer_sts(
                self._form(),
                caller=self.caller,
                identities=self.access.identities,
                context=self._context(),
            )
        if self.service == "iam":
            self._check_iam()
        elif self.service == "s3":
            self._check_s3()
        else:
            self._check_logs()
        return None

    def _check_iam(self) -> None:
        form = self._form()
        backend, user = self.access.iam.backend, self.caller.user
        with self.access.iam.lock:
            asks = other_actions.iam_asks(form, backend=backend, user=user, context=self._context())
        self.access.require(self.caller, asks, self.service)
        for member in _POLICY_MEMBERS:
            if member in form:
                try:
                    check_policy(form[member], trust=form.get("Action") in _TRUST_ACTIONS)
                except PolicyError as error:
                    raise ServiceError(MALFORMED, f"{member}: {error}.") from error

    def _check_s3(self) -> None:
        context = self._context()
        asks = s3_actions.asks(self.environ, self.body, context=context)
        self.access.require(self.caller, asks, self.service)
        bucket, key = s3_actions.place_of(self.environ)
        if asks[0].action == "s3:GetObject" and not self.access.s3.exists(bucket, key):
            # Who may not list a bucket is not told what is missing in it.
            listing = Ask("s3:ListBucket", s3_actions.bucket_arn(bucket), context)
            self.access.require(self.caller, [listing], self.service)

    def _check_logs(self) -> None:
        operation = self.environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        members: Any = json.loads(self.body or b"{}")
        asks = other_actions.log_asks(
            operation, members, region=self.region, context=self._context()
        )
        self.access.require(self.caller, asks, self.service)

    def _context(self) -> Context:
        return self.access.context(self.caller, self.region)

    def _form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))


@cache
def _log_members() -> frozenset[str]:
    model = botocore.session.get_session().get_service_model("logs")
    shapes = [model.operation_model(name).input_shape for name in model.operation_names]
    return frozenset({"Action"}.union(*(shape.members for shape in shapes if shape)))


def _is_ambiguous(environ: WSGIEnvironment, body: bytes, service: str) -> bool:
    """Whether moto might see another request in it than this module does."""
    is_form = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() == _FORM
    if not _PATH.match(environ["RAW_URI"]):
        return True
    if service == "s3":
        # moto would take the members of a form for those of a query.
        return is_form or "multipart/" in environ.get("CONTENT_TYPE", "").lower()
    if service == "sagemaker":
        return False
    if (
        environ["REQUEST_METHOD"] != "POST"
        or environ.get("QUERY_STRING")
        or "HTTP_ACTION" in environ
    ):
        return True
    form = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if service == "logs":
        operation = target.rpartition(".")[2]
        # moto looks for members in the body as if it were a form, too.
        hidden = _log_members() & dict(form).keys()
        return is_form or bool(hidden) or not _OPERATION.fullmatch(operation)
    operation = dict(form).get("Action", "")
    doubled = len(dict(form)) < len(form)
    return not is_form or bool(target) or doubled or not _OPERATION.fullmatch(operation)
