"""The chain of the audit log: every way to tamper with it is found, and its first place named."""

import json
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from audit_logs import chained, log_of
from hypothesis import given
from hypothesis import strategies as st

from reconciler.audit.chain import ChainLink, Fault, canonical, decode, encode, link_of, torn_line, verify
from reconciler.errors import StateError
from reconciler.model import Kind

SIZES = st.integers(1, 12)


@st.composite
def logs_and_places(draw: st.DrawFn, *, least: int = 1) -> tuple[list[str], int]:
    size = draw(st.integers(least, 12))
    return log_of(size), draw(st.integers(1, size))


def broken(lines: list[str]) -> tuple[int, Fault]:
    found = verify(lines).broken
    assert found is not None
    assert found.why
    return found.line, found.fault


@given(SIZES)
def test_what_was_written_holds(size: int) -> None:
    lines = log_of(size)
    verdict = verify(iter(lines))
    assert (verdict.lines, verdict.broken, verdict.torn) == (size, None, ())
    assert verdict.last == json.loads(lines[-1])["hash"]


def test_an_empty_log_holds() -> None:
    assert verify([]).last is None
    assert verify([]).broken is None


def test_a_line_is_canonical_json_and_its_hash_that_of_the_rest() -> None:
    line, link = encode(
        {
            "type": "call",
            "what": "Straße \u2028 \ud800",
            "at": 1,
            "many": ("a", "ä", Kind.CAMPAIGN),
            "inner": {"b": [True, None, 1.5], "a": {}},
            "flags": [True, False, [], -(2**70)],
        },
        ChainLink(4, 2, "ab"),
        run=3,
    )
    assert line.isascii()
    data = json.loads(line)
    assert list(data) == sorted(data)
    assert (data["number"], data["previous"], data["run"]) == (5, "ab", 3)
    own = data.pop("hash")
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    assert own == sha256(text.encode()).hexdigest() == link.hash
    entry = decode(line)
    assert entry is not None
    assert (entry.link, entry.previous, entry.data) == (link, "ab", data)


def test_the_first_line_goes_on_from_nothing() -> None:
    assert '"previous":null' in log_of(1)[0]


@given(logs_and_places(), st.data())
def test_any_change_of_a_line_is_found_in_that_line(made: tuple[list[str], int], data: st.DataObject) -> None:
    lines, place = made
    line = lines[place - 1]
    at = data.draw(st.integers(0, len(line) - 1))
    lines[place - 1] = line[:at] + data.draw(st.characters().filter(lambda c: c != line[at])) + line[at + 1 :]
    assert broken(lines) == (place, Fault.CHANGED)


TAMPERED = [
    # what is done to a log of five lines, where the chain breaks, how, and a part of why
    (lambda log: [log[0], log[2], log[1], *log[3:]], 2, Fault.MOVED, "and what belongs here stands"),
    (lambda log: [log[0], *log[2:]], 2, Fault.LOST, "line 2 should stand before line 3"),
    (lambda log: [log[0], *log[3:]], 2, Fault.LOST, "lines 2 to 3 should stand before line 4"),
    (lambda log: [*log[:3], log[1], *log[3:]], 4, Fault.ADDED, "what belongs here stands at line 5"),
    (lambda log: [*log[:3], log[1]], 4, Fault.ADDED, "it is line 2 once more"),
    (lambda log: [log[0], "noise", *log[1:]], 2, Fault.ADDED, "what belongs here stands at line 3"),
    (lambda log: [log[0], "noise", *log[2:]], 2, Fault.CHANGED, "it isn't what was written"),
    (lambda log: [forged(log[0]), *log[1:]], 1, Fault.CHANGED, "line 2 goes on from another one"),
    (lambda log: [log[0], forged(log[1]), *log[2:]], 2, Fault.CHANGED, "line 3 goes on from another one"),
]  # fmt: skip


def forged(line: str) -> str:
    """Another line in the place of `line`, with a hash of its own."""
    entry = decode(line)
    assert entry is not None
    after = ChainLink(entry.link.number - 1, 0, entry.previous)
    return encode({"type": "call", "outcome": "forged"}, after, run=1)[0]


@pytest.mark.parametrize(("tamper", "line", "fault", "why"), TAMPERED)
def test_where_and_why_it_breaks(tamper, line: int, fault: Fault, why: str) -> None:
    found = verify(tamper(log_of(5))).broken
    assert found is not None
    assert (found.line, found.fault) == (line, fault)
    assert why in found.why


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "null", "NaN", "[" * 100_000, '{"a":1}', '{"hash":1,"number":1,"previous":null,"run":1}'],
)
def test_what_is_no_line(text: str) -> None:
    assert decode(text) is None


@pytest.mark.parametrize("spelled", [lambda line: line + " ", lambda line: line.replace('":', '": ')])
def test_another_spelling_of_the_same_is_a_change(spelled) -> None:
    lines = log_of(3)
    lines[1] = spelled(lines[1])
    assert broken(lines) == (2, Fault.CHANGED)


@given(logs_and_places(least=2))
def test_a_change_with_a_hash_of_its_own_is_found(made: tuple[list[str], int]) -> None:
    lines, place = made
    entry = decode(lines[place - 1])
    assert entry is not None
    after = ChainLink(place - 1, 0, entry.previous)
    lines[place - 1], _ = encode({"type": "call", "outcome": "forged"}, after, run=1)
    if place == len(lines):
        assert verify(lines).broken is None, "the last line is held by nothing but a hash noted elsewhere"
        assert verify(lines, expect=entry.link.hash).noted is None
    else:
        assert broken(lines) == (place, Fault.CHANGED)


@given(logs_and_places(least=2), st.integers(1, 4))
def test_lost_lines_are_found(made: tuple[list[str], int], many: int) -> None:
    lines, place = made
    before = len(lines)
    last = decode(lines[-1])
    del lines[place - 1 : place - 1 + many]
    if place - 1 + many >= before:
        assert verify(lines).broken is None, "nothing in the log tells that its end is cut off"
        assert last is not None
        assert verify(lines, expect=last.link.hash).noted is None
    else:
        assert broken(lines) == (place, Fault.LOST)


@given(logs_and_places(least=2), st.data())
def test_a_line_of_its_own_that_stands_twice_was_added(
    made: tuple[list[str], int], data: st.DataObject
) -> None:
    lines, place = made
    copied = data.draw(st.integers(1, place))
    lines.insert(place, lines[copied - 1])
    assert broken(lines) == (place + 1, Fault.ADDED)


@given(logs_and_places(), st.sampled_from(["", "noise", log_of(1)[0].replace("1", "2")]))
def test_noise_was_added(made: tuple[list[str], int], noise: str) -> None:
    lines, place = made
    lines.insert(place - 1, noise)
    assert broken(lines) == (place, Fault.ADDED)


@given(logs_and_places(least=2))
def test_a_forged_line_that_goes_on_from_the_one_before_was_added(made: tuple[list[str], int]) -> None:
    lines, place = made
    entry = decode(lines[place - 1])
    assert entry is not None
    forged, _ = encode({"type": "call"}, ChainLink(place - 1, 0, entry.previous), run=1)
    lines.insert(place - 1, forged)
    assert broken(lines) == (place, Fault.ADDED)


@given(logs_and_places(least=3), st.data())
def test_a_moved_line_is_found(made: tuple[list[str], int], data: st.DataObject) -> None:
    lines, place = made
    other = data.draw(st.integers(1, len(lines)).filter(lambda n: n != place))
    lines.insert(other - 1, lines.pop(place - 1))
    assert broken(lines) == (min(place, other), Fault.MOVED)


@given(logs_and_places(least=2), st.data())
def test_two_lines_that_change_places_are_found(made: tuple[list[str], int], data: st.DataObject) -> None:
    lines, place = made
    other = data.draw(st.integers(1, len(lines)).filter(lambda n: n != place))
    lines[place - 1], lines[other - 1] = lines[other - 1], lines[place - 1]
    assert broken(lines) == (min(place, other), Fault.MOVED)


def test_a_log_without_its_beginning_is_found() -> None:
    assert broken(log_of(4)[2:]) == (1, Fault.LOST)
    forged, _ = encode({"type": "begin"}, ChainLink(0, 0, "ab" * 32), run=1)
    assert broken([forged]) == (1, Fault.CHANGED)


@given(logs_and_places())
def test_a_noted_hash_is_found_in_its_line(made: tuple[list[str], int]) -> None:
    lines, place = made
    noted = json.loads(lines[place - 1])["hash"]
    assert verify(lines, expect=noted).noted == place
    assert verify(lines, expect="ab" * 32).noted is None


# --- lines that were cut short -----------------------------------------------------------------------


def healed(whole: int, rest: bytes) -> list[str]:
    """A log whose line after `whole` lines was cut short to `rest`, and that went on."""
    lines = log_of(whole)
    tail = link_of(lines[-1] if lines else None)
    lines += [rest.decode("utf-8", "surrogateescape"), torn_line(rest, tail)]
    line, link = encode({"type": "begin"}, link_of(lines[-1]), run=tail.run + 1)
    return [*lines, line, encode({"type": "end"}, link, run=link.run)[0]]


@given(st.integers(0, 4), st.binary(min_size=1).filter(lambda rest: b"\n" not in rest))
def test_a_line_that_was_cut_short_and_owned_up_to_holds(whole: int, rest: bytes) -> None:
    lines = healed(whole, rest)
    verdict = verify(lines)
    assert (verdict.broken, verdict.torn, verdict.lines) == (None, (whole + 1,), whole + 4)
    assert [json.loads(line)["number"] for line in lines[whole + 1 :]] == list(range(whole + 2, whole + 5))


def test_what_was_cut_short_can_t_be_changed_after() -> None:
    lines = healed(2, b'{"at": 1')
    lines[2] = '{"at": 2'
    assert broken(lines) == (3, Fault.CHANGED)


def test_a_whole_line_can_t_be_passed_off_as_cut_short() -> None:
    lines = log_of(4)
    lines[2:] = ["noise", torn_line(b"noise", link_of(lines[1])), lines[3]]
    assert broken(lines) == (4, Fault.ADDED), "the log goes on without what was put in"


def test_a_line_that_is_cut_short_at_the_end_breaks_until_it_is_owned_up_to() -> None:
    lines = log_of(3)
    assert broken([*lines, lines[0][:40]]) == (4, Fault.CHANGED)
    assert broken(["", torn_line(b"x", ChainLink())]) == (1, Fault.CHANGED)


def test_nothing_goes_on_from_a_line_that_was_changed() -> None:
    with pytest.raises(StateError, match="isn't as it was written") as caught:
        link_of(log_of(1)[0].replace("call", "cell"))
    assert caught.value.hint
    assert "audit verify" in caught.value.hint


def test_behind_a_break_what_is_whole_is_still_read() -> None:
    from reconciler.audit.chain import ChainVerifier

    lines = log_of(5)
    lines[1] = "noise"
    verifier = ChainVerifier(lines)
    assert [entry.data["outcome"] for entry in verifier] == ["0", "2", "3", "4"]
    assert verifier.verdict.broken is not None
    assert verifier.verdict.lines == 5


def test_anybody_can_check_a_line(tmp_path: Path) -> None:
    """As docs/audit.md says: `sha256sum` over the line without its hash."""
    line = chained({"type": "begin", "at": "2027-01-15T08:00:00.250Z"})[0]
    own = json.loads(line)["hash"]
    rest = line.replace(f'"hash":"{own}",', "")
    summed = subprocess.run(["sha256sum"], input=rest.encode(), capture_output=True, check=True).stdout
    assert summed.decode().split()[0] == own
    assert canonical({"b": 1, "a": [None, True]}) == '{"a":[null,true],"b":1}'
