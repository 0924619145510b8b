"""Which answers to each operation are about something else, or say no: `tests/golden/judged-*.txt`."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from reconciler.model import Json, Operation
from reconciler.providers.hawkbit import verdicts as hawkbit
from reconciler.providers.hawkbit.operations import OPERATIONS as OF_HAWKBIT
from reconciler.providers.http.verdicts import Misdirected
from reconciler.providers.http.wire import Call, Judge
from reconciler.providers.pulse.codec import verdicts as pulse
from reconciler.providers.pulse.operations import OPERATIONS as OF_PULSE
from tests.providers.told import grouped

KINDS: dict[str, tuple[Judge, Mapping[str, Operation]]] = {
    "pulse": (pulse.judge, OF_PULSE),
    "hawkbit": (hawkbit.judge, OF_HAWKBIT),
}
IDS = ("id", "uuid", "campaignId", "campaign_id", "campaignUuid", "gatewayId", "gateway_id", "gatewayUuid")
KEYS = (
    *IDS,
    "deviceId",
    "device_id",
    "packageId",
    "package_id",
    "programId",
    "program_id",
    "rollout",
    "module",
)
LISTS = ("gateways", "devices", "content", "items", "rows")
BODIES: dict[str, Json] = {
    **{f"{key} other": {key: "other"} for key in KEYS},
    "its id and another": {"id": "ITS", "uuid": "other"},
    "its id and another campaign": {"uuid": "ITS", "campaignId": "other"},
    **{f"{key} of a row": {key: [3, {"campaignId": "other"}]} for key in LISTS},
    "a bare row": [{"campaignId": "other"}],
    "a row of its own": {"gateways": [{"campaignId": "ITS"}]},
    "a status": {"status": "FAILED"},
    "a status, and an id": {"status": "FAILED", "id": "ITS"},
    "an error": {"error": "why"},
    "an error, and an id": {"error": "why", "id": "ITS"},
    **{
        f"an error, and a {key}": {"error": "why", key: "x"} for key in ("state", "campaignState", "progress")
    },
    "an error, and progress of packages": {"error": "why", "packagesProgress": []},
    "no success": {"success": False},
    "a status of 503": {"code": 503},
    "some that failed": {"failed": ["one"]},
    "nothing": {},
}


def _its(value: Any, wanted: str) -> Any:
    """`value`, about what was asked for."""
    if isinstance(value, dict):
        return {key: _its(each, wanted) for key, each in value.items()}
    if isinstance(value, list):
        return [_its(each, wanted) for each in value]
    return wanted if value == "ITS" else value


def _judged(judge: Judge, operation: Operation) -> Iterator[tuple[str, list[str]]]:
    """What is made of each body, where that isn't nothing."""
    ids = {name: f"its-{name}" for name in re.findall(r"{(\w+)}", operation.path)}
    call = Call(operation, ids, batch=("one", "two"))
    for name, body in BODIES.items():
        try:
            no = judge(call, _its(body, next(iter(ids.values()), "none")))
        except Misdirected as error:
            yield name, [f"! {error}"]
        else:
            if no is not None:
                yield name, [f"{no.words!r} {no.status or ''} {'some' if no.some else ''}".rstrip()]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_of_answers_to_each_operation(kind: str, golden: Callable[[str, str], Any]) -> None:
    judge, operations = KINDS[kind]
    found = ((name, [*grouped(_judged(judge, each))]) for name, each in operations.items())
    golden(f"judged-{kind}.txt", "".join(f"{line}\n" for line in grouped(found)))
