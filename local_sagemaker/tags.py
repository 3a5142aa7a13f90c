"""The tags of a resource, by its ARN, in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_sagemaker.errors import RequestInvalidError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local_sagemaker.store import Store

_MOST = 50


def put_tags(store: Store, arn: str, *, tags: Iterable[Mapping[str, str]]) -> None:
    """Add tags to a resource, or replace those with the same key.

    Raises:
        RequestInvalidError: A key begins with ``aws:`` or comes twice.
        ServiceError: ResourceLimitExceeded, the resource would have more than 50.
    """
    new = [(tag["Key"], tag["Value"]) for tag in tags]
    if reserved := [key for key, _ in new if key.lower().startswith("aws:")]:
        raise RequestInvalidError(f"aws: prefixed tag key names are not allowed: {reserved}.")
    if len({key for key, _ in new}) < len(new):
        raise RequestInvalidError("Tag keys must be unique within a request.")
    with store.transaction():
        held = {key for (key,) in store.execute("SELECT key FROM tags WHERE arn = ?", arn)}
        if len(held | {key for key, _ in new}) > _MOST:
            raise ServiceError("ResourceLimitExceeded", f"{arn} would have more than {_MOST} tags.")
        store.execute_many(
            "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", [(arn, *tag) for tag in new]
        )


def get_tags(store: Store, arn: str) -> list[dict[str, object]]:
    """Return a resource's tags in the order in which they came."""
    rows = store.execute("SELECT key, value FROM tags WHERE arn = ? ORDER BY rowid", arn)
    return [{"Key": key, "Value": value} for key, value in rows]


def get_tags_below(store: Store, prefix: str) -> dict[str, list[dict[str, object]]]:
    """Return the tags of all resources whose ARN begins so, by ARN."""
    found: dict[str, list[dict[str, object]]] = {}
    rows = store.execute(
        "SELECT arn, key, value FROM tags WHERE arn >= ? AND arn < ? ORDER BY rowid",
        prefix,
        f"{prefix}\U0010ffff",
    )
    for arn, key, value in rows:
        found.setdefault(str(arn), []).append({"Key": key, "Value": value})
    return found


def drop_tags(store: Store, arn: str) -> None:
    """Forget all tags of a resource that is deleted."""
    store.execute("DELETE FROM tags WHERE arn = ?", arn)
