"""The controls of the embedded server, its answers to what is nowhere, and its registry of operations."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import NoReturn

import httpx
import pytest

import reconciler.embedded
from reconciler.embedded import EmbeddedError, Running
from reconciler.embedded.operations import API

NewPackage = Callable[..., str]

DEFAULTS = {
    "approvalNeeded": False,
    "reapproveAfterEdit": False,
    "rerunAfterEdit": False,
    "maxPageSize": 1000,
    "maxMultipartBytes": 1 << 30,
    "maxRecordedCalls": 10_000,
}


def test_settings_are_changed_one_by_one(api: httpx.Client) -> None:
    assert api.get("/_embedded/settings").json() == DEFAULTS | {"record": True}
    answer = api.put("/_embedded/settings", json={"approvalNeeded": True})
    assert answer.json() == DEFAULTS | {"record": True, "approvalNeeded": True}
    answer = api.put("/_embedded/settings", json={"maxPageSize": 7, "record": False})
    expected = DEFAULTS | {"record": False, "approvalNeeded": True, "maxPageSize": 7}
    assert answer.json() == api.get("/_embedded/settings").json() == expected


@pytest.mark.parametrize(
    "body",
    [
        {"nobody": 1},
        {"approvalNeeded": "yes"},
        {"approvalNeeded": None},
        {"maxPageSize": 0},
        {"maxPageSize": True},
        {"maxPageSize": 1.0},
        {"maxRecordedCalls": 1 << 60},
        {"record": 1},
    ],
)
def test_a_wrong_setting_changes_nothing(api: httpx.Client, body: dict[str, object]) -> None:
    answer = api.put("/_embedded/settings", json={"approvalNeeded": True, **body})
    assert answer.status_code == 400
    assert next(iter(body)) in answer.json()["message"]
    assert api.get("/_embedded/settings").json() == DEFAULTS | {"record": True}


def test_calls_are_recorded_in_order(server: Running, api: httpx.Client) -> None:
    campaign_id = api.post("/api/campaigns", json={"name": "n"}).json()["uuid"]
    api.get("/api/campaigns", params={"page.size": 5})
    api.get("/api/nowhere")
    api.put(f"/api/campaigns/{campaign_id}/start", content=b"{", headers={"Content-Type": "application/json"})
    api.post("/api/programs/", content=b"x", headers={"Content-Disposition": "a; filename=x"})
    api.get("/_embedded/settings")
    expected = [
        ("POST", "/api/campaigns", 200, {"name": "n"}),
        ("GET", "/api/campaigns", 200, None),
        ("GET", "/api/nowhere", 404, None),
        ("PUT", f"/api/campaigns/{campaign_id}/start", 400, None),
        ("POST", "/api/programs/", 200, None),
    ]
    assert server.calls == expected
    assert server.calls[1].path == "/api/campaigns"
    seen = api.get("/_embedded/calls").json()["calls"]
    assert [(one["method"], one["path"], one["status"], one["body"]) for one in seen] == expected
    assert seen[1]["query"] == "page.size=5"
    assert api.delete("/_embedded/calls").json() == {}
    assert server.calls == []
    api.get("/api/campaigns")
    assert len(server.calls) == 1
    server.forget_calls()
    assert server.calls == []


def test_a_body_in_pieces_is_recorded_whole(server: Running, api: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"na'
        yield b'me": "n"}'

    api.post("/api/campaigns", content=pieces(), headers={"Content-Type": "application/json"})
    assert server.calls[0].body == {"name": "n"}


def test_a_body_beyond_the_limit_is_neither_read_nor_recorded(
    server: Running, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.embedded.app.MAX_BODY", 1000)
    monkeypatch.setattr("reconciler.embedded.middleware.MAX_RECORDED_BODY", 10)
    small = {"name": "n" * 100}
    assert api.post("/api/campaigns", json=small).status_code == 200
    answer = api.post("/api/campaigns", json={"name": "n" * 1_000_000})
    assert (answer.status_code, "1000 bytes" in answer.json()["message"]) == (413, True)
    assert api.get("/api/campaigns").json()["pageResponse"]["totalElements"] == "1"


def test_the_record_is_off_and_bounded() -> None:
    with Running() as running, httpx.Client(base_url=running.url) as api:
        api.get("/api/campaigns")
        assert running.calls == []
        api.put("/_embedded/settings", json={"record": True, "maxRecordedCalls": 2})
        for number in range(5):
            api.get(f"/api/{number}")
        assert [call.path for call in running.calls] == ["/api/3", "/api/4"]
        api.put("/_embedded/settings", json={"maxRecordedCalls": 1})
        assert [call.path for call in running.calls] == ["/api/4"]


@pytest.mark.parametrize("path", ["/", "/api", "/nowhere", "/api/campaigns/a/b/c", "/_embedded/nobody"])
def test_nothing_there_is_404(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, path in answer.json()["message"]) == (404, True)


def test_a_wrong_method_is_405_and_names_the_right_ones(api: httpx.Client) -> None:
    answer = api.patch("/api/campaigns/x/devices")
    assert answer.status_code == 405
    assert {"GET", "POST", "PUT"} <= set(answer.headers["Allow"].split(", "))
    assert "PATCH" in answer.json()["message"]


def test_head_is_get_without_a_body(api: httpx.Client) -> None:
    answer = api.head("/api/campaigns")
    assert (answer.status_code, answer.content) == (200, b"")


def test_inspecting_what_is_not_there(api: httpx.Client) -> None:
    for path in ("campaigns/x", "campaigns/x/devices/y", "programs/x"):
        assert api.get(f"/_embedded/{path}").status_code == 404


@pytest.mark.parametrize(
    ("error", "status"), [(sqlite3.OperationalError("disk is full"), 503), (KeyError("seq"), 500)]
)
def test_trouble_inside_is_one_sentence(
    server: Running, api: httpx.Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr("reconciler.embedded.tables.campaigns.counts", fail)
    answer = api.get("/api/campaign-status/campaigns")
    assert answer.status_code == status
    assert "embedded server" in answer.json()["message"]
    assert "Traceback" not in answer.text
    assert api.get("/api/campaigns").status_code == 200


OPERATIONS = """create-campaign edit-campaign delete-campaign get-campaign start-campaign stop-campaign
approve-campaign list-campaigns register-completed-callback register-wake-up-callback
register-state-change-callback register-execution-progress-callback register-download-progress-callback
notify-gateway assign-gateway-packages get-gateway-packages list-gateways add-gateways remove-gateways
set-distribution-list get-distribution-list schedule-download schedule-activation schedule-execution
close-gateway get-gateway-state get-execution-progress get-download-progress get-active-campaigns
get-campaign-status get-gateway-status get-campaign-counts get-package list-packages delete-package
upload-package stream-package run-on-things"""


def test_the_registry_has_the_operations_of_the_reference() -> None:
    names = [operation.name for operation in API]
    assert len(names) == len(set(names)) == 38
    assert set(names) == set(OPERATIONS.split())
    without = {operation.name for operation in API if operation.permission is None}
    assert without == {"run-on-things"}


def test_every_operation_answers(api: httpx.Client, new_package: NewPackage) -> None:
    """One walk in the order of a campaign's life calls each operation of the registry; none refuses."""
    api.put("/_embedded/settings", json={"approvalNeeded": True})
    package, spare = new_package(), new_package()
    stream = {"Content-Disposition": "attachment; filename=s.zip"}
    answer = api.post("/api/campaigns", json={"name": "n"})
    ids = {"campaign_id": answer.json()["uuid"], "gateway_id": "gw-1", "uuid": package}
    window = {"begin": "1", "end": "2"}
    callback = {"notificationDestinationId": "d"}
    bodies: dict[str, object] = {
        "create-campaign": {"name": "n"},
        "edit-campaign": {"updateSpec": {"name": "n"}},
        "set-distribution-list": {"distributionListId": "d", "reevaluationIntervalSeconds": "60"},
        "add-gateways": {"gatewayIds": ["gw-1", "gw-2"]},
        "remove-gateways": {"gatewayIds": ["gw-2"]},
        "assign-gateway-packages": {"packages": [spare]},
        "run-on-things": {"gateway_things": [{"gateway_id": "gw-1", "thing_ids": ["t"]}]},
    }
    bodies |= {f"schedule-{phase}": window for phase in ("download", "execution", "activation")}
    bodies |= {operation.name: callback for operation in API if "callback" in operation.name}
    late = ["approve-campaign", "start-campaign", "stop-campaign", "delete-campaign", "delete-package"]
    early = ["upload-package", "stream-package", "create-campaign", "edit-campaign", "add-gateways"]
    early += ["set-distribution-list", "remove-gateways"]
    by_name = {operation.name: operation for operation in API}
    middle = [name for name in by_name if name not in (*early, *late)]
    for name in [*early, *middle, *late]:
        operation = by_name[name]
        path = operation.path.format(**ids)
        if name == "upload-package":
            answer = api.post(path, files={"file": ("m.zip", b"x")})
        elif name == "stream-package":
            answer = api.post(path, content=b"x", headers=stream)
        else:
            answer = api.request(operation.method, path, json=bodies.get(name))
        assert answer.status_code == 200, (name, answer.text)
        assert isinstance(answer.json(), dict)


def test_public_names() -> None:
    for name in reconciler.embedded.__all__:
        assert getattr(reconciler.embedded, name).__name__ == name
    with pytest.raises(AttributeError, match="nobody"):
        _ = reconciler.embedded.nobody


def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.embedded.find_spec", lambda name: None if name == "uvicorn" else object())
    with pytest.raises(EmbeddedError, match=r"uvicorn: pip install 'reconciler\[embedded\]'"):
        _ = reconciler.embedded.create_app
