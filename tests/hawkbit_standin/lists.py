"""Lists in pages, with queries, and the reads of single objects."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tests.hawkbit_standin.app import Answer, Asked, Said, Standin
from tests.hawkbit_standin.model import Action, Bundle, Module, Rollout
from tests.hawkbit_standin.objects import (
    artifact_json,
    bundle_json,
    filter_json,
    found,
    module_json,
    stamped,
    tag_json,
    target_json,
)
from tests.hawkbit_standin.rsql import matcher
from tests.hawkbit_standin.world import World

Getter = Callable[[Any, str], Iterable[Any]]


def add(server: Standin) -> None:
    """The routes."""
    world, base, do = server.world, "/rest/v1", _Lists(server)
    target, rollout = "READ_TARGET", "READ_ROLLOUT"
    bundle, module = "READ_DISTRIBUTION_SET", "READ_SOFTWARE_MODULE"
    rows = [
        ("GET", "/targets", target, do.targets),
        ("GET", "/targets/{}", target, do.target),
        ("GET", "/targets/{}/actions", target, do.target_actions),
        ("GET", "/targets/{}/actions/{}", target, do.action),
        ("GET", "/targets/{}/actions/{}/status", target, do.history),
        ("GET", "/targets/{}/assignedDS", target, do.assigned),
        ("GET", "/targettags", target, partial(do.plain, "tags", tag_json)),
        ("GET", "/targettags/{}", target, partial(do.one, "TargetTag", "tags", tag_json)),
        ("GET", "/targettags/{}/assigned", target, do.tagged),
        ("GET", "/targetfilters", target, partial(do.plain, "filters", filter_json)),
        ("GET", "/targetfilters/{}", target, partial(do.one, "TargetFilterQuery", "filters", filter_json)),
        ("GET", "/actions", target, do.actions),
        ("GET", "/softwaremodules", module, do.modules),
        ("GET", "/softwaremodules/{}", module, partial(do.one, "SoftwareModule", "modules", module_json)),
        ("GET", "/softwaremodules/{}/artifacts", module, do.artifacts),
        ("GET", "/softwaremodules/{}/artifacts/{}/download", "READ_SOFTWARE_MODULE_ARTIFACT", do.download),
        ("GET", "/softwaremodules/{}/metadata", module, do.module_metadata),
        ("GET", "/distributionsets", bundle, do.bundles),
        ("GET", "/distributionsets/{}", bundle, do.bundle),
        ("GET", "/distributionsets/{}/installedTargets", bundle, do.installed),
        ("GET", "/rollouts", rollout, do.rollouts),
        ("GET", "/rollouts/{}", rollout, do.rollout),
        ("GET", "/rollouts/{}/deploygroups", rollout, do.groups),
        ("GET", "/rollouts/{}/deploygroups/{}/targets", rollout, do.group_targets),
    ]
    for method, path, right, run in rows:
        server.route(method, base + path, right, run)
    del world


def action_json(action: Action, asked: Asked, world: World, *, full: bool = False) -> dict[str, Any]:
    href = f"{asked.base}/rest/v1/targets/{action.target}/actions/{action.id}"
    shown = {
        **stamped(action),
        "id": action.id,
        "status": "pending" if action.active else "finished",
        "detailStatus": action.status,
        "type": "cancel" if action.status in ("canceling", "canceled") else "update",
        "active": action.active,
        "forceType": action.force,
        "weight": action.weight,
        "_links": {"self": {"href": href}},
    }
    # The word of the contract: `status` is the detailed one in the list of all actions.
    shown["status"] = action.status
    if action.rollout is not None:
        rollout = world.rollouts.get(action.rollout)
        shown |= {"rollout": action.rollout, "rolloutName": rollout.name if rollout else ""}
    if action.window:
        shown["maintenanceWindow"] = action.window
    if full:
        shown["_links"]["target"] = {
            "href": f"{asked.base}/rest/v1/targets/{action.target}",
            "name": world.targets[action.target].name,
        }
        shown["_links"]["distributionset"] = {
            "href": f"{asked.base}/rest/v1/distributionsets/{action.bundle}"
        }
    return shown


def rollout_json(rollout: Rollout, world: World, *, wrong: bool = False) -> dict[str, Any]:
    """``wrong``: with the counts that a PUT answers, as if nobody had begun."""
    total = world.members(rollout)
    nobody = dict.fromkeys(("running", "scheduled", "cancelled", "finished", "error"), 0)
    shown = {
        **stamped(rollout),
        "id": rollout.id,
        "name": rollout.name,
        "description": rollout.description,
        "targetFilterQuery": rollout.query,
        "distributionSetId": rollout.bundle,
        "status": rollout.status,
        "totalTargets": total,
        "totalTargetsPerStatus": {**nobody, "notstarted": total} if wrong else world.counts(rollout),
        "totalGroups": len(rollout.groups),
        "forcetime": rollout.force_time,
        "deleted": rollout.deleted,
        "type": rollout.type,
        "weight": rollout.weight,
        "dynamic": rollout.dynamic,
        "_links": {},
    }
    if rollout.start_at is not None:
        shown["startAt"] = rollout.start_at
    if rollout.decider is not None:
        shown |= {"approveDecidedBy": rollout.decider, "approvalRemark": rollout.remark}
    return shown


class _Lists:
    def __init__(self, server: Standin) -> None:
        self.server, self.world = server, server.world

    def paged(
        self,
        asked: Asked,
        every: Iterable[Any],
        show: Callable[[Any], Any],
        get: Getter,
        fields: Iterable[str],
    ) -> Answer:
        """A page of what a query finds; the result of a query is kept while nothing changes."""
        known = frozenset(fields)
        key = (asked.path, asked.query.get("q", "") + "|" + asked.query.get("sort", ""))
        kept = self.server.kept.get(key)
        if kept is None or kept[0] != self.world.version:
            rows = list(every)
            if query := asked.query.get("q"):
                matches = matcher(query, get, lambda f: f.lower() in known or _keyed(f.lower(), known))
                rows = [row for row in rows if matches(row)]
            if sort := asked.query.get("sort"):
                name, _, way = sort.partition(":")
                if name.lower() not in known:
                    raise Said(400, "rest.param.invalidField", "unknown field")
                rows.sort(key=lambda row: next(iter(get(row, name))), reverse=way.upper() == "DESC")
            kept = (self.world.version, rows)
            self.server.kept[key] = kept
        rows = kept[1]
        limit, offset = int(asked.query.get("limit", 50)), int(asked.query.get("offset", 0))
        limit = min(limit, 500) if limit > 0 else 50
        page = [show(row) for row in rows[offset : offset + limit]]
        return Answer(200, {"content": page, "total": len(rows), "size": len(page)})

    def target_json(self, asked: Asked) -> Callable[[Any], Any]:
        rights = self.server.users[asked.user].rights
        secret = rights is None or "READ_TARGET_SECURITY_TOKEN" in rights
        return lambda target: target_json(target, secret=secret)

    def _targets(self, asked: Asked, every: Iterable[Any]) -> Answer:
        known = (
            "id",
            "controllerid",
            "name",
            "description",
            "updatestatus",
            "tag",
            "attribute.",
            "assignedds.",
        )
        known = (*known, "installedds.")
        return self.paged(asked, every, self.target_json(asked), self.world.target_values, known)

    def targets(self, asked: Asked) -> Answer:
        return self._targets(asked, self.world.targets.values())

    def tagged(self, asked: Asked) -> Answer:
        tag = found("TargetTag", self.world.tags, asked.number())
        return self._targets(asked, (self.world.targets[each] for each in tag.members))

    def installed(self, asked: Asked) -> Answer:
        self.server.permit(asked, "READ_TARGET")
        bundle = found("DistributionSet", self.world.bundles, asked.number())
        return self._targets(asked, (t for t in self.world.targets.values() if t.installed == bundle.id))

    def group_targets(self, asked: Asked) -> Answer:
        rollout = found("Rollout", self.world.rollouts, asked.number())
        group = next((g for g in rollout.groups if g.id == asked.number(1)), None)
        if group is None:
            raise Said(404, "repo.entityNotFound", "no such group")
        return self._targets(asked, (self.world.targets[g] for g in group.targets if g in self.world.targets))

    def target(self, asked: Asked) -> Answer:
        return Answer(200, self.target_json(asked)(found("Target", self.world.targets, asked.ids[0])))

    def assigned(self, asked: Asked) -> Answer:
        target = found("Target", self.world.targets, asked.ids[0])
        if target.assigned is None:
            return Answer(204)
        return Answer(200, bundle_json(self.world.bundles[target.assigned], self.world))

    def plain(self, kind: str, show: Callable[[Any], Any], asked: Asked) -> Answer:
        def get(it: Any, field: str) -> Iterable[Any]:
            return (getattr(it, field.lower()),)

        return self.paged(asked, getattr(self.world, kind).values(), show, get, ("id", "name", "description"))

    def one(self, what: str, kind: str, show: Callable[[Any], Any], asked: Asked) -> Answer:
        return Answer(200, show(found(what, getattr(self.world, kind), asked.number())))

    # --- modules and sets ---------------------------------------------------------------------------

    def modules(self, asked: Asked) -> Answer:
        def get(module: Module, field: str) -> Iterable[Any]:
            field = field.lower()
            if field.startswith("metadata."):
                row = module.metadata.get(field.removeprefix("metadata."))
                return () if row is None else (row["value"],)
            return (module.type if field == "type.key" else getattr(module, field),)

        every = (module for module in self.world.modules.values() if not module.deleted)
        fields = ("id", "name", "version", "type.key", "metadata.")
        return self.paged(asked, every, module_json, get, fields)

    def artifacts(self, asked: Asked) -> Answer:
        module = found("SoftwareModule", self.world.modules, asked.number())
        return Answer(200, [artifact_json(each) for each in module.artifacts])

    def download(self, asked: Asked) -> Answer:
        module = found("SoftwareModule", self.world.modules, asked.number())
        artifact = next(each for each in module.artifacts if each.id == asked.number(1))
        return Answer(200, raw=artifact.content)

    def module_metadata(self, asked: Asked) -> Answer:
        rows = list(found("SoftwareModule", self.world.modules, asked.number()).metadata.values())
        return Answer(200, {"content": rows, "total": len(rows), "size": len(rows)})

    def bundles(self, asked: Asked) -> Answer:
        def get(bundle: Bundle, field: str) -> Iterable[Any]:
            field = field.lower()
            if field == "module.id":
                return bundle.modules
            if field.startswith("metadata."):
                value = bundle.metadata.get(field.removeprefix("metadata."))
                return () if value is None else (value,)
            return (bundle.type if field == "type.key" else getattr(bundle, field),)

        every = (bundle for bundle in self.world.bundles.values() if not bundle.deleted)
        fields = ("id", "name", "version", "type.key", "module.id", "valid", "metadata.")
        return self.paged(asked, every, lambda b: bundle_json(b, self.world), get, fields)

    def bundle(self, asked: Asked) -> Answer:
        return Answer(
            200, bundle_json(found("DistributionSet", self.world.bundles, asked.number()), self.world)
        )

    # --- rollouts and actions -----------------------------------------------------------------------

    def rollouts(self, asked: Asked) -> Answer:
        def get(rollout: Rollout, field: str) -> Iterable[Any]:
            field = field.lower()
            if field == "distributionset.id":
                return (rollout.bundle,)
            return (getattr(rollout, field),)

        every = (rollout for rollout in self.world.rollouts.values() if not rollout.deleted)
        full = asked.query.get("representation") == "full"

        def show(rollout: Rollout) -> Any:
            shown = rollout_json(rollout, self.world)
            if not full:
                del shown["totalTargetsPerStatus"]
            return shown

        fields = ("id", "name", "description", "status", "distributionset.id")
        return self.paged(asked, every, show, get, fields)

    def rollout(self, asked: Asked) -> Answer:
        return Answer(200, rollout_json(found("Rollout", self.world.rollouts, asked.number()), self.world))

    def groups(self, asked: Asked) -> Answer:
        rollout = found("Rollout", self.world.rollouts, asked.number())

        def show(group: Any) -> Any:
            return {
                **stamped(group),
                "id": group.id,
                "name": group.name,
                "status": group.status,
                "targetPercentage": group.percentage,
                "dynamic": group.dynamic,
                "totalTargets": len(group.targets),
                "totalTargetsPerStatus": self.world.counts(rollout, group),
                **group.conditions,
            }

        return self.paged(
            asked, rollout.groups, show, lambda g, f: (getattr(g, f.lower()),), ("id", "name", "status")
        )

    def actions(self, asked: Asked) -> Answer:
        def get(action: Action, field: str) -> Iterable[Any]:
            match field.lower():
                case "target.controllerid":
                    return (action.target,)
                case "rollout.id":
                    return () if action.rollout is None else (action.rollout,)
                case "rolloutgroup.id":
                    return () if action.group is None else (action.group,)
                case "distributionset.id":
                    return (action.bundle,)
                case "active":
                    return (str(action.active).lower(),)
                case name:
                    return (getattr(action, name),)

        full = asked.query.get("representation") == "full"
        fields = ("id", "active", "status", "weight", "target.controllerid", "rollout.id", "rolloutgroup.id")
        every = self.world.actions.values()
        return self.paged(
            asked,
            every,
            lambda a: action_json(a, asked, self.world, full=full),
            get,
            (*fields, "distributionset.id"),
        )

    def target_actions(self, asked: Asked) -> Answer:
        target = found("Target", self.world.targets, asked.ids[0])

        def get(action: Action, field: str) -> Iterable[Any]:
            return (getattr(action, field.lower()),)

        show = partial(action_json, asked=asked, world=self.world)
        return self.paged(asked, list(reversed(target.actions)), show, get, ("id", "status", "active"))

    def _action(self, asked: Asked) -> Action:
        found("Target", self.world.targets, asked.ids[0])
        action: Action = found("Action", self.world.actions, asked.number(1))
        return action

    def action(self, asked: Asked) -> Answer:
        return Answer(200, action_json(self._action(asked), asked, self.world, full=True))

    def history(self, asked: Asked) -> Answer:
        rows = self._action(asked).history
        limit = int(asked.query.get("limit", 50))
        return Answer(200, {"content": rows[:limit], "total": len(rows), "size": min(len(rows), limit)})


def _keyed(field: str, known: frozenset[str]) -> bool:
    """Whether it is a key of one of those fields that have keys: ``metadata.K``."""
    head, dot, key = field.partition(".")
    return bool(key) and head + dot in known
