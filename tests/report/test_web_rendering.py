"""Templates: whatever a value says, it is text."""

import sys
from base64 import b64encode
from hashlib import sha256

import pytest
from report_samples import SERVER
from web_pages import body, faults, read
from web_samples import HOSTILE

from reconciler.errors import ReconcilerError
from reconciler.plan.model import Plan
from reconciler.report.web import rendering
from reconciler.report.web.fleet import message_page
from reconciler.report.web.plan_report import plan_report


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>&\"'", "<b>&\"'"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\ud800b", "a\\ud800b"),
        ("two\nlines", "two\\nlines"),
        ("{{ 7 * 7 }}{% raw %}", "{{ 7 * 7 }}{% raw %}"),
        ("x" * 5_000, "x" * (rendering.LONGEST - 1) + "…"),
    ],
)
def test_a_value_is_text(text, shown):
    html = message_page("No", text)
    assert shown in body(html)
    assert faults(html) == []
    assert html.isprintable() or "\u202e" not in html
    html.encode()


@pytest.mark.parametrize(
    ("text", "codes", "shown"),
    [
        ("write `a: 1`, or `b`", ["a: 1", "b"], "write a: 1 , or b"),
        ("`` a`b `` is one", ["a`b"], "a`b is one"),
        ("one ` alone", [], "one ` alone"),
        ("`<i>`", ["<i>"], "<i>"),
    ],
)
def test_what_stands_in_backticks_is_code(text, codes, shown):
    page = read(message_page("No", text)).one("main")
    assert [each.text for each in page.every("code")] == codes
    assert shown in page.text


def test_one_file_may_load_nothing_and_has_its_own_style():
    page = read(plan_report(Plan(SERVER)))
    (policy,) = [each.attributes["content"] for each in page.every("meta") if "http-equiv" in each.attributes]
    digest = b64encode(sha256("".join(page.one("style").children).encode()).digest()).decode()
    assert policy == (f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'; base-uri 'none'")
    assert [*page.every("link")] == []


def test_times_are_said_for_people_and_machines():
    page = read(plan_report(Plan(SERVER), at=1_799_712_000_000))
    (time,) = page.every("time")
    assert (time.attributes["datetime"], time.text) == ("2027-01-12T00:00:00Z", "Tue 2027-01-12 00:00 UTC")
    assert "99999999999999999" in body(plan_report(Plan(SERVER), at=99_999_999_999_999_999))


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    rendering._environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ReconcilerError) as failure:
        rendering.prepared()
    assert "jinja2" in failure.value.message
    assert failure.value.hint == "Install it with: pip install 'reconciler[controller]'"


def test_a_long_title_is_cut():
    assert len(body(message_page(HOSTILE, ""))) < 2_000
