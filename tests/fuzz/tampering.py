"""Files as somebody may have changed them: bits, lines, and values of JSON that are others, deep or huge."""

import hashlib
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from zlib import crc32

from reconciler.audit.chain import ChainLink, encode

Seal = Callable[[bytes], bytes]
"""Makes a changed file one that looks as it was written: with the digests that belong to it."""

_DEEP = "[" * 3_000 + "]" * 3_000
RAW = "@raw@"
"""Stands in a value for JSON that `json` doesn't write."""
_RAWS = (_DEEP, "1e999", "-1e999", "NaN", "9" * 5_000, "-" + "9" * 40, "1.5", "1e300", '{"a":1,"a":2}', "@")
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**18, -(10**18), 0.5, 1e15),
    *("", " ", "x", "x" * 70_000, "\0", "\x1b[2J", "\ud800", "é\u202e", "::error::x", "1", "-1", "null"),
    *(".", "..", "/", "Campaign/x", "PackageSet/x", "Campaign/", "list:1", "list:9", "?", "1/2", "a/b", "[]"),
    *([], {}, [[]], [None], [1], ["x"], {"": None}, {"a": 1}, {"value": "x"}, {"digest": 1}, {"x": ["y"]}),
    *(["x"] * 2, [{}], {"gateways": "list:1"}, {"withheld": True}, "2026-01-01T00:00:00Z", "STARTED"),
)


def tampered(data: bytes, random: Random, seal: Seal) -> bytes:
    """`data` with one to four changes, mostly sealed again."""
    for _ in range(random.choice((1, 1, 2, 4))):
        data = random.choice((_value, _value, _value, _value, _bits, _lines, _cut))(data, random)
    return seal(data) if random.random() < 0.8 else data


def _bits(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 3, 20))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(data: bytes, random: Random) -> bytes:
    begin, end = sorted(random.randrange(len(data) + 1) for _ in range(2))
    return random.choice(
        (data[:begin], data[:begin] + data[end:], data[:end] + data[begin:], b"", data[end:])
    )


def _lines(data: bytes, random: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at, to = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            lines.insert(to, lines[at])
        case 1:
            lines[at], lines[to] = lines[to], lines[at]
        case 2:
            del lines[at]
        case _:
            lines.insert(to, random.choice((b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\xfe\n", b"\0\n")))
    return b"".join(lines)


def _value(data: bytes, random: Random) -> bytes:
    """One value of one document is another, gone, or has a new neighbour."""
    whole = _parsed(data)
    if whole is not None:
        return _written(_changed(whole, random), random, indent=2)
    lines = data.splitlines()
    at = random.randrange(len(lines)) if lines else 0
    found = _parsed(lines[at]) if lines else None
    if found is None:
        return data
    lines[at] = _written(_changed(found, random), random)
    return b"\n".join(lines) + b"\n"


def _changed(document: Any, random: Random) -> Any:
    places = list(_places(document))
    if not places:
        return _other(random)
    holder, key = random.choice(places)
    match random.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[random.choice(("type", "kind", "event", "x", "", "id", f"{key}2"))] = holder[key]
        case 2 if isinstance(holder, dict):
            holder[random.choice(("", "X", str(key).upper(), "\ud800"))] = holder.pop(key)
        case 3:
            # Of the right kind, and of another meaning.
            other, name = random.choice(places)
            holder[key] = json.loads(json.dumps(other[name]))
        case 4 if isinstance(holder[key], list):
            holder[key] = holder[key] * random.choice((0, 2, 50))
        case 5 if isinstance(holder[key], str):
            holder[key] = random.choice((holder[key][:-1], holder[key] + "x", holder[key].upper()))
        case 6 if isinstance(holder[key], int):
            holder[key] = random.choice(
                (-holder[key], holder[key] * 10**12, holder[key] + 1, str(holder[key]))
            )
        case _:
            holder[key] = _other(random)
    return document


def _other(random: Random) -> Any:
    return RAW if random.random() < 0.2 else random.choice(_VALUES)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for at in range(min(len(value), 20)):
            yield value, at
            yield from _places(value[at])


def _parsed(data: bytes) -> Any:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _written(value: Any, random: Random, indent: int | None = None) -> bytes:
    text = json.dumps(value, indent=indent, separators=(", ", ": ") if indent else (",", ":"))
    return text.replace(f'"{RAW}"', random.choice(_RAWS)).encode()


# --- seals ---------------------------------------------------------------------------------------


def unsealed(data: bytes) -> bytes:
    """Nothing holds this file together."""
    return data


def plan_seal(data: bytes) -> bytes:
    """The last line of a plan file is the digest of those before it."""
    *lines, _ = data.splitlines(keepends=True) or [b""]
    body = b"".join(lines)
    return body + b'{"type":"end","digest":"%s"}\n' % hashlib.sha256(body).hexdigest().encode()


def snapshot_seal(data: bytes) -> bytes:
    """That of a snapshot counts the lines, too."""
    *lines, _ = data.splitlines(keepends=True) or [b""]
    body = b"".join(lines)
    end = {"kind": "end", "lines": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"


def journal_seal(data: bytes) -> bytes:
    """Each line of a journal has a check that goes on from the line before it."""
    check, lines = 0, []
    for line in data.splitlines():
        _, comma, rest = line.partition(b", ")
        check = crc32(rest, check)
        lines.append(b'{"check": "%08x", %s\n' % (check, rest) if comma else line + b"\n")
    return b"".join(lines)


def audit_seal(data: bytes) -> bytes:
    """Each line of an audit log holds the hash of the one before it."""
    link, lines = ChainLink(), []
    for line in data.splitlines():
        found = _parsed(line)
        if isinstance(found, dict):
            run = found.pop("run", 1)
            for name in ("hash", "previous", "number"):
                found.pop(name, None)
            try:
                text, link = encode(found, link, run=run)
                line = text.encode("utf-8", "surrogateescape")  # noqa: PLW2901
            except (ValueError, UnicodeError, RecursionError):
                pass
        lines.append(line + b"\n")
    return b"".join(lines)
