"""Which object an answer of this server is about: the id that it answers is the one of the path.

Objects tell their own status, also after a write, and ``error`` is one of them.

Tests: `tests/providers/test_judged.py`, `tests/providers/test_hawkbit_verdicts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.model import Json
from reconciler.providers.http.verdicts import Denial, about
from reconciler.providers.http.wire import Call, judged

_ITSELF: Final[Mapping[str, str]] = {
    "get-rollout": "rollout",
    "edit-rollout": "rollout",
    "approve-rollout": "rollout",
    "get-module": "module",
    "get-set": "set",
}
"""Operations whose answer is the object, and the placeholder that its id stands for in the path."""


def judge(call: Call, value: Json) -> Denial | None:
    """See `Judge`."""
    own = _ITSELF.get(call.operation.name)
    if own is not None and own in call.ids:
        about(value, {own: (call.ids[own], ("id",))})
    return judged(call, value)
