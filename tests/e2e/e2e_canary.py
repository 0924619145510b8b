"""Secrets that are known when they are seen, a project with one in every place, a server that repeats them.

A canary begins with letters and digits of its own, so that it is found in whatever way the rest is spelled,
and by a half of it. Those of settings are rotated: new ones each time; all that ever were are looked for.
"""

import base64
import hashlib
import html
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from e2e_runs import Answer, Gate, Workplace, operation_of

SPECIAL = ' "ü/+&<%'
"""What JSON, URLs, HTML and Python spell in ways of their own."""


def canary(name: str, number: int = 0) -> str:
    return "cn" + hashlib.sha256(f"{name} {number}".encode()).hexdigest()[:22]


def forms(secret: str) -> frozenset[str]:
    """How `secret` may show: as it is, in base64, in hex, as a digest that anybody could compare.

    JSON, URLs, HTML and Python leave the letters and digits at its beginning as they are.
    """
    core = secret[:24].encode()
    digests = (hashlib.new(kind, secret.encode()).hexdigest() for kind in ("md5", "sha1", "sha256", "sha512"))
    return frozenset({core.decode(), core.hex(), *digests, *(_base64(core, shift) for shift in range(3))})


def _base64(data: bytes, shift: int) -> str:
    """What stands in the base64 of every text in which `data` begins `shift` bytes behind a multiple of 3."""
    whole = base64.b64encode(bytes(shift) + data).decode()
    return whole[4 * (shift > 0) : -4]


def halves(secret: str) -> frozenset[str]:
    """Both halves of a canary: what is cut still tells."""
    return frozenset({secret[:12], secret[12:24]})


# --- a server that repeats what it gets ----------------------------------------------------------------


@dataclass(frozen=True)
class Echo:
    """The next `times` requests of an operation are answered with what is in them, secrets first."""

    operation: str
    status: int
    form: str = "text"
    times: int = 1_000

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        text = body.decode("utf-8", "replace")
        secrets = [value for value in _strings(json.loads(text or "null")) if value.startswith("cn")]
        said = " ".join([headers["Authorization"], *secrets, text, *headers.values()])
        match self.form:
            case "json":
                said = json.dumps({"message": said, "request": said})
            case "html":
                said = f"<html><title>{html.escape(said)}</title>{html.escape(said)}</html>"
            case "cut":
                # What is shown of it ends in the middle of a secret.
                said = "x" * 104 + said.partition(" ")[2]
        return Answer(self.status, said.encode(), {"Content-Type": "text/plain"})


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict() | list():
            for each in value.values() if isinstance(value, dict) else value:
                yield from _strings(each)


class Mirror(Gate):
    """A gate that lets every token through that isn't `wrong`, and learns those that the server gives."""

    def __init__(self, upstream: str, token: str) -> None:
        super().__init__(upstream)
        self._token = token
        self.given: set[str] = set()
        self.echo: Echo | None = None
        self.met = 0

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        echo = self.echo
        meant = echo is not None and operation_of(method, urlsplit(path).path) == echo.operation
        if echo and meant and self.met < echo.times:
            self.met += 1
            return echo.answer(headers, body)
        through = {
            name: f"Bearer {self._token}" if value.startswith("Bearer ") else value
            for name, value in headers.items()
        }
        answer = super().forward(method, path, through, body)
        for found in re.findall(rb'"(?:access|refresh)Token": ?"([^"]+)"', answer.body or b""):
            self.given.add(found.decode())
        return answer

    @contextmanager
    def repeating(self, echo: Echo | None) -> Iterator[None]:
        """For as long as the block runs; what else was told to be answered ends with it, too."""
        self.echo, self.met = echo, 0
        try:
            yield
        finally:
            self.echo = None
            self._traps.clear()


# --- a project with a secret in every place -------------------------------------------------------------

RESOURCES = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: firmware}
spec: {packages: [{file: firmware.bin}]}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec: {gateways: [gw-1, gw-2, gw-3], things: {gw-1: [thing-1]}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  packageSet: firmware
  gatewayLists: [hall]
  settings: {LEVEL: info, FROM_ENV: {fromEnv: LINE_KEY}, FROM_FILE: {fromFile: secrets/key.txt}}
  desiredStatus: STARTED
"""

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: canaries}
spec:
  resources: [resources.yaml]
  state: {url: "file:.reconciler/state.json"}
  server: {url: "%s", timeoutSeconds: 20}
  environments:
    token: {server: {auth: {tokenEnv: THE_TOKEN}}}
    file: {server: {auth: {tokenFile: secrets/token.txt}}}
    command: {server: {auth: {tokenCommand: "cat secrets/printed.txt"}}}
    failing: {server: {auth: {tokenCommand: "cat secrets/printed.txt; exit 3"}}}
    basic: {server: {auth: {usernameEnv: THE_USER, passwordEnv: THE_PASSWORD}}}
    hasty: {server: {timeoutSeconds: 1, auth: {tokenEnv: THE_TOKEN}}}
    distrustful:
      server: {url: "https://127.0.0.1:1", caFile: secrets/token.txt, auth: {tokenEnv: THE_TOKEN}}
"""

TOKENS = {
    name: canary(name) for name in ("token-env", "token-file", "token-command", "password", "url", "state")
}


@dataclass
class Lab:
    """The project, its server, and all that may never be said or kept."""

    place: Workplace
    mirror: Mirror
    number: int = 0
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    seen: dict[Path, tuple[int, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        folder = self.place.folder
        shutil.rmtree(folder)
        (folder / "secrets").mkdir(parents=True)
        (folder / "firmware.bin").write_bytes(b"firmware")
        (folder / "resources.yaml").write_text(RESOURCES)
        (folder / "reconciler.yaml").write_text(PROJECT % self.mirror.url)
        (folder / "secrets" / "token.txt").write_text(TOKENS["token-file"] + "\n")
        (folder / "secrets" / "printed.txt").write_text(TOKENS["token-command"] + "\n")
        self.place.env = {
            "THE_TOKEN": TOKENS["token-env"],
            "THE_USER": "robot",
            "THE_PASSWORD": TOKENS["password"],
            # What a library might read by itself.
            "PGPASSWORD": TOKENS["state"],
            "AWS_SECRET_ACCESS_KEY": TOKENS["state"],
        }
        for secret in TOKENS.values():
            self.known[secret] = forms(secret) | halves(secret)
        self.rotate()
        for name in ("command", "failing"):
            assert self.place.run("trust", "add", "--auto-approve", "-e", name).code == 0

    def rotate(self) -> None:
        """Other secrets in the settings; the ones before stay secret."""
        self.number += 1
        self.place.env["LINE_KEY"] = self._setting("from-env")
        (self.place.folder / "secrets" / "key.txt").write_text(self._setting("from-file") + "\n")

    def _setting(self, name: str) -> str:
        secret = canary(name, self.number) + SPECIAL
        self.known[secret] = forms(secret) | halves(secret)
        return secret

    def shown(self, text: str) -> list[str]:
        """What of all secrets stands in `text`."""
        for given in self.mirror.given - self.known.keys():
            self.known[given] = halves(given)
        return sorted(form for each in self.known.values() for form in each if form in text)

    def innocent(self, *said: str) -> None:
        """Nothing was said that is secret, and nothing is kept but where secrets come from."""
        assert self.shown("\n".join(said)) == [], said
        for path in sorted(self.place.folder.rglob("*")):
            name = path.relative_to(self.place.folder)
            if path.is_file() and name.parts[0] != "secrets":
                assert self.shown(str(name)) == []
                # What didn't change since can't hold a secret that is newer.
                status = path.stat()
                found = (status.st_ino, status.st_mtime_ns, status.st_size)
                if self.seen.get(name) != found:
                    assert self.shown(path.read_bytes().decode("utf-8", "replace")) == [], name
                    self.seen[name] = found
