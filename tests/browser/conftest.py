"""One place of ``make up`` and one browser for all that is looked at.

Neither outlives the tests of this folder: a whole Airflow would slow the others down, and they
could not run event loops of their own below Playwright's.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.browser.pictures import Camera
from tests.browser.place import Site, running_place
from tests.browser.visitor import Visitor, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Visit = Callable[..., AbstractContextManager[Visitor]]

CHROMIUM = shutil.which("chromium")
# As root it has no sandbox, and nothing in it may ask anybody outside of this machine.
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-pictures",
        action="store_true",
        help="take the pictures of docs/pictures anew",
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; where there is none, nothing can be looked at."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it starts a program

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_FLAGS])
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: ARG001 - no place without a browser
    with running_place(tmp_path_factory.mktemp("browser") / "state") as found:
        yield found


@pytest.fixture(scope="module")
def visiting(browser: Browser, site: Site) -> Visit:
    """Opens a window: ``with visiting("vera") as visitor``."""
    return partial(visit, browser, site)


@pytest.fixture
def admin(visiting: Visit) -> Iterator[Visitor]:
    """A window of the administrator's."""
    with visiting("admin") as visitor:
        yield visitor


@pytest.fixture(scope="session")
def camera(pytestconfig: pytest.Config) -> Camera:
    """Takes the README's pictures, if this run is to."""
    return Camera(bool(pytestconfig.getoption("write_pictures", default=False)))
