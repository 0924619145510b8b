"""Actions by their verb, for tables of tests: what a test doesn't say has a value that fits."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from reconciler.model import (
    Action,
    Callback,
    CallbackEvent,
    CampaignFields,
    DistributionList,
    Kind,
    PackageFile,
    Reason,
    ResourceId,
    SchedulePhase,
    Step,
    Verb,
    Window,
)
from reconciler.plan import Plan

CLASSES: Mapping[Verb, Any] = {kind.verb: kind for kind in get_args(Action)}
LINE = ResourceId(Kind.CAMPAIGN, "line-3")
FILE = PackageFile("ab" * 32, Path("fw.bin"), "fw.bin", 3, ResourceId(Kind.PACKAGE_SET, "firmware"))


def needs_of(plan: Plan, step: Step) -> tuple[Step, ...]:
    """The steps that `step` comes after."""
    (found,) = (needed for each, needed in plan.needs(step.group) if each.id == step.id)
    return found


def action(verb: Verb, resource: ResourceId = LINE, reason: Reason = Reason.DIFFERS, **values: Any) -> Any:
    """An action of `verb`. An empty value of a name that its class doesn't have is left out."""
    kind = CLASSES[verb]
    names = {field.name for field in fields(kind)}
    said = {name: value for name, value in values.items() if name in names or value not in (None, (), {})}
    things = {gateway: (f"{gateway}-1",) for gateway in said.get("gateways", ())}
    usual = {
        "file": FILE,
        "fields": CampaignFields(resource.name),
        "event": CallbackEvent.COMPLETED,
        "callback": Callback("d-1"),
        "distribution": DistributionList("list-1"),
        "packages": (),
        "phase": SchedulePhase.DOWNLOAD,
        "window": Window(1, 2),
        "things": things,
        "target": "p-1",
        "name": f"{resource.name} ~p-1",
    }
    needed = {f.name for f in fields(kind) if f.default is f.default_factory or f.name == "callback"}
    return kind(
        **{**{n: v for n, v in usual.items() if n in needed}, "resource": resource, "reason": reason, **said}
    )
