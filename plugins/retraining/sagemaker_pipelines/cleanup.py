"""What a Cleanup step names: the steps whose outputs it deletes, and single objects of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining.gate.conditions import shown
from retraining.sagemaker_pipelines.references import DefinitionError

if TYPE_CHECKING:
    from retraining.sagemaker_pipelines.definition import Step

# Of these the objects are named; of a Training step the service finds them.
_BY_NAME = ("Processing", "Transform")


@dataclass(frozen=True, slots=True)
class Source:
    """A step whose outputs are deleted.

    Attributes:
        step: Its name.
        names_objects: Whether only objects that are named are deleted.
    """

    step: str
    names_objects: bool


def sources(step: Step) -> tuple[Source, ...]:
    """Return the sources of a Cleanup step.

    Raises:
        DefinitionError: Its arguments are none that the SageMaker SDK 3.27 writes.
    """
    where = f"step {step.name}: Arguments"
    resources = _only(step.arguments, {"Resources"}, where)["Resources"]
    listed = _only(resources, {"S3"}, f"{where}.Resources")["S3"]
    if not isinstance(listed, list) or not listed:
        raise DefinitionError(f"{where}.Resources.S3 is {shown(listed)}, not a list of sources")
    return tuple(
        _source(item, f"{where}.Resources.S3[{number}]") for number, item in enumerate(listed)
    )


def check(step: Step, steps: Mapping[str, Step]) -> None:
    """Make sure that the sources of a Cleanup step are there, and of types that have outputs.

    Raises:
        DefinitionError: One is not.
    """
    for source in sources(step):
        where = f"step {step.name}: the source {source.step}"
        if source.step not in steps:
            raise DefinitionError(f"{where} is no step")
        kind = steps[source.step].kind
        if kind not in {"Training", *_BY_NAME}:
            raise DefinitionError(f"{where} is of type {kind}, whose outputs are not deleted")
        if (kind in _BY_NAME) != source.names_objects:
            told = "names no S3Uris" if kind in _BY_NAME else "names S3Uris"
            raise DefinitionError(
                f"{where} {told}; a Training step's are found, those of {' and '.join(_BY_NAME)}"
                " are named"
            )


def _source(wire: object, where: str) -> Source:
    if not isinstance(wire, Mapping) or not {"StepName"} <= wire.keys() <= {"StepName", "S3Uris"}:
        raise DefinitionError(f"{where} is {shown(wire)}, not a StepName and S3Uris")
    name, uris = wire["StepName"], wire.get("S3Uris")
    if not isinstance(name, str):
        raise DefinitionError(f"{where}.StepName is {shown(name)}, not a text")
    if uris is not None and (not isinstance(uris, list) or not uris):
        raise DefinitionError(f"{where}.S3Uris is {shown(uris)}, not a list of URIs")
    return Source(name, uris is not None)


def _only(value: object, names: set[str], where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or value.keys() != names:
        raise DefinitionError(f"{where} is {shown(value)}, not an object with {', '.join(names)}")
    return value
