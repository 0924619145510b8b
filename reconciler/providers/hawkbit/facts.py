"""What this server can do, and what its words mean.

A rollout:

| status                             | phase   | start | stop | approve | edit | delete | tag  |
|------------------------------------|---------|-------|------|---------|------|--------|------|
| ready                              | ready   | yes   | -    | -       | yes  | yes    | yes  |
| waiting_for_approval               | waiting | -     | -    | yes     | yes  | yes    | yes  |
| running                            | running | -     | yes  | -       | yes  | yes    | yes  |
| paused                             | paused  | yes   | -    | -       | yes  | yes    | yes  |
| creating, starting, stopping       | busy    | -     | -    | -       | yes  | yes    | yes  |
| finished                           | finished | -    | -    | -       | yes  | yes    | yes  |
| stopped, approval_denied           | ended   | -     | -    | -       | yes  | yes    | yes  |

*Start* is `start`, or `resume` of a paused one; *stop* is `pause`: a stopped rollout never runs again. A
pause interrupts nobody. *Edit* is of name and description only.

Tests: `tests/providers/test_hawkbit_facts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.model import Action, Phase, UploadMode, Verb
from reconciler.providers.base import Changing, Detail, Facts, Field, FieldFacts, Limits, Lowered
from reconciler.providers.hawkbit.operations import OPERATIONS
from reconciler.providers.hawkbit.statuses import PHASES, STATES
from reconciler.settings import ServerSettings

BATCH: Final = 1000
"""Targets of a call, where nobody says how many."""
_FIELDS: Final[Mapping[Field, FieldFacts]] = MappingProxyType(
    {
        Field.NAME: FieldFacts(clearable=False),
        Field.DESCRIPTION: FieldFacts(),
        Field.PACKAGES: FieldFacts(clearable=False, changing=Changing.REPLACED, required=True),
        Field.DELIVERY: FieldFacts(clearable=False, changing=Changing.REPLACED),
        Field.GATEWAYS: FieldFacts(),
        Field.DISTRIBUTION: FieldFacts(clearable=False, changing=Changing.REPLACED),
        Field.CLOSED: FieldFacts(clearable=False),
        Field.STATUS: FieldFacts(clearable=False),
    }
)
_ALLOWED: Final[Mapping[Verb, frozenset[Phase]]] = MappingProxyType(
    {
        Verb.START: frozenset({Phase.READY, Phase.PAUSED}),
        Verb.STOP: frozenset({Phase.RUNNING}),
        Verb.APPROVE: frozenset({Phase.WAITING}),
    }
)
_ORDER: Final = (
    (Verb.UPLOAD,),
    (Verb.STOP,),
    (Verb.RETIRE,),
    (Verb.CREATE, Verb.EDIT),
    (Verb.REMOVE,),
    (Verb.ADD,),
    (Verb.CLOSE,),
    (Verb.APPROVE,),
    (Verb.END,),
    (Verb.START,),
    (Verb.DELETE,),
    (Verb.DELETE_PACKAGE,),
)
_LOWERED: Final[Mapping[Verb, str]] = MappingProxyType(
    {
        Verb.UPLOAD: "upload-artifact",
        Verb.CREATE: "create-rollout",
        Verb.EDIT: "edit-rollout",
        Verb.ADD: "tag-targets",
        Verb.REMOVE: "untag-targets",
        Verb.CLOSE: "cancel-action",
        Verb.APPROVE: "approve-rollout",
        Verb.START: "start-rollout",
        Verb.STOP: "pause-rollout",
        Verb.RETIRE: "edit-rollout",
        Verb.END: "stop-rollout",
        Verb.DELETE: "delete-rollout",
        Verb.DELETE_PACKAGE: "delete-module",
    }
)
_BATCHED: Final = frozenset({Verb.ADD, Verb.REMOVE})
_READS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "campaigns": "list-rollouts",
        "campaign": "get-rollout",
        "gateways": "list-actions",
        "distribution_list": "list-filters",
        "packages": "list-modules",
        "packages_of": "list-modules",
        "package": "get-module",
    }
)
_QUESTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "counts": "list-rollouts",
        "campaign_progress": "get-rollout",
        "gateway_state": "list-actions",
        "gateway_status": "list-actions",
        "gateway_packages": "get-rollout",
        "execution_progress": "list-actions",
        "active_campaigns": "list-actions",
        "package_infos": "list-modules",
        "package_info": "get-module",
    }
)
_LIMITS: Final = Limits(
    name=128,
    description=512,
    package_name=128,
    package_description=512,
    id=256,
    upload={UploadMode.MULTIPART: 1 << 30},
    reserved_ids={".": "it can't stand in an address", "..": "it can't stand in an address"},
    bad_in_ids="/;%\\ \t",
    file_characters="[A-Za-z0-9._-]",
)


def facts_of(settings: ServerSettings) -> Facts:
    """The facts of a server that is used as `settings` say."""

    def lower(action: Action) -> Lowered:
        batched = (settings.batch_size or BATCH) if action.verb in _BATCHED else 0
        per_call = 1 if action.verb is Verb.CLOSE else batched
        return Lowered(OPERATIONS[_LOWERED[action.verb]], per_call)

    return Facts(
        provider="hawkbit",
        operations=OPERATIONS,
        fields=_FIELDS,
        phases=PHASES,
        allowed=_ALLOWED,
        states=STATES,
        interrupting=frozenset({Verb.REMOVE, Verb.CLOSE, Verb.END, Verb.DELETE}),
        order=_ORDER,
        lowering=lower,
        writes={verb: (name,) for verb, name in _LOWERED.items()},
        reads=_READS,
        questions=_QUESTIONS,
        marks=lambda _: None,
        limits=_LIMITS,
        details=frozenset(Detail) - {Detail.INTERVAL},
        lists_decide=True,
    )
