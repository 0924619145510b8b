"""URLs of states that are kept elsewhere: their parts, and how reports show them.

No message repeats a URL: it may hold a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from reconciler.errors import ReconcilerError
from reconciler.hiding import credential_in
from reconciler.text import quoted


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """The parts of a URL, decoded. ``url`` is the URL without its password."""

    url: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    path: str
    """Without the slash at its beginning."""
    options: Mapping[str, str]


def parse_address(url: str, *, secret: Mapping[str, str], hint: str) -> StoreAddress:
    """The parts of `url`; ReconcilerError, with `hint`, when it has none.

    `secret`: options that would show a secret → what to use instead. They are refused.
    """
    scheme = url.partition(":")[0]
    wrong = f"the {scheme}: URL of the state can't be read"
    try:
        parts = urlsplit(url)
        port = parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ReconcilerError(wrong, hint=hint) from None
    if parts.fragment or url.endswith("#") or any("\0" in text for text in (unquote(url), *dict(options))):
        raise ReconcilerError(wrong, hint=hint)
    for name in dict(options):
        if name in secret:
            message = f"the {scheme}: URL of the state holds {name}, which would show in reports"
            raise ReconcilerError(message, hint=f"Set {secret[name]} instead.")
    if found := credential_in(url):
        message = f"the {scheme}: URL of the state holds a credential in {quoted(found)}, which would show"
        raise ReconcilerError(message, hint="Leave it out: credentials come from variables or files.")
    if len(dict(options)) != len(options):
        raise ReconcilerError(f"the {scheme}: URL of the state has an option twice", hint=hint)
    login, at, host = parts.netloc.rpartition("@")
    shown = parts._replace(netloc=f"{login.partition(':')[0]}{at}{host}").geturl()
    return StoreAddress(
        # Without a host, urllib would leave out the slashes, too.
        url=shown if parts.netloc else url,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        host=unquote(parts.hostname or ""),
        port=port,
        path=unquote(parts.path.removeprefix("/")),
        options=dict(options),
    )
