"""The tasks of a ForEach step: one finds the items, and one says how the iterations have ended.

Between them stands a group of tasks that Airflow makes for each item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from retraining.sagemaker_pipelines.execution import Execution
from retraining.sagemaker_pipelines.for_each import COUNTS, ITEMS, STATUS, items_of
from retraining.sagemaker_pipelines.references import SELECTED, UnresolvedError, resolved
from retraining.sagemaker_pipelines.step_task import StepTask

if TYPE_CHECKING:
    from airflow.sdk import Context

_RETURN_VALUE = "return_value"


class ForEachItemsOperator(StepTask):
    """Finds the items of a ForEach step.

    Returns:
        Them.
    """

    def run(self, execution: Execution, context: Context) -> list[Any]:
        """Find them.

        Raises:
            AirflowFailException: They are no list, or too many.
        """
        del execution, context
        try:
            items = items_of(self.step_arguments[ITEMS], f"step {self.step}: {ITEMS}")
        except UnresolvedError as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("%d items", len(items))
        return items


class ForEachStepOperator(StepTask):
    """Ends a ForEach step: fails it if an iteration has failed, and picks one if it has a selector.

    Returns:
        ``Status``, the counts, and the index that was picked as ``Selected``.
    """

    def resolved(self, execution: Execution) -> dict[str, Any]:
        """Leave the items to the task that finds them."""
        del execution
        return self.step_arguments

    def run(self, execution: Execution, context: Context) -> dict[str, Any]:
        """Say how it has ended.

        Raises:
            AirflowFailException: An iteration has failed; or the selector compares what is no
                number.
            AirflowSkipException: The step is not executed.
        """
        node = self.compiled.nodes[self.step]
        each = node.step.each
        assert each is not None  # noqa: S101 - the compiler makes it for a ForEach only
        ti = context["ti"]
        began = execution.states([node.begins])[node.begins]
        if began == "skipped":
            raise AirflowSkipException(f"step {self.step} is not executed")
        items = ti.xcom_pull(task_ids=node.begins)
        if began != "success" or not isinstance(items, list):
            raise AirflowFailException(f"step {self.step}: its items were not found: {began}")
        ended = execution.states([step.name for step in each.body])
        counted = [
            ended.get(f"{step.name}_{index}", "none")
            for step in each.body
            for index in range(len(items))
        ]
        succeeded = counted.count("success")
        counts = (len(items), len(counted), succeeded, len(counted) - succeeded, 0)
        told: dict[str, Any] = {
            STATUS: "Succeeded" if succeeded == len(counted) else "Failed",
            **dict(zip(COUNTS, counts, strict=True)),
            SELECTED: None,
        }
        if succeeded < len(counted):
            # For steps that want it to have failed.
            ti.xcom_push(_RETURN_VALUE, told)
            raise AirflowFailException(
                f"step {self.step}: {len(counted) - succeeded} of {len(counted)} steps of its"
                " iterations have not succeeded"
            )
        if each.selector and items:
            told[SELECTED] = self._picked(len(items), context)
        return told

    def _picked(self, count: int, context: Context) -> int:
        each = self.compiled.nodes[self.step].step.each
        assert each is not None  # noqa: S101 - as above
        selector = each.selector
        assert selector is not None  # noqa: S101 - the caller has one
        try:
            values = [
                resolved(selector.field, Execution(self.compiled, context, index))
                for index in range(count)
            ]
            index = selector.chosen(values, f"step {self.step}: the selector's field")
        except UnresolvedError as error:
            raise AirflowFailException(f"step {self.step}: {error}") from error
        self.log.info("iteration %d is picked: %s is %s", index, selector.pick, values[index])
        return index
