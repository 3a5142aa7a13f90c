"""IAM's policy documents, as statements that can be evaluated.

Source: the IAM User Guide, "IAM JSON policy elements reference".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from local_sagemaker.access.conditions import (
    Condition,
    Context,
    arn_matches,
    read_condition,
    resolve,
    unknown_variable,
    wildcard,
)

# Only in this version are variables more than text.
_VARIABLES = "2012-10-17"
_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Condition"}
_OF_IDENTITIES, _OF_TRUST = {"Resource", "NotResource"}, {"Principal", "NotPrincipal"}


class PolicyError(Exception):
    """A document that is no policy, or that this server cannot evaluate; the text says why."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One permission that a request needs.

    Attributes:
        action: Such as ``s3:GetObject``.
        resource: An ARN; ``*`` for actions that have none.
        context: What conditions may ask.
        principals: Who asks, in a resource's own policy: kind and name, such as ``Service``.
    """

    action: str
    resource: str
    context: Context
    principals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy.

    Attributes:
        allows: Its Effect.
        actions: Of Action or NotAction, with wildcards.
        not_action: They are NotAction's.
        resources: Of Resource or NotResource, with wildcards and variables; empty in a role's
            trust policy, which is about the role itself.
        not_resource: They are NotResource's.
        principals: Kind and name of who is meant, in a trust policy.
        conditions: All of them must hold; those that cannot be evaluated are the problem.
        variables: ``${…}`` is a variable.
        problem: Why it cannot be evaluated here; empty if it can.
    """

    allows: bool
    actions: tuple[str, ...]
    not_action: bool
    resources: tuple[str, ...]
    not_resource: bool
    principals: tuple[tuple[str, str], ...]
    conditions: tuple[Condition, ...]
    variables: bool
    problem: str

    def concerns(self, ask: Ask) -> bool | None:
        """Return whether it speaks of what is asked; None if that cannot be told."""
        named = any(wildcard(one, ignore_case=True).fullmatch(ask.action) for one in self.actions)
        if named == self.not_action or not self._names_principal(ask):
            return False
        found = [self._has_resource(ask), *(one.holds(ask.context) for one in self.conditions)]
        if False in found:
            return False
        return None if self.problem or None in found else True

    def _has_resource(self, ask: Ask) -> bool | None:
        if not self.resources:
            return True
        matched: list[bool | None] = []
        for written in self.resources:
            pattern = resolve(written, ask.context) if self.variables else written
            matched.append(None if pattern is None else arn_matches(pattern, ask.resource))
        if True in matched:
            return not self.not_resource
        return None if None in matched else self.not_resource

    def _names_principal(self, ask: Ask) -> bool:
        if not self.principals:
            return True
        meant = set(self.principals)
        if ("AWS", "*") in meant and any(kind == "AWS" for kind, _ in ask.principals):
            return True
        return ("*", "*") in meant or not meant.isdisjoint(ask.principals)


@lru_cache(maxsize=1024)
def read_policy(text: str, *, trust: bool = False) -> tuple[Statement, ...]:
    """Read a policy document.

    Args:
        text: JSON.
        trust: It is a role's trust policy, whose statements have principals and no resources.

    Raises:
        PolicyError: It is no policy.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise PolicyError("it is not a JSON object")
    version = document.get("Version", "2008-10-17")
    statements = document.get("Statement", [])
    found = statements if isinstance(statements, list) else [statements]
    return tuple(_statement(one, trust=trust, variables=version == _VARIABLES) for one in found)


def check_policy(text: str, *, trust: bool = False) -> None:
    """Refuse a document that would not be evaluated to the letter.

    Raises:
        PolicyError: It is no policy, or one of its statements cannot be evaluated here.
    """
    for number, statement in enumerate(read_policy(text, trust=trust), start=1):
        if statement.problem:
            raise PolicyError(f"statement {number}: {statement.problem}")


def _statement(written: Any, *, trust: bool, variables: bool) -> Statement:
    if not isinstance(written, dict) or written.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError("each Statement must have an Effect, Allow or Deny")
    if unknown := set(written) - _ELEMENTS - (_OF_TRUST if trust else _OF_IDENTITIES):
        raise PolicyError(f"a Statement here has no element {sorted(unknown)[0]}")
    for element in ("Action", *(("Principal",) if trust else ("Resource",))):
        if (element in written) == (f"Not{element}" in written):
            raise PolicyError(f"each Statement must have either {element} or Not{element}")
    actions = _texts(written.get("Action", written.get("NotAction")), "Action")
    resources = _texts(written.get("Resource", written.get("NotResource", [])), "Resource")
    conditions = _conditions(written.get("Condition", {}), variables=variables)
    principals = tuple(_principals(written.get("Principal", {}))) if trust else ()
    problems = [
        *(condition.problem() for condition in conditions),
        "NotPrincipal is not evaluated here" if "NotPrincipal" in written else "",
        *(_resource_problem(one) for one in resources if variables),
    ]
    return Statement(
        allows=written["Effect"] == "Allow",
        actions=actions,
        not_action="NotAction" in written,
        resources=resources,
        not_resource="NotResource" in written,
        principals=principals,
        conditions=tuple(one for one in conditions if not one.problem()),
        variables=variables,
        problem=next(filter(None, problems), ""),
    )


def _resource_problem(resource: str) -> str:
    unknown = unknown_variable(resource)
    return f"the policy variable ${{{unknown}}} is not evaluated here" if unknown else ""


def _texts(written: object, element: str) -> tuple[str, ...]:
    found = written if isinstance(written, list) else [written]
    if not all(isinstance(one, str) for one in found):
        raise PolicyError(f"{element} must be a text or a list of texts")
    return tuple(found)


def _conditions(written: object, *, variables: bool) -> list[Condition]:
    if not isinstance(written, dict) or not all(isinstance(o, dict) for o in written.values()):
        raise PolicyError("Condition must have operators, and these keys with values")
    return [
        read_condition(name, key, wanted=_values(values), variables=variables)
        for name, keys in written.items()
        for key, values in keys.items()
    ]


def _values(written: object) -> tuple[str, ...]:
    found = written if isinstance(written, list) else [written]
    if not found or not all(isinstance(one, str | int | float) for one in found):
        raise PolicyError("a condition key must have texts, numbers, true or false as values")
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in found)


def _principals(written: object) -> list[tuple[str, str]]:
    if written == "*":
        return [("*", "*")]
    if not isinstance(written, dict):
        raise PolicyError("Principal must be * or name kinds of principals")
    return [(kind, name) for kind, names in written.items() for name in _texts(names, "Principal")]
