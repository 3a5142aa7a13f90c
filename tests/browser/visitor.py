"""A person before a browser, and what that browser must never do."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from tests.web.past import DAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Frame, FrameLocator, Locator, Page

    from tests.browser.place import Site

PAGE = "/model-quality/"
WIDE = {"width": 1280, "height": 900}
TALL = {"width": 1280, "height": 1120}
NARROW = {"width": 390, "height": 844}
FRAME = "iframe[title='Model quality']"
# A violation of the page's policy is told to the page, and here to the console.
_TELL = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
# Where the runs of a chart are on its canvas, by run id.
_POINTS = """
(canvas) => Object.fromEntries(
  window.Chart.getChart(canvas).data.datasets.flatMap((set, index) =>
    set.isRing ? [] : set.data.flatMap((point, at) => {
      const { x, y } = window.Chart.getChart(canvas).getDatasetMeta(index).data[at];
      return point.row ? [[point.row.run_id, { x, y }]] : [];
    })))
"""
_TOOLTIP = """
(canvas) => {
  const { opacity, title, body } = window.Chart.getChart(canvas).tooltip;
  return opacity ? [...title, ...body.flatMap(({ lines }) => lines)] : [];
}
"""


@dataclass(slots=True)
class Visitor:
    """Somebody with a browser window of their own.

    Attributes:
        site: Where they are.
        page: The window.
        requests: The address of every request that the browser made.
        errors: What a console said was wrong.
    """

    site: Site
    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open an address of the UI."""
        self.page.goto(f"{self.site.url}{path}", wait_until="domcontentloaded")

    def open(self, run_id: str | None = None, **query: str) -> None:
        """Open the page by itself, without Airflow around it, and wait until it is filled."""
        names = {"dag_id": DAG} | ({"run_id": run_id} if run_id else {}) | query
        self.go(f"{PAGE}?{urlencode(names)}")
        self.is_filled(self.page)

    def is_at(self, path: str) -> None:
        """Wait until the window shows an address of the UI."""
        self.page.wait_for_function(
            "(path) => decodeURIComponent(location.pathname).startsWith(path)", arg=path
        )

    def frame(self) -> FrameLocator:
        """Return the page inside of Airflow, once it is filled."""
        found = self.page.frame_locator(FRAME)
        self.is_filled(found)
        return found

    def is_filled(self, place: Page | FrameLocator) -> None:
        """Wait until the page has got its data."""
        place.locator("#page[aria-busy=false]").wait_for()
        place.locator("text=/^Loading …$/ >> visible=true").first.wait_for(state="detached")

    def are_jobs_known(self, place: Page | FrameLocator) -> None:
        """Wait until the table knows how long each job took."""
        place.locator("#page td", has_text="…").first.wait_for(state="detached")

    def points(self, canvas: Locator) -> dict[str, dict[str, float]]:
        """Return where each run is on the history's chart, from the canvas's corner."""
        found: dict[str, dict[str, float]] = canvas.evaluate(_POINTS)
        return found

    def tooltip(self, canvas: Locator) -> list[str]:
        """Return what the chart says of the run under the mouse; [] if it says nothing."""
        found: list[str] = canvas.evaluate(_TOOLTIP)
        return found


@contextmanager
def visit(browser: Browser, site: Site, user: str | None, **options: Any) -> Iterator[Visitor]:
    """Let somebody visit a site, and hold their browser to what it must never do.

    Args:
        browser: The browser.
        site: The place.
        user: Who is logged in; None is nobody.
        options: Of the browser's window.
    """
    context = browser.new_context(**{"viewport": WIDE, "accept_downloads": True} | options)
    context.set_default_timeout(30_000)
    context.add_init_script(_TELL)
    if user is not None:
        token = site.airflow.token if user == "admin" else site.tokens[user]
        context.add_cookies([{"name": "_token", "value": token, "url": site.url}])
    visitor = Visitor(site, context.new_page())
    _listen(context, visitor)
    try:
        yield visitor
    finally:
        context.close()
    strangers = {
        url
        for url in visitor.requests
        if urlsplit(url).scheme not in {"data", "blob"}
        and urlsplit(url).netloc != urlsplit(site.url).netloc
    }
    assert not strangers, strangers
    assert not visitor.errors, visitor.errors


def _listen(context: BrowserContext, visitor: Visitor) -> None:
    def told(message: Any) -> None:
        where = message.location.get("url", "")
        # Airflow's own scripts say a lot; this page has nothing to say, wherever it is shown.
        if message.type == "error" and (PAGE in where or message.text.startswith("policy:")):
            visitor.errors.append(f"{where}: {message.text}")

    context.on("request", lambda request: visitor.requests.append(request.url))
    context.on("console", told)
    context.on("weberror", lambda error: visitor.errors.append(str(error.error)))


def page_frame(page: Page) -> Frame:
    """Return the frame in which Airflow shows the page."""
    return next(frame for frame in page.frames if urlsplit(frame.url).path == PAGE)
