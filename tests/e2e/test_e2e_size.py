"""A campaign of 100,000 gateways over TCP: what a plan asks for, and what memory it takes."""

import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from e2e_runs import SECONDS, TOKEN, Live, Workplace, command, environment

from reconciler.embedded import Running

FLEET = 100_000
PAGE = 500
"""The page size of a project that doesn't say another."""
BATCH = 100
MEGABYTES = 400

ID = "gateway-{:06d}-of-the-northern-plant"

RESOURCES = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: fleet}
spec: {file: fleet.txt}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: everybody}
spec: {gatewayLists: [fleet]}
"""

MEASURED = """
import json, resource, subprocess, sys
made = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8")
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([made.returncode, made.stdout, made.stderr, peak]))
"""
"""Runs a command in a process that is small itself: a child's peak begins with what its parent had."""


@dataclass(frozen=True)
class Measured:
    code: int
    out: str
    err: str
    megabytes: float


def measured(place: Workplace, *arguments: str) -> Measured:
    # Not of the program: what a measurement of coverage needs.
    env = {name: value for name, value in environment(**place.env).items() if not name.startswith("COV")}
    made = subprocess.run(
        [sys.executable, "-I", "-c", MEASURED, *command(*arguments)],
        cwd=place.folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=True,
    )
    code, out, err, peak = json.loads(made.stdout)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Measured(code, out, err, peak / unit)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workplace, Live]]:
    """An owned campaign with the whole fleet, put there through the API."""
    with Running(token=TOKEN, record=True) as running:
        live = Live(running)
        env = {"RECONCILER_URL": live.url, "RECONCILER_TOKEN": TOKEN}
        place = Workplace(tmp_path_factory.mktemp("fleet"), env, [TOKEN])
        declare(place, range(1))
        (place.folder / "resources.yaml").write_text(RESOURCES.replace("{gatewayLists: [fleet]}", "{}"))
        place.apply()
        (campaign,) = live.campaigns()
        for start in range(0, FLEET, 25_000):
            ids = [ID.format(n) for n in range(start, start + 25_000)]
            path = f"/api/campaigns/{campaign['id']}/devices"
            live.call("POST", path, {"campaignId": campaign["id"], "gatewayIds": ids})
        (place.folder / "resources.yaml").write_text(RESOURCES)
        yield place, live


def declare(place: Workplace, numbers: range) -> None:
    (place.folder / "fleet.txt").write_text("".join(f"{ID.format(n)}\n" for n in numbers))


@pytest.mark.parametrize(
    ("numbers", "steps"),
    [
        (range(FLEET), {}),
        (range(50_000, 150_000), {"remove-gateways": 50_000 / BATCH, "add-gateways": 50_000 / BATCH}),
    ],
    ids=["unchanged", "half of it is another"],
)
def test_a_plan_takes_as_many_requests_as_there_are_pages(
    fleet: tuple[Workplace, Live], numbers: range, steps: dict[str, int]
) -> None:
    place, live = fleet
    declare(place, numbers)
    live.forget()
    ran = measured(place, "plan", "resources.yaml", "--output", "json")
    assert ran.code == 0, ran.err
    plan = json.loads(ran.out)
    assert plan["summary"]["byOperation"] == steps
    # The version, whether there is another of its name, the campaign, its gateways page by page, and who put
    # them there where some have to go.
    pages = math.ceil(FLEET / PAGE)
    assert Counter(live.operations()) == {
        "versions": 1,
        "list-campaigns": 1,
        "get-campaign": 1,
        "list-gateways": pages,
        **({"get-distribution-list": 1} if steps else {}),
    }
    assert len(live.operations()) == 3 + pages + bool(steps)
    assert ran.megabytes < MEGABYTES
