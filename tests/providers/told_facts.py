"""The facts of a provider as lines of text, for a golden file: whoever changes one sees it there."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from reconciler.model import Operation, SchedulePhase
from reconciler.providers.base import Facts


def told_facts(facts: Facts, more: Iterable[Operation] = ()) -> str:
    """Every fact but what is code, and `more` operations that belong to them."""
    lines = [_operation(each) for each in (*facts.operations.values(), *more)]
    for each in fields(facts):
        if each.name != "operations" and not callable(value := getattr(facts, each.name)):
            lines += [f"{each.name}: {line}" for line in _lines(value)]
    lines += [f"means: {_state(facts, state)}" for state in (*facts.states, "a word of tomorrow")]
    return "".join(f"{line}\n" for line in lines)


def _state(facts: Facts, state: str) -> str:
    """What the core makes of a gateway's state."""
    means = {"in flight": facts.in_flight(state), "changed": facts.changed(state)}
    means |= {f"past {phase}": facts.past(state, phase) for phase in SchedulePhase}
    words = ", ".join([facts.stage(state), *(word for word, so in means.items() if so)])
    return f"{state}: rank {facts.rank(state)}, {words}"


def _operation(one: Operation) -> str:
    what = f"{one.name}: {one.method} {one.path} ({one.section}), {one.repeat}"
    needs = f", needs {' '.join(one.permissions) or 'no permission'}"
    return what + needs + (", destructive" if one.destructive else "")


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (f"{key}: {_told(each)}" for key, each in value.items())
    elif is_dataclass(value):
        yield from (f"{each.name}: {_told(getattr(value, each.name))}" for each in fields(value))
    elif isinstance(value, tuple):
        yield from map(_told, value)
    else:
        yield _told(value)


def _told(value: Any) -> str:
    """One value; what has no order is sorted."""
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(str, value))) or "none"
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_told(each)}" for key, each in value.items()) or "none"
    if is_dataclass(value):
        return "; ".join(f"{each.name} {_told(getattr(value, each.name))}" for each in fields(value))
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
