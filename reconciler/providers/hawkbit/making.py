"""What has to be there before a rollout is: modules that hold a file each, a set of them, a tag of its own.

Each is looked for first, by what it is unique by, and its answer compared exactly; so each may be asked for
again after a call of it was cut.

| there is already                                     | what happens                    |
|------------------------------------------------------|---------------------------------|
| a module of that name, version and type, with our file | it is the package             |
| the same, without any file                           | it gets ours: an upload was cut |
| the same, with another file                          | refused                         |
| a deleted one of that name, version and type         | a number is put to a version that is ours |
| a set of that name, version and type, of our modules | it is the set                   |
| the same, of others, or an invalid one               | refused                         |
| a tag of that name, in any case                      | the next number is taken        |

Tests: `tests/providers/test_hawkbit_tape.py`, `tests/providers/test_hawkbit_steps.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Final

from reconciler.errors import NotExecuted, Refusal, Refused, Unclear
from reconciler.model import CampaignFields, Json, PackageFile, Step
from reconciler.pool import concurrently
from reconciler.providers.hawkbit import codec
from reconciler.providers.hawkbit.client import HawkbitClient
from reconciler.providers.hawkbit.codec import CONTENT_KEY, MARK, Bundle, Module
from reconciler.providers.hawkbit.operations import operation
from reconciler.providers.hawkbit.query import LONGEST, TAG_PREFIX, any_of, but, equal, tagged
from reconciler.providers.http.filebody import FileBody, multipart
from reconciler.providers.http.steps import first, request_of
from reconciler.providers.http.wire import Call

DIGITS: Final = 12
"""Of a SHA-256, in a version that nobody named."""
_TRIES: Final = 5
OS, APPLICATION = "os", "application"
_TYPES: Final[Mapping[frozenset[str], str]] = {
    frozenset({OS}): "os",
    frozenset({APPLICATION}): "app",
    frozenset({OS, APPLICATION}): "os_app",
}
"""Types of modules → the type of a set that holds just them."""


class Making:
    """Makes what is lacking, over a client."""

    def __init__(self, client: HawkbitClient) -> None:
        self._client = client
        self._turn = asyncio.Lock()
        """Two campaigns of one run may need the same set: who comes second finds it."""

    # --- modules ------------------------------------------------------------------------------------

    async def package(self, file: PackageFile, step: Step) -> str:
        """The id of the module that holds `file`, made where it is lacking."""
        client = self._client
        found = await self.module(file)
        if found is None:
            key = await self._new_module(file, step)
        else:
            key = found.package.id
            held = await client.held(key)
            if file.sha256 in held.values():
                await self._mark(key, file.sha256, step)
                return key
            if held:
                raise Refused(
                    f"the module {file.name!r} {found.version} ({found.kind}) holds another file already",
                    request=request_of(step),
                    hint="A version is one content: name another version, or leave it out.",
                )
        body = FileBody(file.path, file.size, file.sha256)
        content_type, framed = multipart(body, filename=file.path.name, fields={"sha256sum": file.sha256})
        call = Call(
            operation("upload-artifact"), {"module": key}, file=framed, headers={"Content-Type": content_type}
        )
        await client.wire.do(call)
        await self._mark(key, file.sha256, step)
        return key

    async def _new_module(self, file: PackageFile, step: Step) -> str:
        """The id of a new module for `file`.

        A deleted one keeps its name and version for good once it was used: then a version that nobody named
        gets a number.
        """
        name, version, kind = named(file)
        for number in range(1, _TRIES + 1):
            row: dict[str, Json] = {"name": name, "type": kind}
            row["version"] = version if number == 1 else f"{version}-{number}"
            if file.vendor is not None:
                row["vendor"] = file.vendor
            if file.description:
                row["description"] = file.description
            try:
                return await _before(self._client.make("create-module", [row]), step)
            except Refused as error:
                if Refusal.MAY_HAVE_HAPPENED not in error.meaning:
                    raise
            if found := await self.module(file):
                return found.package.id
            if file.version is not None:
                break
        raise Refused(
            f"the module {name!r} {version} ({kind}) was deleted after it had been used, and its version is"
            " taken for good",
            request=request_of(step),
            hint="Name another version.",
        )

    async def module(self, file: PackageFile) -> Module | None:
        """The module that has the name, version and type of `file`: the newest, where those are numbered."""
        name, version, kind = named(file)
        numbered = re.compile(re.escape(version) + ("" if file.version is not None else r"(-\d{1,2})?"))
        here = [
            found
            for found in await self._client.modules(any_of("name", [name]))
            if (found.package.name, found.kind) == (name, kind) and numbered.fullmatch(found.version)
        ]
        return here[-1] if here else None

    async def _mark(self, module_id: str, sha256: str, step: Step) -> None:
        """Note in the metadata of a module what it holds, so that it is found by that."""
        rows: Json = [{"key": CONTENT_KEY, "value": sha256, "targetVisible": False}]
        try:
            await _before(self._client.do("mark-module", rows, module=module_id), step)
        except Refused as error:
            if Refusal.MAY_HAVE_HAPPENED not in error.meaning:
                raise

    # --- sets ---------------------------------------------------------------------------------------

    async def bundle(self, fields: CampaignFields, packages: tuple[str, ...], step: Step) -> str:
        """The id of the set of just these modules, made where it is lacking."""
        async with self._turn:
            modules = await self._modules(packages, step)
            name, version, kind = _called(fields, modules)
            found = await self._bundle(name, version, kind)
            if found is None:
                rows: dict[str, Json] = {"name": name, "version": version, "description": MARK}
                rows["modules"] = [{"id": int(module.package.id)} for module in modules]
                if kind is not None:
                    rows["type"] = kind
                try:
                    await _before(self._client.make("create-set", [rows]), step)
                except Refused as error:
                    if Refusal.MAY_HAVE_HAPPENED not in error.meaning:
                        raise
                found = await self._bundle(name, version, kind)
        if found is None:
            raise Refused(
                f"the name and version of the set {name!r} {version} belong to a deleted one",
                request=request_of(step),
                hint="Name another version in the PackageSet.",
            )
        if not found.valid or set(found.modules) != set(packages):
            why = "holds other modules" if found.valid else "was made invalid"
            raise Refused(
                f"the distribution set {name!r} {version} {why}",
                request=request_of(step),
                hint="A version is one content: name another version in the PackageSet, or leave it out.",
            )
        return found.id

    async def _modules(self, packages: tuple[str, ...], step: Step) -> list[Module]:
        async def read(key: str) -> Module | None:
            return await self._client.one("get-module", codec.module, module=key)

        found = await concurrently(list(packages), read, limit=self._client.parallelism)
        modules = [module for module in found.values() if module is not None and not module.deleted]
        if len(modules) < len(packages):
            gone = ", ".join(key for key, module in found.items() if module is None or module.deleted)
            raise Refused(f"the server has no module {gone}", request=request_of(step), hint="Plan again.")
        if sum(module.kind == OS for module in modules) > 1:
            # The server would take it, and keep the last of them only.
            raise Refused(
                "a distribution set has one module of the type os at most",
                request=request_of(step),
                hint="Name a type for each package of the PackageSet.",
            )
        return modules

    async def _bundle(self, name: str, version: str, kind: str | None) -> Bundle | None:
        queries = any_of("name", [name], equal("version", version))
        for found in (await self._client.listed("list-sets", codec.bundle_row, queries)).values():
            if (found.name, found.version) == (name, version) and kind in (None, found.kind):
                return found
        return None

    # --- whom it is for ---------------------------------------------------------------------------

    async def query(self, fields: CampaignFields, step: Step) -> str:
        """The query that a rollout is made with: of the filter that it is to follow, or of a new tag."""
        if fields.distribution is None:
            return tagged(await self.tag(fields.name, step))
        query = await first(self.query_of(fields), step)
        if query is None:
            raise Refused(
                f"there is no target filter {fields.distribution.id!r}",
                request=request_of(step),
                hint="Save it on the server under exactly that name, or name another one.",
            )
        if len(query) > LONGEST or any(set("'*\\") & set(each) for each in fields.closed):
            raise Refused(
                f"the filter {fields.distribution.id!r} can't leave out so many ids ({len(fields.closed)}): a"
                f" query has {LONGEST} characters at most, and takes no quote and no star in an id",
                request=request_of(step),
                hint="Leave the closed gateways out in the filter itself.",
            )
        return query

    async def query_of(self, fields: CampaignFields) -> str | None:
        """The query for whom a list lets in: of the target filter of that exact name, or of that id."""
        if fields.distribution is None:
            return None
        found, wanted = await self._client.filters(), fields.distribution.id
        named = dict(found.values())
        query = named[wanted] if wanted in named else found.get(wanted, ("", None))[1]
        return None if query is None else but(query, fields.closed)

    # --- tags ---------------------------------------------------------------------------------------

    async def tag(self, campaign: str, step: Step) -> str:
        """The name of a new tag, like no other whatever the case: nobody has it yet."""
        slug = re.sub(r"[^a-z0-9._-]+", "-", campaign.lower())[:40].strip("-") or "campaign"
        stem = f"{TAG_PREFIX}-{slug}-"
        for _ in range(_TRIES):
            rows = await self._client.listed("list-tags", codec.tag_row, [f"name=='{stem}*'"])
            ends = (name.lower().removeprefix(stem) for name, _ in rows.values())
            taken = [int(end) for end in ends if end.isdecimal() and len(end) < 10]
            name = f"{stem}{max(taken, default=0) + 1}"
            row: Json = [{"name": name, "description": f"{MARK} {campaign}"}]
            try:
                await _before(self._client.make("create-tag", row), step)
            except Refused as error:
                if Refusal.MAY_HAVE_HAPPENED not in error.meaning:
                    raise
            else:
                return name
        raise NotExecuted("other tags are made at the same time", request=request_of(step))


async def _before(what: object, step: Step) -> str:
    """A write that comes before the one that counts: cut, the step is surely not done, and looks again."""
    try:
        return await what  # type: ignore[misc, no-any-return]
    except Unclear as error:
        raise NotExecuted(
            f"a call that comes first wasn't answered: {error.message}",
            request=request_of(step),
            retry_after=error.retry_after,
            hint=error.hint,
        ) from error


def named(file: PackageFile) -> tuple[str, str, str]:
    """Name, version and type of the module that holds `file`: what it is unique by."""
    kind = file.type or (OS if file.first else APPLICATION)
    return file.name, file.version or file.sha256[:DIGITS], kind


def _called(fields: CampaignFields, modules: list[Module]) -> tuple[str, str, str | None]:
    """Name, version and type of the set: what it is unique by."""
    given = fields.package_set
    words = "\n".join(f"{m.package.name}\0{m.version}\0{m.kind}" for m in modules)
    digest = hashlib.sha256(words.encode()).hexdigest()[:DIGITS]
    name = given.name if given else modules[0].package.name
    version = (given.version if given else None) or digest
    return name, version, _TYPES.get(frozenset(module.kind for module in modules))
