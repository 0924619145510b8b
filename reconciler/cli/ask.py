"""Questions on the terminal."""

from __future__ import annotations

import sys

from reconciler.cli.output import write
from reconciler.cli.signals import interruptible
from reconciler.errors import ReconcilerError


def confirmed(question: str, *, refusal: str, hint: str) -> bool:
    """Whether the answer to `question` is *yes*; ReconcilerError(`refusal`) without a terminal to ask on."""
    if not sys.stdin.isatty():
        raise ReconcilerError(refusal, hint=hint)
    with interruptible():
        write([question], sys.stderr)
        return sys.stdin.readline().strip() == "yes"
