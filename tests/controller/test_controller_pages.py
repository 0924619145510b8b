"""The pages of a controller: what hangs on its board."""

from dataclasses import replace

import pytest

from reconciler.controller.pages import controller_pages
from reconciler.controller.shown import Board, CalendarShown, LookResult, PastLook, Shown
from reconciler.report.web.fleet import RESULTS
from tests.controller.test_controller_web import MINUTE, NOW, ask, shown
from tests.report.web_pages import body, faults
from tests.report.web_samples import busy


def seen(path: str, board: Board) -> tuple[int, str]:
    answer = ask(path, board, pages=controller_pages(board))
    assert faults(answer.text) == []
    return answer.status_code, body(answer.text)


def looked(**more: object) -> Shown:
    return shown(status=busy().status, at=NOW, environment="production", **more)


def test_every_result_of_a_look_has_words():
    assert set(RESULTS) == {each.value for each in LookResult}


def test_before_the_first_look_it_says_so():
    board = Board(shown())
    assert seen("/", board)[0] == 503
    assert "line: the first look is not over" in seen("/", board)[1]
    board.shown = shown(looks=(PastLook(NOW, 1.0, LookResult.FAILED, why="no <server>"),))
    assert "nothing was read yet" in seen("/campaigns/berlin", board)[1]
    assert "no <server>" in seen("/", board)[1]


def test_the_last_look_is_shown_with_those_before_it():
    looks = (
        PastLook(NOW, 1.84, LookResult.APPLIED, steps=120),
        PastLook(NOW - MINUTE, 30.0, LookResult.FAILED, why="the server does not answer"),
    )
    calendars = (
        CalendarShown("nights", False, NOW + 60 * MINUTE, "winter"),
        CalendarShown("days", True, None),
        CalendarShown("local", None),
    )
    code, text = seen("/", Board(looked(looks=looks, calendars=calendars, commit="5f2a91c07be43d18")))
    assert code == 200
    for said in (
        "line · production",
        "commit 5f2a91c07be4",
        "next look Fri 2027-01-15 08:01 UTC",
        "applied 1.8 s 120 calls",
        "failed 30.0 s the server does not answer",
        "nights closed for the freeze winter, opens Fri 2027-01-15 09:00 UTC",
        "days open",
        "local read in the zone of each gateway",
    ):
        assert said in text, said


def test_a_standby_says_that_another_one_looks():
    looks = (PastLook(NOW, 0.1, LookResult.STANDBY, why="ann holds the lock"),)
    assert "standby: another process looks" in seen("/", Board(looked(looks=looks)))[1]


def test_each_campaign_has_its_page_and_a_new_look_is_seen_at_once():
    board = Board(looked())
    pages = controller_pages(board)
    assert "wave 2 of 4" in body(ask("/campaigns/berlin", board, pages=pages).text)
    assert ask("/campaigns/nowhere", board, pages=pages).status_code == 404
    fewer = replace(busy().status, rows=busy().status.rows[1:])
    board.shown = replace(board.shown, status=fewer)
    assert ask("/campaigns/berlin", board, pages=pages).status_code == 404


def test_the_form_of_a_page_may_be_sent_and_nothing_else_is_allowed():
    board = Board(looked())
    answer = ask("/", board, pages=controller_pages(board))
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert answer.headers.get_list("content-security-policy") == [answer.headers["content-security-policy"]]
    assert "form-action 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_read_only(method):
    board = Board(looked())
    assert ask("/", board, method=method, pages=controller_pages(board)).status_code == 405
