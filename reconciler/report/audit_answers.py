"""What the commands `audit …` answer.

A log may be of another version, or forged: what isn't as expected is shown as it is, or as missing.

Tests: `tests/cli/test_cli_audit.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from reconciler.audit.chain import Verdict
from reconciler.audit.runs import PastRun, how_many
from reconciler.model import Json, OutcomeStatus
from reconciler.report.command_answers import Answer
from reconciler.report.table import pairs, table
from reconciler.report.terminal import Paint, Tone
from reconciler.report.wording import OUTCOMES, show
from reconciler.text import clean, first, plural

_DIGITS: Final = 12
"""Of a hash or a commit, in a table."""
_NAMED: Final = 3
"""Gateways of a call that are named; the JSON form names all."""
_CHAIN: Final = frozenset({"type", "run", "number", "previous"})
"""What a line says for the sake of the log."""
_WIDTH: Final = len(OUTCOMES[OutcomeStatus.NOT_NEEDED])
_GOOD: Final = frozenset({OutcomeStatus.DONE, OutcomeStatus.NOT_NEEDED})

Line = Mapping[str, Json]


def audit_table(past: Sequence[PastRun], total: int, verdict: Verdict, url: str) -> Answer:
    """`audit show`: the last runs of `total`, oldest first."""

    def lines(paint: Paint) -> Iterator[str]:
        yield from _warning(verdict, paint)
        if past:
            headings = ("RUN", "BEGIN", "WHAT", "WHO", "ENVIRONMENT", "COMMIT", "CALLS", "EXIT")
            tones = [Tone.WARNING if run.end is None else Tone.QUIET for run in past]
            yield from table(headings, [_row(run) for run in past], paint, tones=tones)
        more = f" of {total:,}" if total > len(past) else ""
        yield f"{plural(len(past), 'run')}{more}." if total else f"The audit log of {clean(url)} is empty."

    return Answer({**_log(verdict, url), "runs": [_item(run) for run in past]}, lines)


def audit_run(run: PastRun, calls: Iterable[Line], verdict: Verdict, url: str) -> Answer:
    """`audit show RUN`. ``calls`` are read when they are written: there may be a million."""

    def lines(paint: Paint) -> Iterator[str]:
        yield from _warning(verdict, paint)
        yield from pairs([(name, value) for name, value in _facts(run) if value], paint)
        yield ""
        yield from (_call(call, paint) for call in calls)

    items = ({name: value for name, value in call.items() if name not in _CHAIN} for call in calls)
    return Answer({**_log(verdict, url), "run": _item(run)}, lines, ("calls", items))


def audit_verdict(verdict: Verdict, url: str, expect: str | None) -> Answer:
    """`audit verify`. ``expect`` is the hash that was noted elsewhere."""
    data: dict[str, object] = _log(verdict, url)
    if expect is not None:
        data["expected"] = {"hash": expect, "line": verdict.noted}

    def lines(paint: Paint) -> Iterator[str]:
        if verdict.broken:
            yield from _warning(verdict, paint)
            return
        if not verdict.lines:
            yield f"The audit log of {clean(url)} is empty."
        else:
            held = (
                f"none of {plural(verdict.lines, 'line')} was changed, added or moved, and none is missing"
                " between them."
            )
            yield f"{paint('ok', Tone.GOOD)}: {held}"
        for line in verdict.torn:
            yield f"Line {line} was cut short by a crash, and the line after it says so."
        if expect is not None:
            yield _noted(verdict, paint)
        if verdict.last:
            yield f"Last hash: {verdict.last}"
            yield "Note it elsewhere: `audit verify --expect HASH` then also finds lines cut off at the end."

    return Answer(data, lines)


def _noted(verdict: Verdict, paint: Paint) -> str:
    if verdict.noted is None:
        why = "no line has the hash that was noted: the end was cut off, or all of it was written anew."
        return f"{paint('error', Tone.ERROR)}: {why}"
    since = plural(verdict.lines - verdict.noted, "line")
    return (
        f"{paint('ok', Tone.GOOD)}: the hash that was noted is that of line {verdict.noted}; {since} since."
    )


def _log(verdict: Verdict, url: str) -> dict[str, object]:
    broken = verdict.broken
    return {
        "log": {
            "state": url,
            "lines": verdict.lines,
            "hash": verdict.last,
            "torn": list(verdict.torn),
            "broken": broken and {"line": broken.line, "fault": broken.fault.value, "why": broken.why},
        }
    }


def _warning(verdict: Verdict, paint: Paint) -> Iterator[str]:
    if broken := verdict.broken:
        words = f"the audit log breaks at line {broken.line} ({broken.fault.value}): {broken.why}."
        yield f"{paint('error', Tone.ERROR)}: {words}"
        yield "From there on it proves nothing."


# --- runs ----------------------------------------------------------------------------------------


def _item(run: PastRun) -> dict[str, object]:
    end = run.end or {}
    return {
        "run": run.number,
        "hash": run.hash,
        **{name: value for name, value in run.begin.items() if name not in _CHAIN},
        "ended": end.get("at"),
        "exit": end.get("exit"),
        "error": end.get("error"),
        "outcomes": dict(run.outcomes),
    }


def _row(run: PastRun) -> tuple[str, ...]:
    begin = run.begin
    waived = "".join(f", waived {waiver.get('guard')}" for waiver in _objects(begin.get("waived")))
    return (
        str(run.number),
        _text(begin.get("at")),
        _what(begin) + waived,
        _who(begin, short=True),
        _text(begin.get("environment")),
        _commit(begin, _DIGITS) or "-",
        _counts(run) or "-",
        _text(run.end.get("exit")) if run.end else "no end",
    )


def _facts(run: PastRun) -> Iterator[tuple[str, str]]:
    """What there is to say of a run, except for its calls; empty where there is nothing."""
    begin, end = run.begin, run.end or {}
    server = _object(begin.get("server"))
    organization = server.get("organization")
    yield "Run", f"{run.number}, {_what(begin)}"
    yield "Begin", _text(begin.get("at"))
    yield "End", _text(end.get("at")) if run.end else "none: it was killed, or goes on"
    yield "Who", _who(begin)
    yield "Server", _text(server.get("url")) + (f" (organization {organization})" if organization else "")
    yield "Project", _text(begin.get("project"), "")
    yield "Environment", _text(begin.get("environment"), "")
    yield "Commit", _commit(begin)
    steps = {name: _number(count) for name, count in _object(begin.get("steps")).items()}
    yield "Plan", f"{begin['plan']}, {plural(sum(steps.values()), 'step')}" if "plan" in begin else ""
    yield "Plan file", _text(begin.get("planFile"), "")
    for waiver in _objects(begin.get("waived")):
        about = f" for {waiver['resource']}" if "resource" in waiver else ""
        count = f"{waiver.get('found')} where {waiver.get('limit')} may be"
        git = f", in Git until {waiver['until']}" if "until" in waiver else ""
        yield "Waived", f"{waiver.get('guard')}{about}, {count}{git}: {waiver.get('reason')}"
    for name in ("takes", "forgets"):
        for each in _objects(begin.get(name)):
            yield name.capitalize(), " ".join(_text(each[key]) for key in sorted(each, reverse=True))
    for name, value in sorted(_object(begin.get("about")).items()):
        yield name.capitalize(), value if isinstance(value, str) else show(value)
    yield "Calls", _counts(run)
    if run.end is None:
        left = {name: count - run.operations.get(name, 0) for name, count in sorted(steps.items())}
        yield "No outcome", ", ".join(f"{name} × {count:,}" for name, count in left.items() if count > 0)
    yield "Exit", _text(end.get("exit"), "")
    yield "Error", _text(end.get("error"), "")
    yield "Hash", run.hash


def _call(call: Line, paint: Paint) -> str:
    """One call on one line: when, how it ended, what, on what, for which gateways, why."""
    word = _text(call.get("outcome"))
    status = OutcomeStatus(word) if word in list(OutcomeStatus) else None
    outcome = f"{OUTCOMES[status] if status else clean(word):<{_WIDTH}}"
    about = [_text(call[key]) for key in ("resource", "name", "id") if key in call]
    said = [_text(call.get("operation")), *([" ".join(about)] if about else [])]
    if gateways := _list(call.get("gateways")):
        said.append(f"{plural(len(gateways), 'gateway')}: {first([str(each) for each in gateways], _NAMED)}")
    if left := _list(call.get("left")):
        said.append(f"not for {plural(len(left), 'gateway')}: {first([str(each) for each in left], _NAMED)}")
    if call.get("attempts", 1) not in (0, how_many(call)):
        said.append(f"{_text(call['attempts'])} attempts")
    if call.get("message"):
        said.append(_text(call["message"]))
    tone = Tone.GOOD if status in _GOOD else Tone.WARNING
    return "  ".join([_text(call.get("at")), paint(outcome, tone), *map(clean, said)])


def _what(begin: Line) -> str:
    """The command, and what it was about where no call says so."""
    about = _object(begin.get("about"))
    return " ".join(_text(each) for each in (begin.get("operation"), about.get("resource")) if each)


def _who(begin: Line, *, short: bool = False) -> str:
    who = _object(begin.get("who"))
    actor, holder = who.get("actor"), f"{_text(who.get('holder'))} on {_text(who.get('host'))}"
    if actor is None:
        return holder
    return str(actor) if short else f"{actor}, as {holder}"


def _commit(begin: Line, digits: int | None = None) -> str:
    commit = _object(begin.get("commit"))
    dirty = " (dirty)" if commit.get("dirty") is True else ""
    return f"{str(commit['id'])[:digits]}{dirty}" if "id" in commit else ""


def _counts(run: PastRun) -> str:
    words = {status.value: OUTCOMES[status] for status in OutcomeStatus}
    return ", ".join(f"{count:,} {words.get(name, name)}" for name, count in sorted(run.outcomes.items()))


def _text(value: Json, missing: str = "-") -> str:
    return missing if value is None else str(value)


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _object(value: Json) -> Line:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else ()


def _objects(value: Json) -> Iterator[Line]:
    """The objects of a list; one that stands alone is a list of one."""
    return (each for each in (_list(value) or (value,)) if isinstance(each, Mapping))
