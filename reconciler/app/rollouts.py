"""What a person asks and says of rollouts: words are written to the state, and the next look acts on them.

Tests: `tests/cli/test_cli_rollout.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reconciler.app.pipeline import Job, Planned, check, plan_once
from reconciler.app.statesession import StateSession
from reconciler.app.workspace import Workspace
from reconciler.errors import Exit, ReconcilerError
from reconciler.model import (
    DesiredCampaign,
    DesiredRollout,
    DesiredStatus,
    Kind,
    Promotion,
    ResourceId,
    RolloutRecord,
    RolloutStatus,
)
from reconciler.model.waves import assigned
from reconciler.options import Options
from reconciler.providers.base import Facts, Stage
from reconciler.report import rollout_answers as shown
from reconciler.report.command_answers import Answer, done
from reconciler.report.rollouts_report import wave_words
from reconciler.rollout.views import RolloutView
from reconciler.state.applied import FORGIVEN, REFUSED, ROLLBACK, ROLLOUT
from reconciler.state.base import MembersApplied, MembersForgotten, Owned, RolloutNoted, State
from reconciler.text import did_you_mean, plural

SKIPS = ("success", "soak", "check", "calendar")
"""What a promotion may skip."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A look at the server that changed nothing."""

    planned: Planned
    facts: Facts

    def every(self) -> Answer:
        """`rollout list`."""
        return shown.rollout_list(self.planned.plan.rollouts)

    def one(self, name: str) -> RolloutView:
        """The rollout of a campaign; ReconcilerError where there is none."""
        views = {view.resource.name: view for view in self.planned.plan.rollouts}
        if name not in views:
            raise _no_rollout(name, sorted(views))
        return views[name]

    def show(self, name: str, *, gateway: str | None, failed: bool) -> Answer:
        """`rollout show`."""
        view = self.one(name)
        about_gateway = self._about(view, gateway) if gateway is not None else None
        members = self._failed(view) if failed else None
        return shown.rollout_shown(view, about_gateway, members)

    def exit_of(self, name: str) -> Exit:
        """What `rollout status --exit-code` ends with."""
        match self.one(name).status:
            case RolloutStatus.COMPLETE:
                return Exit.DONE
            case RolloutStatus.ABORTED:
                return Exit.ROLLOUT_ABORTED
            case _:
                return Exit.HAS_STEPS

    def failed(self, name: str) -> Sequence[str]:
        """The gateways of a campaign that failed, sorted."""
        return self._failed(self.one(name))

    def _campaign(self, view: RolloutView) -> tuple[DesiredCampaign, DesiredRollout]:
        for campaign in self.planned.desired.campaigns:
            if campaign.resource == view.resource and campaign.rollout is not None:
                return campaign, campaign.rollout
        raise _no_rollout(view.resource.name, ())

    def _about(self, view: RolloutView, gateway: str) -> str:
        """Why a gateway hasn't got it, or where it stands."""
        campaign, wish = self._campaign(view)
        declared = campaign.declared
        if gateway not in declared:
            return f"{gateway} is in none of the campaign's lists"
        there = self.planned.live.campaigns.get(view.resource)
        members = there.gateways if there else None
        state = members.state_of(gateway) if members else None
        closed = (campaign.closed or frozenset()) | (members.closed if members else frozenset())
        if gateway in closed:
            return f"{gateway} is closed: it gets no update from this campaign"
        waves = assigned(declared - closed, wish.waves, wish.seed)
        number = next((n for n, wave in enumerate(waves, start=1) if gateway in wave), 0)
        if not number:
            return f"{gateway} is in no wave, so it is never released"
        wave = view.waves[number - 1]
        where = f"{gateway} is in wave {number} of {len(waves)} ({wave.name})"
        if state is not None:
            return f"{where}; it is in the campaign, {state}"
        return f"{where}; {wave_words(view, wave)}"

    def _failed(self, view: RolloutView) -> Sequence[str]:
        there = self.planned.live.campaigns.get(view.resource)
        if there is None or there.gateways is None:
            return ()
        states = there.gateways.states.items()
        return sorted(gw for state, ids in states if self.facts.stage(state) is Stage.FAILED for gw in ids)


async def looked(job: Job, options: Options) -> Looked:
    """Look once."""
    from reconciler.providers.opening import facts_of

    return Looked(await plan_once(job, options), facts_of(job.project.server))


def _no_rollout(name: str, known: Sequence[str]) -> ReconcilerError:
    hint = did_you_mean(name, known) or (
        f"There are: {', '.join(known)}." if known else "`spec.rollout` of a campaign declares one."
    )
    return ReconcilerError(f"the campaign {name!r} has no rollout here", hint=hint)


# --- words of a person ---------------------------------------------------------------------------


def pause(session: StateSession, name: str, reason: str) -> Answer:
    """Release nobody else until somebody resumes. ReconcilerError where it is aborted: that holds more."""
    resource = ResourceId(Kind.CAMPAIGN, name)
    if _record(session.state, resource).status is RolloutStatus.ABORTED:
        message = f"{resource}: its rollout is aborted, and a pause would hold less: nobody joins it as it is"
        hint = f"To go on when it may: `reconciler rollout resume {name} --reason TEXT`."
        raise ReconcilerError(message, hint=hint)
    return _say(session, name, "pause", reason, lambda it: replace(it, status=RolloutStatus.PAUSED))


def abort(session: StateSession, name: str, reason: str, *, stop: bool) -> Answer:
    """End it, as if its gate had failed; `stop`: the next look stops the campaign, too."""
    return _say(
        session, name, "abort", reason, lambda it: replace(it, status=RolloutStatus.ABORTED, stops=stop)
    )


def resume(session: StateSession, name: str, reason: str, *, forgive: Sequence[str] = ()) -> Answer:
    """Go on: the gate is asked again at the next look. `forgive`: failures that no longer count."""

    def changed(record: RolloutRecord) -> RolloutRecord:
        # At the next look an empty revision is replaced by what is declared then.
        return replace(record, status=RolloutStatus.PROGRESSING, stops=False, revision="")

    _not_beside(session.state, ResourceId(Kind.CAMPAIGN, name))
    return _say(session, name, "resume", reason, changed, forgive=forgive)


def promote(session: StateSession, name: str, reason: str, *, wave: int, skips: Sequence[str]) -> Answer:
    """Let a wave open without a person's word, and without what it `skips`, once."""

    def changed(record: RolloutRecord) -> RolloutRecord:
        others = tuple(each for each in record.promoted if each.wave != wave)
        return replace(record, promoted=(*others, Promotion(wave, tuple(skips))))

    return _say(session, name, "promote", reason, changed, more={"wave": str(wave)})


def _say(
    session: StateSession,
    name: str,
    word: str,
    reason: str,
    change: Callable[[RolloutRecord], RolloutRecord],
    *,
    forgive: Sequence[str] = (),
    more: dict[str, str] | None = None,
) -> Answer:
    resource = ResourceId(Kind.CAMPAIGN, name)
    _record(session.state, resource)
    about = {"resource": str(resource), "reason": reason, **(more or {})}
    with session.recording({"about": dict(about)}) as (writing, log):
        before = _record(writing.state, resource)
        after = change(before)
        if after.status is not before.status:
            after = replace(after, why=reason, by=session.who, at=session.now)
        refused = writing.state.campaigns[resource].members.get(ROLLOUT, {}).get(REFUSED)
        if word == "resume" and refused:
            # They are tried again, because the server may know them by now.
            writing.record(MembersForgotten(resource, tuple(sorted(refused)), ROLLOUT))
        if forgive:
            writing.record(MembersApplied(resource, ROLLOUT, FORGIVEN, tuple(forgive)))
        writing.record(RolloutNoted(resource, after))
        log.rollout(resource, before, after)
    sentence = f"{resource}: {_SENTENCES[word]}"
    if forgive:
        sentence += f"; {plural(len(forgive), 'failed gateway')} no longer count"
    return done(f"rollout-{word}", about, None, f"{sentence}; the next apply acts on it")


_SENTENCES = {
    "pause": "its rollout is paused",
    "abort": "its rollout is aborted",
    "resume": "its rollout goes on",
    "promote": "the wave may open",
}


def _not_beside(state: State, resource: ResourceId) -> None:
    """ReconcilerError while its way back is under way, as far as the state knows: only one may run."""
    owned = state.campaigns.get(resource)
    for name in sorted(owned.members.get(ROLLBACK, {}) if owned else ()):
        back = ResourceId(Kind.CAMPAIGN, name)
        its = state.campaigns.get(back)
        if its is None or its.rollout is None or its.status != DesiredStatus.STARTED:
            continue
        if its.rollout.status is not RolloutStatus.COMPLETE:
            message = (
                f"{resource} can't go on: its way back {back} is under way, and only one of them may run"
            )
            hint = (
                f"Let {name} complete. Or end it: `reconciler rollout abort {name} --stop --reason TEXT`,"
                " `reconciler apply`, and then resume."
            )
            raise ReconcilerError(message, hint=hint)


def _record(state: State, resource: ResourceId) -> RolloutRecord:
    owned: Owned | None = state.campaigns.get(resource)
    if owned is None or owned.rollout is None:
        known = [each.name for each, it in state.campaigns.items() if it.rollout is not None]
        raise _no_rollout(resource.name, sorted(known))
    return owned.rollout


def wave_number(workspace: Workspace, name: str, given: str | None, state: State) -> int:
    """The number of a wave that a person names, or the one after the wave that is open."""
    declared = check(workspace, offline=True).desired.campaigns
    wish = next((each.rollout for each in declared if each.resource.name == name and each.rollout), None)
    if wish is None:
        raise _no_rollout(name, sorted(each.resource.name for each in declared if each.rollout))
    names = [wave.name for wave in wish.waves]
    if given is None:
        opened = _record(state, ResourceId(Kind.CAMPAIGN, name)).wave
        if opened >= len(names):
            raise ReconcilerError(f"every wave of {name!r} is open", hint="There is nothing to promote.")
        return opened + 1
    if given in names:
        return names.index(given) + 1
    if given.isdecimal() and 0 < int(given) <= len(names):
        return int(given)
    hint = did_you_mean(given, names) or f"Its waves are {', '.join(names)}."
    raise ReconcilerError(f"the rollout of {name!r} has no wave {given!r}", hint=hint)
