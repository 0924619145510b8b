"""What this server can do, and what its words mean.

A campaign:

| status          | phase   | start | stop | approve | edit | delete | all else |
|-----------------|---------|-------|------|---------|------|--------|----------|
| CREATED         | ready   | yes   | -    | -       | yes  | yes    | yes      |
| APPROVED        | ready   | yes   | -    | -       | yes  | yes    | yes      |
| APPROVAL_NEEDED | waiting | -     | -    | yes     | yes  | yes    | yes      |
| STARTED         | running | -     | yes  | -       | *    | -      | yes      |
| STOPPED         | paused  | yes   | -    | -       | yes  | yes    | yes      |
| anything else   | unknown | -     | -    | -       | -    | -      | yes      |

\\* only when the settings say that the server takes an edit of a started campaign.

The states of a gateway are documented up to WAITING_FOR_DOWNLOAD_APPROVAL; the rest is how the names read.
FAILED ends every phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from reconciler.model import Phase, SchedulePhase, UploadMode, Verb
from reconciler.providers.base import Detail, Facts, Field, FieldFacts, Limits, Stage, StateFacts
from reconciler.providers.base.facts import KNOWN
from reconciler.providers.pulse.codec.marks import DESCRIPTION_LIMIT, mark, mark_of
from reconciler.providers.pulse.codec.statuses import PHASES
from reconciler.providers.pulse.lowering import WRITES, lower
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.settings import EditWhileStarted, ServerSettings

BATCH: Final = 100
"""Gateways of a call, where nobody says how many."""
_FIELDS: Final[Mapping[Field, FieldFacts]] = MappingProxyType(
    {
        Field.NAME: FieldFacts(clearable=False),
        Field.DESCRIPTION: FieldFacts(),
        Field.PACKAGES: FieldFacts(),
        Field.SETTINGS: FieldFacts(readable=False),
        Field.GATEWAYS: FieldFacts(),
        Field.DISTRIBUTION: FieldFacts(clearable=False),
        Field.OVERRIDES: FieldFacts(clearable=False),
        Field.SCHEDULES: FieldFacts(readable=False, clearable=False),
        Field.CALLBACKS: FieldFacts(readable=False, clearable=False),
        Field.CLOSED: FieldFacts(clearable=False),
        Field.THINGS: FieldFacts(readable=False, clearable=False),
        Field.STATUS: FieldFacts(clearable=False),
    }
)
_ALL_BUT_RUNNING: Final = KNOWN - {Phase.RUNNING}
_ALLOWED: Final[Mapping[Verb, frozenset[Phase]]] = MappingProxyType(
    {
        Verb.START: frozenset({Phase.READY, Phase.PAUSED}),
        Verb.STOP: frozenset({Phase.RUNNING}),
        Verb.APPROVE: frozenset({Phase.WAITING}),
        Verb.EDIT: _ALL_BUT_RUNNING,
        Verb.DELETE: _ALL_BUT_RUNNING,
    }
)
_ORDER: Final = (
    (Verb.UPLOAD,),
    (Verb.STOP,),
    (Verb.CREATE, Verb.EDIT),
    (Verb.CALLBACK, Verb.DISTRIBUTE),
    (Verb.REMOVE,),
    (Verb.ADD,),
    (Verb.OVERRIDE,),
    (Verb.SCHEDULE,),
    (Verb.THINGS,),
    (Verb.CLOSE,),
    (Verb.APPROVE,),
    (Verb.START,),
    (Verb.DELETE,),
    (Verb.DELETE_PACKAGE,),
)
_READS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "campaigns": "list-campaigns",
        "campaign": "get-campaign",
        "gateways": "list-gateways",
        "distribution_list": "get-distribution-list",
        "overrides": "get-gateway-packages",
        "packages": "list-packages",
        "packages_of": "list-packages",
        "package": "get-package",
    }
)
_QUESTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "counts": "get-campaign-counts",
        "campaign_progress": "get-campaign-status",
        "gateway_state": "get-gateway-state",
        "gateway_status": "get-gateway-status",
        "gateway_packages": "get-gateway-packages",
        "download_progress": "get-download-progress",
        "execution_progress": "get-execution-progress",
        "active_campaigns": "get-active-campaigns",
        "notify": "notify-gateway",
        "package_infos": "list-packages",
        "package_info": "get-package",
    }
)
_LIMITS: Final = Limits(
    package_name=255,
    package_description=DESCRIPTION_LIMIT - len(mark("", "0" * 64)),
    id=255,
    upload={UploadMode.MULTIPART: 1_000_000_000},
    reserved_ids={
        "things": "it would make another address: …/devices/things is the operation *Run on Things*",
        ".": "it can't stand in an address",
        "..": "it can't stand in an address",
    },
)
_STATES: Final = (
    ("INSTANTIATED", Stage.IDLE),
    ("INVENTORY_UP_TO_DATE", Stage.IDLE),
    ("WAITING_FOR_DOWNLOAD_APPROVAL", Stage.IDLE),
    ("SCHEDULED_DOWNLOAD", Stage.UNDER_WAY),
    ("WAITING_FOR_DOWNLOAD", Stage.UNDER_WAY),
    ("DOWNLOAD_COMPLETE", Stage.UNDER_WAY),
    ("WAITING_FOR_EXECUTION_APPROVAL", Stage.UNDER_WAY),
    ("SCHEDULED_EXECUTION", Stage.UNDER_WAY),
    ("WAITING_FOR_EXECUTION", Stage.UNDER_WAY),
    ("EXECUTION_COMPLETE", Stage.UNDER_WAY),
    ("WAITING_FOR_ACTIVATION_APPROVAL", Stage.UNDER_WAY),
    ("SCHEDULED_ACTIVATION", Stage.UNDER_WAY),
    ("WAITING_FOR_ACTIVATION", Stage.UNDER_WAY),
    ("ACTIVATION_COMPLETE", Stage.DONE),
)


def _states() -> Iterator[tuple[str, StateFacts]]:
    """Each state; a phase is past from its ``…_COMPLETE`` on."""
    past: frozenset[SchedulePhase] = frozenset()
    for state, stage in _STATES:
        past |= {phase for phase in SchedulePhase if state == f"{phase.upper()}_COMPLETE"}
        loading = stage is Stage.UNDER_WAY and SchedulePhase.DOWNLOAD not in past
        yield state, StateFacts(stage, past, loading)
    yield "FAILED", StateFacts(Stage.FAILED, frozenset(SchedulePhase))


def facts_of(settings: ServerSettings) -> Facts:
    """The facts of a server that is used as `settings` say."""
    edits = settings.edit_while_started is EditWhileStarted.ALLOW
    return Facts(
        provider="pulse",
        operations=OPERATIONS,
        fields=_FIELDS,
        phases=PHASES,
        allowed={**_ALLOWED, Verb.EDIT: KNOWN} if edits else _ALLOWED,
        states=dict(_states()),
        interrupting=frozenset({Verb.STOP, Verb.REMOVE, Verb.CLOSE, Verb.DELETE}),
        order=_ORDER,
        lowering=partial(lower, batch_size=settings.batch_size or BATCH),
        writes=WRITES,
        reads=_READS,
        questions=_QUESTIONS,
        marks=mark_of,
        limits=_LIMITS,
        # The reference doesn't say.
        finished_run_again=settings.finished_run_again,
        details=frozenset({Detail.INTERVAL}),
    )
