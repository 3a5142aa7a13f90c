"""The task that finds the versions that a run is measured by."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from retraining.aws import clients
from retraining.champion import finding
from retraining.params import UNDECIDABLE, UNSCORED_CHAMPION
from retraining.python_tasks import PipelineTask
from retraining.runs.results import template

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


class FindChampionTask(PipelineTask):
    """Finds the versions that a run is measured by; later tasks take them by template."""

    def template(self, role: str, member: str) -> str:
        """Return the template of what is told of the version in a role.

        Args:
            role: One of ``finding.ROLES``.
            member: One of ``finding.MEMBERS``; it renders to "" where there is no such version, or
                the version does not say.

        Raises:
            ValueError: There is no such role or member.
        """
        if role not in finding.ROLES or member not in finding.MEMBERS:
            raise ValueError(
                f"{self.task_id} finds no {role}.{member}, but of {', '.join(finding.ROLES)} each"
                f" {', '.join(finding.MEMBERS)}"
            )
        return template(self.task_id, f"{role}.{member}")

    @property
    def inputs(self) -> dict[str, str]:
        """The champion's archive, for the ``optional_inputs`` of the step that evaluates."""
        champion = template(self.task_id, finding.CHAMPION).removeprefix("{{ ").removesuffix(" }}")
        return {"champion": f"{{{{ '' if {champion}.lost else {champion}.model_uri }}}}"}

    @property
    def arguments(self) -> dict[str, str]:
        """What the same step's script is told of it; its version is "" where there is none."""
        unscored = f"{{{{ params.get('{UNSCORED_CHAMPION}', '{UNDECIDABLE}') }}}}"
        return {
            "champion-version": self.template(finding.CHAMPION, "arn"),
            "unscored-champion": unscored,
        }


def find_champion(
    *, pipeline: str, endpoint_name: str, run: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Find the versions that a run is measured by.

    Args:
        pipeline: The model package group.
        endpoint_name: Where a version serves.
        run: What the run works on.

    Returns:
        For each of ``finding.ROLES`` its ``finding.MEMBERS``, all texts.
    """
    found = finding.find(
        clients.client("sagemaker"),
        clients.client("s3"),
        pipeline,
        endpoint_name=endpoint_name,
        snapshot=run["snapshot"],
        run_uri=run["run_uri"],
    )
    for role, item in found.items():
        told = f"version {item.version.number}: {item.why}" if item.version else item.why
        log.info("%s: %s%s", role, told, f"; {item.lost}" if item.lost else "")
    return {role: item.to_result() for role, item in found.items()}
