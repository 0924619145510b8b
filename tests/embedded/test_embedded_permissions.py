"""Tokens with permissions: what each operation asks for by the reference, and who is refused."""

from collections.abc import Iterator

import httpx
import pytest

from reconciler.embedded import Running
from reconciler.embedded.operations import API, Endpoint
from reconciler.embedded.tables.settings import PERMISSIONS

# Section by section of the reference: what "Required Permissions" names.
TABLE = """
create-campaign CREATE_CAMPAIGN            edit-campaign EDIT_CAMPAIGN
delete-campaign DELETE_CAMPAIGN            get-campaign VIEW_CAMPAIGN
start-campaign START_CAMPAIGN              stop-campaign STOP_CAMPAIGN
approve-campaign APPROVE_CAMPAIGN          list-campaigns VIEW_CAMPAIGN
register-completed-callback EDIT_CAMPAIGN  register-wake-up-callback EDIT_CAMPAIGN
register-state-change-callback EDIT_CAMPAIGN
register-execution-progress-callback EDIT_CAMPAIGN
register-download-progress-callback EDIT_CAMPAIGN
notify-gateway EDIT_CAMPAIGN               assign-gateway-packages EDIT_CAMPAIGN
get-gateway-packages VIEW_CAMPAIGN         list-gateways VIEW_CAMPAIGN
add-gateways EDIT_CAMPAIGN                 remove-gateways EDIT_CAMPAIGN
set-distribution-list EDIT_CAMPAIGN        get-distribution-list VIEW_CAMPAIGN
schedule-download SCHEDULE_CAMPAIGN        schedule-activation SCHEDULE_CAMPAIGN
schedule-execution SCHEDULE_CAMPAIGN       close-gateway EDIT_CAMPAIGN
get-gateway-state VIEW_CAMPAIGN            get-execution-progress VIEW_CAMPAIGN
get-download-progress VIEW_CAMPAIGN        get-active-campaigns VIEW_CAMPAIGN
get-campaign-status VIEW_CAMPAIGN          get-gateway-status VIEW_CAMPAIGN
get-campaign-counts VIEW_CAMPAIGN          get-package VIEW_PACKAGE
list-packages VIEW_PACKAGE                 delete-package DELETE_PACKAGE
upload-package CREATE_PACKAGE              stream-package CREATE_PACKAGE
run-on-things -
"""

WORDS = TABLE.split()
NEEDED = dict(zip(WORDS[::2], WORDS[1::2], strict=True))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def guarded() -> Iterator[httpx.Client]:
    """A server with a token for everything, one for nothing, and for each permission one without it."""
    with Running(token="all") as running, httpx.Client(base_url=running.url) as api:
        tokens = {f"no-{name}": sorted(PERMISSIONS - {name}) for name in PERMISSIONS} | {"none": []}
        answer = api.put("/_embedded/tokens", json=tokens, headers=bearer("all"))
        assert answer.json() == {"tokens": len(PERMISSIONS) + 1}
        yield api


def call(api: httpx.Client, operation: Endpoint, token: str) -> httpx.Response:
    path = operation.path.format(campaign_id="c", gateway_id="g", uuid="p")
    if operation.name == "upload-package":
        return api.post(path, files={"other": ("a", b"")}, headers=bearer(token))
    return api.request(operation.method, path, headers=bearer(token))


def test_the_table_has_every_operation_and_permission() -> None:
    assert set(NEEDED) == {operation.name for operation in API}
    assert len(NEEDED) == 38
    assert set(NEEDED.values()) - {"-"} == PERMISSIONS


@pytest.mark.parametrize("operation", API, ids=lambda operation: operation.name)
def test_an_operation_needs_its_permission_and_no_other(guarded: httpx.Client, operation: Endpoint) -> None:
    needed = NEEDED[operation.name]
    for token in ["none", *(f"no-{name}" for name in PERMISSIONS)]:
        answer = call(guarded, operation, token)
        if needed == "-" or token not in ("none", f"no-{needed}"):
            assert answer.status_code in (200, 400, 404), (token, answer.text)
        else:
            assert answer.status_code == 403
            assert needed in answer.json()["message"]
    assert call(guarded, operation, "nobody").status_code == 401


def test_controls_are_for_tokens_without_limits(guarded: httpx.Client) -> None:
    answer = guarded.get("/_embedded/settings", headers=bearer("no-EDIT_CAMPAIGN"))
    assert (answer.status_code, "control" in answer.json()["message"]) == (403, True)
    assert guarded.get("/_embedded/settings", headers=bearer("all")).status_code == 200
    assert guarded.get("/api/versions", headers=bearer("none")).status_code == 200


def test_an_open_server_limits_only_those_it_was_told_of() -> None:
    with Running() as running, httpx.Client(base_url=running.url) as api:
        api.put("/_embedded/tokens", json={"viewer": ["VIEW_CAMPAIGN"]})
        for headers, status in ((bearer("viewer"), 403), (bearer("other"), 200), ({}, 200)):
            assert api.post("/api/campaigns", json={"name": "n"}, headers=headers).status_code == status
            assert api.get("/api/campaigns", headers=headers).status_code == 200
        # The next set takes the place of this one.
        assert api.put("/_embedded/tokens", json={}).json() == {"tokens": 0}
        assert api.post("/api/campaigns", json={"name": "n"}, headers=bearer("viewer")).status_code == 200


@pytest.mark.parametrize("body", [{"t": "EDIT_CAMPAIGN"}, {"t": ["FLY"]}, {"t": [1]}, {"": []}, {"t": [[]]}])
def test_wrong_permissions_are_refused(guarded: httpx.Client, body: dict[str, object]) -> None:
    assert guarded.put("/_embedded/tokens", json=body, headers=bearer("all")).status_code == 400
    assert guarded.get("/api/campaigns", headers=bearer("no-EDIT_CAMPAIGN")).status_code == 200
