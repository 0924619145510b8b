"""URLs of servers and states: what is allowed in them. No message repeats a URL that may hold a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from reconciler.findings import Findings
from reconciler.hiding import credential_in
from reconciler.project.declared import Given
from reconciler.settings import DEFAULT_STATE_URL, EMBEDDED_URL
from reconciler.text import quoted
from reconciler.trust.hosts import PORTS, Destination, TrustedHost, is_loopback, named, trusted_hosts

TRUSTED_HOSTS = "RECONCILER_TRUSTED_HOSTS"

STATE = re.compile(r"(file:(?!/*$)(?!//(?!localhost/|/))|postgresql://|s3://)\S+")
"""A ``file:`` names a file, and no other machine."""


def server_url(given: Given, findings: Findings) -> str:
    """The URL of a server, without a slash at its end; what is wrong with it goes to `findings`."""
    text = str(given.value)
    if text == EMBEDDED_URL:
        return text
    hint = f"write https://HOST, or {EMBEDDED_URL} for the server in this process"
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        findings.error("bad-url", f"{given.origin} isn't the URL of a server", given.place, hint)
        return text
    if parts.username is not None or parts.password is not None:
        if given.place is not None:
            return text  # said of the project file already, of all its environments
        hint = "set RECONCILER_TOKEN, or RECONCILER_USERNAME and RECONCILER_PASSWORD"
        message = f"{given.origin} holds a user name or a password, which would show in reports"
        findings.error("url-with-credentials", message, given.place, hint)
    elif parts.query or parts.fragment or text[-1] in "?#":
        hint = "leave out what begins with ? or #"
        findings.error("bad-url", f"{given.origin} has a query or a fragment", given.place, hint)
    elif parts.scheme == "http" and not is_loopback(parts.hostname):
        message = (
            f"{given.origin} is plain http: on the way to {parts.hostname} anybody can read the credentials"
        )
        findings.warning("plain-http", message, given.place, "use https")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def state_url(given: Given, findings: Findings, *, beside: Path | None, public: bool) -> str:
    """The URL of a state. A relative ``file:`` is relative to `beside` (None: left as it is).

    `public`: others can read where it was given, so no password may stand in it.
    """
    text = str(given.value)
    parts = _split(text)
    if parts is None or not STATE.fullmatch(text):
        hint = (
            f"write file:PATH, as in {DEFAULT_STATE_URL}, or s3://BUCKET/KEY, or postgresql://HOST/DATABASE"
        )
        findings.error("bad-url", f"{given.origin} isn't the URL of a state", given.place, hint)
    elif name := credential_in(text):
        message = f"{given.origin} holds a credential in {quoted(name)}, which would show in reports"
        hint = "leave it out: credentials come from variables or files, as docs/state.md says"
        findings.error("url-with-credentials", message, given.place, hint)
    elif public and parts.password is not None:
        message = f"{given.origin} holds a password, which others could read"
        findings.error("url-with-credentials", message, given.place, "give the whole URL in RECONCILER_STATE")
    elif parts.scheme == "file" and beside is not None and not text.startswith("file:/"):
        return f"file:{beside / text.removeprefix('file:')}"
    return text


def named_hosts(
    environ: Mapping[str, str], urls: Iterable[Given | None], findings: Findings
) -> tuple[TrustedHost, ...]:
    """Hosts that a person named: in ``RECONCILER_TRUSTED_HOSTS``, and in `urls` of flags and variables."""
    found, bad = trusted_hosts(environ.get(TRUSTED_HOSTS, ""))
    for entry in bad:
        message = f"{TRUSTED_HOSTS}: {quoted(entry)} isn't a host"
        hint = "write HOST, HOST:PORT or http://HOST, in ASCII, without a path or `*`, separated by commas"
        findings.error("bad-trusted-host", message, None, hint)
    destinations: list[Destination] = []
    for given in urls:
        parts = _split(str(given.value)) if given else None
        if parts is not None and parts.scheme in PORTS and parts.hostname:
            destinations.append(Destination.at(parts.scheme, parts.hostname, parts.port))
    return (*found, *map(named, destinations))


def _split(text: str) -> SplitResult | None:
    """The parts of a URL; None when it is none."""
    if re.search(r"[\s\x00-\x1f\x7f-\x9f\\]", text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port  # a port that isn't a number is only found when it is asked for
    except ValueError:
        return None
    return parts
