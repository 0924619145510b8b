"""`docs/coverage.md`: where each operation of the reference is to be found. A row with a hole fails.

`pytest tests/contract/test_coverage_page.py --update-golden` (or `make golden`) writes the page anew.
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import click
import pytest
from wire_commands import COMMANDS, steps
from wire_reference import REFERENCE, path_of, permission_of
from wire_scenes import SCENES
from wire_tape import ALL, CASSETTES, network_off, play

from reconciler.cli.group import cli
from reconciler.embedded.operations import API
from reconciler.embedded.operations import Endpoint as Served
from reconciler.model import Verb
from reconciler.providers.pulse.client import PulseClient
from reconciler.providers.pulse.operations import OPERATIONS
from reconciler.providers.pulse.questions import PulseQuestions
from tests.fakes import PULSE

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "coverage.md"

HEAD: Final = """\
# Coverage

Every operation of the API reference, in its order, and where it is to be found. This page is made by
`tests/contract/test_coverage_page.py` from the registry of operations, the client, the command line, the
embedded server and the cassettes; the test fails when a row has a hole. `make golden` writes the page anew.

- *Method and path*, *permission*: as in the reference, and as in the embedded server.
- *Client*: the method of `PulseClient` or `PulseQuestions` that sends it, found by running it.
- *Command or step*: commands that send it, and the step of a plan that `apply` runs.
- *Handler*: the function of `reconciler/embedded/handlers` that serves it.
- *Cassette*: its requests and answers on the wire, replayed by `tests/contract/wire`.

| operation | section | method and path | permission | client | command or step | handler | cassette |
|---|---|---|---|---|---|---|---|
"""

HOLE: Final = "**missing**"
MADE_OF_OTHERS: Final = {"overrides", "packages_of", "greet", "probe", "concerns"}
"""Questions that calls of other methods answer, or none."""


@dataclass(frozen=True, slots=True)
class Row:
    """What there is of an operation; empty is a hole but the permission of a section that names none."""

    name: str
    methods: tuple[str, ...]
    commands: tuple[str, ...]
    steps: tuple[str, ...]
    handler: str
    cassette: str

    def line(self) -> str:
        """The row of the page."""
        operation = OPERATIONS[self.name]
        cells = [
            f"`{self.name}`",
            operation.section,
            f"`{operation.method} {operation.path}`",
            " ".join(f"`{name}`" for name in operation.permissions) or "none named",
            _code(self.methods),
            _code([*self.commands, *(f"apply: {step}" for step in self.steps)]),
            _code([self.handler] if self.handler else []),
            f"[{self.cassette}](../{self.cassette_path})" if self.cassette else HOLE,
        ]
        return f"| {' | '.join(cells)} |\n"

    @property
    def cassette_path(self) -> str:
        """Where the cassette is, from the root of the repository."""
        return f"{CASSETTES.relative_to(ROOT).as_posix()}/{self.cassette}"


def _code(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values) or HOLE


# --- what there is ----------------------------------------------------------------------------------


class Watched:
    """A client, and the names of what is used of it."""

    def __init__(self, client: PulseClient, used: list[str]) -> None:
        self._client = client
        self._used = used

    def __getattr__(self, name: str) -> Any:
        self._used.append(name)
        return getattr(self._client, name)


def public_methods() -> dict[str, str]:
    """The operations of the client with their docstrings."""
    return {
        name: inspect.getdoc(method) or ""
        for part in (PulseClient, PulseQuestions)
        for name, method in inspect.getmembers(part, inspect.iscoroutinefunction)
        if not name.startswith("_") and name not in MADE_OF_OTHERS
    }


def named(doc: str) -> list[str]:
    """What a docstring sets in italics: sections of the reference."""
    return [" ".join(found.split()) for found in re.findall(r"\*([^*]+)\*", doc)]


def methods(name: str, folder: Path) -> tuple[str, ...]:
    """The methods that send an operation: that of its scene, and those whose docstring names the section."""
    path = CASSETTES / f"{name}.yaml"
    used: list[str] = []
    if name in SCENES and path.exists():
        with network_off():
            _, requests, _ = play(SCENES[name], path, folder, lambda client: Watched(client, used))
        assert set(requests) == {name}
    more = [method for method, doc in public_methods().items() if OPERATIONS[name].section in named(doc)]
    return tuple(dict.fromkeys([*used, *more]))


def command_exists(line: str) -> bool:
    """Whether the tree of commands has this one."""
    command: click.Command | None = cli
    for word in line.split():
        if not isinstance(command, click.Group):
            return False
        command = command.get_command(click.Context(command), word)
    return command is not None and command is not cli


def handler(served: Served | None) -> str:
    """`module.function`; of a function made by another one, the other one."""
    if served is None:
        return ""
    values = [getattr(served, one.name) for one in fields(served)]
    function: Any = next((value for value in values if inspect.isfunction(value)), None)
    if function is None:
        return ""
    return f"{function.__module__.rpartition('.')[2]}.{function.__qualname__.partition('.')[0]}"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    folder = tmp_path_factory.mktemp("coverage")
    planned, served = steps(), {one.name: one for one in API}
    return {
        name: Row(
            name,
            methods(name, folder),
            tuple(line for line in COMMANDS.get(name, ()) if command_exists(line)),
            tuple(planned.get(name, ())),
            handler(served.get(name)),
            f"{name}.yaml" if (CASSETTES / f"{name}.yaml").exists() else "",
        )
        for name in OPERATIONS
    }


# --- the tests --------------------------------------------------------------------------------------


def test_the_page_is_what_there_is(rows: dict[str, Row], request: pytest.FixtureRequest) -> None:
    text = HEAD + "".join(row.line() for row in rows.values())
    if request.config.getoption("--update-golden"):
        PAGE.write_bytes(text.encode())
    assert text == PAGE.read_bytes().decode(), f"{PAGE} differs; `make golden` rewrites it, then review it"


def holes(row: Row) -> Iterator[str]:
    """What a row lacks, or says otherwise than the reference."""
    ours, printed = OPERATIONS[row.name], REFERENCE.get(row.name)
    served = next((one for one in API if one.name == row.name), None)
    if printed is None:
        yield "the reference has no such section"
        return
    if ours.section != printed.heading:
        yield f"the section is called {printed.heading!r}, not {ours.section!r}"
    if (ours.method, _places(ours.path)) != (printed.method, _places(path_of(row.name))):
        yield f"the reference has {printed.method} {path_of(row.name)}"
    if (*ours.permissions, None)[0] != permission_of(row.name):
        yield f"the reference asks for {permission_of(row.name)}"
    if served is None or not row.handler:
        yield "the embedded server has no handler"
    else:
        if (served.method, _places(served.path)) != (ours.method, _places(ours.path)):
            yield f"the embedded server serves {served.method} {served.path}"
        if served.permission != (*ours.permissions, None)[0]:
            yield f"the embedded server asks for {served.permission}"
    if not row.methods:
        yield "no method of the client sends it"
    for method in row.methods:
        # "*Register Completed*, … or *Download Progress Callback*" names five sections in a row.
        words = {word for italics in named(public_methods().get(method, "")) for word in italics.split()}
        if not words >= set(ours.section.split()):
            yield f"the docstring of {method} doesn't name the section"
    for line in COMMANDS.get(row.name, ()):
        if line not in row.commands:
            yield f"there is no command `{line}`"
    if not row.commands and not row.steps:
        yield "no command and no step sends it"
    if not row.cassette:
        yield "there is no cassette"


def _places(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_row_has_a_hole(rows: dict[str, Row], name: str) -> None:
    assert list(holes(rows[name])) == []


def test_the_page_has_every_section_once_and_in_order() -> None:
    assert [operation.section for operation in OPERATIONS.values()] == [
        section.heading for section in REFERENCE.values()
    ]
    assert list(OPERATIONS) == list(REFERENCE) == [one.name for one in API]
    assert len({section.heading for section in REFERENCE.values()}) == len(OPERATIONS) == 38


def test_nothing_of_the_client_is_left_out(rows: dict[str, Row]) -> None:
    assert {method for row in rows.values() for method in row.methods} == public_methods().keys()
    assert SCENES.keys() | {"sign-in", "get-version"} == ALL.keys()


def test_every_verb_of_a_plan_is_a_step_of_an_operation(rows: dict[str, Row]) -> None:
    assert {step for row in rows.values() for step in row.steps} == {
        str(verb) for verb in Verb if PULSE.knows(verb)
    }


def test_a_hole_is_seen() -> None:
    row = Row("get-campaign", (), (), (), "", "")
    assert row.line().count(HOLE) == 4
    assert set(holes(row)) == {
        "the embedded server has no handler",
        "no method of the client sends it",
        "there is no command `campaign show`",
        "there is no command `plan`",
        "no command and no step sends it",
        "there is no cassette",
    }
    undocumented = Row(
        "get-campaign", ("list_packages",), ("campaign show", "plan"), (), "campaigns.get", "x.yaml"
    )
    assert list(holes(undocumented)) == ["the docstring of list_packages doesn't name the section"]
