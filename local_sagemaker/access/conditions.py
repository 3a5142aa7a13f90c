"""Conditions of IAM's policies: operators, keys, and what cannot be told.

Source: the IAM User Guide, "IAM JSON policy elements: Condition operators", "Multivalued context
keys" and "AWS global condition context keys".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

# Keys that this server has a value for whenever the service would, in lower case as IAM compares
# them. A condition on any other key is refused.
_KEYS = {
    f"{service}:{name}"
    for service, names in {
        "aws": (
            *("currenttime", "epochtime", "multifactorauthpresent", "principalaccount"),
            *("principalarn", "principaltype", "requestedregion", "resourceaccount"),
            *("securetransport", "sourceaccount", "sourcearn", "tokenissuetime", "userid"),
            *("username", "viaawsservice"),
        ),
        "iam": ("associatedresourcearn", "passedtoservice"),
        "s3": (
            *("delimiter", "max-keys", "prefix", "resourceaccount", "versionid", "x-amz-acl"),
            *("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"),
            "x-amz-storage-class",
        ),
        "sagemaker": (
            *("intercontainertrafficencryption", "keepaliveperiod", "maxruntimeinseconds"),
            *("modelapprovalstatus", "modelarn", "networkisolation", "outputkmskey"),
            *("serverlessmaxconcurrency", "serverlessmemorysize", "taggingaction"),
            "volumekmskey",
        ),
        "sts": ("externalid", "rolesessionname"),
    }.items()
    for name in names
}
_MULTIVALUED = {
    "aws:tagkeys",
    "sagemaker:instancetypes",
    "sagemaker:vpcsecuritygroupids",
    "sagemaker:vpcsubnets",
}
# Keys that go on with a name of the caller's choice.
_OPEN = (
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "sagemaker:resourcetag/",
    "sagemaker:customermetadataproperties/",
)
_QUANTIFIERS = ("ForAllValues:", "ForAnyValue:")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"\s*([^,]*?)\s*,\s*'([^']*)'\s*")
# ${*} and its like are the characters themselves; these stand for them until a text is compared.
_LITERALS = {"*": "\ue000", "?": "\ue001", "$": "\ue002"}


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a request.

    Attributes:
        values: Of each key in lower case; a key that the request lacks is not there.
        untold: How keys begin whose values are not known here, though the service may have one.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    untold: tuple[str, ...] = ()

    def knows(self, key: str) -> bool:
        """Whether this server can tell a key's value, or that there is none."""
        return not key.startswith(self.untold) if self.untold else True

    def having(self, values: Mapping[str, tuple[str, ...]]) -> Context:
        """Return it with more values, whose keys may be written in any case."""
        more = {key.lower(): held for key, held in values.items()}
        return Context({**self.values, **more}, self.untold)


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of one operator.

    Attributes:
        operator: Without quantifier and ``IfExists``.
        quantifier: ``ForAllValues:``, ``ForAnyValue:`` or nothing.
        if_exists: A request without the key passes.
        key: In lower case.
        wanted: The policy's values.
        variables: ``${…}`` in them is a variable.
    """

    operator: str
    quantifier: str
    if_exists: bool
    key: str
    wanted: tuple[str, ...]
    variables: bool

    def problem(self) -> str:
        """Return why this server cannot evaluate it; nothing if it can."""
        if self.key not in _KEYS | _MULTIVALUED and not self.key.startswith(_OPEN):
            return f"the condition key {self.key} is not evaluated here"
        if self.key in _MULTIVALUED and not self.quantifier and self.operator != "Null":
            return f"{self.key} has several values: it needs ForAllValues or ForAnyValue"
        if self.operator == "Null":
            wrong = {text.lower() for text in self.wanted} - {"true", "false"}
            return f"Null takes true or false, not {wrong.pop()}" if wrong else ""
        if self.operator not in _OPERATORS:
            return f"the condition operator {self.operator} is not evaluated here"
        return next(filter(None, map(self._problem_of_value, self.wanted)), "")

    def _problem_of_value(self, text: str) -> str:
        if self.variables and (unknown := unknown_variable(text)):
            return f"the policy variable ${{{unknown}}} is not evaluated here"
        converts = [_CONVERT[kind] for kind in _CONVERT if self.operator.startswith(kind)]
        if any(convert(text) is None for convert in converts):
            return f"{self.operator} cannot compare with {text!r}"
        return ""

    def holds(self, context: Context) -> bool | None:
        """Return whether a request meets it; None if that cannot be told."""
        if not context.knows(self.key):
            return None
        found = context.values.get(self.key)
        if self.operator == "Null":
            return any((found is None) == (text.lower() == "true") for text in self.wanted)
        if self.if_exists and found is None:
            return True
        wanted = [resolve(text, context) if self.variables else text for text in self.wanted]
        known = [text for text in wanted if text is not None]
        return None if len(known) < len(wanted) else self._meets(found, known)

    def _meets(self, found: tuple[str, ...] | None, wanted: list[str]) -> bool:
        matches, negated = _OPERATORS[self.operator]
        met = [any(matches(text, value) for text in wanted) != negated for value in found or ()]
        if self.quantifier == "ForAllValues:":
            return all(met)
        if self.quantifier == "ForAnyValue:" or found is not None:
            return any(met)
        return negated


def read_condition(
    written: str, key: str, *, wanted: tuple[str, ...], variables: bool
) -> Condition:
    """Return a condition of a policy.

    Args:
        written: The operator as it stands there, such as ``ForAnyValue:StringLikeIfExists``.
        key: The condition key.
        wanted: The values.
        variables: ``${…}`` in them is a variable.
    """
    quantifier = next((each for each in _QUANTIFIERS if written.startswith(each)), "")
    name = written.removeprefix(quantifier)
    if_exists = name.endswith("IfExists")
    operator_name = name.removesuffix("IfExists")
    return Condition(operator_name, quantifier, if_exists, key.lower(), wanted, variables)


def resolve(text: str, context: Context) -> str | None:
    """Return a policy's text with its variables replaced; None if one has no value."""
    parts, end = [], 0
    for found in _VARIABLE.finditer(text):
        name = found[1]
        default = _DEFAULT.fullmatch(name)
        held = context.values.get((default[1] if default else name).lower())
        value = held[0] if held and len(held) == 1 else default[2] if default else None
        if name in _LITERALS:
            value = name
        if value is None:
            return None
        # A star that comes from a value is no wildcard.
        for character, stand_in in _LITERALS.items():
            value = value.replace(character, stand_in)
        parts += [text[end : found.start()], value]
        end = found.end()
    return "".join([*parts, text[end:]])


def unknown_variable(text: str) -> str:
    """Return the first variable of a text that never has a value here; else nothing."""
    for found in _VARIABLE.finditer(text):
        default = _DEFAULT.fullmatch(found[1])
        key = (default[1] if default else found[1]).lower()
        if key not in _KEYS and not key.startswith(_OPEN) and found[1] not in _LITERALS:
            return found[1]
    return ""


def plain(text: str) -> str:
    """Return a resolved text as it compares without wildcards."""
    for character, stand_in in _LITERALS.items():
        text = text.replace(stand_in, character)
    return text


@lru_cache(maxsize=4096)
def wildcard(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Return a resolved pattern of ``*`` and ``?`` as an expression for `fullmatch`."""
    pieces = (
        ".*" if one == "*" else "." if one == "?" else re.escape(plain(one)) for one in pattern
    )
    return re.compile("".join(pieces), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def arn_matches(pattern: str, arn: str) -> bool:
    """Whether an ARN fits a resolved pattern, each of its six parts by itself.

    A pattern with fewer parts than six is completed by stars, as IAM does.
    """
    if pattern == "*":
        return True
    wanted, parts = pattern.split(":", 5), arn.split(":", 5)
    if wanted[0] != "arn" or len(parts) < 6:
        return plain(pattern) == arn
    wanted += ["*"] * (6 - len(wanted))
    return all(wildcard(one).fullmatch(part) for one, part in zip(wanted, parts, strict=True))


Matches = Callable[[str, str], bool]


def _equals(wanted: str, value: str) -> bool:
    return plain(wanted) == value


def _equals_any_case(wanted: str, value: str) -> bool:
    return plain(wanted).casefold() == value.casefold()


def _like(wanted: str, value: str) -> bool:
    return bool(wildcard(wanted).fullmatch(value))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _time(text: str) -> float | None:
    if (number := _number(text)) is not None:
        return number
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


_CONVERT: Mapping[str, Callable[[str], float | None]] = {"Numeric": _number, "Date": _time}
_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


def _ordered(kind: str, order: str) -> Matches:
    convert, compare = _CONVERT[kind], _ORDERS[order]

    def matches(wanted: str, value: str) -> bool:
        mine, theirs = convert(value), convert(plain(wanted))
        return mine is not None and theirs is not None and compare(mine, theirs)

    return matches


# Each with whether it holds where nothing matches.
_OPERATORS: Mapping[str, tuple[Matches, bool]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringEqualsIgnoreCase": (_equals_any_case, False),
    "StringNotEqualsIgnoreCase": (_equals_any_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "Bool": (_equals_any_case, False),
    "ArnEquals": (arn_matches, False),
    "ArnLike": (arn_matches, False),
    "ArnNotEquals": (arn_matches, True),
    "ArnNotLike": (arn_matches, True),
    **{f"{kind}{order}": (_ordered(kind, order), False) for kind in _CONVERT for order in _ORDERS},
    **{f"{kind}NotEquals": (_ordered(kind, "Equals"), True) for kind in _CONVERT},
}
