"""The routes of pages: what they answer, with which headers, and that nothing can be written."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from reconciler.app.pages import page, page_routes
from reconciler.report.web.fleet import FleetShown
from tests.report.web_pages import body, faults, read
from tests.report.web_samples import busy, many, row


def ask(path: str, fleet: FleetShown | Response, method: str = "GET") -> httpx.Response:
    async def look(request: Request) -> FleetShown | Response:
        return fleet

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=page_routes(look)))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path)

    return asyncio.run(main())


@pytest.mark.parametrize("path", ["/", "/campaigns/berlin", "/campaigns/nowhere", "/style.css"])
def test_nothing_may_run_and_nobody_may_keep_it(path):
    headers = ask(path, busy()).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("no-cache" if path == "/style.css" else "no-store")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/campaigns/berlin"])
def test_there_is_nothing_to_write(method, path):
    assert ask(path, busy(), method).status_code == 405


def test_each_campaign_of_a_page_has_a_page():
    fleet = busy()
    links = [each.attributes["href"] for each in read(ask("/", fleet).text).every("a")]
    pages = [ask(link, fleet) for link in links if link.startswith("/campaigns/")]
    assert len(pages) == 8
    assert {each.status_code for each in pages} == {200}


@pytest.mark.parametrize("name", ["a/b", "a%41b", "../x", "<b>\"'&?#", "späť \u202e", "long" * 1_000])
def test_a_name_of_others_leads_to_its_page(name):
    fleet = replace(busy(), status=replace(busy().status, rows=[row(name)]))
    (link,) = [
        each.attributes["href"]
        for each in read(ask("/", fleet).text).every("a")
        if each.attributes["href"].startswith("/campaigns/")
    ]
    answer = ask(link, fleet)
    assert answer.status_code == 200
    assert faults(answer.text) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "1 to 50 of 200"),
        ("?page=2", "51 to 100 of 200"),
        ("?page=0", "1 to 50 of 200"),
        ("?page=-1", "1 to 50 of 200"),
        ("?page=99999999999999999999", "1 to 50 of 200"),
        ("?page=%C2%B2", "1 to 50 of 200"),
        ("?page=999999999", "151 to 200 of 200"),
        ("?find=plant-0011", "All with “plant-0011”"),
        (f"?find={'x' * 5_000}", "No campaign is called so"),
    ],
)
def test_whatever_is_asked_for_there_is_a_page(query, said):
    answer = ask(f"/{query}", many())
    assert answer.status_code == 200
    assert said in body(answer.text)


def test_where_there_is_nothing_it_says_so():
    answer = ask("/campaigns/<script>", busy())
    assert answer.status_code == 404
    assert faults(answer.text) == []
    assert "There is no such campaign" in body(answer.text)
    assert ask("/favicon.ico", busy()).status_code == 204


def test_who_looks_may_answer_in_its_place():
    refusal = PlainTextResponse("no", 401)
    assert ask("/", refusal).status_code == 401
    assert ask("/campaigns/berlin", refusal).text == "no"


def test_half_a_character_can_be_sent():
    assert page("a\ud800").body == b"a\\ud800"
