"""What devices ask: their tasks, their files, and how they say what became of it."""

import re
from typing import Any
from urllib.parse import quote

from tests.hawkbit_standin.app import Answer, Asked, Said, Standin
from tests.hawkbit_standin.model import Action, Target
from tests.hawkbit_standin.objects import found

BASE = "/DEFAULT/controller/v1"


def add(server: Standin) -> None:
    """The routes."""
    do = _Devices(server)
    rows = [
        ("GET", "/{}", do.poll),
        ("PUT", "/{}/configData", do.attributes),
        ("GET", "/{}/deploymentBase/{}", do.deployment),
        ("POST", "/{}/deploymentBase/{}/feedback", do.feedback),
        ("GET", "/{}/cancelAction/{}", do.cancellation),
        ("POST", "/{}/cancelAction/{}/feedback", do.canceled),
        ("GET", "/{}/softwaremodules/{}/artifacts/{}", do.download),
    ]
    for method, path, run in rows:
        server.route(method, BASE + path, None, run)


class _Devices:
    def __init__(self, server: Standin) -> None:
        self.server, self.world = server, server.world

    def _target(self, asked: Asked) -> Target:
        kind, _, secret = asked.headers.get("authorization", "").partition(" ")
        config = self.world.config
        target = self.world.targets.get(asked.ids[0])
        gateway = config["authentication.gatewaytoken.enabled"] and kind == "GatewayToken"
        own = config["authentication.targettoken.enabled"] and kind == "TargetToken" and target is not None
        if not (
            (gateway and secret == config["authentication.gatewaytoken.key"])
            or (own and target is not None and secret == target.token)
        ):
            raise Said(401)
        if target is None:
            target = self.world.new(
                Target, controller=asked.ids[0], name=asked.ids[0], description="Plug and Play target"
            )
            self.world.targets[asked.ids[0]] = target
        return target

    def _open(self, target: Target) -> Action | None:
        return next((a for a in target.actions if a.active), None)

    def poll(self, asked: Asked) -> Answer:
        target = self._target(asked)
        if target.status == "unknown":
            target.status = "registered"
        links: dict[str, Any] = {}
        here = f"{asked.base}{BASE}/{quote(target.controller)}"
        if not target.attributes:
            links["configData"] = {"href": f"{here}/configData"}
        canceling = next((a for a in target.actions if a.status == "canceling"), None)
        action = self._open(target)
        if canceling is not None:
            links["cancelAction"] = {"href": f"{here}/cancelAction/{canceling.id}"}
        elif action is not None and action.status == "wait_for_confirmation":
            links["confirmationBase"] = {"href": f"{here}/confirmationBase"}
        elif action is not None:
            links["deploymentBase"] = {"href": f"{here}/deploymentBase/{action.id}?c={action.id * 7919}"}
        return Answer(200, {"config": {"polling": {"sleep": "00:05:00"}}, "_links": links})

    def attributes(self, asked: Asked) -> Answer:
        self._target(asked).attributes |= asked.json["data"]
        self.world.version += 1
        return Answer(200)

    def _action(self, asked: Asked, target: Target) -> Action:
        action: Action = found("Action", self.world.actions, asked.number(1))
        if action.target != target.controller:
            raise Said(404, "repo.entityNotFound", "not the device's")
        return action

    def deployment(self, asked: Asked) -> Answer:
        target = self._target(asked)
        action = self._action(asked, target)
        if not action.active:
            return Answer(404, {})
        bundle = self.world.bundles[action.bundle]
        chunks = []
        for key in bundle.modules:
            module = self.world.modules[key]
            artifacts = [
                {
                    "filename": artifact.filename,
                    "hashes": artifact.hashes,
                    "size": len(artifact.content),
                    "_links": {
                        "download-http": {
                            "href": f"{asked.base}{BASE}/{quote(target.controller)}/softwaremodules/{key}"
                            f"/artifacts/{quote(artifact.filename, safe='')}"
                        }
                    },
                }
                for artifact in module.artifacts
            ]
            metadata = [
                {"key": k, "value": row["value"]}
                for k, row in module.metadata.items()
                if row.get("targetVisible")
            ]
            part = {"os": "os", "application": "bApp"}[module.type]
            chunk = {"part": part, "name": module.name, "version": module.version, "artifacts": artifacts}
            chunks.append({**chunk, "metadata": metadata} if metadata else chunk)
        update = {"soft": "attempt", "timeforced": "attempt", "downloadonly": "skip"}.get(
            action.force, "forced"
        )
        if action.force == "timeforced" and action.force_time <= self.world.now():
            update = "forced"
        body: dict[str, Any] = {
            "download": "attempt" if update == "skip" else update,
            "update": update,
            "chunks": chunks,
        }
        if action.window:
            body["maintenanceWindow"] = "unavailable"
        return Answer(200, {"id": str(action.id), "deployment": body})

    def download(self, asked: Asked) -> Answer:
        self._target(asked)
        if not re.fullmatch(r"[A-Za-z0-9._-]+", asked.ids[2]):
            return Answer(404, {})
        module = found("SoftwareModule", self.world.modules, asked.number(1))
        artifact = next((each for each in module.artifacts if each.filename == asked.ids[2]), None)
        return Answer(404, {}) if artifact is None else Answer(200, raw=artifact.content)

    def feedback(self, asked: Asked) -> Answer:
        target = self._target(asked)
        action = self._action(asked, target)
        if not action.active:
            return Answer(410, {})
        status = asked.json["status"]
        said = tuple(status.get("details") or ())
        if status["execution"] == "closed":
            good = status["result"]["finished"] == "success"
            self.world.settle(action, "finished" if good else "error", *said)
        elif status["execution"] == "downloaded":
            action.status = "downloaded"
            if action.force == "downloadonly":
                action.active = False
        else:
            self.world.note(action, *said, code=status.get("code"))
        return Answer(200)

    def cancellation(self, asked: Asked) -> Answer:
        action = self._action(asked, self._target(asked))
        return Answer(200, {"id": str(action.id), "cancelAction": {"stopId": str(action.id)}})

    def canceled(self, asked: Asked) -> Answer:
        action = self._action(asked, self._target(asked))
        if action.status != "canceling":
            return Answer(410, {})
        if asked.json["status"]["execution"] == "rejected":
            action.status = "running"
            self.world.note(action, "the device declined")
        else:
            self.world.settle(action, "canceled")
        return Answer(200)
