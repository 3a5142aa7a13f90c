"""The library spells no name of a metric, a parameter or a column: it knows no pipeline."""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from retraining import Pipeline, params

from tests.front_door.project import ROOT, TICKETS
from tests.front_door.spelling import spelled

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from tests.front_door.conftest import Past

FOLDERS = {"california_housing": ROOT, "abalone": ROOT, "tickets": TICKETS}
# Names of a pipeline that are words of something else.
WORDS = {
    "length": "JavaScript's word for how many there are, and anybody's for how long a text is",
    "height": "CSS's and Matplotlib's word for how high something is drawn",
}
# What any pipeline's report has, and any evaluation is told, as SageMaker or docs/gates.md say.
SHAPES = {
    "regression_metrics", "multiclass_classification_metrics", "confusion_matrix", "value",
    "standard_deviation", "rows", "snapshot", "train", "validation", "test", "champion-version",
    "slices", "unscored-champion",
}  # fmt: skip
OF_CHAMPION = {"champion", "difference", "against_champion"}


def loaded(file: Path, *, beside: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"front_door_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(beside))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(beside))
    return module


def declared(name: str) -> set[str]:
    """The names in a pipeline's DAG: its metrics, and what it and its jobs can be told."""
    root = FOLDERS[name]
    module = loaded(root / "dags" / f"{name}_retraining.py", beside=root / "dags")
    pipeline: Pipeline = module.PIPELINE
    told: dict[str, Any] = {}
    arguments: list[str] = []
    for task in module.dag.tasks:
        config = getattr(task, "config", {})
        told |= config.get("HyperParameters", {})
        arguments += config.get("AppSpecification", {}).get("ContainerArguments", [])
    return (
        {pipeline.name, pipeline.folder}
        | {part for path in pipeline.metric_paths for part in path.split(".")}
        | set(pipeline.parameter_names)
        | (set(module.PARAMETERS) - set(params.retraining()))
        | {option for option in told if not option.startswith("sagemaker_")}
        | {part.removeprefix("--") for part in arguments if part.startswith("--")}
    )


def columns(name: str) -> set[str]:
    """The columns of all tables that a pipeline's scripts declare."""
    scripts = FOLDERS[name] / "include/scripts"
    module = loaded(scripts / name / "table.py", beside=ROOT / "include/scripts")
    tables = [
        value
        for value in vars(module).values()
        if isinstance(getattr(value, "columns", None), tuple)
    ]
    assert tables
    return {column.name for table in tables for column in table.columns}


def members(report: object) -> set[str]:
    """All names in a report, but in what it tells of a champion: these are the library's own."""
    if isinstance(report, dict):
        kept = {name: value for name, value in report.items() if name not in OF_CHAMPION}
        return set(kept).union(*map(members, kept.values()))
    return set().union(*map(members, report)) if isinstance(report, list) else set()


def sources() -> list[Path]:
    kinds = {".py", ".js", ".html", ".css"}
    library = ROOT / "plugins"
    return [
        file
        for file in sorted(library.rglob("*"))
        if file.suffix in kinds and "vendor" not in file.parts and "__pycache__" not in file.parts
    ]


def test_a_spelled_name_is_found_but_not_in_a_comment(tmp_path: Path) -> None:
    texts = {
        "a.py": '"""mse."""\n# rmse\ndef f(mae: int) -> str:\n    """r2."""\n    return f"{mae}"',
        "a.js": "// rmse, mse\nconst mae = /* r2 */ 1; // r2",
        "a.css": "/* mse rmse */ .mae { r2-x: 1 }",
        "a.html": "<p>mae</p><!-- mse -->{# r2 #}rmses",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert spelled(tmp_path / name, ["mse", "rmse", "mae", "r2"]) == {"mae"}, name


def test_the_names_are_those_of_the_pipelines() -> None:
    assert {
        "california-housing", "r2_score", "r2_threshold", "features", "fit-intercept"
    } <= declared("california_housing")  # fmt: skip
    assert {"abalone", "mse", "mse_threshold", "num_round", "max_depth"} <= declared("abalone")
    assert {"tickets", "accuracy", "least_accuracy"} <= declared("tickets")
    assert {"MedInc", "MedHouseVal"} <= columns("california_housing")
    assert {"rings", "shell_weight", "sex_M"} <= columns("abalone")
    assert columns("tickets") == {"wording", "desk"}


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_the_library_spells_no_name_of_a_pipeline(past: Past) -> None:
    reports = {
        name: past.report(run)
        for name, run in (
            ("california_housing", "houses"), ("abalone", "light"), ("tickets", "passed"),
        )
    }  # fmt: skip
    assert {"r2_score", "weighted_recall", "split_seed"} <= members(list(reports.values()))
    names = {"california", "housing"}.union(
        *(declared(name) | columns(name) | members(reports[name]) for name in FOLDERS)
    )
    assert len(names) > 60
    files = sources()
    assert len(files) > 80
    found = {
        str(file.relative_to(ROOT)): sorted(words)
        for file in files
        if (words := spelled(file, names - SHAPES - set(WORDS)))
    }
    assert found == {}, json.dumps(found, indent=2)


def test_no_exception_is_kept_that_nobody_needs() -> None:
    needed = set().union(*(spelled(file, WORDS) for file in sources()))
    assert needed == set(WORDS)
    assert set(WORDS) <= set().union(*(columns(name) | declared(name) for name in FOLDERS))
