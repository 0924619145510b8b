"""A pull request as a reviewer gets it: 300 gateways, 4 campaigns, firmware, a start, a deletion, a guard.

python -m tests.report.pull_requests FILE    writes its comment, for the picture in the docs
"""

import asyncio
import sys
import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reconciler.app.pipeline import Job, apply_exit, check, make
from reconciler.app.repository import line_links
from reconciler.app.workspace import Workspace
from reconciler.model import DesiredStatus, Kind, LivePackage, ResourceId, Server
from reconciler.options import Options
from reconciler.plan.model import Plan
from reconciler.report.markdown import plan_markdown
from reconciler.report.pull_request import PlanContext
from reconciler.state.base import Origin, Uploaded
from tests.fakes import Project
from tests.memory_provider import MemoryCampaign, MemoryServer

HEAD = "apiVersion: reconciler/v1\nkind: {}\nmetadata: {{name: {}}}\n"
PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: fleet}
spec:
  resources: [campaigns]
  environments:
    production:
      server: {url: "https://pulse.example.com"}
"""
SITES = {"berlin": 120, "munich": 80, "hamburg": 65, "paris": 40}
COMMIT = "5f2a91c07be43d18a6c9e0b47d21f8835ac0de64"
ENVIRON = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/fleet",
    "GITHUB_SHA": COMMIT,
}


def ids(site: str, count: int | None = None) -> list[str]:
    return [f"gw-{site}-{number:03}" for number in range(count if count is not None else SITES[site])]


def write(folder: Path) -> None:
    """The repository after the merge: new firmware for Berlin, Munich starts at night, Hamburg loses five."""
    (folder / "reconciler.yaml").write_text(PROJECT)
    campaigns = folder / "campaigns"
    campaigns.mkdir()
    for name in ("fw-2.1.bin", "fw-2.2.bin"):
        (campaigns / name).write_text(name)
    left = {"hamburg": ids("hamburg")[:-5]}
    for site in ("berlin", "munich", "hamburg"):
        (campaigns / f"{site}.txt").write_text("\n".join(left.get(site, ids(site))) + "\n")
        more = {
            "berlin": "  packageSet: fw-2.2\n  desiredStatus: STARTED\n",
            "munich": "  packageSet: fw-2.1\n  desiredStatus: STARTED\n  schedules: [{schedule: night}]\n",
            "hamburg": "  packageSet: fw-2.1\n",
        }[site]
        (campaigns / f"{site}.yaml").write_text(
            HEAD.format("GatewayList", site) + f"spec: {{file: {site}.txt}}\n---\n"
            + HEAD.format("Campaign", site)
            + f"spec:\n  description: Presses of {site.title()}\n  gatewayLists: [{site}]\n{more}"
        )  # fmt: skip
    night = '{begin: "2027-01-10T22:00", end: "2027-01-11T04:00"}'
    phases = "".join(f"  {phase}: {night}\n" for phase in ("download", "execution", "activation"))
    sets = [
        HEAD.format("PackageSet", name) + f"spec: {{packages: [{{file: {name}.bin}}]}}\n"
        for name in ("fw-2.1", "fw-2.2")
    ]
    schedule = HEAD.format("Schedule", "night") + f"spec:\n  timezone: Europe/Berlin\n{phases}"
    (campaigns / "shared.yaml").write_text("---\n".join([*sets, schedule]))


def before() -> Project:
    """What runs: Berlin has 12 in the middle of an update, Paris is to go with its package."""
    flying = dict.fromkeys(ids("berlin", 12), "WAITING_FOR_DOWNLOAD")
    statuses = {"berlin": "STARTED", "munich": "CREATED", "hamburg": "CREATED", "paris": "STOPPED"}
    server = MemoryServer(
        *(
            MemoryCampaign(
                f"c-{site}",
                site,
                status,
                f"Presses of {site.title()}",
                ("p-190",) if site == "paris" else ("p-210",),
                set(ids(site)),
                states=flying if site == "berlin" else {},
            )
            for site, status in statuses.items()
        ),
        packages=[LivePackage("p-190", "fw-1.9.bin"), LivePackage("p-210", "fw-2.1.bin")],
    )
    project = Project(server)
    for site, status in statuses.items():
        started = {"status": DesiredStatus.STARTED} if status == "STARTED" else {}
        project.own(site, f"c-{site}", Origin.CREATED, **started)
    firmware = ResourceId(Kind.PACKAGE_SET, "fw-1.9")
    uploads = [
        Uploaded(sha256(name.encode()).hexdigest(), key, name, firmware)
        for key, name in (("p-190", "fw-1.9.bin"), ("p-210", "fw-2.1.bin"))
    ]
    packages = {each.sha256: each for each in uploads}
    project.state = replace(project.state, packages=packages)
    return project


def pull_request(folder: Path) -> tuple[Plan, str]:
    """The plan of the merge in `folder`, and its comment."""
    write(folder)
    project = before()
    checked = check(Workspace(folder, {}, environment="production"), offline=True)
    assert checked.project is not None
    assert checked.findings == ()
    store: Any = SimpleNamespace(url="s3://acme/state.json")
    job = Job(checked.project, checked.desired, store, documents=checked.documents)
    planned = asyncio.run(make(job, project.state, project.server, Options(prune=True)))
    plan = replace(planned.plan, server=Server("pulse", "https://pulse.example.com"))
    links = line_links(folder, {**ENVIRON, "GITHUB_WORKSPACE": str(folder)})
    context = PlanContext(checked.project.environment, checked.project.name, links, apply_exit(plan, ()))
    return plan, plan_markdown(plan, about=context)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        Path(sys.argv[1]).write_text(pull_request(Path(name))[1], "utf-8")
