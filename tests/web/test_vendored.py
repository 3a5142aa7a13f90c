"""The committed library is the one that is pinned, and the page needs nothing from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "plugins" / "retraining" / "web"
LOCK = json.loads((WEB / "vendor" / "package-lock.json").read_text())
VENDORED = json.loads((WEB / "vendor" / "vendored.json").read_text())
PAGE = [WEB / "templates" / "page.html", *(WEB / "static").glob("*.*")]


@pytest.mark.parametrize("name", VENDORED)
def test_a_vendored_file_is_what_was_taken_out_of_its_package(name: str) -> None:
    content = (WEB / "static" / "vendor" / name).read_bytes()
    assert hashlib.sha512(content).hexdigest() == VENDORED[name]["sha512"]
    assert f"node_modules/{VENDORED[name]['package']}" in LOCK["packages"]


def test_nothing_else_is_vendored() -> None:
    assert {path.name for path in (WEB / "static" / "vendor").iterdir()} == set(VENDORED)


def test_the_file_is_of_the_pinned_version() -> None:
    version = LOCK["packages"]["node_modules/chart.js"]["version"]
    wanted = json.loads((WEB / "vendor" / "package.json").read_text())["dependencies"]
    assert wanted == {"chart.js": version}
    head = (WEB / "static" / "vendor" / "chart.umd.min.js").read_text()[:200]
    assert f"Chart.js v{version}" in head
    assert "MIT License" in head


def test_every_package_is_pinned_by_its_hash_and_by_no_host() -> None:
    for name, package in LOCK["packages"].items():
        if name:
            assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"]), name
        assert "resolved" not in package, name


@pytest.mark.parametrize("path", PAGE, ids=lambda path: path.name)
def test_the_page_names_no_host_and_makes_no_markup_of_text(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"https?://[\w]", text)
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert way not in text
    assert not re.search(r"<[^>]+ (on\w+|style)=", text)


def test_every_file_of_the_page_is_served() -> None:
    # It brings Airflow's API, which the other tests here need not wait for.
    from retraining.web.app import static  # noqa: PLC0415

    for path in PAGE[1:]:
        assert Path(static(path.name).path).read_bytes() == path.read_bytes()
