"""Everything that a server has as resources: a tree of files that adopts it, and that is the same each time.

Requests: list-campaigns and list-packages (all pages), and of each campaign get-campaign, list-gateways (all
pages) and get-distribution-list; with overrides also get-gateway-packages of each open gateway.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.export.resource_names import Names, as_name
from reconciler.export.staging import Difference, Staging
from reconciler.export.tree import FOLDERS, Tree
from reconciler.model import CampaignSummary, Finding, ResourceId, Severity
from reconciler.providers.base import Facts, Reads
from reconciler.resolve.ids import GOOD
from reconciler.survey import open_members, survey
from reconciler.text import first, plural

_FEW = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export, and where to. ``names``: only campaigns whose name on the server matches one."""

    folder: Path
    names: tuple[str, ...] = ()
    overrides: bool = True
    force: bool = False
    """Write over files that somebody else made or changed."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export found, and what it changed in the folder (or would change)."""

    campaigns: int
    package_sets: int
    gateway_lists: int
    files: Difference
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Campaigns by the names of their resources, and why others are left out."""

    names: Mapping[str, str]
    """Campaign id → name of its resource, in the order of these names."""
    findings: tuple[Finding, ...] = ()


async def export(
    reads: Reads,
    facts: Facts,
    owners: Mapping[str, ResourceId],
    wanted: Wanted,
    on_campaign: Callable[[int, int], None] = lambda _done, _total: None,
) -> Exported:
    """Write the resources of a server; all of them or none.

    `owners`: campaign id → resource that owns it, and keeps its name. ReconcilerError when a file is in the
    way that somebody else made or changed.
    """
    lines = await reads.campaigns()
    selection = select(lines, owners, wanted.names)
    tree = Tree(selection.names, await reads.packages(), facts, overrides=wanted.overrides)
    folder = wanted.folder
    _refuse_linked_folders(folder)
    with _beside(folder, dry_run=wanted.dry_run) as stage:
        staging = Staging(Path(stage), folder)
        done = 0
        reading = survey(reads, facts, selection.names, open_members if wanted.overrides else lambda _: ())
        async with aclosing(reading) as campaigns:
            async for live in campaigns:
                for file in tree.files(live):
                    staging.write(file.path, file.lines)
                done += 1
                on_campaign(done, len(selection.names))
        files = staging.compare()
        findings = [*selection.findings, *map(_stale, () if wanted.names else staging.stale(FOLDERS))]
        if not wanted.dry_run:
            if files.foreign and not wanted.force:
                raise _in_the_way(files.foreign, folder)
            staging.move((*files.new, *files.changed, *files.foreign))
    return Exported(done, tree.sets, tree.lists, files, tuple(findings))


def select(
    lines: Iterable[CampaignSummary], owners: Mapping[str, ResourceId], patterns: Sequence[str] = ()
) -> Selection:
    """Which campaigns become resources, under which names; pure.

    A name doesn't depend on which campaigns are asked for. What is owned keeps its own; collisions of the
    others are settled in the order of ids. Of several campaigns of one name on the server, only one that is
    owned can be told from the others.
    """
    in_order = sorted(lines, key=lambda line: line.id)
    namesakes: dict[str, list[CampaignSummary]] = defaultdict(list)
    for line in in_order:
        namesakes[line.name].append(line)
    taken = Names()
    for line in in_order:
        if line.id in owners:
            taken.keep(owners[line.id].name)
    names: dict[str, str] = {}
    findings: dict[str, Finding] = {}
    for line in in_order:
        owner = owners.get(line.id)
        name = owner.name if owner else taken.unique(as_name(line.name, "campaign"))
        if patterns and not any(fnmatchcase(line.name, pattern) for pattern in patterns):
            continue
        if problem := _problem(line, namesakes[line.name], owners):
            findings[problem.message] = problem
        else:
            names[line.id] = name
    if patterns and not (names or findings):
        raise ReconcilerError(
            f"no campaign's name matches {' or '.join(map(repr, patterns))}",
            hint="`reconciler campaign list` shows the names. `*` stands for anything: --name 'line-*'.",
        )
    return Selection(dict(sorted(names.items(), key=lambda item: item[1])), tuple(findings.values()))


def _problem(
    line: CampaignSummary, namesakes: Collection[CampaignSummary], owners: Mapping[str, ResourceId]
) -> Finding | None:
    """Why a campaign can't be a resource."""
    if not GOOD.fullmatch(line.name):
        return _left_out(
            f"campaign {line.id} is left out: its name {line.name[:60]!r} can't be declared",
            "rename it on the server: 1 to 255 characters, no spaces around them, no control characters",
        )
    owned = [namesake.id for namesake in namesakes if namesake.id in owners]
    if len(namesakes) > 1 and owned != [line.id]:
        ids = [namesake.id for namesake in namesakes if owned != [namesake.id]]
        return _left_out(
            f"{len(namesakes)} campaigns are called {line.name!r}; left out: {', '.join(ids)}",
            "rename all but one on the server and export again; or declare each with a `name` of its own, and"
            f" tie it: reconciler import Campaign/NAME {ids[0]}",
        )
    return None


def _left_out(message: str, hint: str) -> Finding:
    return Finding("not-exported", message, hint=hint, severity=Severity.WARNING)


def _stale(path: str) -> Finding:
    return Finding(
        "stale-export",
        f"{path} is from an earlier export, and nothing on the server is like it any more; it stays",
        hint="delete it, or a plan will want to make what it declares",
        severity=Severity.WARNING,
    )


def _in_the_way(foreign: Sequence[str], folder: Path) -> ReconcilerError:
    return ReconcilerError(
        f"{plural(len(foreign), 'file')} in {folder} would be written over that"
        f" somebody made or changed: {first(foreign, _FEW)}; nothing was written",
        hint="Choose another folder with --out and compare; or write over them with --force.",
    )


def _refuse_linked_folders(folder: Path) -> None:
    """Folders of an export are folders: behind a link we would write, and compare, elsewhere."""
    if linked := [folder / name for name in FOLDERS if (folder / name).is_symlink()]:
        raise ReconcilerError(
            f"{linked[0]} is a link, and links are not followed where we write; nothing was written",
            hint="Remove the link, or choose another folder with --out.",
        )


def _beside(folder: Path, *, dry_run: bool) -> tempfile.TemporaryDirectory[str]:
    """A folder for new files, hidden from readers and on the disk of `folder` where they are to be moved."""
    if dry_run:
        return tempfile.TemporaryDirectory(prefix="reconciler-export-")
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=".reconciler-export-", dir=folder)
