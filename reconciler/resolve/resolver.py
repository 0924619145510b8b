"""Resources → desired: the kinds in the order in which they refer to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.loading import Document
from reconciler.model import Desired, Finding, Kind
from reconciler.resolve.callbacks import resolve_callback_set
from reconciler.resolve.campaigns import Parts, resolve_campaign
from reconciler.resolve.files import Files
from reconciler.resolve.gateways import resolve_gateway_list
from reconciler.resolve.packages import one_by_content, resolve_package_set
from reconciler.resolve.schedules import resolve_schedule
from reconciler.resolve.source import Findings, Source, by_name


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the resources ask for, and what was found: with an error it is not to be used."""

    desired: Desired
    findings: tuple[Finding, ...]


def resolve(documents: Sequence[Document], *, root: Path, environ: Mapping[str, str] | None) -> Resolved:
    """References, files, times, secrets and defaults of validated `documents`, all findings at once.

    Files stay inside `root`. `environ` None: secrets are not read, as in ``validate``. A reference to a
    resource that is not among `documents` is skipped: validation has said so.
    """
    sources = [Source.of(document) for document in documents]
    files = Files(root)
    findings = Findings()
    package_sets = [
        (source, resolve_package_set(source, files, findings))
        for source in by_name(sources, Kind.PACKAGE_SET)
    ]
    packages = one_by_content(package_sets, findings)
    parts = Parts(
        packages={
            source.resource.name: tuple(packages[one] for one in refs) for source, refs in package_sets
        },
        lists={
            source.resource.name: resolve_gateway_list(source, files, findings)
            for source in by_name(sources, Kind.GATEWAY_LIST)
        },
        schedules={
            source.resource.name: resolve_schedule(source, findings)
            for source in by_name(sources, Kind.SCHEDULE)
        },
        callbacks={
            source.resource.name: resolve_callback_set(source, findings)
            for source in by_name(sources, Kind.CALLBACK_SET)
        },
        files=files,
        environ=environ,
    )
    campaigns = tuple(resolve_campaign(source, parts, findings) for source in by_name(sources, Kind.CAMPAIGN))
    return Resolved(Desired(campaigns, tuple(packages)), findings.sorted())
