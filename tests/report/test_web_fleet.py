"""The page of all campaigns, the page of one, and `status` as one file."""

import sys
from dataclasses import replace

import pytest
from web_pages import body, faults, read
from web_samples import HOSTILE, ROLLOUT, WAVES, aborted, busy, empty, gateways, hostile, many, row

from reconciler.report.web.campaigns import CampaignShown, Urgency
from reconciler.report.web.fleet import PER_PAGE, campaign_page, message_page, overview_page, status_report

FLEETS = {"busy": busy, "aborted": aborted, "empty": empty, "many": many, "hostile": hostile}


@pytest.mark.parametrize("name", FLEETS)
def test_pages_are_sound(name):
    fleet = FLEETS[name]()
    pages = [overview_page(fleet), status_report(fleet)]
    pages += [campaign_page(fleet, each.key) or "" for each in fleet.campaigns[:10]]
    assert {fault for page in pages for fault in faults(page)} == set()


def test_the_most_urgent_come_first():
    shown = [(each.key, each.urgency) for each in busy().campaigns]
    assert shown == [
        ("berlin", Urgency.WRONG),
        ("lyon", Urgency.ASKS),
        ("munich", Urgency.ASKS),
        ("hamburg", Urgency.DIFFERS),
        ("new-plant", Urgency.DIFFERS),
        ("old", Urgency.DIFFERS),
        ("paris", Urgency.DIFFERS),
        ("turin", Urgency.QUIET),
    ]


def test_the_page_says_what_an_operator_asks_for():
    text = body(overview_page(busy()))
    for said in (
        "1,120 gateways: 86 % done, 964 done, 20 done with earlier packages, 4 failed, 132 to go",
        "2,946 gateways not released yet",
        "310 of 3,100 released, 7 % done",
        "2,790 not released",
        "512 , 100 % done",
        "224 done", "70 under way", "12 not begun", "4 failed",
        "20 done with fw-2.1.bin",
        "fw-2.2.bin, config-7.json, modem-1.9.bin",
        "waits: wave 2 of 4 (10 %): 214 of 300 done, 90 % needed",
        "held: somebody stopped it",
        "changed on the server",
        "1 change to apply",
        "checksum mismatch",
        "nights closed , opens Tue 2027-01-12 19:00 UTC",
        "for the freeze end of year",
        "read in the zone of each gateway",
        "next look Tue 2027-01-12 00:01 UTC",
    ):  # fmt: skip
        assert said in text, said


def test_one_that_failed_or_is_aborted_is_not_called_in_sync():
    marks = {each.key: [mark.words for mark in each.marks] for each in aborted().campaigns}
    assert marks == {"berlin": ["aborted", "31 failed"], "turin": ["in sync"]}


def test_whom_the_server_refuses_is_not_waited_for():
    waves = (replace(WAVES[0], gateways=12, refused=2), *WAVES[1:])
    view = replace(ROLLOUT, total=312, waves=waves)
    shown = CampaignShown(row("berlin", gateways(10, 300)), view)
    assert (shown.kept, shown.refused, shown.total) == (0, 2, 310)
    assert "2 refused by the server" in [each.words for each in shown.counts]
    others = CampaignShown(row("berlin", gateways(10, 300)), replace(view, total=400))
    assert (others.kept, others.total, others.share) == (88, 398, "2 % done")


def test_the_page_of_a_campaign_tells_waves_and_devices():
    text = body(campaign_page(busy(), "berlin") or "")
    for said in (
        "3. half 1,240 not open yet not before Tue 2027-01-12 19:00 UTC",
        "open now",
        "gw-b-07",
        "STARTED",
    ):
        assert said in text, said
    assert "reconciler rollout resume berlin --reason TEXT" in body(campaign_page(aborted(), "berlin") or "")
    assert campaign_page(busy(), "nowhere") is None


def test_pages_follow_each_other_and_hold_so_many():
    fleet = many(120)
    seen = []
    for number in (1, 2, 3):
        page = read(overview_page(fleet, number=number))
        links = [each.attributes["href"] for each in page.every("a")]
        seen += [link for link in links if link.startswith("/campaigns/")]
    assert len(seen) == len(set(seen)) == 120
    assert "1 to 50 of 120" in body(overview_page(fleet, number=-4))
    assert "101 to 120 of 120" in body(overview_page(fleet, number=999))
    assert "/?page=2&refresh=off" in [
        each.attributes["href"] for each in read(overview_page(fleet, refresh=False)).every("a")
    ]


def test_campaigns_are_found_by_name_and_firmware():
    fleet = many(120)
    text = body(overview_page(fleet, text="PLANT-00117"))
    assert "plant-00117" in text
    assert "plant-00118" not in text
    assert "40" in body(overview_page(fleet, text="fw-2.1"))
    assert "No campaign is called so" in body(overview_page(fleet, text="<nothing>"))


def calls_of(fleet, number):
    """The page, and how many functions are called to make it."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        html = overview_page(fleet, number=number)
    finally:
        sys.setprofile(None)
    return html, calls


def test_a_page_of_ten_thousand_campaigns_costs_little_for_each():
    overview_page(many(1))  # templates are compiled once
    _, few = calls_of(many(1_000), 10)
    html, more = calls_of(many(10_000), 100)
    assert more - few < 9_000 * 80, "what every campaign costs, whether it is on the page or not"
    assert len(html) < 200_000
    assert "4,951 to 5,000 of 10,000" in body(html)
    assert html.count("/campaigns/") == PER_PAGE


def test_it_refreshes_until_somebody_says_no():
    def metas(html):
        return [each.attributes.get("http-equiv") for each in read(html).every("meta")]

    assert "refresh" in metas(overview_page(busy()))
    assert "refresh" not in metas(overview_page(busy(), refresh=False))
    assert "refresh" not in metas(campaign_page(busy(), "berlin", refresh=False) or "")
    assert "refresh" not in metas(status_report(busy()))


def test_names_of_others_are_only_text_and_are_cut():
    for html in (overview_page(hostile()), status_report(hostile()), campaign_page(hostile(), HOSTILE) or ""):
        assert "<script" not in html
        assert "\u202e" not in html
        assert "\x1b" not in html
        assert "49" not in body(html)
        assert "x" * 1_001 not in body(html)


def test_a_report_leads_to_each_campaign():
    page = read(status_report(busy()))
    links = [each.attributes["href"] for each in page.every("a")][1:]
    assert links == [f"#campaign-{n}" for n in range(1, 9)]
    assert [each.attributes["id"] for each in page.every("details") if "id" in each.attributes] == [
        link[1:] for link in links
    ]


def test_a_report_of_very_many_says_how_many_more_there_are():
    text = body(status_report(many(600)))
    assert "And 100 more; status --output json has them all." in text


def test_a_page_may_only_say_something():
    html = message_page("Nothing was looked at yet", "Wait a moment.", refresh=True)
    assert faults(html) == []
    assert "Wait a moment." in body(html)
