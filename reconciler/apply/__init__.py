"""Run a plan: steps in parallel where the order allows, repeated as their operation may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from reconciler.apply.containment import ContainedWrites, HeedlessListener
from reconciler.apply.earlier import EarlierPackages
from reconciler.apply.outcomes import Outcomes
from reconciler.apply.patience import Delay
from reconciler.apply.readback import KeptReader
from reconciler.apply.retrier import Retrier
from reconciler.apply.run import Applied, Execution
from reconciler.apply.sender import ParcelSender
from reconciler.hiding import Hiding
from reconciler.model import Outcome, UploadPackage
from reconciler.model.doubts import OnDoubt, unheard
from reconciler.pacing import Settling
from reconciler.plan import Plan
from reconciler.providers.base import Provider, Source, Writes
from reconciler.state.base import Session

__all__ = ["Applied", "Outcomes", "apply_plan"]


async def apply_plan(
    plan: Plan,
    writes: Writes,
    session: Session,
    *,
    delay: Delay,
    parallelism: int,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
    on_together: Callable[[Sequence[Outcome]], None] = lambda _: None,
    stop: asyncio.Event | None = None,
    source: Source | None = None,
    hiding: Hiding | None = None,
    settling: Settling | None = None,
    on_doubt: OnDoubt = unheard,
    now: Callable[[], float] = time.time,
    sender: ParcelSender | None = None,
    on_parcel: Callable[[Sequence[Outcome]], None] | None = None,
) -> Applied:
    """Run every step of `plan`, at most `parallelism` at a time, and record what happens in `session`.

    When `stop` is set nothing new is sent, except for the starts that close an open bracket. A refused or
    failed step is an outcome, not an error, and so is what nobody foresaw. Once the state can't be written
    nothing new is sent: see `Applied.error`. `on_together` hears of steps that ended at the same moment, and
    `on_outcome` then of each of them; what needs them goes on once both have heard. `on_doubt` hears what is
    looked for; `now` answers epoch seconds. No outcome says what `hiding` knows, or a secret of `plan`. With
    a `source` what the server keeps of what was sent is read back. What `sender` carries goes out in parcels;
    `on_parcel` hears of steps that were done together, all of one group, in the place of these two.
    """
    readback = KeptReader(source.reads, source.facts, session.state.salt, delay) if source else None
    uploads = [group.action.file.sha256 for group in plan.groups if isinstance(group.action, UploadPackage)]
    peopled = frozenset(view.resource for view in plan.rollouts if view.entered)
    retrier = Retrier(ContainedWrites(writes), delay, settling, on_doubt, peopled)
    told = HeedlessListener(on_outcome)
    hiding, stop = hiding or Hiding(), stop or asyncio.Event()
    execution = Execution(
        plan,
        retrier,
        session,
        told,
        stop,
        on_together=HeedlessListener(on_together),
        hiding=hiding,
        readback=readback,
        earlier=EarlierPackages(source.reads, uploads) if source and uploads else None,
        now=now,
        server_now=source.now if isinstance(source, Provider) else lambda: None,
        sender=sender,
        on_parcel=HeedlessListener(on_parcel) if on_parcel else None,
    )
    return await execution.run(parallelism)
