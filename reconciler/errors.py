"""The error tree. Only the command line turns an error into an exit code.

ReconcilerError                  1
├── UsageError                  64   the command line is wrong
├── InvalidInput                 1   findings in files; carries all of them
├── StalePlan                    1   what a plan touches changed before it was applied; names all of it
│   └── UnusablePlan             4   a plan file is stale, altered, somebody else's, or was applied already
├── StateError                   1   the state can't be read, written or locked
│   ├── StateLocked              1
│   └── WrongServer              1
└── ServerError                  1   about one request
    ├── NotExecuted              1   surely not executed: not sent, or the server wants to be asked later
    ├── Unclear                  1   may have been executed: cut, timed out, failed, unreadable answer
    │   └── Unforeseen           1   so may this, which failed here in a way that nobody foresaw
    ├── PartlyDone               1   done for some of the gateways that the call names
    ├── Refused                  1   answered with a clear no
    └── Unauthorized             1   not accepted as who we are, after one new sign-in

Tests: `tests/e2e/test_e2e_exit_codes.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from reconciler.text import cut, plural

if TYPE_CHECKING:
    from reconciler.model import Finding  # half of what `--help` would cost


_LONGEST_REQUEST: Final = 500


class Exit(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    ERROR = 1
    HAS_STEPS = 2
    PARTLY = 3
    STALE_PLAN = 4
    GUARD = 5
    NOT_OURS = 6
    ROLLOUT_ABORTED = 7
    USAGE = 64


class ReconcilerError(Exception):
    """Something that a person has to know: what happened, and in ``hint`` what to do next."""

    exit_code = Exit.ERROR

    def __init__(self, message: str, *, hint: str | None = None, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.findings = tuple(findings)
        """All that it is about, where that is more than the message says."""

    def hide(self, hiding: Callable[[str], str]) -> None:
        """Say the same without what `hiding` takes out."""
        self.message = hiding(self.message)
        self.args = (self.message,)
        self.hint = None if self.hint is None else hiding(self.hint)
        self.findings = tuple(replace(each, message=hiding(each.message)) for each in self.findings)


def unreadable(path: object, error: OSError) -> ReconcilerError:
    """Of a file that can't be read: why, and what to do about it."""
    hint = {
        errno.ENOENT: "Is the path right?",
        errno.EISDIR: "Name a file, not a folder.",
        errno.EACCES: "Let this user read the file.",
        errno.EPERM: "Let this user read the file.",
    }.get(error.errno or 0, "Is it a file that this user may read?")
    return ReconcilerError(f"{path} can't be read: {error.strerror or error}", hint=hint)


def unwritable(path: object, error: OSError) -> ReconcilerError:
    """Of a file or folder that can't be written: why, and what to do about it."""
    hint = "Name a place in a folder that is there and that this user may write to."
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        hint = "Make room on that disk, then run the same command again."
    return ReconcilerError(f"{path} can't be written: {error.strerror or error}", hint=hint)


class UsageError(ReconcilerError):
    """The command line is wrong."""

    exit_code = Exit.USAGE


class InvalidInput(ReconcilerError):
    """Files that can't be used; ``findings`` holds everything that was found in this run."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        errors = sum(finding.is_error for finding in findings)
        super().__init__(f"{plural(errors, 'error')} in the input", findings=findings)


class StalePlan(ReconcilerError):
    """A plan no longer fits what it touches; nothing was written."""


class UnusablePlan(StalePlan):
    """A plan file can't be applied; nothing was written."""

    exit_code = Exit.STALE_PLAN


class StateError(ReconcilerError):
    """The state can't be read, written or trusted."""


class StateLocked(StateError):
    """Somebody else holds the lock; the message says who, since when and for what."""


class WrongServer(StateError):
    """The state belongs to another server."""


class Refusal(StrEnum):
    """What a server's no may mean; the provider knows its server's ways to say it."""

    MAY_HAVE_HAPPENED = "may-have-happened"
    """That is how the server says no to what is done already, too."""
    ABOUT_SOME_GATEWAYS = "about-some-gateways"
    """It may be about some of the gateways of a call, and not about all of them."""
    NO_SUCH_OBJECT = "no-such-object"
    NOT_AN_ID = "not-an-id"
    """What stands for an id may be none, whatever there is on the server."""
    NOT_PERMITTED = "not-permitted"
    TOO_LARGE = "too-large"
    """It carries more than the server, or a proxy before it, takes: a smaller one may go through."""


class ServerError(ReconcilerError):
    """One request that didn't succeed.

    ``request`` is ``METHOD path``, ``status`` the HTTP status if there was an answer, ``retry_after``
    seconds that the server asked to wait, ``meaning`` what its no may mean, ``gateways`` whom of a call it is
    about, where the server names them: for the others the same call may be sent again at once.
    """

    def __init__(
        self,
        message: str,
        *,
        request: str,
        status: int | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
        meaning: frozenset[Refusal] = frozenset(),
        gateways: Sequence[str] = (),
    ) -> None:
        # It may contain an id of any length.
        self.request = cut(request, _LONGEST_REQUEST)
        super().__init__(f"{self.request}: {message}", hint=hint)
        self.status = status
        self.retry_after = retry_after
        self.meaning = meaning
        self.gateways = tuple(gateways)


class NotExecuted(ServerError):
    """The server surely did nothing: it was never reached, or wants to be asked later."""


class Unclear(ServerError):
    """The server may or may not have done it."""


class Unforeseen(Unclear):
    """A bug of ours, or a fault of this machine, while a request was made or its answer was read."""


class PartlyDone(ServerError):
    """The server says that it did it for some of the gateways only.

    ``failed``: gateway → why, of those that it names; it may name none.
    """

    def __init__(
        self, message: str, *, request: str, failed: Mapping[str, str], status: int | None = None
    ) -> None:
        super().__init__(message, request=request, status=status)
        self.failed = dict(failed)


class Refused(ServerError):
    """The server said no, and did nothing."""


class Unauthorized(Refused):
    """The server doesn't accept who we are, also after a new sign-in."""


# --- what nobody foresaw -------------------------------------------------------------------------

REPORT: Final = "Please report it with this line"


def fault(error: BaseException) -> tuple[str, str | None]:
    """What an error that is none of ours says, and what to do: where it happened, never with what values.

    They may be secret.
    """
    match error:
        case BaseExceptionGroup():
            return fault(error.exceptions[0])
        case OSError():
            what = error.strerror or type(error).__name__
            if not error.filename:
                return what, None
            return (
                f"{error.filename}: {what}",
                "See that the path is right, and that this user may read and write there",
            )
        case MemoryError():
            return "there is not enough memory", "Plan a part of the project: --target, --selector"
    where = "a place that nobody knows"
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        where, trace = f"{code.co_name}, {code.co_filename}:{trace.tb_lineno}", trace.tb_next
    return f"this is a bug in reconciler: {type(error).__name__} in {where}", REPORT


def fault_in_words(error: BaseException) -> str:
    """The same as one text."""
    what, hint = fault(error)
    return f"{what.rstrip('.')}. {hint}." if hint else what
