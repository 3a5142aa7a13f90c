"""Filters, sorts and pages the answers of List operations."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from local_sagemaker.errors import RequestInvalidError

_PAGE = 10

Summary = Mapping[str, object]
SortKey = Callable[[Summary], "str | float"]


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind of resource is listed.

    Attributes:
        answer: The member of the answer that holds the summaries.
        name: What of a summary ``NameContains`` searches.
        identity: The member that tells any two summaries apart.
        sort_keys: ``SortBy`` to the value that it sorts by; the first is the default.
        default_order: ``Ascending`` or ``Descending``, as the service documents it.
        equals: Filter to the member of the summary that it compares.
        members: Of a description, those that its summary has.
    """

    answer: str
    name: Callable[[Summary], str]
    identity: str
    sort_keys: Mapping[str, SortKey]
    default_order: str
    equals: Mapping[str, str]
    members: tuple[str, ...]


def list_page(
    listing: Listing, documents: Iterable[Mapping[str, object]], *, request: Mapping[str, object]
) -> dict[str, object]:
    """Answer a List operation.

    Args:
        listing: The kind's own rules.
        documents: The descriptions of every resource of the kind.
        request: The caller's filters, order, ``MaxResults`` (10 if absent) and ``NextToken``.

    Returns:
        One page, and the ``NextToken`` if there is more. A token remembers the last item that was
        seen, so that items which come or go between two pages neither repeat nor hide others.

    Raises:
        RequestInvalidError: The token is not one that this query was given.
    """
    sort_key = listing.sort_keys[str(request.get("SortBy", next(iter(listing.sort_keys))))]
    descending = request.get("SortOrder", listing.default_order) == "Descending"

    def position(summary: Summary) -> tuple[str | float, str]:
        return sort_key(summary), str(summary[listing.identity])

    summaries = (_summarise(listing, document) for document in documents)
    found = sorted(
        (summary for summary in summaries if _matches(listing, summary, request=request)),
        key=position,
        reverse=descending,
    )
    query = _query(request)
    if token := request.get("NextToken"):
        after = _read_token(str(token), query)
        found = [
            summary
            for summary in found
            if (position(summary) < after if descending else position(summary) > after)
        ]
    size = int(str(request.get("MaxResults", _PAGE)))
    page: dict[str, object] = {listing.answer: found[:size]}
    if len(found) > size:
        page["NextToken"] = _write_token(position(found[size - 1]), query)
    return page


def _summarise(listing: Listing, document: Mapping[str, object]) -> Summary:
    return {name: document[name] for name in listing.members if name in document}


def _matches(listing: Listing, summary: Summary, *, request: Mapping[str, object]) -> bool:
    for name, value in request.items():
        match name:
            case "NameContains":
                kept = str(value).lower() in listing.name(summary).lower()
            case "CreationTimeAfter" | "LastModifiedTimeAfter":
                kept = _time(summary, name.removesuffix("After")) > float(str(value))
            case "CreationTimeBefore" | "LastModifiedTimeBefore":
                kept = _time(summary, name.removesuffix("Before")) < float(str(value))
            case _ if name in listing.equals:
                kept = summary.get(listing.equals[name]) == value
            case _:
                kept = True
        if not kept:
            return False
    return True


def _time(summary: Summary, name: str) -> float:
    return float(str(summary[name]))


def _query(request: Mapping[str, object]) -> str:
    query = {key: value for key, value in request.items() if key not in {"NextToken", "MaxResults"}}
    return hashlib.sha256(json.dumps(query, sort_keys=True).encode()).hexdigest()[:16]


def _write_token(position: tuple[str | float, str], query: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([query, *position]).encode()).decode()


def _read_token(token: str, query: str) -> tuple[str | float, str]:
    try:
        asked, value, identity = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError) as error:
        raise RequestInvalidError("The NextToken is not one of this service's.") from error
    if asked != query:
        raise RequestInvalidError("The NextToken belongs to a request with other parameters.")
    return value, identity
