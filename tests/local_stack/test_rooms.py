"""The rooms of local_stack: who imports whom, also late and for types only."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import local_stack

FOLDER = Path(local_stack.__file__).parent
# From the ground up, beside errors, which every room may raise.
ARROWS = {
    "programs": set(),
    "samples": {"programs"},
    "services": {"programs"},
    "commands": {"programs", "samples", "services"},
    "__main__": {"programs", "samples", "services", "commands"},
    "errors": set(),
    "__init__": set(),
}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(FOLDER.parent).with_suffix("").parts)


MODULES = {module_of(file): file for file in FOLDER.rglob("*.py")}


def imported(file: Path) -> set[str]:
    """The modules of this package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(MODULES)


def room(module: str) -> str:
    return module.split(".")[1]


def test_each_room_imports_only_from_rooms_below_it() -> None:
    for module, file in MODULES.items():
        allowed = ARROWS[room(module)] | {room(module), "errors"}
        rooms = {room(other) for other in imported(file)}
        assert rooms <= allowed, f"{module} imports from {', '.join(rooms - allowed)}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: imported(file) for module, file in MODULES.items()}
    assert any(graph.values())
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"a circle: {' → '.join(error.args[1])}") from error


def test_each_room_says_in_one_line_what_it_knows_and_what_not() -> None:
    rooms = {name for name in ARROWS if (FOLDER / name).is_dir()}
    assert rooms == {path.parent.name for path in FOLDER.glob("*/*.py")}
    for name in rooms:
        tree = ast.parse((FOLDER / name / "__init__.py").read_text())
        charter = ast.get_docstring(tree) or ""
        assert len(tree.body) == 1, f"{name}/__init__.py holds more than its charter"
        assert len(charter.splitlines()) == 1, f"{name} has no charter of one line"
        assert " not " in charter or " no " in charter, f"{name} does not say what it must not know"
