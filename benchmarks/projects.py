"""Projects to measure with: files as an operator has them, and a state that says what is ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.canned import CAMPAIGN, GATEWAY, NAME
from benchmarks.measure import once, python
from reconciler.model import DesiredStatus, Kind, ResourceId, RolloutRecord, SchedulePhase, Server
from reconciler.state.applied import schedule_field
from reconciler.state.base import Origin, Owned, State
from reconciler.state.state_format import encode_state

RECONCILER = ("-m", "reconciler")
WINDOW = "{begin: 2037-01-10T22:00, end: 2037-01-11T04:00}"
SCHEDULE = f"""apiVersion: reconciler/v1
kind: Schedule
metadata: {{name: night}}
spec: {{timezone: Europe/Berlin, download: {WINDOW}, execution: {WINDOW}, activation: {WINDOW}}}
---
"""


def project(folder: Path, url: str, engine: str) -> None:
    """The project file of `folder`."""
    (folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: bench}\nspec:\n  resources: [resources]\n"
        f"  server: {{url: '{url}', engine: {engine}, auth: {{tokenEnv: TOKEN}}}}\n"
    )
    (folder / "resources").mkdir(exist_ok=True)


WAVES: Final = 5
POLICY = """apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: waves}
spec:
  seed: bench
  soak: 24h
  waves:
    - {name: canary, upTo: 100}
    - {name: one, upTo: 1%}
    - {name: ten, upTo: 10%}
    - {name: half, upTo: 50%}
    - {name: rest}
---
"""


def fleet(
    folder: Path, campaigns: int, gateways: int, *, scheduled: bool = False, waves: bool = False
) -> None:
    """Campaigns, each with a list of its own in a file."""
    resources = folder / "resources"
    documents = []
    for number in range(campaigns):
        name = CAMPAIGN.format(number)
        ids = "".join(f"{GATEWAY.format(number, n)}\n" for n in range(gateways))
        (resources / f"{name}.txt").write_text(ids)
        more = ", schedules: [{schedule: night}]" if scheduled else ""
        more += ", desiredStatus: STARTED, rollout: {policy: waves}" if waves else ""
        documents.append(
            f"apiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {{name: {name}}}\n"
            f"spec: {{file: {name}.txt}}\n"
            f"---\napiVersion: reconciler/v1\nkind: Campaign\nmetadata: {{name: {name}}}\n"
            f"spec: {{name: {NAME.format(number)}, gatewayLists: [{name}]{more}}}\n"
        )
    (resources / "all.yaml").write_text(
        (SCHEDULE if scheduled else "") + (POLICY if waves else "") + "---\n".join(documents)
    )


def named(folder: Path, campaigns: Mapping[str, str]) -> None:
    """Campaigns by name, with their descriptions and nothing else."""
    documents = (
        f"apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {{name: {CAMPAIGN.format(number)}}}\n"
        f"spec: {{name: {name}, description: {description}}}\n"
        for number, (name, description) in enumerate(campaigns.items())
    )
    (folder / "resources" / "all.yaml").write_text("---\n".join(documents))


def overridden(folder: Path, gateways: Iterable[str], packages: str) -> None:
    """One campaign with a package, whose gateways get another one, if any: ``stable`` or ``beta``."""
    resources = folder / "resources"
    (resources / "ids.txt").write_text("".join(f"{each}\n" for each in gateways))
    documents = ["kind: GatewayList\nmetadata: {name: all}\nspec: {file: ids.txt}\n"]
    for name in ("stable", "beta"):
        (resources / f"{name}.bin").write_text(name)
        packed = f"spec: {{packages: [{{file: {name}.bin, name: {name}}}]}}\n"
        documents.append(f"kind: PackageSet\nmetadata: {{name: {name}}}\n{packed}")
    more = f", packageOverrides: [{{gatewayLists: [all], packageSet: {packages}}}]" if packages else ""
    campaign = f"spec: {{name: one, gatewayLists: [all], packageSet: stable{more}}}\n"
    documents.append(f"kind: Campaign\nmetadata: {{name: one}}\n{campaign}")
    (resources / "all.yaml").write_text("---\n".join(f"apiVersion: reconciler/v1\n{d}" for d in documents))


def owned(
    folder: Path,
    url: str,
    campaigns: int,
    *,
    windows: Iterable[str] = (),
    rollout: RolloutRecord | None = None,
) -> Callable[[], None]:
    """What puts the state there in which all of them are ours, and nothing else is known of them.

    `windows`: ids that have had their windows. `rollout`: how their rollouts stand.
    """
    had = frozenset(windows)
    value = _window() if had else ""
    members = {schedule_field(phase): {value: had} for phase in SchedulePhase} if had else {}
    known = {
        resource: Owned(
            resource,
            resource.name,
            Origin.CREATED,
            members=members,
            rollout=rollout,
            status=None if rollout is None else DesiredStatus.STARTED,
        )
        for resource in (ResourceId(Kind.CAMPAIGN, CAMPAIGN.format(n)) for n in range(campaigns))
    }
    state = State("bench", "ab" * 16, 1, Server("pulse", url), known)
    return _putting(folder, json.dumps(encode_state(state)))


def settled(folder: Path, put: Callable[[], None]) -> Callable[[], None]:
    """What puts the state there that an apply leaves which found nothing to do after `put`.

    It knows what is declared, too, as that of every project does which was applied once.
    """
    put()
    once(python(*RECONCILER, "apply", "--auto-approve", cwd=folder))
    state = (folder / ".reconciler" / "state.json").read_text()
    # A record that names no waves counts as one of other waves, so that the next gate is asked of all.
    return _putting(folder, re.sub(r'"edited": ?true, ?', "", state))


def _putting(folder: Path, state: str) -> Callable[[], None]:
    place = folder / ".reconciler"

    def put() -> None:
        place.mkdir(exist_ok=True)
        for path in place.iterdir():
            path.unlink()
        (place / "state.json").write_text(state)

    return put


def _window() -> str:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from reconciler.model import Window
    from reconciler.state.applied import window_value

    zone = ZoneInfo("Europe/Berlin")
    begin, end = datetime(2037, 1, 10, 22, tzinfo=zone), datetime(2037, 1, 11, 4, tzinfo=zone)
    return window_value(Window(int(begin.timestamp() * 1000), int(end.timestamp() * 1000)))


def k8s_like(path: Path, megabytes: int) -> None:
    """Campaigns as people write them, one document after the other."""
    text = """apiVersion: reconciler/v1
kind: Campaign
metadata:
  name: line-{0}
  labels: {{site: berlin, line: "{0}"}}
spec:
  name: "Line {0}: spring update"
  description: The controllers of line {0}, after the pilot
  gatewayLists: [all]
  settings:
    channel: stable
    retries: "3"
  schedules:
    - schedule: night
  approve: true
  desiredStatus: STARTED
---
"""
    count = megabytes * (1 << 20) // len(text.format(10_000))
    head = (
        SCHEDULE
        + "apiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {name: all}\n"
        + "spec: {gateways: [gw-1]}\n---\n"
    )
    path.write_text(head + "".join(map(text.format, range(10_000, 10_000 + count))))


def list_of_ids(path: Path, count: int) -> None:
    """One list with so many ids in YAML."""
    head = "apiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {name: all}\nspec:\n  gateways:\n"
    path.write_text(head + "".join(f"    - {GATEWAY.format(0, n)}\n" for n in range(count)))


def zone_of(folder: Path, records: int) -> Path:
    """A zone of octoDNS with so many records, twice: as it is wished, and as it is. Its config."""
    zone = "".join(f"host-{n:07d}:\n  type: A\n  value: 10.0.0.{n % 250 + 1}\n" for n in range(records))
    for side in ("wished", "there"):
        (folder / side).mkdir()
        (folder / side / "example.com.yaml").write_text(f"---\n{zone}")
    provider = "class: octodns.provider.yaml.YamlProvider, default_ttl: 300"
    config = folder / "octodns.yaml"
    config.write_text(
        f"providers:\n  wished: {{{provider}, directory: {folder / 'wished'}}}\n"
        f"  there: {{{provider}, directory: {folder / 'there'}}}\n"
        "zones:\n  example.com.:\n    sources: [wished]\n    targets: [there]\n"
    )
    return config
