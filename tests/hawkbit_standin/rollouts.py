"""Rollouts: making them, and what may be done in which state."""

from typing import Any

from tests.hawkbit_standin.app import Answer, Asked, Said, Standin
from tests.hawkbit_standin.lists import rollout_json
from tests.hawkbit_standin.model import Group, Rollout
from tests.hawkbit_standin.objects import complete, found, need, taken, text
from tests.hawkbit_standin.world import DEFAULTS


def add(server: Standin) -> None:
    """The routes."""
    do, base = _Rollouts(server), "/rest/v1/rollouts"
    rows = [
        ("POST", "", "CREATE_ROLLOUT", do.make),
        ("PUT", "/{}", "UPDATE_ROLLOUT", do.edit),
        ("DELETE", "/{}", "DELETE_ROLLOUT", do.drop),
        ("POST", "/{}/start", "HANDLE_ROLLOUT", lambda a: do.move(a, {"ready": "starting"})),
        ("POST", "/{}/pause", "HANDLE_ROLLOUT", lambda a: do.move(a, {"running": "paused"})),
        ("POST", "/{}/resume", "HANDLE_ROLLOUT", lambda a: do.move(a, {"paused": "running"})),
        ("POST", "/{}/stop", "UPDATE_ROLLOUT", do.stop),
        ("POST", "/{}/approve", "APPROVE_ROLLOUT", lambda a: do.decide(a, "ready")),
        ("POST", "/{}/deny", "APPROVE_ROLLOUT", lambda a: do.decide(a, "approval_denied")),
    ]
    for method, path, right, run in rows:
        server.route(method, base + path, right, run)


class _Rollouts:
    def __init__(self, server: Standin) -> None:
        self.server, self.world = server, server.world

    def make(self, asked: Asked) -> Answer:
        body = asked.json
        need(body, "name", "distributionSetId", "targetFilterQuery")
        name = text(body["name"], 128, "name")
        bundle = found("DistributionSet", self.world.bundles, body["distributionSetId"])
        if any(rollout.name == name for rollout in self.world.rollouts.values()):
            raise taken()
        if bundle.deleted or not bundle.valid:
            raise Said(400, "distributionset.invalid", "The distribution set is invalid")
        if not complete(bundle, self.world):
            raise Said(400, "distributionset.incomplete", "The distribution set is incomplete")
        if not bundle.locked:
            self.server.permit(asked, "UPDATE_DISTRIBUTION_SET")
        query = text(body["targetFilterQuery"], 1024, "targetFilterQuery")
        meant = self.world.targets_of(query)
        amount = body.get("amountGroups", 1)
        empty = body.get("dynamic") and amount == 0 and body.get("dynamicGroupTemplate")
        if not meant and not empty:
            raise Said(
                400, "repo.constraintViolation", "Rollout target filter does not match any existing targets"
            )
        if not body.get("groups") and amount and len(meant) > amount * self.world.targets_per_group:
            raise Said(429, "quota.tooManyEntries", "Quota exceeded: too many targets in a group")
        kind = body.get("type") or "forced"
        if kind not in ("soft", "forced", "timeforced", "downloadonly"):
            raise Said(400, "rest.body.notReadable", "no such type")
        rollout: Rollout = self.world.new(
            Rollout,
            name=name,
            description=text(body.get("description"), 512, "description"),
            bundle=bundle.id,
            query=query,
            type=kind,
            force_time=body.get("forcetime") or 0,
            weight=body.get("weight", 1000),
            start_at=body.get("startAt"),
            dynamic=bool(body.get("dynamic")),
            confirm=bool(body.get("confirmationRequired")),
            created_by=asked.user,
        )
        self._groups(rollout, body, amount)
        bundle.used = bundle.locked = True
        for module in bundle.modules:
            self.world.modules[module].locked = True
        self.world.rollouts[rollout.id] = rollout
        return Answer(201, rollout_json(rollout, self.world))

    def _groups(self, rollout: Rollout, body: dict[str, Any], amount: int) -> None:
        shared = {key: body.get(key) or default for key, default in DEFAULTS.items()}
        rows = body.get("groups") or [
            {"name": f"group-{n + 1}", "targetPercentage": 100 / (amount - n)} for n in range(amount)
        ]
        for row in rows:
            made: Group = self.world.new(
                Group,
                name=row["name"],
                query=row.get("targetFilterQuery") or "",
                percentage=row.get("targetPercentage", 100),
                conditions={key: row.get(key) or default for key, default in shared.items()},
                confirm=bool(row.get("confirmationRequired", rollout.confirm)),
            )
            rollout.groups.append(made)
        if rollout.dynamic:
            template = body.get("dynamicGroupTemplate") or {}
            rollout.suffix = template.get("nameSuffix", "")
            like = (
                rollout.groups[-1]
                if rollout.groups
                else Group(0, 0, conditions=shared, confirm=rollout.confirm)
            )
            self.world.dynamic_group(rollout, template.get("targetCount") or 10, like)

    def _rollout(self, asked: Asked) -> Rollout:
        rollout: Rollout = found("Rollout", self.world.rollouts, asked.number())
        if asked.method != "GET":
            rollout.modified_by = asked.user
        return rollout

    def edit(self, asked: Asked) -> Answer:
        rollout, body = self._rollout(asked), asked.json
        if rollout.status in ("deleting", "deleted"):
            raise Said(403, "entityReadOnly", "The rollout is soft-deleted")
        if body.get("name"):
            name = text(body["name"], 128, "name")
            if any(other.name == name and other is not rollout for other in self.world.rollouts.values()):
                raise taken()
            rollout.name = name
        if body.get("description") is not None:
            rollout.description = text(body["description"], 512, "description")
        self.world.version += 1
        return Answer(200, rollout_json(rollout, self.world, wrong=True))

    def drop(self, asked: Asked) -> Answer:
        rollout = self._rollout(asked)
        if rollout.status not in ("deleting", "deleted"):
            self._becomes(rollout, "deleting")
        return Answer(204)

    def move(self, asked: Asked, ways: dict[str, str]) -> Answer:
        rollout = self._rollout(asked)
        if rollout.status not in ways:
            [wanted] = ways
            done = asked.path.rpartition("/")[2]
            why = f"Rollout can't {done} in {rollout.status}, only in {wanted}"
            raise Said(400, "rollout.illegalState", why)
        self._becomes(rollout, ways[rollout.status])
        return Answer(204)

    def stop(self, asked: Asked) -> Answer:
        rollout = self._rollout(asked)
        if rollout.status in ("stopping", "stopped", "finished", "deleting", "deleted"):
            raise Said(400, "rollout.illegalState", f"Rollout can't be stopped, it is {rollout.status}")
        self._becomes(rollout, "stopping")
        return Answer(204)

    def decide(self, asked: Asked, status: str) -> Answer:
        rollout = self._rollout(asked)
        if rollout.status != "waiting_for_approval":
            raise Said(400, "rollout.illegalState", f"Rollout is {rollout.status}")
        rollout.remark, rollout.decider = asked.query.get("remark"), asked.user
        self._becomes(rollout, status)
        return Answer(204)

    def _becomes(self, rollout: Rollout, status: str) -> None:
        rollout.status, rollout.modified_at = status, self.world.now()
        self.world.version += 1
