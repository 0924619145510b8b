"""Packages of the embedded server: both uploads, the list, deletion."""

import gc
import hashlib
import os
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from reconciler.embedded import Running

NewCampaign = Callable[..., str]
NewPackage = Callable[..., str]

STREAM = {"Content-Type": "application/octet-stream", "Content-Disposition": 'attachment; filename="a.zip"'}


def test_a_package_is_answered_in_the_shape_of_the_reference(
    api: httpx.Client, new_package: NewPackage
) -> None:
    package = new_package("a.zip", b"abc", "first")
    answer = api.get(f"/api/programs/{package}/file-info").json()
    assert answer.pop("createdOn").isdecimal()
    assert answer == {"description": "first", "id": package, "createdBy": "embedded", "name": "a.zip"}
    kept = api.get(f"/_embedded/programs/{package}").json()
    assert kept == {
        "id": package,
        "name": "a.zip",
        "size": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }


def test_a_stream_is_hashed_piece_by_piece(api: httpx.Client) -> None:
    pieces = [os.urandom(65_536) for _ in range(80)]

    def content() -> Iterator[bytes]:
        yield from pieces

    answer = api.post("/api/programs/", params={"description": "five MB"}, content=content(), headers=STREAM)
    assert answer.status_code == 200
    package = answer.json()["uuid"]
    kept = api.get(f"/_embedded/programs/{package}").json()
    whole = b"".join(pieces)
    assert (kept["name"], kept["size"], kept["sha256"]) == (
        "a.zip",
        5_242_880,
        hashlib.sha256(whole).hexdigest(),
    )
    assert api.get(f"/api/programs/{package}/file-info").json()["description"] == "five MB"


def test_a_multipart_upload_may_be_large(api: httpx.Client) -> None:
    whole = os.urandom(5 << 20)
    package = api.post("/api/programs/", files={"file": ("big.zip", whole)}).json()["uuid"]
    kept = api.get(f"/_embedded/programs/{package}").json()
    assert (kept["size"], kept["sha256"]) == (len(whole), hashlib.sha256(whole).hexdigest())


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b'attachment; filename="two words.zip"', "two words.zip"),
        (b"attachment; filename=plain.zip", "plain.zip"),
        (b"attachment; filename*=UTF-8''K%C3%A4se.zip", "Käse.zip"),
    ],
)
def test_the_name_of_a_stream(api: httpx.Client, header: bytes, name: str) -> None:
    answer = api.post("/api/programs", content=b"x", headers={"Content-Disposition": header})  # type: ignore[dict-item]
    package = answer.json()["uuid"]
    assert api.get(f"/api/programs/{package}/file-info").json()["name"] == name


@pytest.mark.parametrize(
    "header", ["", "attachment", "attachment; filename=", "attachment; filename*=UTF-8''%00"]
)
def test_a_stream_without_a_name_is_refused(api: httpx.Client, header: str) -> None:
    answer = api.post("/api/programs/", content=b"x", headers={"Content-Disposition": header})
    assert answer.status_code == 400
    assert "file name" in answer.json()["message"]


def test_a_description_has_at_most_128_characters(api: httpx.Client) -> None:
    for length, status in ((128, 200), (129, 400)):
        text = "ä" * length
        files = {"file": ("a.zip", b"x")}
        assert api.post("/api/programs/", files=files, data={"description": text}).status_code == status
        query = {"description": text}
        assert api.post("/api/programs/", params=query, content=b"x", headers=STREAM).status_code == status
    assert api.get("/api/programs").json()["pageResponse"]["totalElements"] == "2"


def test_a_refused_upload_leaves_the_connection_usable(api: httpx.Client) -> None:
    query = {"description": "x" * 129}
    for _ in range(2):
        answer = api.post("/api/programs/", params=query, content=b"x" * 5_000_000, headers=STREAM)
        assert answer.status_code == 400
    assert api.get("/api/programs").json()["programs"] == []


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        (BOUNDARY, b""),
        (BOUNDARY, b"--b\r\nnonsense"),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nno file name\r\n--b--\r\n'),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nx\r\n--b--\r\n'),
        (
            BOUNDARY,
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n' * 2
            + b"--b--\r\n",
        ),
        ({"Content-Type": "multipart/form-data"}, b"--b--"),
        ({"Content-Type": "multipart/mixed; boundary=b"}, b"--b--"),
    ],
)
def test_a_multipart_body_that_is_none_is_refused(
    api: httpx.Client, headers: dict[str, str], content: bytes
) -> None:
    answer = api.post("/api/programs/", content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert api.get("/api/programs").json()["programs"] == []


HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
FORM = HEAD + b"content" * 10 + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    "length", [10, len(HEAD) - 1, len(HEAD), len(HEAD) + 5, len(FORM) - 8, len(FORM) - 4]
)
def test_a_multipart_body_that_ends_early_is_refused(api: httpx.Client, length: int) -> None:
    """Its length says that it is whole; so a proxy that cut it would hand it on."""
    answer = api.post("/api/programs/", content=FORM[:length], headers=BOUNDARY)
    assert (answer.status_code, answer.json()) == (400, {"message": "The multipart body ends early."})
    assert api.get("/api/programs").json()["programs"] == []
    assert api.post("/api/programs/", content=FORM, headers=BOUNDARY).status_code == 200


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (HEAD.replace(b'"a"', b'""') + b"x\r\n", "a file name"),
        (b'--b\r\nContent-Disposition: form-data; name="d"\r\n\r\nx\r\n' * 20, "a part `file`"),
        (
            b"".join(b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\nx\r\n' % n for n in range(20)),
            "10",
        ),
        (b'--b\r\nContent-Disposition: form-data; name="d"\r\n\r\n' + b"x" * (1 << 21) + b"\r\n", "larger"),
        (b"--b\r\nX: " + b"x" * (1 << 15) + b"\r\n\r\n", "multipart body"),
    ],
)
def test_parts_that_can_not_be_are_refused(api: httpx.Client, parts: bytes, says: str) -> None:
    answer = api.post("/api/programs/", content=parts + b"--b--\r\n", headers=BOUNDARY)
    assert answer.status_code == 400
    assert says in answer.json()["message"]
    assert api.get("/api/programs").json()["programs"] == []


@pytest.mark.parametrize("later", [False, True], ids=["at once", "done later"])
@pytest.mark.parametrize("way", ["multipart", "streaming"])
def test_who_goes_away_half_way_has_uploaded_nothing(
    server: Running, api: httpx.Client, way: str, later: bool
) -> None:
    """Nothing of it is kept open, either: that would be a warning, and so an error."""
    rule = {"effect": "cut", "when": "later", "milliseconds": 1}
    api.put("/_embedded/faults", json={"rules": [rule] if later else []}).raise_for_status()
    headers = BOUNDARY if way == "multipart" else STREAM
    lines = [f"{name}: {value}" for name, value in {"Host": "127.0.0.1", **headers}.items()]
    head = "\r\n".join(["POST /api/programs/ HTTP/1.1", *lines, "Content-Length: 5000", "", ""])
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port)) as talk:
        talk.sendall(head.encode() + FORM[: len(HEAD) + 9])
    for _ in range(3):
        assert api.put("/_embedded/faults", json={"rules": []}).status_code == 200
        assert api.get("/api/programs").json()["programs"] == []
    gc.collect()
    assert not server.app.state.context.faults.under_way


def test_a_description_that_is_a_file_is_refused(api: httpx.Client) -> None:
    files = [("file", ("a.zip", b"x")), ("description", ("d.txt", b"x"))]
    assert api.post("/api/programs/", files=files).status_code == 400


def test_multipart_is_limited_and_streaming_is_not(api: httpx.Client) -> None:
    api.put("/_embedded/settings", json={"maxMultipartBytes": 1000})
    content = b"x" * 2000
    answer = api.post("/api/programs/", files={"file": ("a.zip", content)})
    assert (answer.status_code, "1000 bytes" in answer.json()["message"]) == (413, True)

    def chunked() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        yield content
        yield b"\r\n--b--\r\n"

    assert api.post("/api/programs/", content=chunked(), headers=BOUNDARY).status_code == 413
    assert api.post("/api/programs/", content=content, headers=STREAM).status_code == 200


def test_the_list_of_packages(api: httpx.Client, new_package: NewPackage) -> None:
    ids = [new_package(name) for name in ("gateway-1.zip", "gateway-2.zip", "sensor.zip")]

    def found(**query: object) -> list[str]:
        answer = api.get(
            "/api/programs", params={key.replace("_", "."): str(value) for key, value in query.items()}
        )
        return [one["id"] for one in answer.json()["programs"]]

    assert found() == ids
    assert found(name="gateway") == ids[:2]
    assert found(name="gateway", page_size=1, page_number=2) == [ids[1]]
    assert found(page_number=9) == []
    assert found(name="%") == []
    assert set(api.get("/api/programs/").json()["programs"][0]) == {
        "description",
        "id",
        "createdBy",
        "createdOn",
        "name",
    }


def test_a_package_in_use_stays(
    api: httpx.Client, new_campaign: NewCampaign, new_package: NewPackage
) -> None:
    package = new_package()
    campaign_id = new_campaign(packages=[package])
    answer = api.delete(f"/api/programs/{package}")
    assert answer.status_code == 409
    assert campaign_id in answer.json()["message"]
    api.delete(f"/api/campaigns/{campaign_id}")
    assert api.delete(f"/api/programs/{package}").json() == {}
    assert api.get(f"/api/programs/{package}/file-info").status_code == 404
    assert api.delete(f"/api/programs/{package}").status_code == 404


def test_who_made_a_package() -> None:
    with Running(username="ann", password="secret") as running, httpx.Client(base_url=running.url) as api:
        token = api.get("/api/tokens", auth=("ann", "secret")).json()["accessToken"]
        api.headers["Authorization"] = f"Bearer {token}"
        package = api.post("/api/programs/", content=b"x", headers=STREAM).json()["uuid"]
        assert api.get(f"/api/programs/{package}/file-info").json()["createdBy"] == "ann"
