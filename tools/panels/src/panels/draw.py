"""Pictures of the dashboards: a headless browser opens a page that draws them with Grafana's components."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from testbed.client import StepFailed

WEB: Final = Path(__file__).resolve().parents[2] / "web"
WIDTH: Final = 1400

Json = dict[str, Any]

_CELL: Final = 38  # pixels of a row of Grafana's grid
_HEAD: Final = 120
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_QUIETLY: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    "--virtual-time-budget=10000",
)


def tools() -> str:
    """The path of the browser. Raises `StepFailed` when it or npm is missing."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise StepFailed("a browser is needed to draw: install chromium (Debian: apt-get install chromium)")
    if shutil.which("npm") is None:
        raise StepFailed("node >= 20 with npm is needed to draw: install it (https://nodejs.org)")
    return browser


def draw(boards: list[Json], seen: Json, folder: Path) -> list[Path]:
    """A PNG of each dashboard in `folder`. Raises `StepFailed` when a program that it needs is missing or fails."""
    browser = tools()
    page = _page(seen | {"boards": boards})
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for board in boards:
        picture = (folder / f"{board['uid'].removeprefix('whatsapp-')}.png").absolute()
        with tempfile.TemporaryDirectory(prefix="whatsapp-cloud-browser-") as profile:
            _done(shot(browser, Path(profile), picture, board, page))
        made.append(picture)
    return made


def shot(browser: str, profile: Path, picture: Path, board: Json, page: Path) -> Sequence[str]:
    """The command that makes one picture."""
    size = f"--window-size={WIDTH},{height_of(board)}"
    return [
        browser,
        *_QUIETLY,
        f"--user-data-dir={profile}",
        size,
        f"--screenshot={picture}",
        f"{page.as_uri()}#{board['uid']}",
    ]


def height_of(board: Json) -> int:
    """The height of the page in pixels."""
    return _HEAD + _CELL * max(int(panel["gridPos"]["y"] + panel["gridPos"]["h"]) for panel in board["panels"])


def _page(seen: Json) -> Path:
    """Builds the page, with its data beside it."""
    lock, installed = WEB / "package-lock.json", WEB / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _done(["npm", "--prefix", str(WEB), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
    _done(["npm", "--prefix", str(WEB), "run", "--silent", "build"])
    (WEB / "dist" / "seen.js").write_text(f"window.SEEN = {json.dumps(seen)}", encoding="utf-8")
    return WEB / "dist" / "page.html"


def _done(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepFailed(f"{command[0]} failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
