"""The pictures of the README and of docs/model-quality.md."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from local_stack.programs.places import PROJECT

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = PROJECT / "docs" / "pictures"
_MOST_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Camera:
    """Takes pictures of a window.

    Attributes:
        writes: Whether the pictures are kept.
    """

    writes: bool

    def take(self, page: Page, name: str) -> None:
        """Take a picture of what a window shows; it must be small enough for a README."""
        image = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide")))
        file = io.BytesIO()
        # The few dots of a colour are what matters on a chart.
        few = image.convert("RGB").quantize(
            method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        few.save(file, "PNG", optimize=True)
        assert len(file.getvalue()) < _MOST_BYTES
        if self.writes:
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / f"{name}.png").write_bytes(file.getvalue())
