"""Every operation on the wire: as the reference prints it, and as the client reads it, without a network.

`pytest tests/contract/wire --update-golden` (or `make golden`) makes the cassettes anew, over TCP.
"""

import base64
import json
import re
import socket
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_socket
from vcr.errors import CannotOverwriteExistingCassetteException
from wire_reference import PAGING, REFERENCE, ROWS, UPLOADS, differences, path_of, permission_of
from wire_scenes import CANARIES, CONTENT, SCENES
from wire_tape import ALL, BOUNDARY, CASSETTES, HIDDEN, HOST, interactions, network_off, play, record

from reconciler.providers.pulse.operations import OPERATIONS

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


def cassette(name: str) -> Path:
    path = CASSETTES / f"{name}.yaml"
    assert path.exists(), f"there is no cassette {path.name}; `make golden` makes it, then review it"
    return path


def sent(name: str) -> list[dict[str, Any]]:
    return [interaction["request"] for interaction in interactions(cassette(name))]


def query(request: dict[str, Any]) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request["uri"]).query, keep_blank_values=True, strict_parsing=False)


def replace(path: Path, content: bytes) -> None:
    """Write a file at one go: other tests may be reading it."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


# --- the cassettes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_call_goes_over_the_wire_as_recorded(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    scene = ALL[name]
    fresh = tmp_path / "fresh.yaml"
    record(scene, fresh, tmp_path)
    if request.config.getoption("--update-golden"):
        replace(CASSETTES / f"{name}.yaml", fresh.read_bytes())
    path = cassette(name)
    # The server that is rehearsed on still answers so, over TCP.
    assert interactions(fresh) == interactions(path), "`make golden` records anew; then review it"
    with network_off():
        gave, requests, all_played = play(scene, path, tmp_path)
    assert gave == scene.gives
    assert all_played
    assert requests == {name: scene.requests, **scene.also}


def test_every_operation_has_a_scene_and_every_cassette_too() -> None:
    assert SCENES.keys() == OPERATIONS.keys()
    assert {path.stem for path in CASSETTES.glob("*.yaml")} <= ALL.keys()


@pytest.mark.parametrize("name", ALL)
def test_no_cassette_holds_a_secret(name: str) -> None:
    text = cassette(name).read_text(encoding="utf-8")
    assert [canary for canary in CANARIES if canary in text] == []
    for interaction in interactions(cassette(name)):
        authorization = interaction["request"]["headers"].get("authorization", [f"Bearer {HIDDEN}"])
        assert [value.split()[1:] for value in authorization] == [[HIDDEN]]
        assert "set-cookie" not in interaction["response"]["headers"]
    assert set(re.findall(r'"(?:access|refresh)Token":"([^"]*)"', text)) <= {HIDDEN}
    assert set(re.findall(r"uri: (\w+://[^/]+)", text)) == {HOST}


def test_what_is_planted_really_goes_over_the_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a search for it would prove nothing."""
    monkeypatch.setattr("wire_tape.Same.request", lambda _, request: request)
    monkeypatch.setattr("wire_tape.Same.response", lambda _, response: response)
    found = ""
    for name in ("create-campaign", "sign-in"):
        record(ALL[name], tmp_path / f"{name}.yaml", tmp_path)
        found += (tmp_path / f"{name}.yaml").read_text(encoding="utf-8")
    for pair in re.findall(r"Basic ([\w+/=]+)", found):
        found += base64.b64decode(pair).decode()
    assert [canary for canary in CANARIES if canary not in found] == []


def test_a_call_that_differs_is_not_played(tmp_path: Path) -> None:
    other = SCENES["stop-campaign"]
    with network_off(), pytest.raises(CannotOverwriteExistingCassetteException):
        play(other, cassette("start-campaign"), tmp_path)


def test_the_network_is_really_off() -> None:
    # The block warns as well, and warnings are errors.
    with network_off(), pytest.raises((pytest_socket.SocketBlockedError, UserWarning), match="tried to use"):
        socket.create_connection(("127.0.0.1", 9), timeout=1)


# --- the reference ----------------------------------------------------------------------------------


def test_the_registry_says_what_the_reference_says() -> None:
    said = {
        name: (row.section, row.method, re.sub(r"\{\w+\}", "{}", row.path), row.permissions)
        for name, row in OPERATIONS.items()
    }
    printed = {
        name: (
            section.heading,
            section.method,
            re.sub(r"\{\w+\}", "{}", path_of(name)),
            tuple(filter(None, [permission_of(name)])),
        )
        for name, section in REFERENCE.items()
    }
    assert said == printed
    assert list(said) == list(printed)
    assert len(printed) == len({section.heading for section in REFERENCE.values()}) == 38


@pytest.mark.parametrize("name", SCENES)
def test_a_request_is_as_the_reference_prints_it(name: str) -> None:
    section = REFERENCE[name]
    path = re.sub(r"\{\w+\}", "[^/]+", re.escape(path_of(name)).replace(r"\{", "{").replace(r"\}", "}"))
    for request in sent(name):
        assert request["method"] == section.method
        assert re.fullmatch(path, urlsplit(request["uri"]).path)
        if name in UPLOADS:
            continue
        allowed = section.optional | PAGING if section.method == "GET" else frozenset[str]()
        assert query(request).keys() <= allowed
        if section.sends is None:
            assert request["body"] is None
            assert "content-type" not in request["headers"]
        else:
            assert request["headers"]["content-type"] == ["application/json"]
            # The scenes give every field, so nothing may be missing, not even what is optional.
            assert list(differences(section.sends, json.loads(request["body"]))) == []


@pytest.mark.parametrize("name", SCENES)
def test_an_answer_is_as_the_reference_prints_it(name: str) -> None:
    section = REFERENCE[name]
    for interaction in interactions(cassette(name)):
        value = json.loads(interaction["response"]["body"]["string"])
        if name in ROWS:
            # Printed is one row; it may hold more than the few words that the list of campaigns prints.
            for row in value[ROWS[name]]:
                printed = {key: item for key, item in section.answers.items() if key != "page"}
                assert list(differences(printed, {key: row[key] for key in printed})) == []
        elif section.answers is not None:
            assert list(differences(section.answers, value)) == []


def test_every_call_says_who_and_which_version() -> None:
    for name in SCENES:
        for request in sent(name):
            headers = request["headers"]
            assert headers["accept"] == ["application/json;api-version=0.17"]
            assert headers["authorization"] == [f"Bearer {HIDDEN}"]
            assert headers["x-current-org-id"] == ["org-7"]


def test_a_multipart_upload_has_the_parts_of_the_reference() -> None:
    (request,) = sent("upload-package")
    assert query(request) == {}
    (content,) = request["headers"]["content-type"]
    body = request["body"].encode()
    assert request["headers"]["content-length"] == [str(len(body))]
    form = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content}\r\n\r\n".encode() + body)
    assert form.get_content_type() == "multipart/form-data"
    assert form.get_boundary() == BOUNDARY
    # Quotation marks in a name as browsers send them.
    assert [part["content-disposition"] for part in form.iter_parts()] == [
        'form-data; name="description"',
        'form-data; name="file"; filename="grün %221%22.bin"',
    ]
    description, file = (part.get_payload(decode=True) for part in form.iter_parts())
    assert description.decode() == "number 4, grün"
    assert file == CONTENT


def test_a_streaming_upload_is_the_file_and_nothing_else() -> None:
    (request,) = sent("stream-package")
    headers = request["headers"]
    assert query(request) == {"description": ["number 4, grün"]}
    assert headers["content-type"] == ["application/octet-stream"]
    assert headers["content-disposition"] == [
        'attachment; filename="gr_n \\"1\\".bin"; filename*=UTF-8\'\'gr%C3%BCn%20%221%22.bin'
    ]
    assert headers["content-length"] == [str(len(CONTENT))]
    assert request["body"].encode() == CONTENT


@pytest.mark.parametrize(
    ("name", "path", "scheme"),
    [("sign-in", "/api/tokens", "Basic"), ("get-version", "/api/versions", None)],
)
def test_what_comes_before_a_call(name: str, path: str, scheme: str | None) -> None:
    first, then = sent(name)
    assert (first["method"], urlsplit(first["uri"]).path, first["body"]) == ("GET", path, None)
    assert first["headers"].get("authorization") == ([f"{scheme} {HIDDEN}"] if scheme else None)
    assert "x-current-org-id" not in first["headers"]
    assert then["headers"]["authorization"] == [f"Bearer {HIDDEN}"]
    assert then["headers"]["accept"] == ["application/json;api-version=0.17"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": "x", "b": ["y"], "c": {"k": "v"}}, []),
        ({"a": "x", "b": ["y"], "c": {}}, []),
        ({"a": 1, "b": ["y"], "c": {}}, ["$.a: int in place of str"]),
        ({"a": "x", "c": {}}, ["$.b: missing"]),
        ({"b": ["y"], "c": {}}, []),
        ({"a": "x", "b": [], "c": {}}, ["$.b: an empty list shows nothing"]),
        ({"a": "x", "b": ["y", 1], "c": {}}, ["$.b[1]: int in place of str"]),
        ({"a": "x", "b": ["y"], "c": {"k": None}}, ["$.c.k: NoneType in place of str"]),
        ({"a": "x", "b": ["y"], "c": {}, "d": 1}, ["$.d: not in the reference"]),
        ([], ["$: list in place of dict"]),
    ],
)
def test_how_shapes_are_compared(value: object, said: list[str]) -> None:
    example = {"a": "string", "b": ["string"], "c": {"additionalProp1": "string"}}
    assert list(differences(example, value, optional=frozenset({"a"}))) == said
