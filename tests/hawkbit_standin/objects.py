"""Targets, tags, filters, modules with artifacts, distribution sets: making, changing and dropping them."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from tests.hawkbit_standin.app import Answer, Asked, Said, Standin
from tests.hawkbit_standin.model import Artifact, Bundle, Module, Tag, Target, TargetFilter
from tests.hawkbit_standin.world import World

TYPES = {"os": {"os"}, "app": {"application"}, "os_app": {"os", "application"}}
"""Type of a set → types of modules that it may hold."""
NEEDS = {"os": {"os"}, "app": {"application"}, "os_app": {"os"}}


def add(server: Standin) -> None:
    """The routes."""
    world, base = server.world, "/rest/v1"
    do = _Objects(world, server)
    rights = "READ_TARGET", "CREATE_TARGET", "UPDATE_TARGET", "DELETE_TARGET"
    _, create, update, delete = rights
    rows = [
        ("GET", "/userinfo", None, do.userinfo),
        ("POST", "/targets", create, do.make_targets),
        ("PUT", "/targets/{}", update, do.edit_target),
        ("DELETE", "/targets/{}", delete, do.drop_target),
        ("POST", "/targettags", create, do.make_tags),
        ("PUT", "/targettags/{}", update, do.edit_tag),
        ("DELETE", "/targettags/{}", delete, do.drop_tag),
        ("POST", "/targettags/{}/assigned", update, partial(do.tag, on=True)),
        ("DELETE", "/targettags/{}/assigned", update, partial(do.tag, on=False)),
        ("POST", "/targetfilters", create, do.make_filter),
        ("PUT", "/targetfilters/{}", update, do.edit_filter),
        ("DELETE", "/targetfilters/{}", delete, do.drop_filter),
        ("POST", "/softwaremodules", "CREATE_SOFTWARE_MODULE", do.make_modules),
        ("PUT", "/softwaremodules/{}", "UPDATE_SOFTWARE_MODULE", do.edit_module),
        ("DELETE", "/softwaremodules/{}", "DELETE_SOFTWARE_MODULE", do.drop_module),
        ("POST", "/softwaremodules/{}/artifacts", "CREATE_SOFTWARE_MODULE", do.upload),
        ("POST", "/softwaremodules/{}/metadata", "UPDATE_SOFTWARE_MODULE", do.mark_module),
        ("POST", "/distributionsets", "CREATE_DISTRIBUTION_SET", do.make_bundles),
        ("PUT", "/distributionsets/{}", "UPDATE_DISTRIBUTION_SET", do.edit_bundle),
        ("DELETE", "/distributionsets/{}", "DELETE_DISTRIBUTION_SET", do.drop_bundle),
        ("POST", "/distributionsets/{}/metadata", "UPDATE_DISTRIBUTION_SET", do.mark_bundle),
        ("POST", "/targets/{}/assignedDS", update, do.assign),
        ("GET", "/system/configs", "READ_TENANT_CONFIGURATION", do.configs),
        ("PUT", "/system/configs/{}", "TENANT_CONFIGURATION", do.configure),
        ("DELETE", "/targets/{}/actions/{}", update, do.cancel),
        ("DELETE", "/actions/{}", update, do.purge),
    ]
    for method, path, right, run in rows:
        server.route(method, base + path, right, run)


def found(kind: str, among: Mapping[Any, Any], key: Any) -> Any:
    """The object with an id; 404 as the server words it."""
    if key not in among:
        info = {"type": kind, "entityId": [key]}
        raise Said(
            404, "repo.entityNotFound", f"{kind} with given identifier {{{key}}} does not exist.", info=info
        )
    return among[key]


def text(value: Any, limit: int, what: str) -> str:
    """A name or the like as the server takes it: trimmed, no angle brackets, no longer than this."""
    if value is None:
        return ""
    said = str(value).strip()
    if len(said) > limit or re.search("[<>]", said):
        why = "size must be between 1 and" if len(said) > limit else "Invalid characters in string; at most"
        raise Said(400, "repo.constraintViolation", f"{what} {why} {limit}")
    return said


def need(body: Mapping[str, Any], *keys: str) -> None:
    """Fields that must be there."""
    for key in keys:
        if body.get(key) in (None, ""):
            raise Said(400, "repo.constraintViolation", f"{key} must not be null")


def taken() -> Said:
    return Said(409, "repo.entityAlreadyExists", "The given entity already exists in database")


def stamped(it: Any) -> dict[str, Any]:
    return {
        "createdBy": it.created_by,
        "createdAt": it.created_at,
        "lastModifiedBy": it.modified_by or it.created_by,
        "lastModifiedAt": it.modified_at,
    }


def target_json(target: Target, *, secret: bool) -> dict[str, Any]:
    shown = {
        **stamped(target),
        "controllerId": target.controller,
        "name": target.name,
        "description": target.description,
        "updateStatus": target.status,
        "requestAttributes": True,
        "_links": {},
    }
    return {**shown, "securityToken": target.token} if secret else shown


def tag_json(tag: Tag) -> dict[str, Any]:
    return {**stamped(tag), "id": tag.id, "name": tag.name, "description": tag.description, "_links": {}}


def filter_json(it: TargetFilter) -> dict[str, Any]:
    return {**stamped(it), "id": it.id, "name": it.name, "query": it.query, "_links": {}}


def module_json(module: Module) -> dict[str, Any]:
    keys = ("id", "name", "version", "type", "vendor", "description", "locked", "deleted")
    return {**stamped(module), **{key: getattr(module, key) for key in keys}, "_links": {}}


def artifact_json(artifact: Artifact) -> dict[str, Any]:
    return {
        "id": artifact.id,
        "hashes": artifact.hashes,
        "providedFilename": artifact.filename,
        "size": len(artifact.content),
        "_links": {},
    }


def bundle_json(bundle: Bundle, world: World) -> dict[str, Any]:
    keys = ("id", "name", "version", "type", "description", "locked", "deleted", "valid")
    modules = [module_json(world.modules[each]) for each in bundle.modules]
    shown = {**stamped(bundle), **{key: getattr(bundle, key) for key in keys}}
    return {**shown, "complete": complete(bundle, world), "modules": modules, "_links": {}}


def complete(bundle: Bundle, world: World) -> bool:
    types = {world.modules[each].type for each in bundle.modules}
    return NEEDS.get(bundle.type, set()) <= types and bool(types)


class _Objects:
    def __init__(self, world: World, server: Standin) -> None:
        self.world, self.server = world, server

    def may_see_tokens(self, asked: Asked) -> bool:
        rights = self.server.users[asked.user].rights
        return rights is None or "READ_TARGET_SECURITY_TOKEN" in rights

    def userinfo(self, asked: Asked) -> Answer:
        rights = self.server.users[asked.user].rights
        permissions = ["ROLE_TENANT_ADMIN"] if rights is None else sorted(rights)
        return Answer(200, {"tenant": "DEFAULT", "username": asked.user, "permissions": permissions})

    # --- targets, tags, filters ---------------------------------------------------------------------

    def make_targets(self, asked: Asked) -> Answer:
        rows = asked.json
        for row in rows:
            need(row, "controllerId")
            if re.search(r"\s", row["controllerId"]) or len(row["controllerId"]) > 256:
                raise Said(400, "repo.constraintViolation", "controllerId has white space or is too long")
            if row["controllerId"] in self.world.targets:
                raise taken()
        return Answer(201, [target_json(self.made(row), secret=self.may_see_tokens(asked)) for row in rows])

    def made(self, row: Mapping[str, Any]) -> Target:
        key = row["controllerId"]
        target: Target = self.world.new(
            Target,
            controller=key,
            name=row.get("name") or key,
            description=row.get("description") or "",
            token=secrets.token_hex(16),
        )
        self.world.targets[key] = target
        return target

    def edit_target(self, asked: Asked) -> Answer:
        target, body = found("Target", self.world.targets, asked.ids[0]), asked.json
        target.name = body.get("name") or target.name
        self.world.version += 1
        return Answer(200, target_json(target, secret=self.may_see_tokens(asked)))

    def drop_target(self, asked: Asked) -> Answer:
        target = found("Target", self.world.targets, asked.ids[0])
        for action in list(target.actions):
            self.world.purge(action)
            if rollout := self.world.rollouts.get(action.rollout or 0):
                rollout.actions.pop(target.controller, None)
        del self.world.targets[target.controller]
        for tag in self.world.tags.values():
            tag.members.pop(target.controller, None)
        self.world.version += 1
        return Answer(200)

    def make_tags(self, asked: Asked) -> Answer:
        rows = asked.json
        names = [text(row.get("name"), 64, "name") for row in rows]
        for row, name in zip(rows, names, strict=True):
            need(row, "name")
            if any(tag.name == name for tag in self.world.tags.values()):
                raise taken()
        made = []
        for row, name in zip(rows, names, strict=True):
            tag = self.world.new(Tag, name=name, description=text(row.get("description"), 512, "description"))
            self.world.tags[tag.id] = tag
            made.append(tag_json(tag))
        return Answer(201, made)

    def edit_tag(self, asked: Asked) -> Answer:
        tag, body = found("TargetTag", self.world.tags, asked.number()), asked.json
        tag.name = text(body.get("name"), 64, "name") or tag.name
        self.world.version += 1
        return Answer(200, tag_json(tag))

    def drop_tag(self, asked: Asked) -> Answer:
        tag = found("TargetTag", self.world.tags, asked.number())
        for gateway in tag.members:
            self.world.targets[gateway].tags.discard(tag.id)
        del self.world.tags[tag.id]
        self.world.version += 1
        return Answer(204)

    def tag(self, asked: Asked, *, on: bool) -> Answer:
        tag, ids = found("TargetTag", self.world.tags, asked.number()), asked.json
        unknown = [each for each in ids if each not in self.world.targets]
        if unknown:
            info = {"type": "Target", "entityId": unknown}
            raise Said(404, "repo.entityNotFound", "Target with given identifiers does not exist.", info=info)
        for each in ids:
            if on:
                tag.members[each] = None
                self.world.targets[each].tags.add(tag.id)
            else:
                tag.members.pop(each, None)
                self.world.targets[each].tags.discard(tag.id)
        self.world.version += 1
        return Answer(204)

    def make_filter(self, asked: Asked) -> Answer:
        body = asked.json
        need(body, "name", "query")
        self.world.targets_of(body["query"])
        if any(each.name == body["name"] for each in self.world.filters.values()):
            raise taken()
        made = self.world.new(TargetFilter, name=body["name"], query=body["query"])
        self.world.filters[made.id] = made
        return Answer(201, filter_json(made))

    def edit_filter(self, asked: Asked) -> Answer:
        it, body = found("TargetFilterQuery", self.world.filters, asked.number()), asked.json
        it.name, it.query = body.get("name") or it.name, body.get("query") or it.query
        self.world.version += 1
        return Answer(200, filter_json(it))

    def drop_filter(self, asked: Asked) -> Answer:
        found("TargetFilterQuery", self.world.filters, asked.number())
        del self.world.filters[asked.number()]
        return Answer(200)

    # --- modules ------------------------------------------------------------------------------------

    def make_modules(self, asked: Asked) -> Answer:
        rows = asked.json
        for row in rows:
            need(row, "name", "version", "type")
            text(row["name"], 128, "name")
            text(row["version"], 64, "version")
            text(row.get("description"), 512, "description")
            if row["type"] not in ("os", "application"):
                raise Said(404, "repo.entityNotFound", "SoftwareModuleType does not exist")
            key = (row["name"].strip(), row["version"], row["type"])
            if any((m.name, m.version, m.type) == key for m in self.world.modules.values()):
                raise taken()
        made = []
        for row in rows:
            module = self.world.new(
                Module,
                name=row["name"].strip(),
                version=row["version"],
                type=row["type"],
                vendor=row.get("vendor") or "",
                description=row.get("description") or "",
            )
            self.world.modules[module.id] = module
            made.append(module_json(module))
        return Answer(201, made)

    def edit_module(self, asked: Asked) -> Answer:
        module, body = self.module(asked.number()), asked.json
        for key in ("description", "vendor"):
            if body.get(key) is not None:
                setattr(module, key, body[key])
        self.world.version += 1
        return Answer(200, module_json(module))

    def module(self, key: int) -> Module:
        module: Module = found("SoftwareModule", self.world.modules, key)
        return module

    def drop_module(self, asked: Asked) -> Answer:
        module = self.module(asked.number())
        holders = [b for b in self.world.bundles.values() if module.id in b.modules and not b.deleted]
        if any(b.locked for b in holders):
            raise Said(423, "locked", "Part of a locked distribution set")
        if any(module.id in b.modules for b in self.world.bundles.values()):
            module.deleted = True
        else:
            del self.world.modules[module.id]
        self.world.version += 1
        return Answer(200)

    def upload(self, asked: Asked) -> Answer:
        module = self.module(asked.number())
        if module.locked:
            raise Said(423, "locked", "The software module is locked")
        fields, name, content = asked.form()
        name = fields.get("filename") or name
        if not content or re.search("[<>]", name):
            raise Said(400, "repo.constraintViolation", "the file is empty or its name is bad")
        if any(each.filename == name for each in module.artifacts):
            raise taken()
        if len(module.artifacts) >= 50:
            raise Said(429, "quota.tooManyEntries", "Quota exceeded: Cannot assign 1 more Artifact")
        hashes = {kind: hashlib.new(kind, content).hexdigest() for kind in ("sha1", "md5", "sha256")}
        for kind, digest in hashes.items():
            if fields.get(f"{kind}sum", digest) != digest:
                raise Said(400, f"artifact.uploadFailed.checksum.{kind}.match", f"{kind} doesn't match")
        artifact = Artifact(module.id * 1000 + len(module.artifacts), name, content, hashes)
        module.artifacts.append(artifact)
        self.world.version += 1
        return Answer(201, artifact_json(artifact))

    def mark_module(self, asked: Asked) -> Answer:
        module, rows = self.module(asked.number()), asked.json
        if any(row["key"] in module.metadata for row in rows):
            raise taken()
        module.metadata |= {row["key"]: row for row in rows}
        self.world.version += 1
        return Answer(201, rows)

    # --- sets ---------------------------------------------------------------------------------------

    def make_bundles(self, asked: Asked) -> Answer:
        rows = asked.json
        for row in rows:
            need(row, "name", "version")
            text(row["name"], 128, "name")
            text(row["version"], 64, "version")
            kind = row.get("type") or "os_app"
            key = (row["name"].strip(), row["version"], kind)
            if any((b.name, b.version, b.type) == key for b in self.world.bundles.values()):
                raise taken()
            for module in row.get("modules") or []:
                if self.module(module["id"]).type not in TYPES[kind]:
                    raise Said(400, "distributionset.modules.unsupported", "the type takes no such module")
        made = []
        for row in rows:
            bundle = self.world.new(
                Bundle,
                name=row["name"].strip(),
                version=row["version"],
                type=row.get("type") or "os_app",
                description=text(row.get("description"), 512, "description"),
            )
            for module in row.get("modules") or []:
                if self.module(module["id"]).type == "os":
                    bundle.modules = [m for m in bundle.modules if self.module(m).type != "os"]
                bundle.modules.append(module["id"])
            self.world.bundles[bundle.id] = bundle
            made.append(bundle_json(bundle, self.world))
        return Answer(201, made)

    def edit_bundle(self, asked: Asked) -> Answer:
        bundle, body = found("DistributionSet", self.world.bundles, asked.number()), asked.json
        for key in ("name", "version", "description", "locked"):
            if body.get(key) is not None:
                setattr(bundle, key, body[key])
        self.world.version += 1
        return Answer(200, bundle_json(bundle, self.world))

    def drop_bundle(self, asked: Asked) -> Answer:
        bundle = found("DistributionSet", self.world.bundles, asked.number())
        if bundle.used:
            bundle.deleted = True
        else:
            del self.world.bundles[bundle.id]
        self.world.version += 1
        return Answer(200)

    def mark_bundle(self, asked: Asked) -> Answer:
        bundle, rows = found("DistributionSet", self.world.bundles, asked.number()), asked.json
        if any(row["key"] in bundle.metadata for row in rows):
            raise taken()
        bundle.metadata |= {row["key"]: row["value"] for row in rows}
        return Answer(201, rows)

    # --- actions, settings --------------------------------------------------------------------------

    def assign(self, asked: Asked) -> Answer:
        target, body = found("Target", self.world.targets, asked.ids[0]), asked.json
        bundle = found("DistributionSet", self.world.bundles, body["id"])
        window = body.get("maintenanceWindow")
        if window and not re.fullmatch(r"[+-]\d\d:\d\d", window.get("timezone", "")):
            raise Said(400, "maintenanceScheduleInvalid", "Invalid time zone")
        bundle.used = bundle.locked = True
        made = self.world.assign(target, bundle.id, window=window, force=body.get("type", "forced"))
        actions = [] if made is None else [{"id": made.id}]
        counts = {"alreadyAssigned": int(made is None), "assigned": len(actions), "total": 1}
        return Answer(200, {**counts, "assignedActions": actions})

    def configs(self, asked: Asked) -> Answer:
        return Answer(
            200, {key: {"value": value, "global": False} for key, value in self.world.config.items()}
        )

    def configure(self, asked: Asked) -> Answer:
        if asked.ids[0] not in self.world.config:
            raise Said(400, "configKeyInvalid", "no such key")
        self.world.config[asked.ids[0]] = asked.json["value"]
        return Answer(204)

    def cancel(self, asked: Asked) -> Answer:
        found("Target", self.world.targets, asked.ids[0])
        action = found("Action", self.world.actions, asked.number(1))
        if action.target != asked.ids[0]:
            raise Said(404, "repo.entityNotFound", "Action does not belong to the target")
        force = asked.query.get("force") == "true"
        if force:
            if action.status != "canceling":
                raise Said(405, "action.notForceQuitable", "Only a canceling action can be quit")
            self.world.settle(action, "canceled")
            return Answer(204)
        if not action.active or action.status == "canceling":
            raise Said(405, "action.notCancelable", "Only active actions can be canceled")
        action.status = "canceling"
        self.world.note(action, "cancellation was asked for")
        return Answer(204)

    def purge(self, asked: Asked) -> Answer:
        action = found("Action", self.world.actions, asked.number())
        self.world.purge(action)
        if rollout := self.world.rollouts.get(action.rollout or 0):
            rollout.actions.pop(action.target, None)
        return Answer(204)
