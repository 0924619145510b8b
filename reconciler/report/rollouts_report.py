"""Rollouts for people and for JSON: which wave, what it waits for, and when the next can open.

Tests: `tests/report/test_rollouts_report.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from reconciler.model import ResourceId, RolloutStatus
from reconciler.providers.base import Stage
from reconciler.report.devices import joining, staying
from reconciler.report.lines import Line
from reconciler.report.markup import code_span
from reconciler.report.table import bar
from reconciler.report.terminal import Paint, Tone, columns, padded, plain
from reconciler.rollout.situation import Wait, WaitFor
from reconciler.rollout.views import RolloutView, WavePhase, WaveView
from reconciler.text import calendar_time, clean, cut, plural, span

_LONGEST: Final = 16_000
"""Characters of all rollouts in Markdown."""
_BAR: Final = 30
"""Columns of the bar of a wave."""
_PHASES = {
    WavePhase.PASSED: "passed",
    WavePhase.OPEN: "open",
    WavePhase.OPENS: "opens now",
    WavePhase.LATER: "later",
}


def rollout_lines(
    views: Iterable[RolloutView],
    paint: Paint = plain,
    *,
    over: bool = False,
    starting: Collection[ResourceId] = (),
) -> Iterator[str]:
    """Every rollout: where it stands, its waves, what it waits for. `over`: also those that are complete.

    `starting`: the campaigns that the plan starts, so that they wait for that no longer.
    """
    for view in views:
        if view.status == "complete" and not (view.joins or over):
            continue
        waits = [
            each
            for each in view.waits
            if each.reason is not WaitFor.NOT_RUNNING or view.resource not in starting
        ]
        if waits and view.status == "progressing" and not (view.opens or view.joins or over):
            yield _waiting(view, waits, paint)
            continue
        stands = f"{view.where} opens" if view.opens else f"{view.where}, {view.status}"
        yield f"{paint(clean(str(view.resource)), Tone.STRONG)}: rollout {clean(view.policy)}, {stands}"
        if view.joins:
            after = view.entered + view.joins
            share = f"{after * 100 / view.total:.3g} %"
            said = f"+ {joining(view.joins)}: {after:,} of {view.total:,} then ({share})"
            yield f"  {paint(said, Tone.GOOD)}"
        yield from (f"  {line}" for line in _revisions(view))
        yield from (f"  {line}" for line in _table(view))
        yield from (f"  waits: {wait_words(view, wait)}" for wait in waits)
        if view.checks:
            only = "it opens only if they pass; " if view.opens else ""
            yield f"  {only}checks asked at apply: {clean(', '.join(view.checks))}"
        if view.next_look is not None:
            yield f"  the next look that can change something: {_when(view, view.next_look)}"
        if view.ends is not None and view.status != "complete":
            yield f"  {_complete(view, view.ends)}"


def _waiting(view: RolloutView, waits: Iterable[Wait], paint: Paint) -> Line:
    """One that only waits, in a paragraph: for what, and until when."""
    said = "; ".join(wait_words(view, wait).removeprefix(f"{view.where}: ") for wait in waits)
    if view.earlier:
        said += f"; {staying(view.earlier)}, an earlier revision"
    if view.next_look is not None:
        said += f". The next look that can change something: {_when(view, view.next_look)}"
    return Line(f"{paint('Waits:', Tone.WARNING)} {clean(str(view.resource))}, {view.where}: {said}.", 7)


def _complete(view: RolloutView, ends: int) -> str:
    """When it can be complete; and about when, by a rehearsal."""
    return f"ends not before {_when(view, ends)}{_about(view, view.expected_end)}"


def _about(view: RolloutView, expected: int | None) -> str:
    return "" if expected is None else f", by the rehearsal: about {_when(view, expected)}"


def _when(view: RolloutView, milliseconds: int) -> str:
    """A time in the zone of the calendars, or of this machine."""
    return calendar_time(milliseconds, view.zone, view.now)


def _revisions(view: RolloutView) -> Iterator[str]:
    """Who comes from what was rolled out before, and who stays with that."""
    if view.moves:
        yield f"{view.moves:,} of them {'leaves' if view.moves == 1 else 'leave'} an earlier revision"
    if view.earlier:
        yield f"{staying(view.earlier)} until their wave: that is an earlier revision"


def _table(view: RolloutView) -> Iterator[str]:
    rows = [
        (_mark(wave), clean(wave.name), f"{wave.gateways:,}", wave_words(view, wave), _asked(wave))
        for wave in view.waves
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    for mark, name, count, stands, asked in rows:
        yield f"{mark} {name:<{widths[1]}}  {count:>{widths[2]}}  {stands:<{widths[3]}}  {asked}".rstrip()


def _asked(wave: WaveView) -> str:
    """What it asks for beside its gate: how long it soaks, and a person's word."""
    verb = "soaked" if wave.phase is WavePhase.PASSED else "soak"
    parts = [f"{verb} {span(wave.soak)}"] if wave.soak else []
    if wave.approved:
        parts.append("approval: given")
    return ", ".join(parts)


def _mark(wave: WaveView) -> str:
    return "→" if wave.phase in (WavePhase.OPEN, WavePhase.OPENS) else " "


def wave_words(view: RolloutView, wave: WaveView) -> str:
    """How a wave of a rollout stands, in a few words."""
    if wave.phase is WavePhase.LATER:
        parts = []
        if wave.not_before is not None:
            parts.append(f"not before {_when(view, wave.not_before)}{_about(view, wave.expected)}")
        if wave.approval:
            parts.append("waits for a person's word")
        return ", ".join(parts) or "later"
    counts = [
        (wave.done, "done"),
        (wave.failed, "failed"),
        (wave.idle, "not begun"),
        (wave.refused, "refused"),
    ]
    said = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    # Its gateways may have been members before the rollout existed; then no gate was passed.
    unproved = wave.phase is WavePhase.PASSED and wave.entered and not wave.done
    stands = "in" if unproved else _PHASES[wave.phase]
    return f"{stands}{': ' if said else ''}{said}"


def wait_words(view: RolloutView, wait: Wait) -> str:
    """What a rollout waits for, as a sentence without its end."""
    text, name = clean(wait.text), view.resource.name
    until = "" if wait.until is None else _when(view, wait.until)
    opens = f" until {until}" if until else ", and not known to open"
    left = "" if wait.until is None or not view.now else f"{span(wait.until - view.now)} left, "
    resume = f"go on with `reconciler rollout resume {name} --reason TEXT`"
    promote = f"`reconciler rollout promote {name} --reason TEXT`"
    words = {
        WaitFor.SUCCESS: f"{view.where}: {text}",
        WaitFor.SOAK: f"{view.where}: {text}; soak {left}until {until}",
        WaitFor.APPROVAL: f"wave {text} wants a person's word: write rollout.approved: {text}, or {promote}",
        WaitFor.CALENDAR: f"{_calendars(text)} closed{opens}",
        WaitFor.CHECK: f"check {text}",
        WaitFor.BUDGET: f"the disruption budget is used up: {text}",
        WaitFor.PAUSED: f"it is paused{_said(view)}: {text}; {resume}",
        WaitFor.PAUSED_IN_GIT: "Git pauses it: rollout.paused is true",
        WaitFor.ABORTED: f"it is aborted{_said(view)}: {text}; {resume}",
        WaitFor.HELD: "somebody stopped the campaign; start it again with --resume",
        WaitFor.NOT_RUNNING: "the campaign does not run",
        WaitFor.STILL_RUNS: f"it is the way back from {text}, which is to stand still: stop that one first",
        WaitFor.WAY_BACK: (
            f"its way back {text} is under way, and only one of them may run: let it complete, or end it"
        ),
        WaitFor.AFTER: f"it begins when others are complete: {text}",
        WaitFor.APPLY: "something else of the campaign differs, and is left to an apply",
    }
    return words[wait.reason]


def _said(view: RolloutView) -> str:
    """Since when it doesn't go on, and whose word that was."""
    since = f" since {_when(view, view.at)}" if view.at else ""
    return f"{since}, by {clean(view.by)}" if view.by else since


def _calendars(names: str) -> str:
    if not names:
        return "the calendar is"
    return f"the calendars {names} are" if ", " in names else f"the calendar {names} is"


def rollout_bars(view: RolloutView, paint: Paint = plain, *, blocks: bool = True) -> Iterator[str]:
    """A bar for each wave, as wide as the others, and what the rollout waits for; nothing once complete."""
    if view.status is RolloutStatus.COMPLETE:
        return
    names = [clean(wave.name) for wave in view.waves]
    width = max(map(columns, names), default=0)
    counts = [
        f"{wave.done:,}/{wave.gateways:,}" if wave.entered else f"{wave.gateways:,}" for wave in view.waves
    ]
    widest = max(map(len, counts), default=0)
    for wave, name, count in zip(view.waves, names, counts, strict=True):
        drawn = _bar(wave, paint, blocks=blocks)
        yield f"  {padded(name, width)}  {drawn}  {count:>{widest}}  {_beside(view, wave)}".rstrip()
    said = [wait_words(view, wait) for wait in view.waits]
    if not any(each.startswith(view.where) for each in said):
        said.insert(0, f"{view.where}, {view.status}")
    if view.earlier:
        said.append(f"{staying(view.earlier)}, an earlier revision")
    if view.ends is not None:
        said.append(_complete(view, view.ends))
    yield Line(f"  {'; '.join(said)}", 4)


def _bar(wave: WaveView, paint: Paint, *, blocks: bool) -> str:
    """Who is in by stage, and a dot for who isn't yet."""
    inside = _BAR * wave.entered // wave.gateways if wave.gateways else 0
    stages = {
        Stage.DONE: wave.done,
        Stage.FAILED: wave.failed,
        Stage.IDLE: wave.idle,
        Stage.UNDER_WAY: max(0, wave.entered - wave.done - wave.failed - wave.idle),
    }
    inside = max(inside, 1) if wave.entered else 0
    return bar(stages, inside, paint, blocks=blocks) + ("·" if blocks else ".") * (_BAR - inside)


def _beside(view: RolloutView, wave: WaveView) -> str:
    asked = _asked(wave)
    if wave.phase is not WavePhase.LATER:
        parts = [f"{wave.failed:,} failed"] if wave.failed else []
        return ", ".join([*parts, asked] if asked and wave.phase is not WavePhase.PASSED else parts)
    if wave.approval:
        return "waits for a person's word"
    if wave.not_before is None:
        return asked
    bound = f"not before {_when(view, wave.not_before)}{_about(view, wave.expected)}"
    return f"{bound}, {asked}" if asked else bound


def rollout_item(view: RolloutView) -> dict[str, object]:
    """One rollout in JSON; times in epoch milliseconds, null where nobody knows."""
    return {
        "resource": str(view.resource),
        "policy": view.policy,
        "status": view.status.value,
        "why": view.why,
        "by": view.by,
        "at": view.at or None,
        "wave": view.wave,
        "opens": view.opens or None,
        "joins": view.joins,
        "moves": view.moves,
        "earlier": view.earlier,
        "waves": [_wave_item(view, number, wave) for number, wave in enumerate(view.waves, start=1)],
        "waits": [
            {"for": wait.reason.value, "until": wait.until, "text": wait_words(view, wait)}
            for wait in view.waits
        ],
        "checks": list(view.checks),
        "next": view.next_look,
        "endsNotBefore": view.ends,
        "endsExpected": view.expected_end,
    }


def _wave_item(view: RolloutView, number: int, wave: WaveView) -> dict[str, object]:
    last = number == view.wave
    return {
        "name": wave.name,
        "gateways": wave.gateways,
        "in": wave.entered,
        "done": wave.done,
        "failed": wave.failed,
        "idle": wave.idle,
        "refused": wave.refused,
        "phase": wave.phase.value,
        "since": view.since or None if last else None,
        "reached": view.reached if last else None,
        "opensNotBefore": wave.not_before,
        "opensExpected": wave.expected,
    }


def rollout_markdown(views: Iterable[RolloutView], limit: int = _LONGEST) -> Iterator[str]:
    """What waves of each rollout are to come, for a pull request, in at most `limit` characters.

    A piece each: those that stand aborted, then those of which a wave opens. Complete ones are left out.
    """
    told = [view for view in views if view.status is not RolloutStatus.COMPLETE or view.joins]
    told.sort(key=lambda view: (not view.aborted, not view.opens, view.resource))
    if not told:
        return
    yield f"### Rollouts: {len(told):,}\n"
    for number, view in enumerate(told):
        piece = "\n".join(_in_markdown(view))
        if (limit := limit - len(piece)) < 0:
            yield f"and {plural(len(told) - number, 'more rollout')}\n"
            return
        yield piece


def _in_markdown(view: RolloutView) -> Iterator[str]:
    """A table of the waves, what it waits for, and when they can open as a chart."""
    stands = f"wave {view.opens} opens" if view.opens else view.status.value
    yield f"**{code_span(str(view.resource))}**: rollout {code_span(view.policy)}, {stands}"
    if view.joins:
        after = view.entered + view.joins
        yield f"<br>{joining(view.joins)}: {after:,} of {view.total:,} then"
    yield from (f"<br>{line}" for line in _revisions(view))
    yield ""
    yield "| wave | gateways | in | done | failed | stands |"
    yield "|---|---:|---:|---:|---:|---|"
    for wave in view.waves:
        counts = (f"{each:,}" for each in (wave.gateways, wave.entered, wave.done, wave.failed))
        yield f"| {code_span(wave.name, table=True)} | {' | '.join(counts)} | {_stands(view, wave)} |"
    yield ""
    for wait in view.waits:
        yield f"- waits: {code_span(wait_words(view, wait))}"
    if view.checks:
        yield f"- checks asked at apply: {', '.join(map(code_span, view.checks))}"
    if view.waits or view.checks:
        yield ""
    yield from _gantt(view)


def _stands(view: RolloutView, wave: WaveView) -> str:
    return ", ".join(filter(None, (wave_words(view, wave), _asked(wave))))


def _gantt(view: RolloutView) -> Iterator[str]:
    numbered = enumerate(view.waves, start=1)
    later = [
        (f"{n} {_label(each.name)}", each.not_before) for n, each in numbered if each.not_before is not None
    ]
    if not later or view.ends is None:
        return
    yield "```mermaid"
    yield "gantt"
    yield "  dateFormat x"
    yield "  axisFormat %a %d %H:%M"
    yield "  title Not before"
    stops = [at for _, at in later[1:]] + [view.ends]
    for (label, begin), end in zip(later, stops, strict=True):
        # The number comes first, so that no wave's name is read as a keyword of the chart.
        yield f"  {label} :{begin}, {max(end or begin, begin + 3_600_000)}"
    yield "```"
    yield ""


def _label(text: str) -> str:
    plain_text = "".join(c if c.isalnum() or c in " .%_-" else " " for c in text)
    return cut(plain_text.replace("%%", "% %"), 60)
