"""What `snapshot`, `export` and `import` say at their end.

Tests: `tests/export/test_export_run.py`, `tests/snapshot/test_snapshot_plans.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reconciler.export import Exported
from reconciler.model import LiveCampaign, LivePackage, PackageFile, ResourceId, Server
from reconciler.plan.model import Plan
from reconciler.report.plan_text import finding_lines, plan_lines
from reconciler.report.terminal import Paint, plain
from reconciler.report.wording import show
from reconciler.snapshot import Taken
from reconciler.text import clean, plural


def taken_lines(taken: Taken, server: Server, file: Path) -> Iterator[str]:
    """What a snapshot holds."""
    own = f"the packages of {plural(taken.overrides, 'gateway')}"
    what = (plural(taken.campaigns, "campaign"), plural(taken.gateways, "gateway"), own)
    yield f"Server: {clean(str(server))}"
    yield f"Saved: {', '.join(what)}, {plural(taken.packages, 'package')}."
    yield f"Plan on it with: reconciler plan --snapshot {clean(str(file))}"


def exported_lines(
    made: Exported, server: Server, folder: Path, *, dry_run: bool, force: bool, paint: Paint = plain
) -> Iterator[str]:
    """What an export wrote, or would write, and what it left out."""
    files = made.files
    what = (
        plural(made.campaigns, "campaign"),
        plural(made.package_sets, "package set"),
        plural(made.gateway_lists, "gateway list"),
    )
    yield f"Server: {clean(str(server))}"
    yield f"Exported to {clean(str(folder))}: {', '.join(what)}."
    changed = len(files.changed) + len(files.foreign)
    counts = f"{len(files.new):,} new, {changed:,} changed, {len(files.unchanged):,} unchanged"
    if not dry_run:
        yield f"Files: {counts}."
    else:
        yield f"Files, of which none was written: {counts}."
        yield from (f"  new: {clean(path)}" for path in files.new)
        yield from (f"  changed: {clean(path)}" for path in files.changed)
        over = "written over" if force else "in the way, made or changed by somebody"
        yield from (f"  {over}: {clean(path)}" for path in files.foreign)
    if made.findings:
        yield ""
        yield from finding_lines(made.findings, paint)


def campaign_imported(
    live: LiveCampaign, resource: ResourceId, plan: Plan, *, known: bool, paint: Paint = plain
) -> Iterator[str]:
    """What a campaign is tied to, and what the next plan does with it."""
    since = "already; nothing was written" if known else "from now on"
    yield f"{clean(str(resource))} is campaign {clean(live.id)}, {show(live.name)}, {since}."
    yield "The next plan has no step for it." if plan.empty else "The next plan:"
    yield ""
    yield from plan_lines(plan, paint)


def package_imported(
    live: LivePackage, resource: ResourceId, file: PackageFile, *, known: bool, told: bool
) -> Iterator[str]:
    """What a package is taken for; `told`: the server says what it holds."""
    since = "already; nothing was written" if known else "from now on"
    content = f"{show(file.name)} of {clean(str(resource))}"
    yield f"Package {clean(live.id)}, {show(live.name)}, is the content of {content}, {since}."
    if not told:
        yield "That it holds the same can't be read back; it is taken on your word."
    yield "The next plan uses it, and uploads nothing for it."
