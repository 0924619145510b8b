"""A simulated world for a test: a server whose clock is stepped, and a receiver of callbacks."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from reconciler.embedded import Running
from reconciler.embedded.simulation.settings import Simulation, show

NOW = 1_800_000_000_000
"""Where the clock of a lab begins, epoch milliseconds."""

DAY = 24 * 3600
_TABLES = ("campaigns", "packages", "settings", "tokens", "inventory", "distribution_lists", "destinations")
_LOGS = ("deliveries", "token_permissions")


@dataclass
class Lab:
    """The API and the controls of one server, with answers that must be good."""

    api: httpx.Client

    @classmethod
    @contextmanager
    def at(cls, server: Running) -> Iterator["Lab"]:
        with httpx.Client(base_url=server.url, verify=False, trust_env=False, timeout=60) as api:
            yield cls(api)

    @classmethod
    @contextmanager
    def fresh(cls, server: Running) -> Iterator["Lab"]:
        """A world that is empty, at `NOW`, paused and simulated."""
        with cls.at(server) as lab:
            lab.simulate(**(show(Simulation()) | {"enabled": False}))
            with server.app.state.context.store.transaction(write=True) as db:
                for table in (*_TABLES, *_LOGS):
                    db.execute(f"DELETE FROM {table}")
            lab.put("/_embedded/clock", {"now": NOW, "factor": 1, "paused": True})
            lab.simulate(enabled=True)
            yield lab
            lab.simulate(enabled=False)

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        answer = self.api.request(method, path, json=body, params=query)  # type: ignore[arg-type]
        assert answer.status_code == 200, (method, path, answer.text)
        return answer.json()

    def put(self, path: str, body: object = None) -> Any:
        return self.call("PUT", path, {} if body is None else body)

    def get(self, path: str, **query: object) -> Any:
        return self.call("GET", path, **query)

    def simulate(self, **settings: object) -> Any:
        return self.put("/_embedded/simulation", settings)

    def step(self, seconds: float) -> Any:
        return self.call("POST", "/_embedded/clock/step", {"seconds": seconds})

    @property
    def now(self) -> int:
        return int(self.get("/_embedded/clock")["now"])

    def package(self, name: str = "firmware.zip", size: int = 1) -> str:
        answer = self.api.post("/api/programs/", files={"file": (name, b"x" * size)})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["uuid"])

    def campaign(self, *gateways: str, name: str = "winter", packages: Sequence[str] = ()) -> str:
        body = {"name": name, "packages": list(packages)}
        campaign_id = str(self.call("POST", "/api/campaigns", body)["uuid"])
        if gateways:
            self.add(campaign_id, *gateways)
        return campaign_id

    def add(self, campaign_id: str, *gateways: str) -> None:
        self.call("POST", f"/api/campaigns/{campaign_id}/devices", {"gatewayIds": list(gateways)})

    def start(self, campaign_id: str) -> None:
        self.put(f"/api/campaigns/{campaign_id}/start")

    def stop(self, campaign_id: str) -> None:
        self.put(f"/api/campaigns/{campaign_id}/stop")

    def schedule(self, campaign_id: str, gateway: str, phase: str, begin: int, end: int) -> None:
        """`begin` and `end` in seconds after `NOW`."""
        window = {"begin": NOW + begin * 1000, "end": NOW + end * 1000}
        self.put(f"/api/campaigns/{campaign_id}/devices/{gateway}/scheduled-{phase}", window)

    def call_back(self, campaign_id: str, kind: str, destination: str = "d", *states: str) -> None:
        body = {"notificationDestinationId": destination, "trackedStates": list(states)}
        self.put(f"/api/campaigns/{campaign_id}/callbacks/{kind}", body)

    def state(self, campaign_id: str, gateway: str = "gw-1") -> str:
        return str(self.get(f"/api/campaigns/{campaign_id}/devices/{gateway}/state")["state"])

    def states(self, campaign_id: str) -> Counter[str]:
        return Counter(one["state"] for one in self.members(campaign_id))

    def members(self, campaign_id: str) -> list[dict[str, Any]]:
        found = self.get(f"/api/campaigns/{campaign_id}/devices", **{"page.size": 1000})
        return list(found["gateways"])

    def inspect(self, campaign_id: str, gateway: str = "gw-1") -> Any:
        return self.get(f"/_embedded/campaigns/{campaign_id}/devices/{gateway}")

    def deliveries(self, **query: object) -> list[dict[str, Any]]:
        found = self.get("/_embedded/deliveries", **{"page.size": 1000, **query})
        return list(found["deliveries"])

    def until(self, campaign_id: str, state: str, gateway: str = "gw-1") -> None:
        """Step to the poll that leads there."""
        for _ in range(50):
            if self.state(campaign_id, gateway) == state:
                return
            due = int(self.get("/_embedded/simulation")["nextEvent"])
            self.step((due - self.now) / 1000)
        raise AssertionError(f"{gateway} never was {state}, it is {self.state(campaign_id, gateway)}")


@dataclass
class Receiver:
    """Listens for callbacks; `statuses` are answered first, one each, then 204."""

    url: str
    got: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def events(self) -> list[tuple[str, str | None, str | None]]:
        return [(one["event"], one.get("gatewayId"), one.get("state")) for one in self.got]

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator["Receiver"]:
        receiver = cls("")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                receiver.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
            listener.daemon_threads = True
            receiver.url = f"http://127.0.0.1:{listener.server_address[1]}/callbacks"
            thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            yield receiver
            listener.shutdown()
            thread.join()
