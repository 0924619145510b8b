"""`--output html`: plans, applies and status as one file."""

import sys

import pytest

from reconciler.report.web import rendering
from tests.report.web_pages import body, faults


def test_a_plan_and_what_became_of_it(run, folder):
    planned = run("plan", "resources", "--output", "html")
    assert planned.code == 0
    assert faults(planned.out) == []
    text = body(planned.out)
    assert "May be applied" in text
    assert "3 gateways of 1 campaign" in text
    assert "line-3 3 firmware.bin Created, starts" in text
    applied = run("apply", "resources", "--auto-approve", "--output", "html")
    assert applied.code == 0
    assert faults(applied.out) == []
    assert "Applied: everything is done" in body(applied.out)
    assert "Nothing to apply" in body(run("plan", "resources", "--output", "html").out)


def test_a_plan_is_left_as_a_page_beside_another_form(run, folder):
    ran = run("plan", "resources", "--html", "plan.html", "--out", "saved.plan")
    assert "Plan:" in ran.out
    html = (folder / "plan.html").read_text()
    assert faults(html) == []
    assert "Digest" in body(html)


def test_where_there_is_no_plan_the_page_says_why(run, folder):
    (folder / "resources" / "bad.yaml").write_text("apiVersion: reconciler/v1\nkind: Campain\n")
    ran = run("plan", "resources", "--output", "html", "--html", "plan.html")
    assert ran.code == 1
    assert "Can't be planned" in body(ran.out)
    assert body((folder / "plan.html").read_text()) == body(ran.out)


def test_status(world):
    campaign = world.id_of("line-3")
    world.put(campaign, "gw-1", state="FAILED", cause="<b>no power")
    ran = world.run("status", "resources", "--output", "html", "--gateways")
    assert ran.code == 0
    assert faults(ran.out) == []
    text = body(ran.out)
    assert "3 gateways: 0 % done, 1 failed, 2 to go" in text
    assert "line-3" in text
    assert "firmware.bin" in text


def test_a_page_is_not_drawn_again(run, folder):
    ran = run("status", "resources", "--output", "html", "--watch")
    assert ran.code == 64
    assert "--watch can't redraw a page" in ran.err


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve"), ("status",)])
def test_without_the_extra_nothing_is_begun(run, folder, monkeypatch, command):
    rendering._environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    ran = run(*command, "resources", "--output", "html")
    assert ran.code == 1
    assert "pip install 'reconciler[controller]'" in ran.err
    assert not ran.out
    assert not (folder / ".reconciler").exists()
