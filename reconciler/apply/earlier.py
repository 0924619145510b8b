"""What holds a content before it is uploaded: none of that is what the upload makes, however alike it looks.

A content may be on the server already, of somebody else, or of a state that was lost. An upload in doubt is
looked for by its content, and so what was there before has to be known before it is sent; the intent keeps it
for the next run.

Tests: `tests/apply/test_apply_earlier.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from reconciler.apply.containment import contained
from reconciler.apply.patience import words
from reconciler.errors import Refused, ServerError
from reconciler.model import LivePackage, Outcome, OutcomeStatus, Step, UploadPackage
from reconciler.pacing import Clock, loop_time
from reconciler.providers.base import Reads
from reconciler.state.base import Intent, Uploaded
from reconciler.text import id_form

AGE: Final = 5.0
"""How old a list may be when an upload is sent, in seconds."""

THERE = "it is there, by another form of its id"
CAME = "it has come meanwhile: an earlier run sent it, and had no answer"


class EarlierPackages:
    """Who holds `contents`; one read for all uploads of a few seconds."""

    def __init__(self, reads: Reads, contents: Collection[str], *, clock: Clock = loop_time) -> None:
        self._reads = reads
        self._contents = contents
        self._clock = clock
        self._turn = asyncio.Lock()
        self._found: Mapping[str, tuple[LivePackage, ...]] = {}
        self._began = float("-inf")

    async def holding(self, sha256: str) -> list[str]:
        """The ids of the packages that hold it. Errors are those of the read."""
        async with self._turn:
            began = self._clock()
            if began - self._began > AGE:
                self._found = await contained("looking for packages", "packages", self._read)
                self._began = began
        return [package.id for package in self._found.get(sha256, ())]

    async def _read(self) -> Mapping[str, tuple[LivePackage, ...]]:
        return await self._reads.packages_of(self._contents)

    async def before(
        self, step: Step, action: UploadPackage, intent: Intent | None, known: Uploaded | None = None
    ) -> list[str] | Outcome:
        """The ids of those that hold it before `step` is sent; or its outcome, where it need not or can't be.

        `intent`: of an earlier run that had no answer. What came since then is what that one sent. `known`:
        what it was uploaded as, by an id that the server doesn't know: it may list it by another form of it.
        """
        try:
            here = await self.holding(action.file.sha256)
        except Refused:
            return []  # Who may not look won't take anything for an upload either.
        except ServerError as error:
            why = f"not sent, because a read that comes first failed: {words(error)}"
            return Outcome.unsent(step, OutcomeStatus.FAILED, why)
        if again := [each for each in here if known and id_form(each) == id_form(known.id)]:
            return Outcome(step, OutcomeStatus.NOT_NEEDED, THERE, 0, created=again[0])
        match intent.made(here) if intent else ():
            case ():
                return here
            case [one]:
                return Outcome(step, OutcomeStatus.NOT_NEEDED, CAME, 0, created=one)
            case several:
                why = f"{len(several)} packages may be what an earlier run uploaded: {' and '.join(several)}"
                return Outcome.unsent(step, OutcomeStatus.FAILED, why)
