"""What an answer with a good status says all the same: a no, a no for some, or something about somebody else.

| an answer to a write                                  | says                                               |
|-------------------------------------------------------|----------------------------------------------------|
| nothing, a word, an object without any of these       | done                                               |
| ``success: false``, ``error: …``, ``errors: [ … ]``   | no                                                 |
| ``failed: true``, ``errorCode: 17``, ``result: KO``   | no                                                 |
| ``status: FAILED``, ``code: 404``                     | no, as that status would                           |
| ``failedGatewayIds: [ … ]``, rows that say no         | no for those, of a call that carries many          |

The same under ``result``, ``data`` and their like. Of a read only what is no part of the object counts: what
is within a list, and an object's own ``status`` and ``errors``, is what was asked for.

Tests: `tests/providers/test_verdict_tables.py`, `tests/providers/test_verdicts.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from reconciler.providers.http.shape import ID_KEYS, is_object
from reconciler.text import id_form


class Misdirected(Exception):
    """An answer about another object than the one that was asked for; the text says which."""


def about(value: object, wanted: Mapping[str, tuple[str, Collection[str]]]) -> None:
    """Misdirected when an object names another id.

    `wanted`: what it is → its id, and the keys that name it.
    """
    if not is_object(value) or not value:
        return
    for what, (wanted_id, keys) in wanted.items():
        for key in keys:
            found = value.get(key)
            if found == wanted_id or found in (None, "") or isinstance(found, bool):
                continue
            if isinstance(found, str | int) and id_form(str(found)) != id_form(wanted_id):
                raise Misdirected(f"it is about {what} {str(found)[:100]!r}, and not about {wanted_id!r}")


@dataclass(frozen=True, slots=True)
class Denial:
    """A no: its words, the status that it names, and of a call that carries many the ids that it is about."""

    words: str
    status: int | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    """Id → why, of those that were sent."""
    some: bool = False
    """Whether it is a no for some only, by name or not."""


_FLAGS: Final = frozenset({"success", "succeeded", "issuccess", "successful", "ok", "accepted"})
_COUNTED: Final = frozenset({"succeeded", "successful", "accepted"})
"""Flags that may be a number of those who did: zero of them is no no."""
_REVERSED: Final = frozenset(
    {
        "failed",
        "isfailed",
        "failure",
        "isfailure",
        "iserror",
        "haserror",
        "haserrors",
        "hasfailed",
        "hasfailures",
    }
)
"""Flags that say no by being true."""
_ERRORS: Final = frozenset(
    {
        *("error", "errors", "errormessage", "errormessages", "errordescription", "exception", "exceptions"),
        *("fault", "faults", "problem", "problems", "violations", "failurereason"),
    }
)
_NUMBERED: Final = frozenset({"errorcode", "errornumber", "errorno", "errno", "errorid"})
"""What names an error by a number or a word of the server's own."""
_SPOKEN: Final = frozenset({"messages", "notifications", "alerts"})
_SEVERITIES: Final = frozenset({"severity", "level", "type", "kind"})
_SEVERE: Final = re.compile(r"(error|err|fatal|critical|severe|failure)", re.IGNORECASE)
_CODES: Final = frozenset(
    {"status", "statuscode", "code", "errorcode", "httpstatus", "httpcode", "httpstatuscode"}
)
_WORDS: Final = frozenset({"status", "result", "outcome", "resultstatus"})
_FAILING: Final = re.compile(
    r"(fail|err(or|\b)|reject|refus|den(y|ied)|declin|abort|cancel|invalid|illegal|unsuccess|nok\b|ko\b|na?c?k\b"
    r"|not.?(ok|done|found|processed)|partial|incomplete|bad.?request|forbidden|unauthori[sz]ed|conflict|fatal"
    r"|exception|unable|unavailable|unsupported|time[ds]?.?out|exceed|(false|no)$)",
    re.IGNORECASE,
)
_FAILING_TEXT: Final = re.compile(
    r"\s*(err(or)?|fail(ed|ure)?|false|ko|nok|na?ck|rejected|refused|denied|declined|invalid|unable|forbidden"
    r"|unauthori[sz]ed|not (ok|found|done|processed|allowed|possible))\b",
    re.IGNORECASE,
)
"""Of an answer that is a text: it may say more."""
_FAILED: Final = re.compile(
    r"(failed|failures?|rejected|refused|invalid|unknown|missing|not(found|added|removed|processed|updated)"
    r"|unprocessed|unsuccessful|errors?)(ids?|gateways?|gatewayids?|devices?|deviceids?|items?|entries|count)?"
)
_SUCCEEDED: Final = frozenset({"none", "null", "no", "false", "0", "ok", "success", "no error", "noerror"})
_INNER: Final = frozenset({"result", "data", "response", "status", "meta", "body", "payload", "header"})
_ROWS: Final = frozenset(
    {
        "results",
        "responses",
        "gateways",
        "devices",
        "items",
        "content",
        "entries",
        "statuses",
        "data",
        "details",
    }
)
_IDS: Final = ("gatewayId", "gateway_id", "deviceId", "device_id", *ID_KEYS, "gateway", "device")
_MESSAGES: Final = ("message", "errorMessage", "reason", "detail", "error", "description", "cause", "title")


def of_write(value: object, *, batch: Collection[str] = (), described: bool = False) -> Denial | None:
    """The no in the answer to a write; None where there is none.

    `batch`: the ids that the call carries. `described`: an object that has an id tells its own status.
    """
    if value is False:
        return Denial("the answer is false")
    if isinstance(value, str):
        return Denial(value) if _FAILING_TEXT.match(value) else None
    sent = frozenset(batch)
    if isinstance(value, list):
        return _of_rows(value, sent, described=described)
    if not isinstance(value, Mapping) or not value:
        return None
    named = _named(value, sent)
    own = described and any(isinstance(value.get(key), str | int) for key in _IDS)
    found = _of_envelope(value, words=not own)
    inner = next((no for key, each in _plain(value, _INNER) if (no := _inner(each, sent))), None)
    if named:
        words = found.words if found else _message(value) or "it names those that failed"
        return Denial(words, failed={key: why or words for key, why in named.items()}, some=True)
    if inner and inner.some:
        return inner
    if sent and found is None and _counts_failures(value):
        return Denial(_message(value) or json.dumps(value)[:200], some=True)
    return found or inner


def of_read(value: object, *, envelope: bool, status: bool = True) -> Denial | None:
    """The no in the answer to a read. `envelope`: what is at the top is no object of its own.

    Not `status`: its status, though, is that of an object.
    """
    if not is_object(value):
        return None
    if _flagged(value):
        return Denial(_message(value) or "it says that it did not succeed", _code(value))
    if not envelope:
        return None
    if not status:
        value = {key: each for key, each in value.items() if _key(key) not in _WORDS}
    return _unflagged(value)


def _of_envelope(value: Mapping[Any, Any], *, words: bool) -> Denial | None:
    """The no that an object says of the call. Not `words`: its status and errors are its own."""
    if _flagged(value):
        code = _code(value) if words else None
        return Denial(_message(value) or "it says that it did not succeed", code)
    return _unflagged(value) if words else None


def _unflagged(value: Mapping[Any, Any]) -> Denial | None:
    """The no that an object says of the call otherwise than by a flag."""
    if not _plain(value, _ERRORS, _NUMBERED, _SPOKEN, _CODES, _WORDS):
        return None  # as nearly always, and five questions are spared
    code = _code(value)
    for _, each in _plain(value, _ERRORS):
        if _says_something(each):
            return Denial(_text(each) or _message(value) or "it holds an error", code or _code(each))
    if code is not None:
        return Denial(_message(value) or f"it names the status {code}", code)
    return _in_words(value)


def _in_words(value: Mapping[Any, Any]) -> Denial | None:
    """The no that an object says by a number or a word of the server's own."""
    for _, each in _plain(value, _NUMBERED):
        if _says_something(each):
            return Denial(_message(value) or f"it names the error {_text(each) or each}")
    for _, each in _plain(value, _SPOKEN):
        if isinstance(each, list) and (row := next(filter(_is_severe, each), None)):
            return Denial(_text(row))
    for key, each in _plain(value, _WORDS):
        if each is False:
            return Denial(_message(value) or f"{key}: false")
        if isinstance(each, str) and _FAILING.match(each.strip()):
            return Denial(
                _message(value) or f"{key}: {each}", some=each.strip().lower().startswith("partial")
            )
    return None


def _inner(value: object, sent: frozenset[str]) -> Denial | None:
    """The no of what stands under ``result`` and the like."""
    if isinstance(value, Mapping):
        named = _named(value, sent)
        found = _of_envelope(value, words=True)
        if named:
            words = found.words if found else _message(value) or "it names those that failed"
            return Denial(words, failed={key: why or words for key, why in named.items()}, some=True)
        return found
    return None


def _of_rows(rows: list[Any], sent: frozenset[str], *, described: bool = False) -> Denial | None:
    """The no of rows that answer one by one; `described`: those with an id tell their own status."""
    found = (row for row in rows if isinstance(row, Mapping))
    failing = [
        (row, no)
        for row in found
        if not (described and any(key in row for key in _IDS)) and (no := _of_row(row))
    ]
    if not failing:
        return None
    named = {gateway: no.words for row, no in failing if (gateway := _id(row, sent))}
    first = failing[0][1]
    if len(rows) == 1 and len(sent) <= 1:
        return first
    return Denial(first.words, first.status, named, some=True) if sent else first


def _of_row(row: Mapping[Any, Any]) -> Denial | None:
    # The state of a gateway is FAILED for reasons of its own.
    return _of_envelope({key: each for key, each in row.items() if _key(key) != "state"}, words=True)


def _named(value: Mapping[Any, Any], sent: frozenset[str]) -> dict[str, str]:
    """Of the ids that were sent, those that the answer names as failed, with the reason where it has one."""
    named: dict[str, str] = {}
    for key, each in value.items():
        if _FAILED.fullmatch(_key(key)):
            named |= _listed(each, sent)
        elif _key(key) in _ROWS and isinstance(each, list) and (rows := _of_rows(each, sent)):
            named |= rows.failed
    return named


def _listed(value: object, sent: frozenset[str]) -> dict[str, str]:
    match value:
        case list():
            found: dict[str, str] = {}
            for each in value:
                if isinstance(each, str | int) and not isinstance(each, bool):
                    found |= dict.fromkeys(_sent(str(each), sent), "")
                elif isinstance(each, Mapping) and (gateway := _id(each, sent)):
                    found[gateway] = _message(each)
            return found
        case Mapping():
            pairs = ((gateway, why) for key, why in value.items() for gateway in _sent(str(key), sent))
            by_key = {gateway: _text(why) for gateway, why in pairs}
            return by_key or next(
                (_listed(each, sent) for each in value.values() if isinstance(each, list)), {}
            )
        case str():
            return dict.fromkeys(_sent(value, sent), "")
        case _:
            return {}


def _id(row: Mapping[Any, Any], sent: frozenset[str]) -> str:
    """The id of those that were sent that a row is about; empty: none."""
    for key in _IDS:
        found = row.get(key)
        if isinstance(found, str | int) and (known := _sent(str(found), sent)):
            return known[0]
    return ""


def _sent(found: str, sent: frozenset[str]) -> list[str]:
    """The id as it was sent."""
    if found in sent:
        return [found]
    form = id_form(found)
    return [each for each in sent if id_form(each) == form]


def _counts_failures(value: Mapping[Any, Any]) -> bool:
    """Whether it says that some failed without saying which."""
    for key, each in value.items():
        if not _FAILED.fullmatch(_key(key)):
            continue
        if isinstance(each, int) and not isinstance(each, bool) and each > 0:
            return True
        if isinstance(each, str) and each.isascii() and each.isdigit() and int(each[:9]) > 0:
            return True
        if isinstance(each, list | Mapping) and _says_something(each):
            return True
    return False


def _plain(value: Mapping[Any, Any], *names: frozenset[str]) -> Sequence[tuple[str, Any]]:
    """The fields of any of those names, however they are written."""
    written = tuple(value)
    among = _among if sum(map(len, written)) <= _MOST_KEPT else _among.__wrapped__
    return [(key, value[key]) for key in among(written, names)]


_MOST_KEPT: Final = 500
"""How many characters the keys of an object may have for what they mean to be kept."""


@lru_cache(maxsize=1_000)
def _among(written: tuple[str, ...], names: Sequence[frozenset[str]]) -> Sequence[str]:
    """Which have one of these names. Each answer has the same keys, and each is asked about several times."""
    return tuple(key for key in written if any(_key(key) in each for each in names))


def _key(key: object) -> str:
    """The letters of a key; nothing of one that is longer than any that means something."""
    text = str(key)
    return _letters(text) if len(text) <= _LONGEST_KEY else ""


_LONGEST_KEY: Final = 100


@lru_cache(maxsize=1_000)
def _letters(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.lower())


def _flagged(value: Mapping[Any, Any]) -> bool:
    """Whether a flag of it says no."""
    return any(
        _is_true(each) if _key(key) in _REVERSED else _is_false(each, counts=_key(key) in _COUNTED)
        for key, each in _plain(value, _FLAGS, _REVERSED)
    )


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in ("true", "yes"))


def _is_false(value: object, *, counts: bool) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in ("false", "no", "n", "f", *(() if counts else ("0",)))
    return value is False or (not counts and value == 0)


def _is_severe(row: object) -> bool:
    """Whether a message is about an error, and no warning."""
    return isinstance(row, Mapping) and any(
        isinstance(each, str) and _SEVERE.fullmatch(each.strip()) for _, each in _plain(row, _SEVERITIES)
    )


def _says_something(value: object, depth: int = 5) -> bool:
    """Whether an error is one: what is empty, zero, false or ``none`` is not."""
    match value:
        case str():
            return bool(value.strip()) and value.strip().lower() not in _SUCCEEDED
        case Mapping() if depth:
            return any(_says_something(each, depth - 1) for each in value.values())
        case _:
            return bool(value)


def _code(value: object) -> int | None:
    """The HTTP status of a failure that an object names."""
    if not isinstance(value, Mapping):
        return None
    for _, each in _plain(value, _CODES):
        if re.fullmatch(r"[45]\d\d", text := str(each)):
            return int(text)
    return None


def _message(value: Mapping[Any, Any]) -> str:
    return next((text for key in _MESSAGES if (text := _text(value.get(key)))), "")


def _text(value: object, depth: int = 3) -> str:
    """The words of an error, of the first of several."""
    match value:
        case str():
            return value.strip()
        case Mapping() if depth:
            inner = (_text(value.get(key), depth - 1) for key in _MESSAGES)
            return next((text for text in inner if text), "") or _json(value)
        case list() if value and depth:
            more = f" (and {len(value) - 1} more)" if len(value) > 1 else ""
            return f"{_text(value[0], depth - 1)}{more}"
        case None | bool():
            return ""
        case _:
            return _json(value)


def _json(value: object) -> str:
    try:
        return json.dumps(value)[:500] if value else ""
    except (RecursionError, TypeError, ValueError):
        return ""
