"""What a parameter of a DAG may be, as tests ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def unbounded(schema: Mapping[str, Any]) -> list[str]:
    """Return what a parameter's JSON schema leaves open, so that a run may be told anything."""
    told = schema.get("type", ())
    types = {told} if isinstance(told, str) else {*told}
    if not types or types - {"null", "boolean", "integer", "number", "string"}:
        return ["type"]
    wanted = []
    if types & {"integer", "number"}:
        wanted += ["minimum", "maximum"]
    if "string" in types and "enum" not in schema:
        wanted += ["pattern", "maxLength"]
    # Beyond it a number of JSON is none that all of Airflow can read.
    far = [name for name in ("minimum", "maximum") if abs(schema.get(name, 0)) >= 2**53]
    return [name for name in wanted if name not in schema] + far
