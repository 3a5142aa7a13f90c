from __future__ import annotations

import ast
from pathlib import Path

WEB = Path(__file__).resolve().parents[2] / "plugins" / "retraining" / "web"
INTERIORS = ("airflow.models", "airflow.utils", "airflow.api.", "sqlalchemy")


def imported(file: Path) -> set[str]:
    """Return the modules that a file imports when it runs, and not only to be checked."""
    nodes = [*ast.walk(ast.parse(file.read_text()))]
    checked = {
        inner
        for node in nodes
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node not in checked:
            found.add(node.module)
        elif isinstance(node, ast.Import) and node not in checked:
            found |= {alias.name for alias in node.names}
    return found


def test_only_one_module_of_the_page_knows_airflows_models() -> None:
    knowing = {
        file.name
        for file in WEB.glob("*.py")
        if any(name.startswith(INTERIORS) for name in imported(file))
    }
    assert knowing == {"airflow_db.py"}
