"""Pages and reports in a real browser: nothing runs or is loaded from elsewhere, everybody can read them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.pages import controller_pages
from reconciler.controller.shown import Board, LookResult, PastLook, Shown
from reconciler.controller.web import application
from reconciler.report.web.apidocs import api_page
from reconciler.report.web.fleet import status_report
from reconciler.report.web.plan_report import plan_report
from reconciler.report.web.rendering import STYLE_PATH
from tests.report import web_samples
from tests.report.pull_requests import pull_request

WIDTHS = (400, 1_000, 1_600)


@dataclass
class Opened:
    """A page, and what the browser said about it."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def opened(
    browser: Any, url: str, *, width: int = 1_000, dark: bool = False, **more: Any
) -> Iterator[Opened]:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", **more
    )
    made = Opened(context.new_page())
    made.page.on("console", lambda message: made.said.append(message.text))
    made.page.on("pageerror", lambda error: made.said.append(str(error)))
    made.page.on("request", lambda request: made.asked.append(request.url))
    made.page.goto(url)
    yield made
    context.close()


def accessible(page: Any) -> list[str]:
    """What axe says against it, contrast of colours included."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


def board(name: str) -> Board:
    fleet = getattr(web_samples, name)()
    looks = (
        PastLook(web_samples.NOW, 1.8, LookResult.WAITING),
        PastLook(0, 30, LookResult.FAILED, why="<b>no"),
    )
    return Board(
        Shown(
            "fleet",
            0,
            60_000,
            "production",
            status=fleet.status,
            at=fleet.at,
            looks=looks,
            next_look=fleet.at,
        )
    )


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    with ThreadPoolExecutor() as elsewhere:
        found, _ = elsewhere.submit(pull_request, tmp_path_factory.mktemp("reviewed")).result()
    return plan_report(found, at=web_samples.NOW)


@pytest.mark.parametrize("name", ["busy", "aborted", "empty", "many", "hostile"])
def test_the_pages_of_a_controller(browser, serving, name):
    hangs = board(name)
    with serving(application(hangs, lambda: 0, pages=controller_pages(hangs))) as url:
        for width, dark in ((400, True), (1_600, False)):
            with opened(browser, f"{url}/?refresh=off", width=width, dark=dark, bypass_csp=True) as seen:
                assert _overflow(seen.page) == 0
                assert name not in ("busy", "hostile") or accessible(seen.page) == []
        with opened(browser, f"{url}/?refresh=off") as seen:
            page = seen.page
            assert page.locator("rect").count() > 0 or name == "empty"
            if page.locator("tbody a").count():
                page.locator("tbody a").first.click()
                assert page.locator("nav a").first.inner_text() == "All campaigns"
                assert _overflow(page) == 0
            assert seen.said == []
            assert {each.removeprefix(url).partition("?")[0].split("/")[1] for each in seen.asked} <= {
                "", STYLE_PATH[1:], "campaigns",
            }  # fmt: skip
            assert all(each.startswith(url) for each in seen.asked)


def test_the_policy_is_in_force(browser, serving):
    hangs = board("busy")
    with (
        serving(application(hangs, lambda: 0, pages=controller_pages(hangs))) as url,
        opened(browser, f"{url}/?refresh=off") as seen,
    ):
        seen.page.evaluate(
            """() => {
                const script = document.createElement('script');
                script.textContent = 'document.title = "it ran"';
                document.head.append(script);
                const image = document.createElement('img');
                image.src = '/favicon.ico';
                document.body.append(image);
                document.body.setAttribute('style', 'color: red');
            }"""
        )
        assert seen.page.title() == "fleet · production: 8 campaigns"
        refused = "\n".join(seen.said)
        for each in ("script", "image", "style"):
            assert f"{each}" in refused
        assert refused.count("Content Security Policy") == 3


def test_a_keyboard_is_enough(browser, serving):
    hangs = board("many")
    with (
        serving(application(hangs, lambda: 0, pages=controller_pages(hangs))) as url,
        opened(browser, f"{url}/?refresh=off") as seen,
    ):
        page = seen.page
        focus = "document.activeElement.innerText || document.activeElement.id"
        page.keyboard.press("Tab")
        assert page.evaluate(focus) == "Skip to the content"
        assert page.locator(".skip").bounding_box()["x"] >= 0, "it shows while it has the focus"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate(focus) == "find", "what stands before the content was skipped"
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.type("plant-00117")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?find=plant-00117*")
        assert page.locator("tbody a").count() == 1
        for _ in range(6):
            page.keyboard.press("Tab")
            if page.evaluate(focus) == "plant-00117":
                break
        page.keyboard.press("Enter")
        page.wait_for_url("**/campaigns/plant-00117")
        assert page.locator("h1").inner_text() == "plant-00117"


def test_it_is_read_by_its_landmarks_and_headings(browser, serving):
    hangs = board("busy")
    with (
        serving(application(hangs, lambda: 0, pages=controller_pages(hangs))) as url,
        opened(browser, f"{url}/?refresh=off", width=400) as seen,
    ):
        page = seen.page
        for role in ("banner", "main", "contentinfo"):
            assert page.get_by_role(role).count() == 1
        for name in ("All devices", "Campaigns", "Failures by cause", "Last looks"):
            assert page.get_by_role("heading", name=name, exact=True).count() == 1
        # Narrow, a row looks like a card, and is still heard as a row of a table.
        assert page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="berlin")).count() == 1
        assert page.get_by_role("columnheader", name="Firmware").count() == 1
        assert page.get_by_role("img").count() == 0, "words beside a bar say the same"


@pytest.mark.parametrize("what", ["plan", "status", "hostile"])
def test_reports_are_one_file(browser, tmp_path, plan, what):
    html = {
        "plan": lambda: plan,
        "status": lambda: status_report(web_samples.busy()),
        "hostile": lambda: status_report(web_samples.hostile()),
    }[what]()
    file = tmp_path / "report.html"
    file.write_text(html, "utf-8")
    with opened(browser, file.as_uri(), bypass_csp=True, dark=True) as seen:
        assert accessible(seen.page) == []
    for width in WIDTHS:
        with opened(browser, file.as_uri(), width=width) as seen:
            assert _overflow(seen.page) == 0
            assert (
                seen.page.evaluate("getComputedStyle(document.querySelector('.skip')).position") == "absolute"
            )
            assert seen.said == []
            assert seen.asked == [file.as_uri()]


def test_the_documentation_of_an_api(browser, tmp_path: Path):
    from reconciler.embedded import api_document

    with opened(browser, "about:blank", bypass_csp=True) as seen:
        page = api_page(api_document())
        style = (
            Path(web_samples.__file__).parents[2] / "reconciler/report/web/templates/style.css"
        ).read_text()
        seen.page.set_content(page.replace("</head>", f"<style>{style}</style></head>"))
        seen.page.evaluate(
            "[...document.querySelectorAll('details')].slice(0, 4).forEach(each => { each.open = true })"
        )
        assert accessible(seen.page) == []
        assert _overflow(seen.page) == 0


def _overflow(page: Any) -> int:
    """Pixels that stand beyond the right edge."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
