"""The one status table of the API: what a status means, and what the server takes in it.

| status          | phase   | start | stop | approve | edit | delete | all else |
|-----------------|---------|-------|------|---------|------|--------|----------|
| CREATED         | ready   | yes   | -    | -       | yes  | yes    | yes      |
| APPROVED        | ready   | yes   | -    | -       | yes  | yes    | yes      |
| APPROVAL_NEEDED | waiting | -     | -    | yes     | yes  | yes    | yes      |
| STARTED         | running | -     | yes  | -       | *    | -      | yes      |
| STOPPED         | paused  | yes   | -    | -       | yes  | yes    | yes      |
| anything else   | unknown | -     | -    | -       | -    | -      | yes      |

\\* only when the server's settings say that it takes an edit of a started campaign.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.model import Phase, Verb
from reconciler.settings import EditWhileStarted

_PHASES: Final[Mapping[str, Phase]] = MappingProxyType(
    {
        "CREATED": Phase.READY,
        "APPROVED": Phase.READY,
        "APPROVAL_NEEDED": Phase.WAITING,
        "STARTED": Phase.RUNNING,
        "STOPPED": Phase.PAUSED,
    }
)
_KNOWN: Final = frozenset(_PHASES.values())
_ALL_BUT_RUNNING: Final = _KNOWN - {Phase.RUNNING}
_ALLOWED: Final[Mapping[Verb, frozenset[Phase]]] = MappingProxyType(
    {
        Verb.START: frozenset({Phase.READY, Phase.PAUSED}),
        Verb.STOP: frozenset({Phase.RUNNING}),
        Verb.APPROVE: frozenset({Phase.WAITING}),
        Verb.EDIT: _ALL_BUT_RUNNING,
        Verb.DELETE: _ALL_BUT_RUNNING,
    }
)


def phase(status: str) -> Phase:
    """What a status means; UNKNOWN for a word that the reference doesn't have."""
    return _PHASES.get(status.strip().upper(), Phase.UNKNOWN)


def allows(verb: Verb, in_phase: Phase, *, edits: EditWhileStarted = EditWhileStarted.STOP) -> bool:
    """Whether the server takes `verb` in `in_phase`. UNKNOWN allows what any phase allows."""
    allowed = _ALLOWED.get(verb, _KNOWN)
    if verb is Verb.EDIT and edits is EditWhileStarted.ALLOW:
        allowed = _KNOWN
    return allowed == _KNOWN if in_phase is Phase.UNKNOWN else in_phase in allowed
