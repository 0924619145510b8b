"""A rollout on a clock that runs ahead: 500 simulated gateways, one night, a flawed package.

Starts the embedded server and a small receiver of callbacks, applies the resources beside this file, lets a
day pass in seconds, and looks at what became of it. Ends with 1 when a gateway isn't final, a phase happened
outside its window, or a callback is missing. Needs `reconciler[embedded]` and nothing else.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx

HERE = Path(__file__).parent
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2035, 3, 5, 12, tzinfo=BERLIN)
WINDOWS = {
    "DOWNLOAD_COMPLETE": (datetime(2035, 3, 5, 20, tzinfo=BERLIN), datetime(2035, 3, 5, 23, tzinfo=BERLIN)),
    "EXECUTION_COMPLETE": (datetime(2035, 3, 5, 23, tzinfo=BERLIN), datetime(2035, 3, 6, 2, tzinfo=BERLIN)),
    "ACTIVATION_COMPLETE": (datetime(2035, 3, 6, 2, tzinfo=BERLIN), datetime(2035, 3, 6, 5, tzinfo=BERLIN)),
}
FINAL = {"ACTIVATION_COMPLETE", "FAILED"}


class Receiver(ThreadingHTTPServer):
    """Takes callbacks; the first of every hundred is turned away once, to see it come again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[dict[str, object]] = []
        self.turned_away = 0
        self.lock = threading.Lock()

    def take(self, callback: dict[str, object]) -> bool:
        """Keep a callback, or turn it away (True)."""
        with self.lock:
            count = len(self.received)
            if count % 100 == 99 and self.turned_away <= count // 100:
                self.turned_away += 1
                return True
            self.received.append(callback)
            return False


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        busy = self.server.take(body)
        self.send_response(503 if busy else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet: the summary counts."""


def run(*arguments: str, cwd: str) -> None:
    print(f"\n$ reconciler {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "reconciler", *arguments], cwd=cwd, check=True)


def millis(when: datetime) -> str:
    return str(int(when.timestamp() * 1000))


def rehearse(folder: str, api: httpx.Client, receiver: Receiver) -> list[str]:
    """The whole rehearsal; what went wrong."""
    address = f"http://127.0.0.1:{receiver.server_address[1]}/"
    api.put("/_embedded/clock", json={"now": millis(NOON), "paused": True}).raise_for_status()
    api.put("/_embedded/destinations/control-room", json={"url": address}).raise_for_status()
    settings = {"enabled": True, "seed": 7, "failureRate": 0.03, "downloadBytesPerSecond": 100}
    api.put("/_embedded/simulation", json=settings).raise_for_status()

    resources = str(HERE)
    run("validate", resources, cwd=folder)
    run("plan", resources, cwd=folder)
    run("apply", "--auto-approve", "--parallelism", "32", resources, cwd=folder)
    run("plan", "--detailed-exitcode", resources, cwd=folder)

    print("\nA day passes ...", flush=True)
    for _ in range(24):
        api.post("/_embedded/clock/step", json={"seconds": 3600}, timeout=120).raise_for_status()
    run("status", resources, cwd=folder)
    return judge(api, receiver)


def judge(api: httpx.Client, receiver: Receiver) -> list[str]:
    """Holds the server's and the receiver's word against what was asked."""
    [campaign] = api.get("/api/campaigns").json()["campaigns"]
    path = f"/api/campaigns/{campaign.get('uuid') or campaign['id']}/devices"
    rows = api.get(path, params={"page.size": "1000"}).json()["gateways"]
    states = Counter(row["state"] for row in rows)
    changes = [c for c in receiver.received if c.get("state")]
    kinds = Counter(str(c.get("state") or c.get("event")) for c in receiver.received)
    print(f"\n{len(receiver.received)} callbacks received, {receiver.turned_away} of them at the second try:")
    for kind, count in sorted(kinds.items()):
        print(f"  {kind}: {count}")

    wrong = [f"{count} gateways ended as {state}" for state, count in states.items() if state not in FINAL]
    wrong += [f"{len(rows)} gateways instead of 500"] if len(rows) != 500 else []
    reached = Counter(str(change["state"]) for change in changes)
    wrong += [
        f"{states[state]} gateways are {state}, but {reached[state]} callbacks say so"
        for state in FINAL
        if states[state] != reached[state]
    ]
    for change in changes:
        window = WINDOWS.get(str(change["state"]))
        when = datetime.fromtimestamp(int(str(change["timestamp"])) / 1000, BERLIN)
        if window and not window[0] <= when <= window[1]:
            wrong.append(f"{change['gatewayId']} was {change['state']} at {when}, outside its window")
    if sum(1 for c in receiver.received if not c.get("state")) != 1:
        wrong.append("the completed callback didn't come exactly once")
    return wrong


def main() -> int:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RECONCILER_")}
    os.environ.clear()
    os.environ.update(environment)
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        serve = [sys.executable, "-m", "reconciler", "serve", "--port", "0"]
        with subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                address = re.search(r"http://\S+", server.stdout.readline())
                if address is None:
                    return 1
                os.environ["RECONCILER_URL"] = address[0]
                with httpx.Client(base_url=address[0], trust_env=False) as api:
                    wrong = rehearse(folder, api, receiver)
            finally:
                server.terminate()
                receiver.shutdown()
                receiver.server_close()
    for line in wrong[:20]:
        print(f"wrong: {line}")
    print("\nThe rehearsal went as it should." if not wrong else f"\n{len(wrong)} things went wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
