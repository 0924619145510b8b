"""What a RolloutPolicy asks somebody else: checks by Prometheus and by HTTP, their secrets unread.

Tests: `tests/resolve/test_resolve_checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from reconciler.hiding import credential_in
from reconciler.loading.referenced_files import Files, Problem
from reconciler.model import HttpQuestion, OnCheckFailure, PrometheusQuery, RolloutCheck, SettingValue
from reconciler.resolve.campaign_settings import unread_secret
from reconciler.resolve.source import ResourceSource
from reconciler.text import quoted

_KINDS = ("prometheus", "http")
_OURS = frozenset(
    {"connection", "content-length", "content-type", "expect", "host", "te", "trailer", "transfer-encoding"}
    | {"accept-encoding", "keep-alive", "proxy-authorization", "upgrade"}
)
"""Headers that say how a request travels, and to whom: not a policy's to set."""


def resolve_checks(source: ResourceSource, files: Files) -> tuple[RolloutCheck, ...]:
    """The checks of a policy, in its order; one with something wrong is left out, and that is said."""
    found: dict[str, RolloutCheck] = {}
    for index, item in enumerate(source.spec.get("checks", ())):
        for check in _check(source, files, index, item):
            if check.name in found:
                message = f"another check is called {quoted(check.name)}"
                place = source.place("checks", index, "name")
                source.error("check-name-twice", message, place, "give one of them another name")
            found.setdefault(check.name, check)
    return tuple(found.values())


def _check(
    source: ResourceSource, files: Files, index: int, item: Mapping[str, Any]
) -> Iterator[RolloutCheck]:
    kinds = [kind for kind in _KINDS if kind in item]
    if len(kinds) != 1:
        at = (kinds[1],) if kinds else ()
        message = f"the check has {' and '.join(kinds) or 'neither prometheus nor http'}: it asks one of them"
        source.error("check-kind", message, source.place("checks", index, *at), "write exactly one of them")
        return
    path, asked = ("checks", index, kinds[0]), item[kinds[0]]
    if "name" not in item or "url" not in asked or not _sound(source, path, asked):
        return
    how: PrometheusQuery | HttpQuestion = HttpQuestion(asked.get("method") == "POST")
    if kinds[0] == "prometheus":
        most, least = asked.get("max"), asked.get("min")
        if most is not None and least is not None and least > most:
            message = f"no number is at least {least:g} and at most {most:g}"
            source.error("check-limits", message, source.place(*path, "min"), "write `min` below `max`")
        how = PrometheusQuery(str(asked.get("query", "")), most, least, asked.get("onEmpty") == "pass")
    yield RolloutCheck(
        str(item["name"]),
        str(asked["url"]),
        how,
        dict(_headers(source, files, path, asked)),
        int(str(asked.get("timeout", "10s")).removesuffix("s")),
        OnCheckFailure(item.get("onFailure", OnCheckFailure.ABORT)),
        source.place("checks", index),
    )


def _sound(source: ResourceSource, path: tuple[str | int, ...], asked: Mapping[str, Any]) -> bool:
    """Whether the URL can be used, and holds nothing that may not show."""
    place, url = source.place(*path, "url"), str(asked["url"])
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.port != 0 and url.isascii() and not parts.fragment
        given = parts.username is not None or parts.password is not None
    except ValueError:
        sound = given = False
    if given or credential_in(url):
        message = "the URL of the check holds a credential, which would show in reports"
        hint = "take it out; a header may come `fromEnv` or `fromFile`"
        source.error("url-with-credentials", message, place, hint)
    elif not sound:
        source.error("bad-url", "the URL of the check can't be used", place, "write it as a browser shows it")
    return sound and not given


def _headers(
    source: ResourceSource, files: Files, path: tuple[str | int, ...], asked: Mapping[str, Any]
) -> Iterator[tuple[str, SettingValue]]:
    seen: set[str] = set()
    for name, value in asked.get("headers", {}).items():
        place = source.place(*path, "headers", name)
        if str(name).lower() in _OURS or str(name).lower() in seen:
            why = "appears twice" if str(name).lower() in seen else "is not a policy's to set"
            source.error("check-header", f"the header {quoted(str(name))} {why}", place, "take it out")
            continue
        seen.add(str(name).lower())
        if not isinstance(value, Mapping):
            if not str(value).isascii() or not str(value).isprintable():
                message = f"the header {quoted(str(name))} holds what no header can"
                source.error("check-header", message, place, "only printable ASCII can be sent")
            yield str(name), str(value)
            continue
        how = next((how for how in ("fromEnv", "fromFile") if how in value), None)
        if how is None:
            continue  # something is wrong with it, and that is said
        giver = source.giver(*path, "headers", name)
        secret = unread_secret(giver, how, str(value[how]), files)
        if isinstance(secret, Problem):
            source.problem(secret, source.place(*path, "headers", name, how))
        else:
            yield str(name), secret
