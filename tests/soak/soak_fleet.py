"""What a soak of rollouts is about: devices, what Git says of them, and somebody whom checks ask."""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.model import ResourceId
from reconciler.rollout.questions import CheckQuestion
from reconciler.rollout.situation import CheckAnswer, CheckVerdict
from tests.app.check_server import answer, sample
from tests.soak.soak_oracle import DAY, DAYS, HOUR, MINUTE, Night

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "America/Santiago")
NIGHTS = (
    *(Night("22:00", "04:00"),) * 3,
    Night("22:00", "04:00", DAYS[:5]),
    Night("01:30", "02:30"),
    Night("23:15", "02:15", ("fri", "sat", "sun", "mon")),
    Night("00:00", "24:00", ("tue", "thu", "sat", "sun")),
)
FIRST, UNDER_WAY, DONE, FAILED = (
    "INSTANTIATED",
    "WAITING_FOR_EXECUTION",
    "ACTIVATION_COMPLETE",
    "FAILED",
)
ENDED = (DONE, FAILED)


@dataclass
class Device:
    """One gateway, and what becomes of it once it is released."""

    name: str
    site: str
    zone: str
    needs: int
    """Milliseconds until it ends."""
    end: str | None
    """Its last state; None: it never polls."""
    known: bool = True
    """Whether the server takes it."""
    going_back: str = DONE
    """Its last state in the way back."""
    since: dict[str, int] = field(default_factory=dict)
    """Campaign → when it was first seen in it while it ran."""


def devices(chance: Random, zones: Sequence[str]) -> Iterator[Device]:
    """A fleet; some of it fails, some never polls, and some is unknown to the server."""
    rate, asleep = chance.choice([0, 0, 0.05, 0.15, 0.4]), chance.choice([0, 0, 0.1])
    strange = chance.choice([0, 0, 0, 1, 2])
    count = chance.randint(6, 30)
    for number in range(count):
        site = chance.choice(["north", "south", "west"])
        end = FAILED if chance.random() < rate else DONE
        yield Device(
            f"g-{number:02}",
            site,
            chance.choice(zones),
            chance.choice([1, 5, 30, 120]) * MINUTE,
            None if chance.random() < asleep else end,
            known=number < count - strange,
            going_back=FAILED if chance.random() < 0.05 else DONE,
        )


@dataclass
class Git:
    """What the files say; a person may change it."""

    fleet: Mapping[str, Device]
    waves: list[dict[str, Any]]
    policy: dict[str, Any]
    listed: list[str]
    calendar: str
    """The zone of the calendar; empty: there is none."""
    night: Night
    freeze: tuple[int, int]
    way_back: bool = False
    description: str = "one"
    rollout: dict[str, Any] = field(default_factory=lambda: {"policy": "careful"})
    checks_at: str = ""

    def text(self) -> str:
        """The resources."""
        documents = [
            _document("PackageSet", "firmware", {"packages": [{"file": "firmware.bin"}]}),
            _document("GatewayList", "line", {"file": "line.csv"}),
            _document("RolloutPolicy", "careful", {"waves": self.waves, **self.policy, **self._checks()}),
            _document("Campaign", "c", {"description": self.description, **self._shared(self.rollout)}),
        ]
        if self.calendar:
            begin, end = (datetime.fromtimestamp(at / 1000, UTC).isoformat() for at in self.freeze)
            window = {"days": list(self.night.days), "from": self.night.begin, "to": self.night.end}
            freezes = [{"name": "move", "begin": begin, "end": end}]
            spec = {"timezone": self.calendar, "windows": [window], "freezes": freezes}
            documents.append(_document("Calendar", "nights", spec))
        if self.way_back:
            back = {**self._shared({"policy": "back"}), "rollbackOf": "c"}
            del back["gatewayLists"]
            documents.append(_document("RolloutPolicy", "back", {"waves": BACK_WAVES, **BACK_POLICY}))
            documents.append(_document("Campaign", "b", back))
        return "\n---\n".join(documents)

    def _shared(self, rollout: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "packageSet": "firmware",
            "gatewayLists": ["line"],
            "rollout": rollout,
            "desiredStatus": "STARTED",
        }

    def _checks(self) -> Mapping[str, Any]:
        if not self.checks_at:
            return {}
        asked = {"url": f"{self.checks_at}/prom", "query": "errors", "max": 5}
        desk = {"url": f"{self.checks_at}/desk"}
        return {
            "checks": [
                {"name": "errors", "prometheus": asked},
                {"name": "desk", "http": desk, "onFailure": "wait"},
            ]
        }

    def table(self, chance: Random) -> str:
        """The list of gateways, in no order."""
        rows = [self.fleet[name] for name in chance.sample(self.listed, len(self.listed))]
        lines = (f"{each.name},{each.site},{each.zone}" for each in rows)
        return "\n".join(["gatewayId,site,timezone", *lines]) + "\n"


BACK_WAVES: list[dict[str, Any]] = [{"name": "one", "upTo": 1}, {"name": "all", "soak": "1h"}]
BACK_POLICY: dict[str, Any] = {"gate": {"minSuccessPercent": 75, "sample": 20}}


def _document(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    whole = {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return json.dumps(whole)


def declared(chance: Random, fleet: Mapping[str, Device], now: int) -> Git:
    """What Git says at first."""
    policy: dict[str, Any] = {
        "gate": {"minSuccessPercent": chance.choice([50, 75, 90]), "sample": chance.choice([1, 5, 20])},
        "onFailure": chance.choice(["pause", "stop"]),
    }
    if chance.random() < 0.5:
        policy["gate"]["maxFailed"] = chance.choice([0, 1, 3])
    if chance.random() < 0.3:
        policy["deadline"] = "2d"
        policy["onDeadline"] = chance.choice(["pause", "skipIdle"])
    if chance.random() < 0.5:
        policy["disruptionBudget"] = {"maxUnavailable": chance.choice([1, 2, 5])}
        if chance.random() < 0.5:
            policy["disruptionBudget"]["groupBy"] = "site"
    calendar = chance.choice(["", "gateway", "gateway", chance.choice(ZONES)])
    if calendar:
        policy["calendar"] = "nights"
        policy["duringFreeze"] = chance.choice(["hold", "hold", "stop"])
    begin = now + chance.randint(0, 4) * DAY + chance.randint(0, 23) * HOUR
    freeze = (begin, begin + chance.choice([6, 30]) * HOUR)
    back = chance.random() < 0.35
    waves = some_waves(chance, fleet)
    return Git(fleet, waves, policy, sorted(fleet), calendar, chance.choice(NIGHTS), freeze, back)


def some_waves(chance: Random, fleet: Mapping[str, Device]) -> list[dict[str, Any]]:
    """Waves that reach everybody in the end."""
    waves: list[dict[str, Any]] = []
    if chance.random() < 0.6:
        waves.append({"gateways": chance.sample(sorted(fleet), chance.randint(1, 3))})
    shares = chance.sample([10, 25, 50, 75], chance.randint(0, 3))
    waves += [{"upTo": f"{share}%"} for share in sorted(shares)]
    waves.append({})
    for number, wave in enumerate(waves, start=1):
        wave["name"] = f"w{number}"
        wave["soak"] = chance.choice(["0s", "1h", "6h"])
        if number > 1 and chance.random() < 0.15:
            wave["approval"] = True
    return waves


@dataclass
class Answering:
    """Whom the checks ask. What each of the two says: pass, fail, error, or nothing."""

    said: dict[str, str] = field(default_factory=lambda: {"errors": "pass", "desk": "pass"})

    def changed(self, chance: Random) -> None:
        """It says something else, or the same."""
        for name in self.said:
            self.said[name] = chance.choice(["pass"] * 9 + ["fail", "error", "nothing"])

    @property
    def all_pass(self) -> bool:
        return set(self.said.values()) == {"pass"}

    def respond(self, request: bytes) -> bytes | None:
        """The answer on the wire."""
        prometheus = request.startswith((b"GET /prom", b"POST /prom"))
        match self.said["errors" if prometheus else "desk"]:
            case "pass":
                return sample("1") if prometheus else answer({"verdict": "pass"})
            case "fail":
                return sample("7") if prometheus else answer({"verdict": "fail"})
            case "error":
                return answer(b"oops", "500 Internal Server Error")
            case _:
                return b""

    async def in_process(
        self, questions: Sequence[CheckQuestion]
    ) -> Mapping[ResourceId, tuple[CheckAnswer, ...]]:
        """The same without a network, for the twin."""
        verdicts = {"pass": CheckVerdict.PASS, "fail": CheckVerdict.FAIL}
        return {
            each.resource: tuple(
                CheckAnswer(
                    check.name,
                    verdicts.get(self.said[check.name], CheckVerdict.ERROR),
                    "",
                    check.name == "errors",
                )
                for check in each.checks
            )
            for each in questions
        }


Strangers = Callable[[], frozenset[str]]


class Doorkeeper:
    """Stands before a server that takes no batch with a gateway in it that it doesn't know."""

    def __init__(self, app: ASGIApp, strangers: Strangers) -> None:
        self._app, self._strangers = app, strangers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        strangers = self._strangers() if scope["type"] == "http" else frozenset()
        adds = strangers and scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/devices")
        if not adds:
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        refused = sorted(strangers & set(json.loads(body or b"{}").get("gatewayIds", ())))
        if refused:
            said = json.dumps({"message": f"There is no gateway {refused[0]!r}."}).encode()
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 422, "headers": headers})
            await send({"type": "http.response.body", "body": said})
            return
        await self._app(scope, _again(body, receive), send)


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        part = await receive()
        body += part.get("body", b"")
        more = part.get("more_body", False)
    return body


def _again(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    told: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def once_more() -> Message:
        return told.pop() if told else await receive()

    return once_more
