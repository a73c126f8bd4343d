"""OHIF in a browser: what is on the screen is what is stored, without an error on the way."""

import base64
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Request, Response

from tests.viewers.conftest import FILES, Reading

pytestmark = pytest.mark.timeout(180)

SHOWN_S_MAX = 60.0
"""Software draws here, on a machine that does other things meanwhile."""
ALIKE_MIN = 0.97
"""Correlation of what OHIF draws with what the service renders; both scale by their own rules."""
CANVAS = "canvas.cornerstone-canvas"
SIZE = (840, 560)

Picture = npt.NDArray[np.float64]


@dataclass
class Screen:
    """A page, and everything that went wrong on it."""

    page: Page
    reading: Reading
    faults: list[str] = field(default_factory=list)

    def open_study(self, name: str) -> None:
        self.page.goto(f"{self.reading.viewer}/viewer?StudyInstanceUIDs={self.reading.study(name)}")

    def canvas(self) -> Picture:
        """What is drawn, without the texts that lie above it."""
        url = self.page.locator(CANVAS).first.evaluate("each => each.toDataURL('image/png')")
        image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        return np.asarray(image.convert("RGB"), np.float64)

    def wait_for(self, expected: Picture) -> None:
        """Waits until a picture is on the screen."""
        self.page.locator(CANVAS).first.wait_for(timeout=SHOWN_S_MAX * 1_000)
        deadline = time.monotonic() + SHOWN_S_MAX
        likeness = 0.0
        while time.monotonic() < deadline:
            likeness = alike(self.canvas(), expected)
            if likeness >= ALIKE_MIN:
                return
            self.page.wait_for_timeout(200)
        pytest.fail(f"the picture did not come; the last was alike by {likeness:.3f}")


@pytest.fixture
def screen(browser: Browser, reading: Reading) -> Iterator[Screen]:
    """A page in a profile of its own; whatever failed on it fails the test."""
    context = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]})
    # The tour through OHIF's tools would lie above the images.
    context.add_init_script("localStorage?.setItem('shownTours', '[\"basicViewerTour\"]')")
    page = context.new_page()
    screen = Screen(page, reading)

    def told(response: Response) -> None:
        if response.status >= 400:
            screen.faults.append(f"{response.status} {response.url}")

    def failed(sent: Request) -> None:
        # Chromium shows a PDF by an extension of its own; what that breaks off is not ours.
        if not sent.url.startswith("chrome-extension:"):
            screen.faults.append(f"{sent.url}: {sent.failure}")

    page.on("response", told)
    page.on("requestfailed", failed)
    page.on("pageerror", lambda each: screen.faults.append(str(each)))
    page.on(
        "console", lambda each: screen.faults.append(each.text) if each.type == "error" else None
    )
    yield screen
    page.evaluate("0")  # what happened before is told before that is answered
    faults = list(screen.faults)
    context.close()  # breaks off whatever OHIF still fetches ahead
    assert faults == []


def rendered(reading: Reading, name: str, *, frame: int = 1, query: str = "") -> Picture:
    """The service's own picture."""
    url = f"{reading.service}{reading.paths[name]}/frames/{frame}/rendered{query}"
    answer = httpx.get(url, headers={"Accept": "image/png"}, timeout=60)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), np.float64)


def alike(canvas: Picture, picture: Picture) -> float:
    """How a picture, fitted into the middle of a canvas, correlates with what is there."""
    height, width = canvas.shape[:2]
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    image = Image.fromarray(picture.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    shown = canvas[top : top + size[1], left : left + size[0]].ravel()
    if shown.std() < 1:
        return 0.0
    return float(np.corrcoef(shown, np.asarray(image, np.float64).ravel())[0, 1])


def test_the_list_shows_all_studies(screen: Screen) -> None:
    screen.page.goto(screen.reading.viewer)
    studies = {screen.reading.study(name) for name in FILES}
    rows = screen.page.locator("table tbody tr[data-cy^='studyRow']")
    rows.nth(len(studies) - 1).wait_for(timeout=SHOWN_S_MAX * 1_000)
    assert {f"studyRow-{each}" for each in studies} == set(
        screen.page.locator("[data-cy^='studyRow']").evaluate_all(
            "all => all.map(each => each.getAttribute('data-cy'))"
        )
    )


def test_a_ct_series_is_scrolled(screen: Screen) -> None:
    pictures = {name: rendered(screen.reading, name) for name in FILES if name.startswith("CT ")}
    screen.open_study("CT 1")
    screen.wait_for(pictures["CT 1"])
    for number in (2, 3):
        screen.page.locator(CANVAS).first.hover()
        screen.page.mouse.wheel(0, 100)
        screen.page.get_by_text(f"({number}/{len(pictures)})").first.wait_for()
        screen.wait_for(pictures[f"CT {number}"])
        # Neighbours look alike, but not as much as the same slice.
        nearest = max(pictures, key=lambda name: alike(screen.canvas(), pictures[name]))
        assert nearest == f"CT {number}"


def test_a_colour_ultrasound_of_many_frames(screen: Screen) -> None:
    screen.open_study("ultrasound")
    screen.wait_for(rendered(screen.reading, "ultrasound"))
    canvas = screen.canvas()
    assert np.abs(canvas[..., 0] - canvas[..., 2]).max() > 50  # it has colours
    screen.page.locator(CANVAS).first.hover()
    screen.page.mouse.wheel(0, 100)
    screen.page.get_by_text("(2/30)").first.wait_for()
    screen.wait_for(rendered(screen.reading, "ultrasound", frame=2))


@pytest.mark.parametrize(
    ("name", "query"),
    [
        # Without a window in the instance, OHIF shows all values, those of the padding, too.
        ("JPEG 2000", "?window=-885,4279"),
        ("HTJ2K", ""),
    ],
)
def test_a_compressed_image_is_decoded_by_the_browser(
    screen: Screen, name: str, query: str
) -> None:
    asked: list[str] = []
    screen.page.on("response", lambda each: asked.append(each.headers.get("content-type", "")))
    screen.open_study(name)
    screen.wait_for(rendered(screen.reading, name, query=query))
    assert any('type="application/octet-stream"' in each for each in asked)


def test_a_pdf_is_embedded(screen: Screen) -> None:
    shown: list[Response] = []
    screen.page.on("response", lambda each: shown.append(each))
    screen.open_study("PDF")
    embedded = screen.page.locator("object[type='application/pdf']")
    embedded.wait_for(timeout=SHOWN_S_MAX * 1_000)
    url = f"{screen.reading.service}{screen.reading.paths['PDF']}/rendered"
    assert embedded.get_attribute("data") == url
    deadline = time.monotonic() + SHOWN_S_MAX
    paper = 0.0
    while paper < 0.2 and time.monotonic() < deadline:
        image = Image.open(io.BytesIO(embedded.screenshot())).convert("L")
        paper = float((np.asarray(image) > 250).mean())
        screen.page.wait_for_timeout(200)
    assert paper >= 0.2, "no white page came"
    assert [each.status for each in shown if each.url == url][:1] == [200]
