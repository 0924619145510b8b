"""OpenTofu with its provider `restapi` beside us: the same server, the same work.

Both programs are looked for on the PATH, as `tofu` and `terraform-provider-restapi`. Nothing is downloaded: a
configuration of the command line names the provider's folder (`dev_overrides`), so no `tofu init` is needed.

Tofu's side is written as the provider's documentation says, with what makes it cheapest: one `for_each` for
all resources, and the answer of a create taken as it came (`create_returns_object`), so that what was created
isn't read. What the server adds, or answers in another shape than it is sent, isn't compared
(`ignore_changes_to`).

Each side has a server process of its own, both of them embedded servers, and they take turns. Tofu is
measured once, for it takes minutes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from benchmarks.canned import GATEWAY, NAME
from benchmarks.measure import Command, Figure, embedded, in_turn, once, python, received
from benchmarks.projects import RECONCILER, named, overridden, project
from benchmarks.rows import Row

SIZES: Final = (1_000, 4_000)
_GOALS_FROM: Final = 4_000
"""Goals are for that many: below, the start of a process is much of what is measured."""
PROVIDER: Final = "terraform-provider-restapi"


def provider_folder() -> Path | None:
    """The folder of the provider; None unless both programs are on the PATH."""
    provider = shutil.which(PROVIDER)
    return Path(provider).resolve().parent if provider and shutil.which("tofu") else None


def _tofu(*arguments: str, cwd: Path) -> Command:
    """`tofu` with `arguments` in a folder that `_settings` prepared, its provider's share counted."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    more = {"TF_CLI_CONFIG_FILE": str(cwd / "cli.tfrc"), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    return Command(["tofu", *arguments, "-input=false", "-no-color"], cwd, {**env, **more}, family=True)


def _settings(folder: Path, url: str, provider: Path) -> str:
    """What every configuration begins with; the command line's own lies beside it."""
    (folder / "cli.tfrc").write_text(
        f'provider_installation {{\n  dev_overrides {{ "Mastercard/restapi" = "{provider}" }}\n}}\n'
    )
    return f"""terraform {{
  required_providers {{
    restapi = {{ source = "Mastercard/restapi" }}
  }}
}}
provider "restapi" {{
  uri                   = "{url}"
  bearer_token          = "x"
  headers               = {{ Accept = "application/json;api-version=0.17" }}
  id_attribute          = "uuid"
  create_returns_object = true
}}
"""


def _campaigns(folder: Path, url: str, provider: Path, wanted: Mapping[str, str]) -> None:
    """Campaigns by name, with their descriptions."""
    (folder / "wanted.json").write_text(json.dumps(wanted))
    (folder / "main.tf").write_text(
        _settings(folder, url, provider)
        + """resource "restapi_object" "campaign" {
  for_each          = jsondecode(file("wanted.json"))
  path              = "/api/campaigns"
  data              = jsonencode({ name = each.key, description = each.value })
  update_data       = jsonencode({ updateSpec = { name = each.key, description = each.value } })
  ignore_changes_to = ["id", "status", "creationTime", "packages"]
}
"""
    )


def _overrides(folder: Path, url: str, provider: Path, campaign: str, wanted: Mapping[str, str]) -> None:
    """Gateways of one campaign, each with the one package that it gets instead."""
    (folder / "wanted.json").write_text(json.dumps(wanted))
    (folder / "main.tf").write_text(
        _settings(folder, url, provider)
        + f"""resource "restapi_object" "override" {{
  for_each          = jsondecode(file("wanted.json"))
  path              = "/api/campaigns/{campaign}/devices/${{each.key}}/packages"
  read_path         = "/api/campaigns/{campaign}/devices/${{each.key}}/packages"
  update_path       = "/api/campaigns/{campaign}/devices/${{each.key}}/packages"
  create_method     = "PUT"
  object_id         = each.key
  data = jsonencode({{
    gatewayId  = each.key
    campaignId = "{campaign}"
    packages   = [each.value]
  }})
  ignore_changes_to = ["gatewayId", "campaignId"]
}}
"""
    )


@dataclass(frozen=True)
class _Side:
    """One of the two: where it works, its server, and what is run."""

    folder: Path
    url: str
    apply: Command
    plan: Command


@dataclass(frozen=True)
class _Measured:
    """What one side took, and how many calls its server had."""

    figure: Figure
    calls: int


def _ours(folder: Path, url: str) -> _Side:
    project(folder, url, "aiohttp")
    apply = python(*RECONCILER, "apply", "--auto-approve", cwd=folder)
    return _Side(folder, url, apply, python(*RECONCILER, "plan", "--detailed-exitcode", cwd=folder))


def _theirs(folder: Path, url: str) -> _Side:
    apply = _tofu("apply", "-auto-approve", cwd=folder)
    return _Side(folder, url, apply, _tofu("plan", "-detailed-exitcode", cwd=folder))


def _measured(side: _Side, command: Command, times: int = 1) -> _Measured:
    received(side.url)
    figure = once(command)
    calls = received(side.url)
    if times > 1:
        figure = in_turn({"": command}, times)[""]
    return _Measured(figure, calls)


def _rows(what: str, ours: _Measured, theirs: _Measured, goal: str = "") -> Iterator[Row]:
    """CPU first: the server and the two processes of OpenTofu share the cores."""
    mine, peer = ours.figure, theirs.figure
    seconds = f"{mine.cpu:.2f} s / {peer.cpu:.2f} s CPU, {mine.wall:.2f} s / {peer.wall:.2f} s wall"
    sizes = f"{mine.peak:.0f} MB / {peer.peak:.0f} MB"
    yield Row(f"{what}: CPU of OpenTofu ÷ ours", peer.cpu / mine.cpu, goal, f"{seconds}, {sizes}")
    yield Row("… wall ÷ ours", peer.wall / mine.wall)
    yield Row("… our calls ÷ its", ours.calls / theirs.calls, "<1", f"{ours.calls:,} / {theirs.calls:,}")


def _goal(size: int, goal: str) -> str:
    return goal if size >= _GOALS_FROM else ""


def rows(work: Path, times: int, provider: Path) -> Iterator[Row]:
    """Campaigns, and packages of single gateways of one campaign, so many of each."""
    for size in SIZES:
        yield from _of_campaigns(work / f"campaigns-{size}", size, times, provider)
        yield from _of_overrides(work / f"overrides-{size}", size, times, provider)


def _of_campaigns(work: Path, size: int, times: int, provider: Path) -> Iterator[Row]:
    """Made, looked at again, and one of them changed."""
    folder, other = work / "ours", work / "tofu"
    folder.mkdir(parents=True)
    other.mkdir()
    wanted = {NAME.format(n): f"The update of line {n}" for n in range(size)}
    with embedded(work / "ours.db") as url, embedded(work / "tofu.db") as there:
        ours, theirs = _ours(folder, url), _theirs(other, there)

        def write() -> None:
            named(folder, wanted)
            _campaigns(other, there, provider, wanted)

        write()
        made = _measured(ours, ours.apply), _measured(theirs, theirs.apply)
        yield from _rows(f"create {size:,} campaigns", *made, _goal(size, ">20"))
        seen = _measured(ours, ours.plan, times), _measured(theirs, theirs.plan)
        yield from _rows(f"no-op plan, {size:,} campaigns", *seen, _goal(size, ">30"))
        wanted[NAME.format(0)] = "Another update"
        write()
        changed = _measured(ours, ours.apply), _measured(theirs, theirs.apply)
        yield from _rows(f"one change, {size:,} campaigns", *changed)
        for side in (ours, theirs):
            found = _json(f"{side.url}/api/campaigns?description=Another%20update")
            assert int(found["pageResponse"]["totalElements"]) == 1, side


def _of_overrides(work: Path, size: int, times: int, provider: Path) -> Iterator[Row]:
    """Given to all gateways of one campaign, and looked at again."""
    folder, other, prepared = work / "ours", work / "tofu", work / "prepared"
    for each in (folder, other, prepared):
        each.mkdir(parents=True)
    ids = [GATEWAY.format(0, n) for n in range(size)]
    with embedded(work / "ours.db") as url, embedded(work / "tofu.db") as there:
        ours, theirs = _ours(folder, url), _theirs(other, there)
        # Before the overrides, both servers are the same.
        for where in (ours, _ours(prepared, there)):
            overridden(where.folder, ids, "")
            once(where.apply)
        overridden(folder, ids, "beta")
        campaign = _json(f"{there}/api/campaigns")["campaigns"][0]["id"]
        package = _json(f"{there}/api/programs?name=beta")["programs"][0]["id"]
        _overrides(other, there, provider, campaign, dict.fromkeys(ids, package))
        given = _measured(ours, ours.apply), _measured(theirs, theirs.apply)
        yield from _rows(f"give {size:,} gateways packages of their own", *given)
        seen = _measured(ours, ours.plan, times), _measured(theirs, theirs.plan)
        title = f"no-op plan, {size:,} gateways with packages of their own"
        yield from _rows(title, *seen, _goal(size, ">30"))


def _json(url: str) -> Any:
    with urlopen(url) as answer:
        return json.load(answer)
