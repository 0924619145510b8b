"""Whatever is wrong, outside or inside: no traceback, one clear message, its exit code, and nothing written.

`Workplace.run` holds every run against tracebacks and shown tokens.
"""

import os
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from e2e_runs import TOKEN, Answer, Gate, Live, Ran, Workplace

from reconciler.embedded import Running
from tests.e2e.e2e_forks import Forks

APPLY = ("apply", "--auto-approve", "resources.yaml")
HURRY = 25.0
"""How much faster time passes for a process that waits for a server to recover."""


def one_message(ran: Ran, *said: str, code: int = 1) -> None:
    """The run ended with `code` and one error that says all of it."""
    assert ran.code == code, ran
    assert ran.out == "", "an error is no result"
    assert ran.err.startswith("error: ")
    assert "\nerror" not in ran.err, "one is enough"
    for part in said:
        assert part in ran.err


# --- YAML ---------------------------------------------------------------------------------------------


def _list(spec: str, name: str = "it") -> str:
    return f"apiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {{name: {name}}}\nspec: {spec}\n"


BAD: Mapping[str, tuple[str | bytes, str]] = {
    "alias": (_list("{gateways: &a [x], things: *a}", "alias"), "4:34: error[yaml-alias]"),
    "binary": (b"\x00\x01\x02\x03PK\x03\x04", "1:1: error[binary-file]"),
    "control": (_list('{gateways: ["\\e[2J"]}', "control"), "4:19: error[bad-gateway-id]"),
    "deep": ("[" * 5000, "1:101: error[too-deep]"),
    "duplicate": (_list("{gateways: [x]}", "double") + "kind: Campaign\n", "5:1: error[duplicate-key]"),
    "huge": (_list(f"{{gateways: [{'9' * 5000}]}}", "huge"), "4:19: error[ambiguous-scalar]"),
    "latin-1": (b"kind: \xe9t\xe9\n", "1:7: error[not-utf8]"),
    "leaves": (_list("{file: ../../../etc/passwd}", "leaves"), "4:14: error[outside-project]"),
    "list": ("- a\n- b\n", "1:1: error[not-a-mapping]"),
    "missing": (_list("{file: no-such.txt}", "missing"), "4:14: error[missing-file]"),
    "norway": (_list("{gateways: [NO]}", "norway"), "4:19: error[ambiguous-scalar]"),
    "octal": (_list("{gateways: [0123]}", "octal"), "4:19: error[ambiguous-scalar]"),
    "reserved": (_list("{gateways: [things]}", "reserved"), "4:19: error[reserved-gateway-id]"),
    "scalar": ("just words\n", "1:1: error[not-a-mapping]"),
    "surrogate": (_list('{gateways: ["\\ud800"]}', "surrogate"), "4:22: error[yaml-syntax]"),
    "tab": ("kind:\n\tGatewayList\n", "2:1: error[tab-indentation]"),
    "tag": (_list("!!python/object/apply:os.system [exit]", "tag"), "4:7: error[yaml-tag]"),
    "twice": (_list("{gateways: [x, z, x]}", "twice"), "4:25: error[duplicate-gateway]"),
    "unclosed": ("kind: [GatewayList\n", "1:19: error[yaml-syntax]"),
    "unknown-field": (_list("{gatways: [x]}", "field"), "4:8: error[unknown-field]"),
    "unknown-kind": (_list("{}", "kind").replace("GatewayList", "Gatway"), "2:7: error[unknown-kind]"),
    "unknown-version": (_list("{gateways: []}", "version").replace("/v1", "/v2"), "1:13: error[unknown-api"),
}


def test_every_kind_of_bad_yaml_at_once(nowhere: Workplace) -> None:
    (nowhere.folder / "bad").mkdir()
    for name, (text, _) in BAD.items():
        data = text if isinstance(text, bytes) else text.encode()
        (nowhere.folder / "bad" / f"{name}.yaml").write_bytes(data)
    # A file that is named is read, whatever it holds.
    named = [f"bad/{name}.yaml" for name in BAD]
    ran = nowhere.run("validate", *named)
    assert (ran.code, ran.err) == (1, "")
    found = [line for line in ran.out.splitlines() if ": error[" in line]
    for name, (_, said) in BAD.items():
        assert [line for line in found if line.startswith(f"bad/{name}.yaml:{said}")], ran.out
    assert len(found) == len(BAD), "one finding each"
    assert ran.out.count("\n  hint: ") == len(BAD) - 1, "all but the missing file have a hint"
    assert "did you mean `gateways`?" in ran.out
    assert "\x1b" not in ran.out
    planned = nowhere.run("plan", *named)
    assert (planned.code, planned.out) == (1, "")
    assert planned.err == ran.out.rsplit("\n", 2)[0] + f"\nerror: {len(BAD)} errors in the input\n"


FAULTY = {
    "reconciler.yaml": """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: line-3}
spec:
  resources: [campaigns.yaml, parts.yaml, torn.yaml]
  server: {url: 'embedded:', caFile: ca.pem, batchSize: 0}
""",
    "campaigns.yaml": """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  naem: Line 3
  packageSet: firmwear
  gatewayLists: [line-3]
  packageOverrides:
    - {gateways: [gw-1], packageSet: beta}
    - {gateways: [gw-1, gw-77], packageSet: gamma}
  settings:
    apiKey: {fromFile: keys/api}
    retries: +3
""",
    "parts.yaml": """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: line-3}
spec:
  gateways: [gw-1, gw-1]
  file: ids.csv
  things: {gw-9: [t]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: beta}
spec: {packages: [{id: b}, {flie: fw.bin}, {file: gone.bin}]}
---
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: gamma}
spec: {packages: [{id: c}]}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: nights}
spec:
  donwload: {begin: 2030-01-01T00:00Z, end: 2030-01-02T00:00Z}
  execution: {begin: 2030-01-03T00:00Z, end: 2030-01-02T00:00Z}
---
apiVersion: reconciler/v2
kind: CallbackSt
metadata: {name: x, labels: {a: b, a: c}}
spec: {}
""",
    "ids.csv": "site,gatewayId\ngw-2,gw-2\ngw-2,gw-2\n",
    "torn.yaml": "a: [\n",
}
FOUND = """\
campaigns.yaml:5:3: error[unknown-field]
campaigns.yaml:10:7: error[override-overlap]
campaigns.yaml:10:25: error[gateway-outside]
campaigns.yaml:12:24: error[missing-file]
campaigns.yaml:13:14: error[wrong-type]
ids.csv:3:6: error[duplicate-gateway]
parts.yaml:5:20: error[duplicate-gateway]
parts.yaml:7:12: error[thing-outside-list]
parts.yaml:12:29: error[unknown-field]
parts.yaml:12:51: error[missing-file]
parts.yaml:23:3: error[unknown-field]
parts.yaml:24:46: error[end-before-begin]
parts.yaml:26:13: error[unknown-api-version]
parts.yaml:27:7: error[unknown-kind]
parts.yaml:28:36: error[duplicate-key]
reconciler.yaml:6:38: error[missing-file]
reconciler.yaml:6:57: error[out-of-range]
torn.yaml:1:5: note[references-not-checked]
torn.yaml:1:5: error[yaml-syntax]
"""


def test_every_finding_of_one_run_at_once(nowhere: Workplace) -> None:
    """Whatever is wrong with a node hides nothing about the others, in any file and at any stage."""
    for name, text in FAULTY.items():
        (nowhere.folder / name).write_text(text)
    ran = nowhere.run("validate")
    assert (ran.code, ran.err) == (1, "")
    lines = [line for line in ran.out.splitlines() if re.match(r"\S+:\d+:\d+: ", line)]
    assert [line.split("]")[0] + "]" for line in lines] == FOUND.splitlines()
    assert ran.out.endswith("6 resources: 18 errors, 1 note\n")
    assert 'hint: write "+3"' in ran.out
    planned = nowhere.run("plan")
    assert (planned.code, planned.out) == (1, "")
    assert planned.err.startswith(ran.out.rsplit("\n", 2)[0]), "a plan says just the same"
    (nowhere.folder / "torn.yaml").write_text(_list("{gateways: []}"))
    ran = nowhere.run("validate")
    assert "campaigns.yaml:6:15: error[dangling-reference]" in ran.out
    assert "torn.yaml" not in ran.out


# --- servers ------------------------------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}
VERSIONS = Answer(200, b'{"currentApiVersion": "0.17"}', JSON)
PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>Welcome</body></html>"

NOT_JSON: Mapping[str, tuple[Answer, str]] = {
    "a page": (Answer(200, PAGE, {"Content-Type": "text/html"}), "expected JSON, but got an HTML page"),
    "a page that claims to be JSON": (Answer(200, PAGE, JSON), "expected JSON, but got an HTML page"),
    "half of it": (Answer(200, b'{"campaigns": [{"id": "a"', JSON), 'got {"campaigns": [{"id": "a"'),
    "nothing": (Answer(200, b"", JSON), "got an empty answer"),
    "deep": (Answer(200, b"[" * 100_000, JSON), "expected JSON that isn't nested so deep, but got [[["),
    "items": (
        Answer(200, b'{"campaigns": ["a"], "page": {"totalElements": 1}}', JSON),
        "a campaign as an object, but got the text 'a'",
    ),
}


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Workplace:
    """A folder with resources and a token, for many servers."""
    return Workplace(tmp_path_factory.mktemp("work"), {"RECONCILER_TOKEN": TOKEN}, [TOKEN], start=forks)


@pytest.mark.parametrize("name", NOT_JSON)
def test_an_answer_that_cant_be_read(anywhere: Workplace, name: str) -> None:
    answer, said = NOT_JSON[name]
    with Gate() as gate:
        gate.answer("versions", VERSIONS)
        gate.answer("list-campaigns", answer, times=99)
        ran = anywhere.run(*APPLY, RECONCILER_URL=gate.url)
    one_message(
        ran, "error: GET /api/campaigns: the answer can't be read: ", said, "\n  hint: Is this the API"
    )
    assert len(ran.err) < 500
    assert ran.err.isprintable() or set(filter(lambda c: not c.isprintable(), ran.err)) == {"\n"}


def test_html_from_the_first_call_on(anywhere: Workplace) -> None:
    with Gate() as gate:
        gate.answer("*", Answer(200, PAGE, {"Content-Type": "text/html"}), times=99)
        one_message(anywhere.run(*APPLY, RECONCILER_URL=gate.url), "got an HTML page")


def test_a_redirect_and_a_refusal(anywhere: Workplace) -> None:
    with Gate() as gate:
        gate.answer("versions", VERSIONS, times=2)
        gate.answer("list-campaigns", Answer(302, b"", {"Location": "https://login.example.com/?ticket=1"}))
        ran = anywhere.run(*APPLY, RECONCILER_URL=gate.url)
        one_message(ran, "302 redirects to https://login.example.com/\n", "Redirects are not followed")
        assert "ticket" not in ran.err
        gate.answer("list-campaigns", Answer(403, b'{"message": "no \x1b[2J way"}', JSON))
        ran = anywhere.run(*APPLY, RECONCILER_URL=gate.url)
        one_message(ran, "403", "needs the permission VIEW_CAMPAIGN")
        assert "\x1b" not in ran.err


def test_a_server_that_is_ill_gets_time_and_then_up(anywhere: Workplace, forks: Forks) -> None:
    """The three at once: each waits for a while, as a back-off does, on a clock that runs ahead."""
    hurried = replace(anywhere, start=partial(forks, tricks=[["tests.e2e.e2e_tricks:hurry", HURRY]]))
    ills = {
        "500 Unknown internal server error": Answer(500, b"Unknown internal server error"),
        "the connection was cut before a whole answer came": Answer(body=None),
        "received 15 bytes, expected 400": Answer(200, b'{"campaigns": [', JSON, promised=400),
    }

    def meet(ill: Answer) -> Ran:
        with Gate() as gate:
            gate.answer("versions", VERSIONS)
            gate.answer("list-campaigns", ill, times=99)
            return hurried.run("plan", "resources.yaml", RECONCILER_URL=gate.url)

    with ThreadPoolExecutor(len(ills)) as pool:
        for said, ran in zip(ills, pool.map(meet, ills.values()), strict=True):
            one_message(ran, "error: GET /api/campaigns: ", said)
    # One that asks for more patience than anybody has is given up at once.
    with Gate() as gate:
        gate.answer("versions", VERSIONS)
        gate.answer("list-campaigns", Answer(503, b"502 Bad Gateway", {"Retry-After": "86400"}))
        one_message(anywhere.run(*APPLY, RECONCILER_URL=gate.url), "503", "Bad Gateway")


def test_a_server_that_recovers_is_no_trouble(place: Workplace, live: Live) -> None:
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        for operation in ("list-campaigns", "upload-package", "create-campaign", "add-gateways"):
            gate.answer(operation, Answer(500, b"Unknown internal server error"))
        gate.answer("start-campaign", Answer(429, b"slowly", {"Retry-After": "0"}))
        place.apply()
    assert len(live.campaigns()) == len(live.packages()) == 1
    assert place.run("plan", "resources.yaml", "--detailed-exitcode", RECONCILER_URL=gate.url).code == 1


def test_a_name_that_nobody_knows_and_tls_to_a_plain_server(anywhere: Workplace) -> None:
    ran = anywhere.run(*APPLY, RECONCILER_URL="https://campaigns.invalid")
    one_message(ran, "the name 'campaigns.invalid' can't be resolved", "is there a network?")
    with Gate() as gate:
        url = gate.url.replace("http:", "https:")
        one_message(
            anywhere.run(*APPLY, RECONCILER_URL=url), f"no TLS connection to {url}", "speaks plain HTTP"
        )
    ran = anywhere.run(*APPLY, RECONCILER_URL="http://ann:url-canary@127.0.0.1")
    assert ran.code == 1
    assert "url-with-credentials" in ran.err
    assert "url-canary" not in ran.err + ran.out


# --- state --------------------------------------------------------------------------------------------


def test_a_state_that_cant_be_written(place: Workplace, live: Live) -> None:
    (place.folder / "folder").mkdir()
    for state, said in [
        ("folder", "folder: Is a directory"),
        ("firmware.bin/state.json", "firmware.bin/state.json.lock: Not a directory"),
    ]:
        one_message(place.run(*APPLY, "--state", f"file:{state}"), f"/{said}\n", "--state")
    one_message(place.run("plan", "resources.yaml", "--state", "file:folder"), "/folder: Is a directory")
    assert live.writes() == []


def test_a_read_only_state(place: Workplace, live: Live) -> None:
    place.apply()
    live.forget()
    place.edit("Line 3", "Line three")
    before = place.state.read_bytes()
    if os.geteuid() == 0:
        # Nothing is read-only for root, but what the kernel keeps for itself.
        state = "file:/proc/state.json"
    else:
        state = "file:.reconciler/state.json"
        place.state.chmod(0o400)
        place.state.parent.chmod(0o500)
    try:
        one_message(place.run(*APPLY, "--state", state), "state.json", "--state")
        assert place.run("plan", "resources.yaml").code == 0, "reading is enough for a plan"
    finally:
        place.state.parent.chmod(0o700)
    assert live.writes() == []
    assert place.state.read_bytes() == before


def test_a_damaged_state(place: Workplace, live: Live) -> None:
    place.apply()
    live.forget()
    whole = place.state.read_text()
    assert '"serial": 2' in whole
    for damaged in (whole[:100], "", whole.replace('"serial": 2', '"serial": "x"')):
        place.state.write_text(damaged)
        one_message(place.run(*APPLY), "state.json is damaged: ", "state.json.backup")
    place.state.write_text(whole.replace('"formatVersion": 1', '"formatVersion": 99'))
    one_message(place.run(*APPLY), "format version 99", "made by a newer reconciler")
    assert live.operations().count("versions") <= 4
    assert live.writes() == []
    # As the hints say: another start, and nothing is sent that the server has.
    place.state.unlink()
    place.apply("--adopt")
    assert live.writes() == []
    assert place.empty()


def test_the_state_of_another_server(place: Workplace, live: Live) -> None:
    place.apply()
    with Running(token=TOKEN, record=True) as other:
        for arguments in (APPLY, ("plan", "resources.yaml"), ("status", "resources.yaml")):
            ran = place.run(*arguments, RECONCILER_URL=other.url)
            one_message(ran, f"belongs to the pulse server {live.url} ", other.url, "a state of its own")
        assert not [call for call in other.calls if call.method != "GET"]


# --- here ---------------------------------------------------------------------------------------------

ABSENT = """
import sys
class Blocker:
    def invalidate_caches(self): pass
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "starlette" else cls.real(name, path, target)
from importlib.machinery import PathFinder
Blocker.real = PathFinder.find_spec
sys.meta_path = [Blocker if finder is PathFinder else finder for finder in sys.meta_path]
"""


def test_a_missing_extra(tmp_path: Path, live: Live) -> None:
    """As if `pip install reconciler` had been run without the extra."""
    nowhere = Workplace(tmp_path / "work")
    blocked = nowhere.folder / "blocked"
    blocked.mkdir()
    (blocked / "usercustomize.py").write_text("")
    (blocked / "sitecustomize.py").write_text(ABSENT)
    python = os.pathsep.join([str(blocked), str(Path(__file__).parents[2])])
    for arguments in (APPLY, ("plan", "resources.yaml"), ("serve", "--port", "0")):
        one_message(
            nowhere.run(*arguments, PYTHONPATH=python),
            "the package starlette",
            "pip install 'reconciler[embedded]'",
        )
    over_tcp = {"RECONCILER_URL": live.url, "RECONCILER_TOKEN": TOKEN}
    assert nowhere.run(*APPLY, PYTHONPATH=python, **over_tcp).code == 0, "a real server needs no extra"


def test_a_file_that_vanishes_between_plan_and_upload(place: Workplace, live: Live) -> None:
    firmware = place.folder / "firmware.bin"
    with Gate(live.url) as gate:
        place.env["RECONCILER_URL"] = gate.url
        gate.call("list-campaigns", firmware.unlink)
        ran = place.run(*APPLY)
        assert ran.code == 3
        assert re.search(r"firmware\.bin can't be read any more: No such file", ran.out)
        assert "1 failed, 3 skipped" in ran.out
        assert live.writes() == []
        ran = place.run(*APPLY)
        assert ran.code == 1
        assert "resources.yaml:6:13: error[missing-file]: there is no file `firmware.bin`" in ran.err
        firmware.write_bytes(b"firmware")
        place.apply()
        assert len(live.packages()) == 1


def test_a_robot_must_name_its_server(nowhere: Workplace) -> None:
    ran = nowhere.run(*APPLY, CI="1")
    assert ran.code == 1
    assert "error[missing-url]: CI is set, and no server is named" in ran.err
    assert not (nowhere.folder / ".reconciler").exists()


def test_an_embedded_database_that_is_none(nowhere: Workplace) -> None:
    (nowhere.folder / ".reconciler").mkdir()
    shutil.copy(nowhere.folder / "resources.yaml", nowhere.folder / ".reconciler" / "embedded.db")
    one_message(nowhere.run(*APPLY), "embedded.db")
