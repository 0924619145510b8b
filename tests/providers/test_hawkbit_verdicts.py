"""An answer of hawkBit about something else, or that says no with a good status."""

from typing import Any

import pytest

from reconciler.providers.hawkbit.operations import operation
from reconciler.providers.hawkbit.verdicts import judge
from reconciler.providers.http.verdicts import Misdirected
from reconciler.providers.http.wire import Call

NAMES = {"get-rollout": "rollout", "edit-rollout": "rollout", "get-module": "module", "get-set": "set"}


@pytest.mark.parametrize("name", NAMES)
def test_another_object_is_refused(name: str) -> None:
    call = Call(operation(name), {NAMES[name]: "5"})
    assert judge(call, {"id": 5, "name": "x", "status": "error", "valid": False, "complete": False}) is None
    assert judge(call, {"name": "x"}) is None
    with pytest.raises(Misdirected, match=f"about {NAMES[name]} '6', and not about '5'"):
        judge(call, {"id": 6, "name": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("create-rollout", {"id": 7, "status": "error_creating"}),
        ("create-module", [{"id": 7, "deleted": False, "status": "error"}]),
        ("start-rollout", {}),
        ("pause-rollout", None),
        ("cancel-action", ""),
        ("tag-targets", [{"controllerId": "gw-1", "updateStatus": "error"}]),
        ("list-actions", {"content": [{"id": 1, "status": "error", "errors": ["x"]}], "total": 1}),
    ],
)
def test_what_objects_say_of_themselves_is_no_no(name: str, value: Any) -> None:
    assert judge(Call(operation(name)), value) is None


def test_a_no_is_a_no() -> None:
    found = judge(
        Call(operation("start-rollout"), {"rollout": "5"}), {"success": False, "message": "not now"}
    )
    assert found is not None
    assert found.words == "not now"
