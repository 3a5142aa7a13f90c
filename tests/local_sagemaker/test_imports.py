"""The modules of local_sagemaker import one another one way."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "local_sagemaker"
# Programs of images are no modules of the package.
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in PACKAGE.rglob("*.py")
    if not file.is_relative_to(PACKAGE / "images")
}


def imported(name: str, modules: dict[str, Path]) -> set[str]:
    """The modules that a module imports, wherever it does, for types too."""
    found = set()
    for node in ast.walk(ast.parse(modules[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            # Of a package that is only passed through, its own content is not asked for.
            found |= submodules & set(modules)
            if not submodules <= set(modules):
                found.add(node.module)
    return found & set(modules)


def cycle(modules: dict[str, Path]) -> list[str]:
    """Some circle of imports, from a module to itself; empty if there is none."""
    try:
        TopologicalSorter({name: imported(name, modules) for name in modules}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_is_imported_by_what_it_imports():
    assert len(MODULES) > 40
    assert cycle(MODULES) == []


@pytest.mark.parametrize(
    "import_b",
    ["from a import b", "import a.b", "def later():\n    from a.b import x"],
)
def test_a_circle_is_found_however_it_is_imported(tmp_path, import_b):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text(import_b)
    two.write_text("from a.c import y")
    assert set(cycle({"a.c": one, "a.b": two})) == {"a.b", "a.c"}


def test_an_image_s_programs_import_nothing_of_the_server():
    files = list((PACKAGE / "images").rglob("*.py"))
    assert files
    for file in files:
        assert "import local_sagemaker" not in file.read_text(encoding="utf-8"), file
        assert "from local_sagemaker" not in file.read_text(encoding="utf-8"), file
