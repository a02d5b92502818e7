"""Opens pages in headless Chromium and tells how they look there."""

import html
import json
import pathlib
import re
import shutil
import subprocess
from typing import Any, NamedTuple

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_TIMEOUT_SECS = 120
# Each page in a frame as wide as a screen; `load` has waited for all of its pictures.
_MEASURE = """
onload = () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    const texts = [...page.querySelectorAll("main *")].filter(
      element => [...element.childNodes].some(node => node.nodeType == 3 && node.data.trim()));
    const sizes = texts.map(element => parseFloat(frame.contentWindow.getComputedStyle(element).fontSize));
    return {
      name: frame.name, width: root.clientWidth, content_width: root.scrollWidth,
      smallest_text: Math.min(...sizes), texts: texts.length, height: root.scrollHeight,
      broken_images: [...page.images].filter(image => !image.naturalWidth).length,
    };
  });
  document.body.textContent = JSON.stringify(found);
};
"""  # noqa: E501


class Seen(NamedTuple):
    """What came of opening pages.

    Attributes:
      frames: for each page and width: width, content_width and height in CSS pixels, smallest_text
        in pixels, texts (elements with text) and broken_images.
      console: lines that were written to the console.
    """

    frames: list[dict[str, Any]]
    console: list[str]


def find_browser() -> str | None:
    """Path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def look(
    browser: str, pages: dict[str, str], widths: tuple[int, ...], folder: pathlib.Path
) -> Seen:
    """Opens pages at several widths, without a network.

    Args:
      browser: from `find_browser`.
      pages: HTML by name.
      widths: of the screen, in CSS pixels.
      folder: for what the browser writes.
    """
    frames = "".join(
        f'<iframe name="{name}" style="width: {width}px; height: 800px; border: 0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
        for name, page in pages.items()
        for width in widths
    )
    wrapper = folder / "wrapper.html"
    wrapper.write_text(
        f"<!doctype html><meta charset=utf-8><link rel=icon href='data:,'><script>{_MEASURE}"
        f"</script><body>{frames}"
    )
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr", "--dump-dom", wrapper.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECS)
    found = re.search(r"<body>(\[.*\])</body>", done.stdout, re.DOTALL)
    assert found, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(json.loads(html.unescape(found[1])), console)
