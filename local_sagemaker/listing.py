"""Filters, sorts and pages the answers of List operations."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from local_sagemaker.errors import RequestInvalidError

if TYPE_CHECKING:
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Position, Store

_PAGE = 10
# What the documents of any kind can be sorted by: `SortBy`, and the store's word for it.
ORDERS = {"CreationTime": "created", "Name": "name", "Status": "status"}

Summary = Mapping[str, object]
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind of resource is listed.

    Attributes:
        answer: The member of the answer that holds the summaries.
        name: What of a summary ``NameContains`` searches.
        default_order: ``Ascending`` or ``Descending``, as the service documents it.
        members: Of a description, those that its summary has.
        orders: ``SortBy`` to what `Store.walk` sorts by.
        default_sort: Without ``SortBy``, as the service documents it.
    """

    answer: str
    name: Callable[[Summary], str]
    default_order: str
    members: tuple[str, ...]
    orders: Mapping[str, str] = field(default_factory=lambda: ORDERS)
    default_sort: str = "CreationTime"


def list_page(
    listing: Listing,
    store: Store,
    *,
    kind: str,
    request: Request,
    parent: str | None = None,
    only: Callable[[Summary], bool] = lambda _: True,
) -> dict[str, object]:
    """Answer a List operation; it goes through the store in order, no further than it must.

    Args:
        listing: The kind's own rules.
        store: Where the resources are.
        kind: What they are in the store.
        request: The caller's filters, order, ``MaxResults`` (10 if absent) and ``NextToken``.
        parent: The only model package group whose packages are listed.
        only: A filter of the kind's own, on its summaries.

    Returns:
        One page, and the ``NextToken`` if there is more. A token remembers the last item that was
        seen, so that items which come or go between two pages neither repeat nor hide others.

    Raises:
        RequestInvalidError: The token is not one that this query was given.
    """
    asked = request.members

    def walk(after: Position | None) -> Iterator[tuple[Position, Summary]]:
        found = store.walk(
            request.region,
            kind,
            order=listing.orders[str(asked.get("SortBy", listing.default_sort))],
            descending=asked.get("SortOrder", listing.default_order) == "Descending",
            after=after,
            status=asked.get("StatusEquals"),
            parent=parent,
            # Of each kind the store knows the name in lower case, or what has that in it.
            part=str(asked.get("NameContains", "")).lower(),
        )
        for position, document in found:
            summary = _summarise(listing, document)
            if only(summary) and _matches(listing, summary, request=asked):
                yield position, summary

    return page_of(walk, answer=listing.answer, request=request)


def page_of(
    walk: Callable[[Position | None], Iterator[tuple[Position, Summary]]],
    *,
    answer: str,
    request: Request,
) -> dict[str, object]:
    """Return one page of an answer.

    Args:
        walk: Where to begin behind to the summaries, in order.
        answer: The member that holds them.
        request: Has ``MaxResults`` and ``NextToken``.

    Raises:
        RequestInvalidError: See `list_page`.
    """
    asked = request.members
    query = _query(asked)
    token = asked.get("NextToken")
    size = int(str(asked.get("MaxResults", _PAGE)))
    found: list[Summary] = []
    page: dict[str, object] = {answer: found}
    last: Position | None = None
    for position, summary in walk(_read_token(str(token), query) if token else None):
        if last is not None and len(found) == size:
            page["NextToken"] = _write_token(last, query)
            break
        found.append(summary)
        last = position
    return page


def in_order(
    entries: Iterable[tuple[Any, _Entry]], after: Position | None, *, descending: bool
) -> Iterator[tuple[Position, _Entry]]:
    """Go through what was computed, as `Store.walk` does through what it keeps.

    Args:
        entries: Each with its position, a value and a name.
        after: Begin behind this position, which a token has kept.
        descending: The last one first.
    """
    # JSON has no tuples.
    begin = after and tuple(tuple(part) if isinstance(part, list) else part for part in after)
    for position, entry in sorted(entries, key=itemgetter(0), reverse=descending):
        if begin is None or (position < begin if descending else position > begin):
            yield position, entry


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


def _write_token(position: Position, query: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([query, *position]).encode()).decode()


def _read_token(token: str, query: str) -> Position:
    try:
        asked, value, name = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError) as error:
        raise RequestInvalidError("The NextToken is not one of this service's.") from error
    if asked != query:
        raise RequestInvalidError("The NextToken belongs to a request with other parameters.")
    return value, name
