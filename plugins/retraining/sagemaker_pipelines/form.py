"""The form of a definition's parameters: keyword arguments of ``airflow.sdk.Param``, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retraining.sagemaker_pipelines.references import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retraining.sagemaker_pipelines.definition import Definition, Parameter

# What Airflow's form calls a type.
TYPES: Mapping[str, str] = {
    "String": "string", "Integer": "integer", "Float": "number", "Boolean": "boolean",
}  # fmt: skip
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def form(definition: Definition, snapshot: str | None) -> dict[str, dict[str, Any]]:
    """Return each parameter's arguments; without ``default`` where a run must give a value.

    Args:
        definition: Whose parameters they are.
        snapshot: The parameter that is the date of the data; None if none is.

    Raises:
        DefinitionError: The snapshot is no String parameter of it.
    """
    texts = {parameter.name for parameter in definition.parameters if parameter.kind == "String"}
    if snapshot is not None and snapshot not in texts:
        raise DefinitionError(
            f"pipeline {definition.name}: snapshot={snapshot!r} is no String parameter of it"
        )
    return {
        parameter.name: _date() if parameter.name == snapshot else _field(parameter)
        for parameter in definition.parameters
    }


def _field(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": TYPES[parameter.kind], "title": parameter.name}
    if parameter.values:
        schema["enum"] = list(parameter.values)
    elif parameter.kind == "String" and parameter.default != "":
        # The service refuses an empty text.
        schema["minLength"] = 1
    if parameter.default is None:
        return {"description": "A value is wanted.", **schema}
    return {"default": parameter.default, **schema}


def _date() -> dict[str, Any]:
    return {
        "default": None,
        "type": ["null", "string"],
        "pattern": _DATE,
        "title": "Date of the data",
        "description": "Empty: the run's own date.",
    }
