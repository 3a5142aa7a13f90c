"""The task of a step that is no job.

A definition's arguments hold no Jinja templates, and a text that looks like one stays as it is:
to render a task is to resolve its step's references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from retraining.sagemaker_pipelines.execution import Execution

if TYPE_CHECKING:
    from airflow.sdk import Context

    from retraining.sagemaker_pipelines.execution import Pipeline


class StepTask(BaseOperator):
    """A task that executes a step which is no job.

    Args:
        compiled: The definition, as the DAG runs it.
        step: The step's name.
        arguments: Those of every operator.
    """

    # Airflow shows them, first as they are written and then what they led to.
    template_fields = ("step_arguments",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"step_arguments": "json"}

    def __init__(self, *, compiled: Pipeline, step: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.compiled = compiled
        self.step = step
        self.step_arguments = dict(compiled.nodes[step].step.arguments)

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:  # noqa: ARG002
        """Resolve the references in the step's arguments, if it is to be executed.

        Raises:
            AirflowFailException: One leads to nothing.
            AirflowSkipException: The step is not to be executed.
        """
        execution = Execution(self.compiled, context)
        execution.begin(self.step)
        self.step_arguments = self.resolved(execution)

    def resolved(self, execution: Execution) -> dict[str, Any]:
        """Return the step's arguments with what its references lead to."""
        return dict(execution.arguments(self.step))

    def execute(self, context: Context) -> Any:
        """Execute the step."""
        return self.run(Execution(self.compiled, context), context)

    def run(self, execution: Execution, context: Context) -> Any:
        """Do the step's work."""
        raise NotImplementedError
