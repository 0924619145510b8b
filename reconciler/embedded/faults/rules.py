"""Rules of faults: which calls they strike, how often, and what becomes of such a call.

| effect     | what the caller gets                                                     | when         |
|------------|--------------------------------------------------------------------------|--------------|
| `latency`  | the answer, `milliseconds` later than it would be                        | both         |
| `status`   | an error of that `status` (503), perhaps with `retryAfter`               | both         |
| `cut`      | a connection that closes without a byte of an answer                     | both         |
| `truncate` | a connection that closes in the middle of the answer                     | always after |
| `half`     | half of the answer, whose length is that of the half                     | always after |
| `html`     | an HTML page in the place of the answer, of that `status` (200)          | both         |
| `text`     | plain text in the place of the answer, of that `status` (200)            | both         |
| `lag`      | an answer without what was made within the last `milliseconds`           |              |

When `before`: the request is read, and nothing is done. When `after`: all is done, and then that happens.
When `later` (`status`, `cut`, `html`, `text`): that happens at once, and all is done `milliseconds` after it.
A `lag` is one of lists and single reads of campaigns and packages, by the clock of the server.
"""

import random
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from reconciler.embedded.errors import CallRefused
from reconciler.embedded.wire import check_text

MAX_MILLISECONDS: Final = 600_000
_LOGGED: Final = 1000


class Effect(StrEnum):
    """What a fault does to a call."""

    LATENCY = "latency"
    STATUS = "status"
    CUT = "cut"
    TRUNCATE = "truncate"
    HALF = "half"
    HTML = "html"
    TEXT = "text"
    LAG = "lag"


PASSING: Final = frozenset({Effect.LATENCY, Effect.LAG})
"""The call goes on, and more may strike it."""
LAGGING: Final = frozenset({"list-campaigns", "list-packages", "get-campaign", "get-package"})
"""What a lag may be one of."""
_AFTER: Final = frozenset({Effect.TRUNCATE, Effect.HALF})
"""There is no half of an answer without the answer."""
_WITH_STATUS: Final = {Effect.STATUS: 503, Effect.HTML: 200, Effect.TEXT: 200}
_LATER: Final = frozenset({Effect.CUT, *_WITH_STATUS})
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault. `operations` empty: every one; `count` None: without end; the first `skip` calls pass."""

    effect: Effect
    operations: frozenset[str] = frozenset()
    after: bool = False
    later: bool = False
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    milliseconds: int = 0
    status: int = 0
    retry_after: str | None = None

    def shown(self) -> dict[str, object]:
        """As `/_embedded/faults` takes it, without what means nothing for the effect."""
        found: dict[str, object] = {
            "effect": self.effect,
            "operations": sorted(self.operations),
            "when": "later" if self.later else "after" if self.after else "before",
            "count": self.count,
            "skip": self.skip,
            "probability": self.probability,
        }
        if self.effect in PASSING or self.later:
            found["milliseconds"] = self.milliseconds
        if self.effect is Effect.LAG:
            del found["when"]
        if self.effect in _WITH_STATUS:
            found |= {"status": self.status, "retryAfter": self.retry_after}
        return found


@dataclass(slots=True)
class _Armed:
    """A rule at work: how many calls it was about, and how many it struck."""

    rule: Rule
    random: random.Random
    matched: int = 0
    fired: int = 0

    def strikes(self, operation: str) -> bool:
        rule = self.rule
        if rule.operations and operation not in rule.operations:
            return False
        self.matched += 1
        if self.matched <= rule.skip or (rule.count is not None and self.fired >= rule.count):
            return False
        # Drawn for each call, so that the same calls give the same draws whatever the rules before it did.
        if self.random.random() >= rule.probability:
            return False
        self.fired += 1
        return True


@dataclass(slots=True)
class Faults:
    """The rules of a running server, in order; they last as long as the process."""

    seed: int = 0
    armed: Sequence[_Armed] = ()
    under_way: set[object] = field(default_factory=set)
    """Calls that were answered, and are done later."""
    log: deque[dict[str, object]] = field(default_factory=lambda: deque(maxlen=_LOGGED))

    def arm(self, rules: Sequence[Rule], seed: int = 0) -> None:
        """These rules in the place of those before; the counts begin afresh. Each rule draws for itself."""
        self.seed = seed
        self.armed = [_Armed(rule, random.Random(f"{seed}/{n}")) for n, rule in enumerate(rules)]  # noqa: S311
        self.log.clear()

    def strike(self, operation: str, path: str) -> tuple[Rule, ...]:
        """What strikes this call: each latency and lag that applies, and at last at most one other rule."""
        struck: list[Rule] = []
        for number, armed in enumerate(self.armed):
            if armed.strikes(operation):
                struck.append(armed.rule)
                entry = {"rule": number, "effect": armed.rule.effect, "operation": operation, "path": path}
                self.log.append(entry)
                if armed.rule.effect not in PASSING:
                    break
        return tuple(struck)

    def shown(self) -> dict[str, object]:
        """The rules with their counts, and the last strikes, oldest first."""
        return {
            "seed": self.seed,
            "rules": [
                armed.rule.shown() | {"matched": armed.matched, "fired": armed.fired} for armed in self.armed
            ],
            "log": list(self.log),
        }


def parse_rules(body: Mapping[str, object], known: Collection[str]) -> tuple[tuple[Rule, ...], int]:
    """Rules and seed of `{"seed": …, "rules": […]}`; 400 says what is wrong with which rule."""
    unknown = sorted(body.keys() - {"seed", "rules"})
    if unknown:
        raise CallRefused(400, f"There is no {unknown[0]!r} here; there are seed, rules.")
    rules = body.get("rules")
    if not isinstance(rules, list):
        raise CallRefused(400, "`rules` must be a list.")
    seed = _whole(body, "seed", 0, low=-(1 << 53))
    return tuple(_rule(value, f"Rule {n}", known) for n, value in enumerate(rules)), seed


def _rule(value: object, where: str, known: Collection[str]) -> Rule:
    if not isinstance(value, dict):
        raise CallRefused(400, f"{where} must be an object.")
    effect = value.get("effect")
    if effect not in list(Effect):
        raise CallRefused(400, f"{where}: `effect` must be {', '.join(Effect)}.")
    effect = Effect(effect)
    allowed = {"effect", "operations", "when", "count", "skip", "probability"}
    if effect in PASSING or value.get("when") == "later":
        allowed.add("milliseconds")
    if effect is Effect.LAG:
        allowed.remove("when")
    if effect in _WITH_STATUS:
        allowed |= {"status", "retryAfter"}
    unknown = sorted(value.keys() - allowed)
    if unknown:
        raise CallRefused(
            400, f"{where} has no {unknown[0]!r}; `{effect}` takes {', '.join(sorted(allowed))}."
        )
    when = value.get("when", "after" if effect in _AFTER else "before")
    choices = ["after"] if effect in _AFTER else ["before", "after", *(["later"] if effect in _LATER else [])]
    if when not in choices:
        raise CallRefused(400, f"{where}: `when` must be {' or '.join(choices)}.")
    return Rule(
        effect=effect,
        operations=_lagging(value, where) if effect is Effect.LAG else _operations(value, where, known),
        after=when == "after",
        later=when == "later",
        count=None if value.get("count") is None else _whole(value, "count", 0, where=where),
        skip=_whole(value, "skip", 0, where=where),
        probability=_probability(value, where),
        milliseconds=_whole(value, "milliseconds", 0, high=MAX_MILLISECONDS, where=where),
        status=_status(value, effect, where),
        retry_after=_retry_after(value, where),
    )


def _lagging(value: Mapping[str, object], where: str) -> frozenset[str]:
    """What of lists and single reads lags: all of them, or those that are named."""
    return _operations(value, where, LAGGING) or LAGGING


def _operations(value: Mapping[str, object], where: str, known: Collection[str]) -> frozenset[str]:
    names = value.get("operations", [])
    if not isinstance(names, list):
        raise CallRefused(400, f"{where}: `operations` must be a list of names; empty for all.")
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise CallRefused(400, f"{where}: there is no operation {name!r}.")
    return frozenset(names)


def _status(value: Mapping[str, object], effect: Effect, where: str) -> int:
    default = _WITH_STATUS.get(effect)
    if default is None:
        return 0
    found = _whole(value, "status", default, low=200, high=599, where=where)
    if found in _WITHOUT_BODY:
        raise CallRefused(400, f"{where}: `status` {found} can't have a body, and a fault has one.")
    return found


def _probability(value: Mapping[str, object], where: str) -> float:
    found = value.get("probability", 1.0)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
        raise CallRefused(400, f"{where}: `probability` must be a number from 0 to 1.")
    return float(found)


def _retry_after(value: Mapping[str, object], where: str) -> str | None:
    """Seconds, or a text as it is: an HTTP date, or nonsense to see what the caller makes of it."""
    found = value.get("retryAfter")
    if found is None:
        return None
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    text = check_text(found, f"{where}: `retryAfter`")
    if not all(" " <= c <= "~" for c in text):
        raise CallRefused(400, f"{where}: `retryAfter` must be seconds or one line of ASCII.")
    return text


def _whole(
    body: Mapping[str, object], key: str, default: int, *, low: int = 0, high: int = 1 << 53, where: str = ""
) -> int:
    found = body.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
        prefix = f"{where}: " if where else ""
        raise CallRefused(400, f"{prefix}`{key}` must be a whole number from {low} to {high}.")
    return found
