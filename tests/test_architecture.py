"""The arrows between the rooms, and no others."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"airflow", "boto3", "botocore", "moto", "retraining", "local_sagemaker", "local_stack"}
PURE = {
    "conditions", "endpoint_requests", "gate", "job_requests", "naming", "settings",
}  # fmt: skip


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found & ROOMS


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
def test_a_room_imports_only_what_it_may(folder: str, allowed: set[str]) -> None:
    files = [*(ROOT / folder).rglob("*.py")]
    assert files
    used = {str(file.relative_to(ROOT)): imports(file) - allowed for file in files}
    assert {file: extra for file, extra in used.items() if extra} == {}


def test_the_pure_modules_know_neither_airflow_nor_aws() -> None:
    for name in PURE:
        assert imports(ROOT / "plugins" / "retraining" / f"{name}.py") <= {"retraining"}, name


def test_the_library_knows_no_pipeline() -> None:
    for file in (ROOT / "plugins" / "retraining").rglob("*.py"):
        assert "california" not in file.read_text().lower(), file


def test_airflow_does_not_run_the_library_as_plugins() -> None:
    assert "/retraining/" in (ROOT / "plugins" / ".airflowignore").read_text().splitlines()
