"""Who may call the embedded server, and what it says to everybody else."""

from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from reconciler.embedded import EmbeddedError, Running, create_app
from reconciler.embedded.tables.settings import MAX_TOKENS


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_versions_are_for_everybody() -> None:
    with Running(token="t") as running:
        assert httpx.get(f"{running.url}/api/versions").json() == {"currentApiVersion": "0.17"}


@pytest.mark.parametrize(
    "header",
    [
        {},
        bearer("wrong"),
        {"Authorization": "t"},
        {"Authorization": "Bearer"},
        {"Authorization": b"Bearer \xe4"},
    ],
)
def test_without_the_token_there_is_only_401(header: dict[str, str]) -> None:
    with Running(token="t") as running, httpx.Client(base_url=running.url) as api:
        for answer in (
            api.get("/api/campaigns", headers=header),
            api.post("/api/programs/", headers=header, content=b"x" * 3_000_000),
            api.get("/_embedded/settings", headers=header),
        ):
            assert answer.status_code == 401
            assert "Bearer" in answer.headers["WWW-Authenticate"]
            assert "token" in answer.json()["message"]


def test_the_token_opens_everything() -> None:
    with Running(token="t") as running, httpx.Client(base_url=running.url, headers=bearer("t")) as api:
        assert api.get("/api/campaigns").status_code == 200
        assert api.get("/api/campaigns", headers={"Authorization": "bearer t"}).status_code == 200
        assert api.get("/api/campaigns", headers={"x-current-org-id": "org"}).status_code == 200
        # There is no user who could sign in.
        assert api.get("/api/tokens", auth=("", "")).status_code == 401


def test_signing_in_gives_a_token(tmp_path: Path) -> None:
    database = tmp_path / "server.db"
    with Running(database, username="ann", password="pässword") as running:
        answer = httpx.get(f"{running.url}/api/tokens", auth=("ann", "pässword")).json()
        assert set(answer) == {"accessToken", "refreshToken"}
        again = httpx.get(f"{running.url}/api/tokens", auth=("ann", "pässword")).json()
        assert len({*answer.values(), *again.values()}) == 4
    # Tokens outlive the process, as digests only.
    with Running(database, username="ann", password="pässword") as running:
        for header, status in (
            (bearer(answer["accessToken"]), 200),
            (bearer(again["accessToken"]), 200),
            (bearer(answer["refreshToken"]), 401),
        ):
            assert httpx.get(f"{running.url}/api/campaigns", headers=header).status_code == status
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert answer["accessToken"].encode() not in stored


def basic(raw: bytes) -> str:
    return "Basic " + b64encode(raw).decode()


@pytest.mark.parametrize(
    "header",
    [
        None,
        basic(b"ann:wrong"),
        basic(b"bob:secret"),
        basic(b"ann"),
        basic(b"\xff:\xff"),
        "Basic ???",
        "Bearer ann:secret",
        "Basic",
    ],
)
def test_wrong_credentials_give_none(header: str | None) -> None:
    with Running(username="ann", password="secret") as running:
        headers = {} if header is None else {"Authorization": header}
        answer = httpx.get(f"{running.url}/api/tokens", headers=headers)
        assert answer.status_code == 401
        assert "Basic" in answer.headers["WWW-Authenticate"]


def test_an_open_server_signs_everybody_in() -> None:
    with Running() as running:
        assert httpx.get(f"{running.url}/api/tokens", auth=("x", "y")).status_code == 200
        assert httpx.get(f"{running.url}/api/tokens").status_code == 401


def test_tokens_can_be_revoked() -> None:
    with (
        Running(username="ann", password="secret", token="t") as running,
        httpx.Client(base_url=running.url) as api,
    ):
        token = api.get("/api/tokens", auth=("ann", "secret")).json()["accessToken"]
        assert api.get("/api/campaigns", headers=bearer(token)).status_code == 200
        assert api.delete("/_embedded/tokens", headers=bearer("t")).json() == {"revoked": 2}
        assert api.get("/api/campaigns", headers=bearer(token)).status_code == 401
        assert api.get("/api/campaigns", headers=bearer("t")).status_code == 200


def test_old_tokens_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_TOKENS == 1000
    monkeypatch.setattr("reconciler.embedded.tables.settings.MAX_TOKENS", 4)
    with Running(username="ann", password="secret") as running, httpx.Client(base_url=running.url) as api:
        tokens = [api.get("/api/tokens", auth=("ann", "secret")).json()["accessToken"] for _ in range(3)]
        found = [api.get("/api/campaigns", headers=bearer(token)).status_code for token in tokens]
        assert found == [401, 200, 200]


@pytest.mark.parametrize("half", [{"username": "ann"}, {"password": "secret"}])
def test_half_of_the_credentials_are_none(half: dict[str, str]) -> None:
    with pytest.raises(EmbeddedError, match="a user name and a password"):
        create_app(":memory:", username=half.get("username"), password=half.get("password"))
