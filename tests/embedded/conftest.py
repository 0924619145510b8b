"""A server over TCP in a thread of the test, a client for it, and what most tests make first."""

from collections.abc import Callable, Iterator, Sequence

import httpx
import pytest

from reconciler.embedded import Running
from tests.embedded.embedded_lab import Lab, Receiver

NewCampaign = Callable[..., str]
NewPackage = Callable[..., str]


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Running]:
    with Running(record=True) as running:
        yield running


@pytest.fixture
def server(shared_server: Running) -> Running:
    """A server as it is at first; one process for all tests, for to end one takes uvicorn a while."""
    context = shared_server.app.state.context
    with context.store.transaction(write=True) as db:
        for table in ("campaigns", "packages", "settings", "tokens"):
            db.execute(f"DELETE FROM {table}")
    context.recorder.configure(enabled=True, limit=10_000)
    shared_server.forget_calls()
    return shared_server


@pytest.fixture
def api(server: Running) -> Iterator[httpx.Client]:
    # No TLS here: loading its certificates would cost more than most tests.
    with httpx.Client(base_url=server.url, verify=False, trust_env=False) as client:
        yield client


@pytest.fixture
def new_package(api: httpx.Client) -> NewPackage:
    def make(name: str = "firmware.zip", content: bytes = b"content", description: str = "") -> str:
        answer = api.post(
            "/api/programs/", files={"file": (name, content)}, data={"description": description}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["uuid"])

    return make


@pytest.fixture
def new_campaign(api: httpx.Client) -> NewCampaign:
    def make(name: str = "winter", *, gateways: Sequence[str] = (), **spec: object) -> str:
        answer = api.post("/api/campaigns", json={"name": name, **spec})
        assert answer.status_code == 200, answer.text
        campaign_id = str(answer.json()["uuid"])
        if gateways:
            body = {"gatewayIds": list(gateways), "campaignId": campaign_id}
            assert api.post(f"/api/campaigns/{campaign_id}/devices", json=body).status_code == 200
        return campaign_id

    return make


@pytest.fixture
def campaign(new_campaign: NewCampaign) -> str:
    """A new campaign with the gateways gw-1 and gw-2."""
    return new_campaign(gateways=["gw-1", "gw-2"])


@pytest.fixture(scope="session")
def lab_server() -> Iterator[Running]:
    with Running() as running:
        yield running


@pytest.fixture
def lab(lab_server: Running) -> Iterator[Lab]:
    """A simulated world whose clock stands until it is stepped."""
    with Lab.fresh(lab_server) as lab:
        yield lab


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver.listening() as receiver:
        yield receiver
