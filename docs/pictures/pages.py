"""Makes the pictures of pages and reports: `plan-report.png`, `status-page.png`, `controller-page.png`.

    python docs/pictures/pages.py [FOLDER] [CHROMIUM]

Needs a Chromium (`apt-get install chromium`), and playwright, which tests have anyway. What they show are the
plans and fleets of the tests, so that a picture shows what is true. With a FOLDER every sample goes there at
400, 1,000 and 1,600 pixels, light and dark: to be looked at after a change of templates or style.
"""

import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
TESTS = HERE.parents[1] / "tests"
sys.path[:0] = [str(TESTS.parent), str(TESTS / "report")]

import pull_requests  # noqa: E402
import web_samples  # noqa: E402

from reconciler.errors import Exit  # noqa: E402
from reconciler.report.pull_request import PlanContext  # noqa: E402
from reconciler.report.web import fleet, plan_report, rendering  # noqa: E402

WIDTHS = (400, 1_000, 1_600)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
DOCS = (
    ("plan", SCHEMES[0], "plan-report.png"),
    ("status-busy", SCHEMES[0], "status-page.png"),
    ("page-busy", SCHEMES[1], "controller-page.png"),
)


def pages() -> dict[str, str]:
    """Every page that there is, by the name of its picture."""
    with tempfile.TemporaryDirectory() as folder:
        plan, _ = pull_requests.pull_request(Path(folder))
    about = PlanContext("production", "fleet", would=Exit.GUARD)
    found = {"plan": plan_report.plan_report(plan, about=about, at=web_samples.NOW)}
    for name in ("busy", "aborted", "empty", "many", "hostile"):
        sample = getattr(web_samples, name)()
        found[f"status-{name}"] = fleet.status_report(sample)
        found[f"page-{name}"] = _styled(fleet.overview_page(sample))
    for name in ("busy", "aborted"):
        sample = getattr(web_samples, name)()
        found[f"campaign-{name}"] = _styled(fleet.campaign_page(sample, "berlin") or "")
    return found


def _styled(page: str) -> str:
    """A page of a server as one file."""
    link = f'<link rel="stylesheet" href="{rendering.STYLE_PATH}">'
    assert link in page
    return page.replace(link, f"<style>{rendering.stylesheet()}</style>")


def shoot(page: Page, html: str, to: Path, height: int | None = None) -> None:
    """A picture of all of it, or of its top."""
    page.set_content(html)
    if height is not None:
        page.set_viewport_size({"width": WIDTHS[1], "height": height})
    page.screenshot(path=to, full_page=height is None)


def main(folder: str = "", chromium: str = "/usr/bin/chromium") -> None:
    every = pages()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width in WIDTHS if folder else ():
            for scheme in SCHEMES:
                page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
                for name, html in every.items():
                    shoot(page, html, Path(folder) / f"{name}-{width}-{scheme}.png")
        if not folder:
            for name, scheme, picture in DOCS:
                page = browser.new_page(color_scheme=scheme)
                shoot(page, every[name], HERE / picture, 1_180)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
