"""The arrows between the rooms, and no others."""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"airflow", "boto3", "botocore", "moto", "retraining", "local_sagemaker", "local_stack"}

# The library's rooms from the ground up. Those of one storey do not know each other; a room may
# import from any storey below its own.
STOREYS = (
    {"naming", "settings"},
    {"retries", "notifications", "python_tasks"},
    {"aws", "gate"},
    {"pipeline"},
    {"runs"},
    {"params", "dag_defaults", "jobs"},
    {"registry"},
    {"deployment"},
    {"champion"},
    {"approval", "past_runs", "web"},
    {"sagemaker_pipelines"},
    {"plugin", "provider", "steps"},
)
PURE = ("naming.py", "settings.py", "gate/*.py", "jobs/requests.py", "registry/requests.py",
        "deployment/requests.py", "sagemaker_pipelines/references.py",
        "sagemaker_pipelines/conditions.py", "sagemaker_pipelines/definition.py",
        "sagemaker_pipelines/refusals.py", "sagemaker_pipelines/form.py",
        "sagemaker_pipelines/from_sdk.py", "sagemaker_pipelines/notation.py",
        "sagemaker_pipelines/shapes.py", "sagemaker_pipelines/shared_texts.py",
        "sagemaker_pipelines/python_text.py")  # fmt: skip


def modules(package: Path) -> dict[str, Path]:
    """Return the modules of a package by their dotted names."""
    return {
        ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): file
        for file in package.rglob("*.py")
    }


def imported(file: Path) -> set[str]:
    """Return the dotted names that a file imports; with ``from a import b`` both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def arrows(package: str) -> dict[str, set[str]]:
    """Return which modules of a package each of its modules imports."""
    there = modules(ROOT / package)
    return {
        name: {target for target in imported(file) if target in there} - {name}
        for name, file in there.items()
    }


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("dags", {"airflow", "retraining"}),
        ("plugins/retraining", {"airflow", "botocore", "retraining"}),
        ("include/scripts", set()),
        ("local_sagemaker", {"botocore", "boto3", "moto", "local_sagemaker"}),
        ("local_stack", {"airflow", "botocore", "boto3", "retraining", "local_stack"}),
    ],
)
def test_a_package_imports_only_what_it_may(folder: str, allowed: set[str]) -> None:
    files = [*(ROOT / folder).rglob("*.py")]
    assert files
    used = {
        str(file.relative_to(ROOT)): ({name.split(".")[0] for name in imported(file)} & PACKAGES)
        - allowed
        for file in files
    }
    assert {file: extra for file, extra in used.items() if extra} == {}


def test_each_room_of_the_library_stands_on_a_storey_and_says_what_it_must_not_know() -> None:
    library = ROOT / "plugins" / "retraining"
    rooms = {room_of(name) for name in modules(library)} - {""}
    assert rooms == set().union(*STOREYS)
    for charter in library.glob("*/__init__.py"):
        words = ast.get_docstring(ast.parse(charter.read_text(encoding="utf-8"))) or ""
        assert "must not know" in words, charter


def test_no_arrow_between_the_librarys_rooms_runs_upward() -> None:
    height = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}
    upward = [
        f"{source} -> {target}"
        for source, targets in arrows("plugins/retraining").items()
        for target in targets
        if room_of(source)
        and room_of(target)
        and room_of(source) != room_of(target)
        and height[room_of(source)] <= height[room_of(target)]
    ]
    assert upward == []


@pytest.mark.parametrize("package", ["plugins/retraining", "local_sagemaker", "local_stack"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for source, targets in arrows(package).items():
        # A package's __init__ is no module of a circle: it is imported with each of its own.
        graph[source] |= {target for target in targets if not source.startswith(f"{target}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("pattern", PURE)
def test_the_pure_modules_know_neither_airflow_nor_aws(pattern: str) -> None:
    files = [*(ROOT / "plugins" / "retraining").glob(pattern)]
    assert files
    for file in files:
        known = {name.split(".")[0] for name in imported(file)} & PACKAGES
        assert known <= {"retraining"}, file


def test_airflow_does_not_run_the_library_as_plugins() -> None:
    assert "/retraining/" in (ROOT / "plugins" / ".airflowignore").read_text().splitlines()
