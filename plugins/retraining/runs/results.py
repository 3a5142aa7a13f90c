"""What an earlier task of the run returned, for templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN: dict[tuple[object, str], Mapping[str, str]] = {}


def result_of(ti: Any, task_id: str) -> Mapping[str, str]:
    """Return what a task of the same run returned: a macro of every DAG of this library.

    A task has many templates about the same result, and asks Airflow once for it.

    Raises:
        AirflowFailException: The task left no result.
    """
    key = ti.id, task_id
    if key not in _KNOWN:
        # A process is one task's, but for those of `dag.test()`.
        for other in [known for known in _KNOWN if known[0] != ti.id]:
            del _KNOWN[other]
        result = ti.xcom_pull(task_id)
        if result is None:
            raise AirflowFailException(
                f"{task_id} left no result: if it was marked as success by hand, clear it"
            )
        _KNOWN[key] = result
    return _KNOWN[key]


def template(task_id: str, member: str) -> str:
    """Return the template of one member of a task's result."""
    return f"{{{{ result_of(ti, '{task_id}').{member} }}}}"
