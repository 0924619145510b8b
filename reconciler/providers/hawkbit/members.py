"""Who is in a rollout, and where they are: its tag says who, its actions say where.

| in the tag | action in the rollout      | member | state                    | closed |
|------------|----------------------------|--------|--------------------------|--------|
| yes        | none                       | yes    | notstarted               | no     |
| yes        | canceling, canceled        | yes    | that                     | yes    |
| yes        | any other                  | yes    | its status               | no     |
| no         | active or scheduled        | yes: its leaving was cut short | its status | no |
| no         | canceling, canceled        | no     | -                        | yes    |
| no         | finished, error            | no: it left when it was done   | -          | no |

The server never takes in again whose action was cancelled: that is what *closed* means. A rollout that isn't
about one tag of its own (made by hand) has those for members who have an action in it, or who are in its
groups before it starts.

Tests: `tests/providers/test_hawkbit_tape.py`, `tests/providers/test_hawkbit_reads.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set

from reconciler.model import Membership
from reconciler.pool import concurrently
from reconciler.providers.hawkbit import codec
from reconciler.providers.hawkbit.codec import ActionRow, Rollout
from reconciler.providers.hawkbit.query import any_of, tag_of
from reconciler.providers.hawkbit.settled import DONE, Settled

IDLE = "notstarted"
"""What the server counts them as who have no action yet."""
_CANCELLED = frozenset({"canceling", "canceled"})


class TargetIds:
    """A fold of targets into one set."""

    def __init__(self) -> None:
        self.kept: set[str] = set()

    def add(self, items: Mapping[str, None]) -> int:
        before = len(self.kept)
        self.kept.update(items)
        return len(self.kept) - before

    def clear(self) -> None:
        self.kept.clear()

    def __len__(self) -> int:
        return len(self.kept)


class States:
    """A fold of actions into one set of targets a state."""

    def __init__(self) -> None:
        self._ids: set[int | str] = set()
        self.kept: dict[tuple[str, bool], set[str]] = {}
        """(status, active) → targets."""

    def add(self, items: Mapping[str, ActionRow]) -> int:
        before = len(self._ids)
        self._ids.update(int(key) if key.isdecimal() else key for key in items)
        kinds: dict[tuple[str, bool], set[str]] = {}
        for row in items.values():
            kinds.setdefault((row.status, row.active), set()).add(row.target)
        coming = set().union(*kinds.values())
        for kind, before_now in self.kept.items():
            if kinds.keys() != {kind}:
                before_now.difference_update(coming)
        for kind, targets in kinds.items():
            self.kept.setdefault(kind, set()).update(targets)
        return len(self._ids) - before

    def clear(self) -> None:
        self._ids.clear()
        self.kept.clear()

    def __len__(self) -> int:
        return len(self._ids)


def membership(tagged: Set[str] | None, states: States, *, downloads: bool = False) -> Membership:
    """Who is in it, by the table above; `tagged` None: there is no tag that says so. It uses `states` up.

    ``downloads``: the rollout ends with the download, so that *downloaded* is *finished*.
    """
    members: dict[str, set[str]] = {}
    closed: set[str] = set()
    idle = set(tagged or ())
    kept, states.kept = states.kept, {}
    while kept:
        (status, active), here = kept.popitem()
        word = "finished" if downloads and status == "downloaded" else status
        if status in _CANCELLED:
            closed |= here
        if tagged is not None:
            idle -= here
            if status in _CANCELLED or not (active or status == "scheduled"):
                here &= tagged
        elif status in _CANCELLED:
            here.clear()
        if here:
            members[word] = here if word not in members else members[word] | here
    if idle:
        members[IDLE] = idle
    # Popped one by one, so that only one set at a time is there twice.
    found = {state: frozenset(members.pop(state)) for state in sorted(members)}
    return Membership(found, frozenset(closed))


class Memberships(Settled):
    """Reads of who is in a rollout."""

    async def members(self, rollout: Rollout) -> Membership:
        """All of them."""
        states, ids = States(), TargetIds()
        name = tag_of(rollout.query) if rollout.dynamic else None
        alike = await self.tags_like(name) if name else {}
        tag = next((key for key, (other, _) in alike.items() if other == name), None)
        alone = len(alike) == 1 and self.seems_settled(rollout)
        if name and tag and alone and await self._settled(rollout, tag, name, ids, states):
            return membership(ids.kept, states)
        reads: list[str] = []
        if tag and not ids:
            reads.append("tagged")
        if rollout.begun:
            reads.append("actions")
        elif name is None:
            reads.append("groups")

        async def read(what: str) -> None:
            match what:
                case "tagged":
                    await self._tagged(tag or "", ids)
                case "actions":
                    await self._actions(rollout.id, states)
                case _:
                    await self._of_groups(rollout.id, ids)

        await concurrently(reads, read, limit=self.parallelism)
        decided = name is not None or not rollout.begun
        return membership(ids.kept if decided else None, states, downloads=rollout.kind == "downloadonly")

    async def _settled(self, rollout: Rollout, tag: str, name: str, ids: TargetIds, states: States) -> bool:
        """Read who is in it with the short list of actions; False where that doesn't prove who is done."""
        unfinished = await self.unfinished(rollout)
        if unfinished is None:
            return False
        before = await self.counted(rollout, tag, name, unfinished)
        if before is None or not before.may_prove(len(unfinished)):
            return False
        await self._tagged(tag, ids)
        others = ids.kept.difference(row.target for row in unfinished.values())
        if before.tagged != len(ids) or before.finished != len(others):
            return False
        if await self.counted(rollout, tag, name, unfinished) != before:
            return False
        states.add(unfinished)
        states.kept[DONE, False] = others
        return True

    async def _tagged(self, tag: str, ids: TargetIds) -> None:
        await self.fold("list-tagged", codec.target_row, ids, tag=tag)

    async def _actions(self, rollout_id: str, states: States) -> None:
        await self.fold(
            "list-actions",
            codec.action_row,
            states,
            (("q", f"rollout.id=={rollout_id}"), ("representation", "full")),
        )

    async def _of_groups(self, rollout_id: str, ids: TargetIds) -> None:
        for group in await self.listed("list-groups", codec.group_row, rollout=rollout_id):
            await self.fold(
                "list-group-targets", codec.target_row, PartOfIds(ids), rollout=rollout_id, group=group
            )

    async def actions_of(
        self, rollout_id: str, targets: Collection[str]
    ) -> Mapping[str, tuple[str, ActionRow]]:
        """Target → its action in the rollout (id and row), of those of `targets` that have one."""
        head = f"rollout.id=={rollout_id}"
        return await self.actions(any_of("target.controllerid", sorted(targets), head), targets)

    async def actions(
        self, queries: Iterable[str], targets: Collection[str] | None = None
    ) -> Mapping[str, tuple[str, ActionRow]]:
        """Target → action, of what the queries find; of exactly these targets, where they are named."""
        more = (("representation", "full"),)
        found = await self.listed("list-actions", codec.action_row, queries, more)
        wanted = None if targets is None else frozenset(targets)
        return {
            row.target: (key, row) for key, row in found.items() if wanted is None or row.target in wanted
        }


class PartOfIds(TargetIds):
    """One list of several that go into one set."""

    def __init__(self, whole: TargetIds) -> None:
        super().__init__()
        self._whole = whole

    def add(self, items: Mapping[str, None]) -> int:
        self._whole.add(items)
        return super().add(items)
