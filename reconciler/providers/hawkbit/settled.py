"""Who is done in a rollout at rest, without the list of its actions, which is as long as that of its tag.

Most of a fleet is done most of the time. Then a few short questions prove what the long list would say:

* which actions of the rollout are *not* finished: one page of them,
* how many are finished,
* how many targets of the tag other than those of that page have the rollout's very set *installed* (not only
  assigned) and are in sync, as their devices said.

Where the last two are as many as the tag has other targets, each of these is done: those that are counted are
among them, and as many. It is asked before the tag is read and after it, and the same must be answered.
Whatever doesn't fit proves nothing, and then every action is read.

Tests: `tests/providers/test_hawkbit_settled.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.pool import concurrently
from reconciler.providers.hawkbit import codec
from reconciler.providers.hawkbit.calls import HawkbitCalls
from reconciler.providers.hawkbit.codec import ActionRow, Rollout
from reconciler.providers.hawkbit.query import ROOM, bytes_of, is_plain, none_of, tagged
from reconciler.providers.http.wire import Query

WORTH: Final = 8
"""Pages of finished actions from which on it takes fewer requests to ask than to read them."""
DONE: Final = "finished"


@dataclass(frozen=True, slots=True)
class TagCounts:
    """What is counted at one time."""

    tagged: int
    """Targets of the tag."""
    installed: int
    """Of the tag, except for those that have an unfinished action, who have the set installed."""
    finished: int
    """Actions of the rollout that are finished."""

    def may_prove(self, unfinished: int) -> bool:
        """Whether everybody who is done has it installed, and nobody else is in the tag for all we know."""
        return self.installed == self.finished >= self.tagged - unfinished


class Settled(HawkbitCalls):
    """The questions, and whether they are worth asking."""

    def seems_settled(self, rollout: Rollout) -> bool:
        """Whether so many are done, and so few anything else, that it may be proved.

        Who only downloads has nothing installed.
        """
        done = (rollout.counts or {}).get(DONE, 0)
        return (
            rollout.begun
            and rollout.kind != "downloadonly"
            and done > WORTH * self.page_size
            and rollout.total - done <= self.page_size
        )

    async def unfinished(self, rollout: Rollout) -> Mapping[str, ActionRow] | None:
        """The actions that aren't finished; None when they are more than a page has."""
        query = _actions(f"rollout.id=={rollout.id};status!={DONE}")
        found = await self.first_page("list-actions", codec.action_row, query)
        return found.items if len(found.items) == found.total else None

    async def counted(
        self, rollout: Rollout, tag_id: str, tag: str, unfinished: Mapping[str, ActionRow]
    ) -> TagCounts | None:
        """What is there now; None where it can't be asked of just this tag and just these targets."""
        query = f"{tagged(tag)};updatestatus==in_sync"
        if unfinished:
            query += ";" + none_of("id", sorted({row.target for row in unfinished.values()}))
        if not is_plain(tag) or bytes_of(query) > ROOM:
            return None

        async def count(what: str) -> int:
            match what:
                case "tagged":
                    page = await self.first_page("list-tagged", codec.target_row, rows=1, tag=tag_id)
                case "installed":
                    page = await self.first_page(
                        "list-installed", codec.target_row, (("q", query),), rows=1, set=rollout.bundle
                    )
                case _:
                    done = _actions(f"rollout.id=={rollout.id};status=={DONE}")
                    return (await self.first_page("list-actions", codec.action_row, done, rows=1)).total or 0
            return page.total or 0

        return TagCounts(**await concurrently(("tagged", "installed", "finished"), count, limit=3))


def _actions(query: str) -> Query:
    return (("q", query), ("representation", "full"))
