"""The tickets' pipeline made otherwise, as authors will: its files with a few words changed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.front_door.project import ROOT, TICKETS

if TYPE_CHECKING:
    from tests.front_door.project import Project

_REPORT = "    report = metrics | origin("
_SMOKE = "    smoke = Smoke(requests, answered,"
DEEP_POLICY = """(
        Or((GreaterThan(ACCURACY, Parameter("least_accuracy")), Equals(ACCURACY, 1))),
        Not(In(Metric("models.linear.kind"), ("nearest", "tree"))),
        Not(LessThan(Metric("models['by desk'][0].accuracy"), 0.1)),
    )"""


def add_tickets(project: Project) -> None:
    """Copy the pipeline as it is."""
    for folder in ("dags", "include"):
        shutil.copytree(TICKETS / folder, project.folder / folder, dirs_exist_ok=True)


def add_own(project: Project, name: str) -> None:
    """Copy one of the pipelines of this repository."""
    scripts = f"include/scripts/{name}"
    kept_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / scripts, project.folder / scripts, ignore=kept_out)
    shutil.copy(ROOT / f"dags/{name}_retraining.py", project.folder / "dags")


def add_reports(project: Project) -> None:
    """Copy the DAG that reports on past runs."""
    shutil.copy(ROOT / "dags/past_runs_report.py", project.folder / "dags")


def add_second_dag(project: Project) -> None:
    """Another DAG of the same pipeline, which asks for more."""
    text = _changed("dags/tickets_retraining.py", {
        'dag_id="tickets_retraining"': 'dag_id="tickets_strict"',
        "threshold(0.8": "threshold(0.99",
    })  # fmt: skip
    project.write("dags/tickets_strict.py", text)


def add_without_accuracy(project: Project) -> None:
    """A pipeline of a name with capitals, whose report lacks what its gate asks for."""
    _add(project, "Tickets-Without-Accuracy", evaluate={
        _REPORT: f'    del metrics["multiclass_classification_metrics"]["accuracy"]\n{_REPORT}',
    })  # fmt: skip


def add_deep(project: Project) -> None:
    """A pipeline with a report three levels deep, every kind of condition, and a partial test."""
    _add(
        project,
        "DEEP-tickets-2",
        dag={
            'Metric("multiclass_classification_metrics.accuracy")':
                'Metric("models.linear.test_metrics.accuracy")',
            '(GreaterThanOrEqualTo(ACCURACY, Parameter("least_accuracy")),)': DEEP_POLICY,
            "    GreaterThanOrEqualTo,\n":
                "    Equals,\n    GreaterThan,\n    In,\n    LessThan,\n    Not,\n    Or,\n",
        },
        evaluate={
            _REPORT: (
                '    found = metrics["multiclass_classification_metrics"]\n'
                '    linear = {"kind": "linear", "test_metrics": found}\n'
                '    each = [{"accuracy": 0.5}, {"accuracy": float("0.25")}]\n'
                '    metrics = {"models": {"linear": linear, "by desk": each}}\n'
                f"{_REPORT}"
            ),
            # The endpoint answers with more than this.
            _SMOKE: (
                '    answered = [{"desk": answer["desk"]} for answer in answered]\n'
                f"{_SMOKE}"
            ),
        },
    )  # fmt: skip


def _add(
    project: Project,
    name: str,
    *,
    dag: dict[str, str] | None = None,
    evaluate: dict[str, str] | None = None,
) -> None:
    folder = name.replace("-", "_")
    renamed = {'name="tickets"': f'name="{name}"', '"tickets_retrain': f'"{folder}_retrain'}
    project.write(
        f"dags/{folder}_retraining.py",
        _changed("dags/tickets_retraining.py", renamed | (dag or {})),
    )
    project.write(
        f"dags/{folder}_deployment.py",
        _changed("dags/tickets_deployment.py", {'dag("tickets"': f'dag("{name}"'}),
    )
    scripts = project.folder / "include/scripts" / folder
    shutil.copytree(TICKETS / "include/scripts/tickets", scripts)
    project.write(
        f"include/scripts/{folder}/evaluate.py",
        _changed("include/scripts/tickets/evaluate.py", evaluate or {}),
    )


def _changed(path: str, changes: dict[str, str]) -> str:
    text = (TICKETS / path).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text
