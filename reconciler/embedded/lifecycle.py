"""The status of a campaign: one table of what each call does in each status.

Own to the server: a client has its own reading of the same reference and must not share this one.

    call     CREATED  APPROVAL_NEEDED  APPROVED  STARTED  STOPPED
    approve  409      APPROVED         409       409      409
    start    STARTED  409              STARTED   409      STARTED
    stop     409      409              409       STOPPED  409
    edit     same     same             same (1)  409      same (1)
    delete   gone     gone             gone      409      gone

(1) `APPROVAL_NEEDED` for a campaign made under approval, when the setting `reapproveAfterEdit` is on.

Tests: `tests/embedded/test_embedded_machine.py`.
"""

from typing import Final

from reconciler.embedded.errors import Already, CallRefused

CREATED: Final = "CREATED"
APPROVAL_NEEDED: Final = "APPROVAL_NEEDED"
APPROVED: Final = "APPROVED"
STARTED: Final = "STARTED"
STOPPED: Final = "STOPPED"

STATUSES: Final = (CREATED, APPROVAL_NEEDED, APPROVED, STARTED, STOPPED)

MOVES: Final = {
    "approve": {APPROVAL_NEEDED: APPROVED},
    "start": {CREATED: STARTED, APPROVED: STARTED, STOPPED: STARTED},
    "stop": {STARTED: STOPPED},
}

FIRST_STATE: Final = "INSTANTIATED"

# The order in which a gateway goes through a campaign; FAILED can follow any of them.
GATEWAY_STATES: Final = (
    FIRST_STATE,
    "INVENTORY_UP_TO_DATE",
    "WAITING_FOR_DOWNLOAD_APPROVAL",
    "SCHEDULED_DOWNLOAD",
    "WAITING_FOR_DOWNLOAD",
    "DOWNLOAD_COMPLETE",
    "WAITING_FOR_EXECUTION_APPROVAL",
    "SCHEDULED_EXECUTION",
    "WAITING_FOR_EXECUTION",
    "EXECUTION_COMPLETE",
    "WAITING_FOR_ACTIVATION_APPROVAL",
    "SCHEDULED_ACTIVATION",
    "WAITING_FOR_ACTIVATION",
    "ACTIVATION_COMPLETE",
    "FAILED",
)

FINAL_STATES: Final = ("ACTIVATION_COMPLETE", "FAILED")
"""Nothing more comes of a gateway in one of these, unless an edit lets it run again (`rerunAfterEdit`)."""


def first(*, approval_needed: bool) -> str:
    """The status of a new campaign."""
    return APPROVAL_NEEDED if approval_needed else CREATED


def move(call: str, status: str) -> str:
    """The status after `approve`, `start` or `stop`; 409 where the table has none."""
    after = MOVES[call].get(status)
    if after is None:
        kind = Already if status in MOVES[call].values() else CallRefused
        raise kind(409, f"Cannot {call} a campaign that is {status}; it must be {' or '.join(MOVES[call])}.")
    return after


def edited(status: str, *, made_under_approval: bool, reapprove: bool) -> str:
    """The status after an edit; 409 while started."""
    if status == STARTED:
        raise CallRefused(409, "Cannot edit a campaign that is STARTED; stop it first.")
    if reapprove and made_under_approval and status in (APPROVED, STOPPED):
        return APPROVAL_NEEDED
    return status


def check_delete(status: str) -> None:
    """409 while started."""
    if status == STARTED:
        raise CallRefused(409, "Cannot delete a campaign that is STARTED; stop it first.")
