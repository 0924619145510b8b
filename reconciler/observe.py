"""Ask the server for exactly what desired and owned things need.

    1  names that are declared             list-campaigns    (all of it before a deletion)
    2  every campaign that is or becomes ours    get-campaign
    3  names of vanished and renamed ones  list-campaigns
    4  gateways, where it matters who is in  list-gateways     all pages
       and of those that a rollout replaces wave by wave, as long as somebody is in them
       then, if there are gateways to lose or a list is declared: get-distribution-list
       and of those that declare an override or had one: get-gateway-packages
       where the run is about some campaigns only, and gateways join them: list-campaigns, and of the
       running ones that are left alone get-campaign, list-gateways: do they lose them?
    5  packages that a difference would use    get-package, list-packages
    6  once there is a plan: members of campaigns that it stops, deletes or
       gives other packages, for the guards    list-gateways
       and of those that it starts, and names of packages, for what it tells    list-gateways, get-package

What isn't found, and may be there all the same (`Lookout`), is looked for again until its time is over.
Each line is a scope, which follows from what was read before it. Nothing is read twice, and nothing whose
answer can't matter.

Tests: `tests/observe/test_observe_reads.py`, `tests/observe/test_observe_doubt.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.lookout import Lookout
from reconciler.model import (
    Aspects,
    Claim,
    Desired,
    DesiredCampaign,
    Live,
    LiveCampaign,
    Ownership,
    PackageById,
    PackageByName,
    PackageFile,
    PackageRef,
    Phase,
    ResourceId,
    SchedulePhase,
    Scope,
    Verb,
    used_packages,
)
from reconciler.model.doubts import Missing
from reconciler.options import Options
from reconciler.ownership import (
    Names,
    claims_of,
    comparable,
    owners_of,
    removable,
    removable_packages,
    retired,
    unanswered,
    unanswered_uploads,
)
from reconciler.providers.base import Field, Reads, Source
from reconciler.reading import forgotten, read
from reconciler.state.applied import schedule_field
from reconciler.state.base import Intent, Owned, State, Uploaded, upload_key
from reconciler.state.declared import members_value
from reconciler.text import id_form

_STAYING: Final = frozenset({Field.OVERRIDES.value, *map(schedule_field, SchedulePhase)})
"""Fields of single gateways that can't be taken back: whoever has them goes on having them."""


_KNOWN: Final = frozenset({Ownership.OWNED, Ownership.SUCCEEDED})


async def observe(
    desired: Desired, state: State, source: Source, options: Options, lookout: Lookout | None = None
) -> Live:
    """Read the live side of `desired` and `state`. ServerError when a read fails for good."""
    return await _Observation(desired, state, source, options, lookout or Lookout()).made()


async def observe_members(
    live: Live, resources: Iterable[ResourceId], reads: Reads, formers: Iterable[str] = ()
) -> Live:
    """`live` with the members of those campaigns, too; what was read is not read again.

    `formers`: ids of campaigns that others have replaced.
    """
    ids = (*(live.campaigns[resource].id for resource in sorted(resources)), *sorted(formers))
    return await read(Scope(dict.fromkeys(ids, Aspects(members=True))), reads, live)


async def observe_told(
    live: Live, resources: Iterable[ResourceId], packages: frozenset[str], reads: Reads
) -> Live:
    """`live` with what a plan only tells: members of those campaigns, and the names of packages."""
    ids = (live.campaigns[resource].id for resource in sorted(resources))
    scope = Scope(dict.fromkeys(ids, Aspects(members=True)), called=packages)
    return await read(scope, reads, live)


def _about_gateways(campaign: DesiredCampaign, owned: Owned | None) -> bool:
    """Whether it matters who is in the campaign: for what Git declares, or what it dropped and stays."""
    parts = (campaign.gateways, campaign.overrides, campaign.schedules, campaign.closed, campaign.things)
    return any(part is not None for part in parts) or bool(owned and owned.members.keys() & _STAYING)


@dataclass
class _Observation:
    """What is read next follows from what is wanted and what was read so far."""

    desired: Desired
    state: State
    source: Source
    options: Options
    lookout: Lookout
    live: Live = field(default_factory=Live)
    claims: dict[ResourceId, Claim] = field(default_factory=dict)
    retired: Names = field(default_factory=dict)
    """Name → campaigns that made room for a successor of it."""
    unfinished: dict[ResourceId, list[str]] = field(default_factory=dict)
    """Campaign → those that it replaced and that may still be under way."""
    gone: set[ResourceId] = field(default_factory=set)
    unreadable: set[ResourceId] = field(default_factory=set)
    ids: dict[ResourceId, str] = field(default_factory=dict)

    async def made(self) -> Live:
        """See `observe`."""
        declared = {campaign.resource: campaign for campaign in self.desired.campaigns}
        orphans = removable(self.desired, self.state, self.options)
        uploads = removable_packages(self.desired, self.state, self.options)
        facts = self.source.facts
        unowned = [c.name for c in declared.values() if c.resource not in self.state.campaigns]
        # A campaign that was renamed for its successor can't be found by its name.
        hidden = bool(unowned) and facts.replaces and facts.knows(Verb.RETIRE)
        await self._read(Scope(names=self._names(), whole=bool(orphans or uploads or hidden)))
        await self._look_for_creates()
        self.retired = retired(unowned, self.live.listed or (), facts) if hidden else {}
        await self._claim(declared.values(), self.state, orphans)
        vanished = [declared[resource] for resource in sorted(self.gone) if resource in declared]
        respelled = self._respelled(vanished)
        self.gone -= respelled.keys()
        without = {r: owned for r, owned in self.state.campaigns.items() if r not in self.gone}
        await self._claim(vanished, replace(self.state, campaigns=without | respelled))

        ours = [campaign for campaign in declared.values() if self._live(campaign)]
        await self._read(Scope({self.ids[c.resource]: self._aspects(c) for c in ours}))
        # With no gateways declared, the members of the old campaign move; in a rollout some stay there.
        waiting = (key for c in ours if self._about_earlier(c) for key in self.unfinished.get(c.resource, ()))
        await self._read(Scope(dict.fromkeys(waiting, Aspects(members=True))))
        losing = [campaign for campaign in ours if self._loses(campaign)]
        await self._read(Scope({self.ids[c.resource]: Aspects(distribution=True) for c in losing}))
        await self._read_untargeted()

        await self._read(Scope(package_ids=self._package_ids(uploads)))
        await self._look_for_packages()
        await self._read(
            Scope(
                package_names=self._package_names(),
                contents=self._contents(),
                users=frozenset(upload.id for upload in uploads if self.live.package_ids[upload.id]),
            )
        )
        await self._look_for_uploads()
        await self._read(Scope(users=self._unexplained()))
        return replace(
            self.live,
            campaigns={r: live for r, key in self.ids.items() if (live := self.live.by_id[key])},
            claims=self.claims,
            gone=frozenset(self.gone),
            unreadable=frozenset(self.unreadable),
            # A package that isn't there has no users.
            users={} if uploads and self.live.users is None else self.live.users,
        )

    def _respelled(self, vanished: Iterable[DesiredCampaign]) -> dict[ResourceId, Owned]:
        """Campaigns of ours that the server lists by their name, and by another form of their id."""
        found = {}
        for campaign in vanished:
            owned = self.state.campaigns.get(campaign.resource)
            same = (each.id for each in self.live.namesakes[campaign.name])
            if owned and (other := next((i for i in same if id_form(i) == id_form(owned.id)), None)):
                found[campaign.resource] = replace(owned, id=other)
        return found

    async def _read(self, scope: Scope) -> None:
        self.live = await read(scope, self.source.reads, self.live)

    async def _again(self, scope: Scope) -> None:
        self.live = forgotten(self.live, scope)
        await self._read(scope)

    async def _until(self, missing: Callable[[], Scope | None], seconds: float, *, at_once: bool) -> None:
        """Read what is `missing` again until nothing is, or `seconds` are over."""
        looks = int(at_once)

        async def found() -> bool:
            nonlocal looks
            looks += 1
            scope = missing()
            if scope and looks > 1:
                await self._again(scope)
                scope = missing()
            return scope is None

        await self.lookout.settling.until(found, seconds)

    def _names(self) -> frozenset[str]:
        """The names that are declared, whoever owns them, and those that a lost create of ours went by."""
        declared = (campaign.name for campaign in self.desired.campaigns)
        return frozenset((*declared, *(intent.name for intent in self._lost())))

    def _lost(self) -> Sequence[Intent]:
        """Creates of ours whose answer nobody has, declared or not."""
        owned, intents = self.state.campaigns, self.state.intents
        noted = ((c.resource, intents.get(str(c.resource))) for c in self.desired.campaigns)
        declared = [i for r, i in noted if i and (r not in owned or i.replaces == owned[r].id)]
        return [*declared, *unanswered(self.desired, self.state).values()]

    async def _look_for_creates(self) -> None:
        """What a create of ours may have made, and no list shows yet."""
        owned = owners_of(self.state)

        def unseen(intent: Intent) -> bool:
            return all(found.id in owned for found in self.live.namesakes[intent.name])

        waiting = {i.key: left for i in self._lost() if unseen(i) and (left := self.lookout.of_intent(i))}
        if not waiting:
            return

        def missing() -> Scope | None:
            names = frozenset(i.name for i in self._lost() if i.key in waiting and unseen(i))
            return Scope(names=names, whole=self.live.listed is not None) if names else None

        seconds = max(waiting.values())
        self.lookout.tell(waiting, Missing.MAY_BE_MADE, seconds)
        await self._until(missing, seconds, at_once=False)

    async def _look_for_packages(self) -> None:
        """An upload of a moment ago, for whose id the server doesn't answer yet."""
        files, after = self._files(), self.lookout.after
        new = {upload.id: upload for s, upload in self.state.packages.items() if s in files}

        def missing() -> Scope | None:
            ids = [i for i, upload in new.items() if not self.live.package_ids[i] and after(upload.since)]
            return Scope(package_ids=frozenset(ids)) if ids else None

        if scope := missing():
            seconds = max(after(new[each].since) for each in scope.package_ids)
            self.lookout.tell((new[each].name for each in scope.package_ids), Missing.JUST_MADE, seconds)
            await self._until(missing, seconds, at_once=False)

    async def _look_for_uploads(self) -> None:
        """What an upload of ours may have brought, and no list shows yet."""
        intents, of_intent = self.state.intents, self.lookout.of_intent

        def missing() -> Scope | None:
            contents = [
                sha256
                for sha256, found in self.live.packages_by_content.items()
                if (intent := intents.get(upload_key(sha256)))
                and not intent.made(package.id for package in found)
                and of_intent(intent)
            ]
            return Scope(contents=frozenset(contents)) if contents else None

        if scope := missing():
            lost = [intents[upload_key(sha256)] for sha256 in scope.contents]
            seconds = max(map(of_intent, lost))
            self.lookout.tell((intent.name for intent in lost), Missing.MAY_BE_MADE, seconds)
            await self._until(missing, seconds, at_once=False)

    async def _look_for_ids(self, held: Mapping[ResourceId, str]) -> None:
        """Ids that the server gave a moment ago, or lists, and doesn't answer for."""
        since = {each.id: each.since for each in self.state.campaigns.values()}

        def silent() -> dict[str, float]:
            """Id → for how long yet it is looked for."""
            without = [each for each in held.values() if self.live.by_id[each] is None]
            listed, settle = self._listed() if without else {}, self.lookout.settling.seconds
            left = {i: settle if i in listed else self.lookout.after(since.get(i)) for i in without}
            return {i: seconds for i, seconds in left.items() if seconds or i in listed}

        def missing() -> Scope | None:
            ids, listed = silent(), self._listed()
            names = frozenset(name for each in ids for name in listed.get(each, ()))
            whole = self.live.listed is not None
            return Scope(dict.fromkeys(ids, Aspects()), names, whole=whole) if ids else None

        if ids := silent():
            seconds = max(ids.values())
            who = {campaign_id: resource for resource, campaign_id in held.items()}
            self.lookout.tell((str(who[each]) for each in ids), Missing.JUST_MADE, seconds)
            await self._until(missing, seconds, at_once=True)

    def _listed(self) -> Mapping[str, frozenset[str]]:
        """The ids that some list shows, each with the looked-up names that it has there."""
        named: dict[str, set[str]] = {each.id: set() for each in self.live.listed or ()}
        for name, found in self.live.namesakes.items():
            for each in found:
                named.setdefault(each.id, set()).add(name)
        return {each: frozenset(names) for each, names in named.items()}

    async def _claim(
        self, campaigns: Iterable[DesiredCampaign], state: State, orphans: Iterable[Owned] = ()
    ) -> None:
        """Tie `campaigns` to the server, and read those that are ours, declared or not."""
        claims = claims_of(
            campaigns,
            self.desired,
            state,
            self.live.namesakes,
            self.options,
            retired=self.retired,
            phase=self.source.facts.phase,
        )
        held = {resource: made.ids[0] for resource, made in claims.items() if made.held}
        held |= {owned.resource: owned.id for owned in orphans}
        before = self._predecessors(claims, state, orphans)
        await self._read(Scope(dict.fromkeys((*held.values(), *before), Aspects())))
        await self._look_for_ids(held)
        listed = self._listed()
        here = {resource for resource, key in held.items() if self.live.by_id[key]}
        silent = {resource for resource, key in held.items() if resource not in here and key in listed}
        self.ids |= held
        self.unreadable |= silent
        self.gone |= held.keys() - here - silent

        def tie(resource: ResourceId, made: Claim) -> Claim:
            if resource in here or not made.held:
                return made
            # A campaign that vanished between list and read has to be created.
            return Claim(Ownership.UNREADABLE, made.ids) if resource in silent else Claim(Ownership.NONE)

        self.claims |= {resource: tie(resource, made) for resource, made in claims.items()}

    def _predecessors(
        self, claims: Mapping[ResourceId, Claim], state: State, orphans: Iterable[Owned]
    ) -> Iterator[str]:
        """Those that may still be under way; all of them where they are to be deleted."""
        for resource, made in claims.items():
            owned = state.campaigns.get(resource) if made.ownership in _KNOWN else None
            if made.ownership is Ownership.MOVED:
                owned = next(it for it in state.campaigns.values() if it.id == made.ids[0])
            unfinished = [each.id for each in owned.predecessors if not each.ended] if owned else []
            if made.ownership is Ownership.SUCCEEDED and owned:
                unfinished.append(owned.id)
            if made.held:
                unfinished += [each for each in made.predecessors if each not in made.ended]
            yield from unfinished
            self.unfinished[resource] = unfinished
            if self.options.prune:
                yield from (each.id for each in (owned.predecessors if owned else ()))
                yield from made.predecessors if made.held else ()
        yield from (each.id for owned in orphans for each in owned.predecessors)

    def _about_earlier(self, campaign: DesiredCampaign) -> bool:
        """Whether it matters who is in what it replaced."""
        owned = self.state.campaigns.get(campaign.resource)
        return campaign.gateways is None or bool(campaign.rollout or (owned and owned.rollout))

    def _live(self, campaign: DesiredCampaign) -> LiveCampaign | None:
        return self.live.by_id.get(self.ids.get(campaign.resource, ""))

    def _aspects(self, campaign: DesiredCampaign) -> Aspects:
        owned = self.state.campaigns.get(campaign.resource)
        # A successor takes over the members.
        members = self.source.facts.replaces or _about_gateways(campaign, owned)
        listed = campaign.distribution is not None or self.source.facts.lists_decide
        return Aspects(members, listed, self._overridden(campaign))

    def _overridden(self, campaign: DesiredCampaign) -> frozenset[str]:
        """Those that declare an override, or had one."""
        if campaign.overrides is None or self.options.refresh_recorded:
            return frozenset()
        owned = self.state.campaigns.get(campaign.resource)
        had = owned.members.get(Field.OVERRIDES, {}).values() if owned else ()
        declared = (override.gateways for override in campaign.overrides)
        return frozenset().union(*declared, *had) - (campaign.closed or frozenset())

    def _loses(self, campaign: DesiredCampaign) -> bool:
        """Whether gateways would have to go, unless the server decides who is in."""
        if not self.source.facts.supports(Field.DISTRIBUTION):
            return False
        live = self._live(campaign)
        members = live.gateways if live else None
        return bool(campaign.gateways is not None and members and members.beyond(campaign.gateways))

    async def _read_untargeted(self) -> None:
        """Running campaigns that are left alone, and may lose gateways that are about to join others."""
        excluded = self.desired.focus.excluded if self.desired.focus else ()
        owned = self.state.campaigns
        declared = {
            owned[c.resource].id: c.gateways
            for c in excluded
            if c.gateways is not None and c.resource in owned and not self._settled(c)
        }
        if not declared:
            return
        joining = frozenset().union(*map(self._joining, comparable(self.desired, self.claims)))
        if not joining:
            return
        await self._read(Scope(whole=True))
        phases = {id_form(each.id): self.source.facts.phase(each.status) for each in self.live.listed or ()}
        running = [i for i in declared if phases.get(id_form(i)) is Phase.RUNNING]
        await self._read(Scope({i: Aspects(members=not joining <= declared[i]) for i in running}))
        members = ((i, live.gateways) for i in running if (live := self.live.by_id[i]) and live.gateways)
        losing = [i for i, found in members if not joining.isdisjoint(found.beyond(declared[i]))]
        await self._read(Scope({i: Aspects(distribution=True) for i in losing}))

    def _settled(self, campaign: DesiredCampaign) -> bool:
        """Whether a look at rollouts takes it for sure that nobody is to leave: as the last apply left it."""
        if not self.options.rollouts_only:
            return False
        known = self.state.campaigns[campaign.resource].declared.get(Field.GATEWAYS)
        inside = (campaign.gateways or frozenset()) - (campaign.closed or frozenset())
        return known == members_value(inside)

    def _joining(self, campaign: DesiredCampaign) -> frozenset[str]:
        """The gateways that are not in the campaign yet."""
        live = self._live(campaign)
        wanted = (campaign.gateways or frozenset()) - (campaign.closed or frozenset())
        return live.gateways.lacking(wanted) if live and live.gateways else wanted

    def _wanted(self) -> tuple[PackageRef, ...]:
        return used_packages(comparable(self.desired, self.claims))

    def _files(self) -> frozenset[str]:
        return frozenset(ref.sha256 for ref in self.desired.packages if isinstance(ref, PackageFile))

    def _package_ids(self, removable: Iterable[Uploaded]) -> frozenset[str]:
        """Those that are declared, those that files were uploaded as, and those to be deleted."""
        files = self._files()
        uploads = (upload for sha256, upload in self.state.packages.items() if sha256 in files)
        declared = (ref.id for ref in self._wanted() if isinstance(ref, PackageById))
        return frozenset((*declared, *(upload.id for upload in (*uploads, *removable))))

    def _package_names(self) -> frozenset[str]:
        return frozenset(ref.name for ref in self._wanted() if isinstance(ref, PackageByName))

    def _contents(self) -> frozenset[str]:
        """Files that are there as we know them (are they twice?), those whose marks may be trusted, and
        those whose uploads got no answer before they were given up.
        """
        known = self.state.packages
        here = {s for s in self._files() if s in known and self.live.package_ids[known[s].id]}
        trusted = {s for s in self._files() if self.options.adopt or upload_key(s) in self.state.intents}
        return frozenset(here | trusted | unanswered_uploads(self.desired, self.state).keys())

    def _unexplained(self) -> frozenset[str]:
        """Packages that hold what one of ours holds, and that nothing we know of uses."""
        uploads = self.state.packages
        here = [s for s in self._files() if s in uploads and self.live.package_ids[uploads[s].id]]
        ours = {upload.id for upload in uploads.values()}
        used = {package for live in self.live.by_id.values() if live for package in live.packages}
        known = ours | used | {ref.id for ref in self.desired.packages if isinstance(ref, PackageById)}
        twice = (each for s in here for each in self.live.packages_by_content.get(s, ()))
        return frozenset(each.id for each in twice) - known
