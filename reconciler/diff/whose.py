"""Who made a difference: Git, the server, or both. What was last applied tells, where that is known.

| declared           | on the server      | whose                                |
|--------------------|--------------------|--------------------------------------|
| as last applied    | something else     | the server's                         |
| something else     | as last applied    | Git's                                |
| something else     | something else     | of both                              |
| never applied      | any                | Git's: it is declared for the first time |
| nothing known      | any                | nobody knows: the state is of old    |

Of a campaign that is still to be created, or just being adopted, nothing was ever applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from reconciler.diff.declares import declared_members, packages_declared, set_distribution
from reconciler.diff.settings import same_record, shown_record
from reconciler.diff.view import EMPTY, View
from reconciler.model import (
    BoundPackage,
    CallbackEvent,
    Change,
    ChangedIn,
    DesiredStatus,
    Json,
    LiveCampaign,
    Phase,
    Reason,
)
from reconciler.model.sets import without
from reconciler.providers.base import Field
from reconciler.state.applied import (
    callback_field,
    callback_value,
    changed_settings,
    packages_of,
)
from reconciler.state.base import Owned
from reconciler.state.declared import (
    distribution_value,
    members_count,
    members_value,
    packages_list,
    text_value,
)

Whose = tuple[ChangedIn | None, Json]
"""Who, and what was last applied where both did."""

_GIT: Whose = (ChangedIn.GIT, None)
_SERVER: Whose = (ChangedIn.SERVER, None)
_NEVER: Whose = (ChangedIn.NEVER, None)
_UNKNOWN: Whose = (None, None)


def attributed(
    view: View, changes: Iterable[Change], packages: tuple[BoundPackage, ...] | None, *, gone: bool
) -> tuple[Change, ...]:
    """`changes` of one campaign with who made each; one about several gateways may become several.

    `packages` are those that it is to have; `gone`: it was ours, and the server no longer has it.
    """
    if view.live is None or view.owned is None:
        whole = _SERVER if gone else _NEVER
        return tuple(_by(change, whole) for change in changes)
    if view.adopting:
        return tuple(_by(change, _NEVER) for change in changes)
    found = _Whose(view, view.live, view.owned, packages)
    return tuple(each for change in changes for each in found.of(change))


def _by(change: Change, whose: Whose) -> Change:
    return replace(change, changed_in=whose[0], last=whose[1])


@dataclass(frozen=True)
class _Whose:
    view: View
    live: LiveCampaign
    owned: Owned
    packages: tuple[BoundPackage, ...] | None

    def of(self, change: Change) -> Iterator[Change]:
        if change.members:
            yield from self._of_members(change)
        else:
            made = _by(change, self._of_campaign(change))
            there = made.changed_in in (ChangedIn.SERVER, ChangedIn.BOTH) and change.field != Field.GATEWAYS
            yield replace(made, by=self.live.modified_by) if there else made

    def _of_campaign(self, change: Change) -> Whose:  # noqa: PLR0911
        campaign, live = self.view.campaign, self.live
        name, _, rest = change.field.partition(".")
        match name:
            case Field.NAME:
                return self._since(name, text_value(campaign.name), text_value(live.name))
            case Field.DESCRIPTION:
                wanted = text_value(campaign.description or "")
                return self._since(name, wanted, text_value(live.description))
            case Field.PACKAGES:
                wanted = packages_declared(self.packages or ())
                return self._since(name, wanted, packages_list(live.packages))
            case Field.DISTRIBUTION:
                there, list_ = live.distribution, campaign.distribution
                value = distribution_value(list_ and set_distribution(self.view, list_))
                return self._since(name, value, distribution_value(there))
            case Field.GATEWAYS:
                return self._membership
            case Field.SETTINGS:
                return self._setting(rest)
            case Field.CALLBACKS:
                return self._callback(CallbackEvent(rest))
            case Field.STATUS:
                return self._status(change)
            case _:
                return _UNKNOWN

    def _since(self, name: str, wanted: Json, there: Json) -> Whose:
        if name not in self.owned.declared:
            return _GIT if self.owned.declared else _UNKNOWN
        last = self.owned.declared[name]
        return _told(wanted != last, there != self.owned.kept.get(name, last), last)

    @cached_property
    def _membership(self) -> Whose:
        last, wanted = self.owned.declared.get(Field.GATEWAYS), declared_members(self.view)
        if last is None or wanted is None or self.live.gateways is None:
            return _GIT if self.owned.declared else _UNKNOWN
        git = members_value(wanted) != last
        if self.live.distribution or self.view.campaign.distribution:
            # The server adds gateways itself, so additional ones don't show that a person did.
            return _GIT if git else _SERVER
        there = without(frozenset(self.live.gateways), self.view.campaign.closed or EMPTY)
        return _told(git, members_value(there) != last, members_count(last))

    def _setting(self, key: str) -> Whose:
        view, recorded = self.view, self.owned.applied.get(Field.SETTINGS)
        last = recorded.get(key) if isinstance(recorded, Mapping) else None
        wanted = {k: v for k, v in (view.campaign.settings or {}).items() if k == key}
        git = bool(changed_settings({} if last is None else {key: last}, wanted, view.salt))
        if not view.readable(Field.SETTINGS):
            return _GIT if git else _UNKNOWN
        if last is None and wanted:
            return _GIT
        live, kept = view.value(Field.SETTINGS, Field.SETTINGS), self.owned.kept.get(Field.SETTINGS)
        there = live.get(key) if isinstance(live, Mapping) else None
        before = kept.get(key, last) if isinstance(kept, Mapping) else last
        shown = None if last is None else shown_record(last)
        return _told(git, not same_record(before, there, view.salt), shown)

    def _callback(self, event: CallbackEvent) -> Whose:
        view, name = self.view, callback_field(event)
        declared = (view.campaign.callbacks or {}).get(event)
        last, wanted = self.owned.applied.get(name), None if declared is None else callback_value(declared)
        git = wanted != last
        if not view.readable(Field.CALLBACKS):
            return _GIT if git else _UNKNOWN
        if last is None and wanted is not None:
            return _GIT
        there = view.value(Field.CALLBACKS, name)
        return _told(git, there != self.owned.kept.get(name, last), last)

    def _status(self, change: Change) -> Whose:
        """By the wish that was last met."""
        wish, met = self.view.campaign.status, self.owned.status
        if change.reason is Reason.FINISH_INTERRUPTED:
            return _NEVER
        if met is None or wish is None:
            # Nothing recorded: a wanted start never came, or a campaign that should stand still was started.
            known = wish is not None and self.owned.declared.get(Field.STATUS) == wish
            return _GIT if not known else _NEVER if wish is DesiredStatus.STARTED else _SERVER
        running = self.live.phase is Phase.RUNNING
        return _told(wish != met, running != (met == DesiredStatus.STARTED), met)

    def _of_members(self, change: Change) -> Iterator[Change]:
        groups: dict[tuple[ChangedIn | None, str], tuple[Whose, list[str]]] = {}
        known = self._recorded(change)
        for gateway in change.members:
            whose = self._of_gateway(change, gateway, known.get(gateway))
            groups.setdefault((whose[0], str(whose[1])), (whose, []))[1].append(gateway)
        for whose, gateways in groups.values():
            yield replace(_by(change, whose), members=tuple(gateways))

    def _recorded(self, change: Change) -> Mapping[str, str]:
        """Gateway → what was last applied to it."""
        members = frozenset(change.members)
        values = self.owned.members.get(change.field, {})
        return {gateway: value for value, ids in values.items() for gateway in ids & members}

    def _of_gateway(self, change: Change, gateway: str, last: str | None) -> Whose:
        if gateway in self.view.joining:
            # Gateways that joined or left on the server have to get it again.
            return _SERVER if self._membership[0] is ChangedIn.SERVER else _GIT
        if change.field == Field.OVERRIDES and last is not None:
            return self._override(change, gateway, last)
        if change.field.startswith(Field.SCHEDULES) and isinstance(change.after, Mapping):
            return self._window(change, gateway, last)
        return _UNKNOWN if change.reason is Reason.REASSERTED else _GIT

    def _override(self, change: Change, gateway: str, last: str) -> Whose:
        wanted = change.after if isinstance(change.after, list) else []
        git = change.reason is Reason.TAKEN_BACK or packages_list(map(str, wanted)) != sorted(
            packages_of(last)
        )
        if gateway not in self.live.overrides:
            return _GIT if git else _UNKNOWN
        there, kept = sorted(set(self.live.overrides[gateway])), self.owned.kept.get(Field.OVERRIDES)
        before = kept.get(last) if isinstance(kept, Mapping) else None
        given = sorted(packages_of(last))
        return _told(git, there not in (given, before), [*given])

    def _window(self, change: Change, gateway: str, last: str | None) -> Whose:
        view, field = self.view, change.field
        after = change.after
        assert isinstance(after, Mapping)
        git = last != f"{after['begin']}/{after['end']}"
        if not view.readable(Field.SCHEDULES):
            return _GIT if git else _UNKNOWN
        if last is None:
            return _GIT
        there = next((v for v, ids in view.values(Field.SCHEDULES, field).items() if gateway in ids), None)
        begin, _, end = last.partition("/")
        return _told(git, there != last, {"begin": int(begin), "end": int(end)})


def _told(git: bool, server: bool, last: Json) -> Whose:
    if git and server:
        return ChangedIn.BOTH, last
    return _GIT if git else _SERVER
