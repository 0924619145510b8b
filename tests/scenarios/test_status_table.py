"""Every live status × desired status × edit: legal calls in order, or a refusal while planning."""

from itertools import product
from pathlib import Path

import pytest

from tests.world import World, run

START, STOP, EDIT, APPROVE = "start-campaign", "stop-campaign", "edit-campaign", "approve-campaign"

# live status: the calls that bring a campaign there
LIVE = {
    "CREATED": (False, []),
    "APPROVAL_NEEDED": (True, []),
    "APPROVED": (True, ["approve"]),
    "STARTED": (False, ["start"]),
    "STARTED with approval": (True, ["approve", "start"]),
    "STOPPED": (False, ["start", "stop"]),
    "STOPPED with approval": (True, ["approve", "start", "stop"]),
}
EDITS = {
    "nothing": "description: d",
    "description": "description: other",
    "name": "description: d\n  name: other",
    "settings": "description: d\n  settings: {A: b}",
    "both": "description: other\n  name: other",
}


def expected(live: str, desired: str | None, approve: bool, edited: bool) -> list[str]:
    """The table itself, in words of the life cycle."""
    status = live.split(maxsplit=1)[0]
    edit = [EDIT] if edited else []
    approval = [APPROVE] if approve and status == "APPROVAL_NEEDED" else []
    if status == "STARTED":
        if desired == "STOPPED":
            return [STOP, *edit]
        return [STOP, *edit, START] if edited else []
    if desired != "STARTED" or (status == "APPROVAL_NEEDED" and not approve):
        return [*edit, *approval]
    return [*edit, *approval, START]


@pytest.mark.parametrize(
    ("live", "desired", "approve", "edit"),
    list(product(LIVE, (None, "STARTED", "STOPPED"), (False, True), EDITS)),
)
def test_table(live: str, desired: str | None, approve: bool, edit: str, tmp_path: Path) -> None:
    approval_needed, calls = LIVE[live]

    def resource(spec: str, status: str | None, approve: bool) -> str:
        wish = f"\n  desiredStatus: {status}" if status else ""
        return (
            "apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: c}\n"
            f"spec:\n  {spec}\n  approve: {str(approve).lower()}{wish}\n"
        )

    async def body() -> None:
        async with World.open(tmp_path, approval_needed=approval_needed) as world:
            await world.apply(resource(EDITS["nothing"], None, approve=False))
            [campaign] = await world.provider.reads.campaigns()
            for call in calls:
                await getattr(world.provider.reads, f"{call}_campaign")(campaign.id)
            text = resource(EDITS[edit], desired, approve)
            plan = expected(live, desired, approve, edit != "nothing")
            assert await world.plan(text) == plan
            assert await world.apply(text) == plan
            assert await world.plan(text) == []

    run(body())
