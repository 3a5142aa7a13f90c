"""The kit keeps to what its docstring says."""

from __future__ import annotations

import ast
import re
import sys

import pytest

from tests.scripts.jobs import KIT

MODULES = sorted(KIT.glob("*.py"))
LIBRARIES = {"joblib", "kit", "numpy", "pandas", "sklearn"}


def test_it_is_flat() -> None:
    """An archive carries the ``.py`` files of the folder itself."""
    assert sorted(KIT.rglob("*.py")) == MODULES


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_it_imports_what_every_image_has(module) -> None:
    # The grammar of the oldest Python among the images.
    tree = ast.parse(module.read_text(), feature_version=(3, 10))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.partition(".")[0])
    assert found <= LIBRARIES | sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_it_knows_no_pipeline(module) -> None:
    words = set(re.findall(r"[a-z]+", module.read_text().lower()))
    assert not words & {"california", "housing", "medhouseval", "abalone", "rings", "xgboost"}
