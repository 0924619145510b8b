"""Which changes take a successor, what that is, and what became of those that were replaced before. Pure.

| how the server changes a field that differs       | what becomes of the campaign                   |
|---------------------------------------------------|------------------------------------------------|
| each in place, and in this phase                  | it is edited                                   |
| one by a successor, or not in this phase          | a successor with all that differs takes over   |
| one never                                         | nothing, and a finding says what to do         |

A held campaign is not replaced: its successor would run. What isn't declared goes over to the successor as
it is.

Of a rollout only those go over whose turn it is: whoever stays keeps the campaign that it is in going.

Tests: `tests/diff/test_diff_replacement.py`, `tests/diff/test_diff_predecessors.py`,
`tests/scenarios/test_replacement.py`, `tests/scenarios/test_revisions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace

from reconciler.diff.campaign import diff_live, diff_new
from reconciler.diff.delivery import all_terms
from reconciler.diff.model import CampaignDiff, Former
from reconciler.diff.view import EMPTY, View
from reconciler.model import (
    CampaignFields,
    Change,
    DesiredCampaign,
    DesiredStatus,
    Finding,
    GatewayChange,
    Live,
    LiveCampaign,
    Membership,
    Phase,
    Reason,
    Severity,
    Verb,
    sorted_ids,
)
from reconciler.providers.base import Changing, Facts, Field
from reconciler.rollout.revisions import NOBODY_STAYS
from reconciler.state.base import Event, Owned, PredecessorEnded, PredecessorForgotten

_EDITED = frozenset({Field.NAME, Field.DESCRIPTION, Field.PACKAGES, Field.SETTINGS, Field.DELIVERY})


def diff_there(view: View, live: LiveCampaign, owned: Owned) -> CampaignDiff:
    """A campaign that is there, with the successor that it takes."""
    campaign = view.campaign
    if campaign.revised:
        # The declared gateways belong in the successor; here only those no longer declared are removed.
        members = live.gateways if live.gateways is not None else Membership()
        compared = replace(campaign, gateways=campaign.declared.intersection(members))
        found = diff_live(replace(view, campaign=compared), live, owned)
        return with_successor(replace(found, desired=campaign), view, owned)
    return with_successor(diff_live(view, live, owned), view, owned)


def with_successor(found: CampaignDiff, view: View, owned: Owned) -> CampaignDiff:
    """`found`, of a campaign that is there, with the successor that it takes, or why there can be none."""
    live, facts = found.live, view.ask.facts
    if live is None or found.refused:
        return found
    differing = tuple(_differing(found))
    if fixed := [name for name, _ in differing if facts.changing(name) is Changing.FIXED]:
        return replace(found, refused=_fixed(found, fixed))
    fields = tuple(name for name, verb in differing if _replaced(facts, name, verb, live.phase))
    if not fields:
        return found
    if live.phase is Phase.UNKNOWN:
        return replace(found, refused=_unknown(found, live))
    if found.transition.held:
        return replace(found, refused=_held(found, live, fields))
    # If the old campaign has ended, the successor runs instead.
    ended = found.transition.findings if live.phase is Phase.ENDED else ()
    findings = tuple(finding for finding in found.findings if finding not in ended)
    made = _successor(found, replace(view, live=None, owned=None, adopting=False), live)
    return replace(
        found,
        successor=made,
        replaced=fields,
        starts=_starts(found, live, owned),
        itself=Former(live.id, live, live.phase is Phase.FINISHED),
        keeps_name=not facts.knows(Verb.RETIRE),
        findings=findings,
    )


def inheriting(campaign: DesiredCampaign, owned: Owned, live: Live) -> DesiredCampaign:
    """`campaign` with the gateways of the one that it is the successor of, while that hasn't ended.

    Where no gateways are declared, those are the ones that go over; the run that was to add them may have
    been interrupted.
    """
    if campaign.gateways is not None:
        return campaign
    for each in reversed(owned.predecessors):
        former = live.by_id.get(each.id)
        if former and not each.ended and former.gateways is not None:
            return replace(campaign, gateways=frozenset(former.gateways) - former.gateways.closed)
    return campaign


def formers_of(owned: Owned, live: Live) -> tuple[tuple[Former, ...], tuple[Event, ...]]:
    """The predecessors of a campaign of ours as they are now, and what the state learns of them."""
    formers: list[Former] = []
    events: list[Event] = []
    for each in owned.predecessors:
        known = live.by_id.get(each.id)
        if known is None and each.id in live.by_id:
            events.append(PredecessorForgotten(owned.resource, each.id))
            continue
        done = known is not None and known.phase is Phase.FINISHED
        if done and not each.ended:
            events.append(PredecessorEnded(owned.resource, each.id))
        formers.append(Former(each.id, known, each.ended or done))
    return tuple(formers), tuple(events)


def with_formers(found: CampaignDiff, formers: tuple[Former, ...]) -> CampaignDiff:
    """`found` with what it replaced, and who of that leaves now, or stays."""
    if not (formers or found.itself):
        return found
    campaign = found.desired
    staying = campaign.staying
    before = 0
    dropped: set[str] = set()
    told: list[Former] = []
    declared = campaign.declared
    # After an interrupted run a gateway may be in several: it leaves the older ones.
    for each in reversed((*formers, *((found.itself,) if found.itself else ()))):
        there = each.live.gateways if each.live and not each.ended else None
        if there is None or (campaign.rollout is None and each is found.itself):
            told.append(each)
            continue
        members = frozenset(there)
        here = EMPTY if each.live and each.live.phase in NOBODY_STAYS else members & staying
        staying -= here
        told.append(replace(each, staying=here, leaving=members - here))
        if each is not found.itself:
            before += len(here)
            dropped |= members - declared
    told.reverse()
    itself = told.pop() if found.itself else None
    found = replace(found, formers=tuple(told), itself=itself)
    return _with_dropped(found, before, dropped) if dropped and campaign.rollout else found


def _with_dropped(found: CampaignDiff, before: int, dropped: Set[str]) -> CampaignDiff:
    """`found` that tells of those, too, whom no list declares any more and who are in earlier revisions."""
    change = next((each for each in found.changes if each.gateways is not None), None)
    known = change.gateways if change else None
    if known is None:
        there = found.live.gateways if found.live else None
        count = len(there) if there is not None else 0
        known = GatewayChange(count, count)
    lost = sorted_ids(dropped | frozenset(known.lost))
    new = len(lost) - len(known.lost)
    told = replace(known, before=known.before + before + new, after=known.after + before, lost=lost)
    more = Change(found.desired.resource, Field.GATEWAYS, None, None, Reason.DIFFERS, told)
    changes = tuple(replace(each, gateways=told) if each is change else each for each in found.changes)
    return replace(found, changes=changes if change else (*changes, more))


def _differing(found: CampaignDiff) -> Iterator[tuple[Field, Verb]]:
    """Each field that takes a call, and the verb that would set it in place."""
    edited = {change.field.partition(".")[0] for change in found.changes} if found.edit else set()
    if edited:
        yield from ((name, Verb.EDIT) for name in Field if name in _EDITED and name in edited)
    parts = (
        (Field.GATEWAYS, Verb.ADD, found.gained),
        (Field.GATEWAYS, Verb.REMOVE, found.lost),
        (Field.DISTRIBUTION, Verb.DISTRIBUTE, found.distribution),
        (Field.OVERRIDES, Verb.OVERRIDE, found.overrides),
        (Field.SCHEDULES, Verb.SCHEDULE, found.schedules),
        (Field.CALLBACKS, Verb.CALLBACK, found.callbacks),
        (Field.CLOSED, Verb.CLOSE, found.closes),
        (Field.THINGS, Verb.THINGS, found.things),
    )
    yield from ((name, verb) for name, verb, todo in parts if todo)


def _replaced(facts: Facts, name: Field, verb: Verb, phase: Phase) -> bool:
    """Whether a field changes by a successor: always, or because the server takes no change of it now."""
    if facts.changing(name) is Changing.REPLACED:
        return True
    if not facts.replaces or phase is Phase.UNKNOWN:
        return False
    stopped = phase is Phase.RUNNING and facts.allows(Verb.STOP, phase) and facts.allows(verb, Phase.PAUSED)
    return not (stopped or facts.allows(verb, Phase.READY if phase is Phase.BUSY else phase))


def _successor(found: CampaignDiff, view: View, live: LiveCampaign) -> CampaignDiff:
    """What is created in the place of `live`: all that is declared, and the rest as it is."""
    campaign, members, facts = view.campaign, live.gateways, view.ask.facts
    gateways = campaign.gateways
    if members is not None and not campaign.revised:
        staying = frozenset(members).difference(found.lost).union(found.gained)
        gateways = staying - members.closed
    distribution = campaign.distribution or live.distribution
    by_list = facts.lists_decide and distribution is not None
    if by_list:
        gateways = None
    whole = replace(
        campaign,
        description=live.description if campaign.description is None else campaign.description,
        gateways=gateways,
        closed=_closed(campaign, members) if by_list else (campaign.closed or EMPTY) & (gateways or EMPTY),
        distribution=distribution,
    )
    made = diff_new(replace(view, campaign=whole), Reason.REPLACES)
    packages = live.packages if campaign.packages is None else made.fields.packages
    fields = CampaignFields(
        campaign.name,
        whole.description,
        packages,
        found.fields.settings,
        None if campaign.packages is None else campaign.package_set,
        all_terms(campaign.delivery, live.delivery),
        made.fields.distribution,
        made.fields.closed,
    )
    return replace(made, desired=campaign, fields=fields)


def _closed(campaign: DesiredCampaign, members: Membership | None) -> frozenset[str]:
    """Whom a list would let in again: declared so, or closed in the one before, by whomever."""
    return (campaign.closed or EMPTY) | (members.closed if members else EMPTY)


def _starts(found: CampaignDiff, live: LiveCampaign, owned: Owned) -> bool:
    """Whether the successor is to run: as Git wants, else as the one before it does."""
    wish = found.desired.status
    if found.desired.revised:
        return wish is DesiredStatus.STARTED and bool(found.desired.gateways)
    if wish is not None:
        return wish is DesiredStatus.STARTED
    busy = live.phase is Phase.BUSY and owned.status == DesiredStatus.STARTED
    return live.phase is Phase.RUNNING or busy or owned.return_to is not None


def _fixed(found: CampaignDiff, fields: list[Field]) -> Finding:
    campaign = found.desired
    names = " and ".join(name.value for name in fields)
    return Finding(
        "fixed-field",
        f"{campaign.resource}: this server never changes {names} of a campaign that is there",
        campaign.place_of(fields[0]),
        "take that change back, or declare it as another campaign with another name",
        campaign.resource,
    )


def _unknown(found: CampaignDiff, live: LiveCampaign) -> Finding:
    campaign = found.desired
    return Finding(
        "unknown-status",
        f"{campaign.resource} can't be replaced while it is {live.status!r}, a status that this version"
        " doesn't know",
        hint="bring it to a known status on the server",
        resource=campaign.resource,
    )


def _held(found: CampaignDiff, live: LiveCampaign, fields: tuple[Field, ...]) -> Finding:
    campaign = found.desired
    names = " and ".join(name.value for name in fields)
    return Finding(
        "held",
        f"{campaign.resource} was started by us and is {live.status} now: somebody stopped it, and it is left"
        f" so; its {names} changes with a successor, which would run",
        campaign.place_of("desiredStatus"),
        "let the successor run with --resume, or write desiredStatus: STOPPED",
        campaign.resource,
        Severity.NOTE,
    )
