"""The core knows no word, limit or path of a server: those live with the provider."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.embedded.operations import API
from reconciler.model import Verb
from reconciler.providers.hawkbit.facts import facts_of as hawkbit_facts
from reconciler.providers.pulse.codec.marks import DESCRIPTION_LIMIT, MARK_LENGTH
from reconciler.providers.pulse.facts import facts_of
from reconciler.settings import ServerSettings

ROOT = Path(__file__).parents[2] / "reconciler"
FACTS = facts_of(ServerSettings())
HAWKBIT = hawkbit_facts(ServerSettings())
OURS = {"STARTED", "STOPPED", "APPROVED", "FAILED"}
"""Words of our own YAML, of a change of status and of outcomes that a server happens to use, too."""
PUBLISHED = {"APPROVAL_NEEDED": {"report/plan_document.py"}, "CREATED": {"report/command_answers.py"}}
"""A word that a published document has had from the beginning, and the heading of a table."""
WORDS = (
    *(word for word in (*FACTS.states, *FACTS.phases) if word not in OURS),
    *(name for operation in FACTS.operations.values() for name in operation.permissions),
    *(part for operation in FACTS.operations.values() for part in re.findall(r"\{\w+\}", operation.path)),
    *(FACTS.operations.keys() - {*Verb}),
    *(name for operation in HAWKBIT.operations.values() for name in operation.permissions),
    *(HAWKBIT.operations.keys() - {*Verb}),
    "hawkBit",
    "/rest/v1",
    "securityToken",
    "/api/",
    "x-current-org-id",
    "api-version=",
    "1_000_000_000",
)


BRACES = re.compile(r"\{[^{}]*\}")
"""What a formatted string fills in: names of our own."""


def core() -> Iterator[Path]:
    """Every module but those of servers and of other protocols."""
    others = ("providers/hawkbit", "providers/pulse", "providers/http", "embedded", "forge", "state/s3")
    for path in sorted(ROOT.rglob("*.py")):
        if not path.relative_to(ROOT).as_posix().startswith(others):
            yield path


def code(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of all that is no comment and no docstring: names, numbers, strings."""
    last = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        docstring = token.type == tokenize.STRING and last in (
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
        )
        if token.type not in (tokenize.COMMENT, tokenize.NL) and not docstring:
            formatted = token.type == tokenize.STRING and "f" in token.string.partition(token.string[-1])[0]
            yield token.start[0], BRACES.sub("", token.string) if formatted else token.string
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            last = token.type


def found(words: tuple[str, ...]) -> list[str]:
    """Where the core has one of these words in text; names of Python may be the same."""
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)")
    return [
        f"{name}:{line}: {hit[0]}"
        for path in core()
        for name in [path.relative_to(ROOT).as_posix()]
        for line, text in code(path)
        if (hit := pattern.search(text)) and not text.isidentifier() and name not in PUBLISHED.get(hit[0], ())
    ]


def test_the_words_and_paths_of_a_server_are_nowhere_in_the_core() -> None:
    assert {"DOWNLOAD_COMPLETE", "APPROVAL_NEEDED", "EDIT_CAMPAIGN", "{campaign_id}", "add-gateways"} <= set(
        WORDS
    )
    assert found(WORDS) == []


def test_no_stage_concludes_anything_from_a_status_of_http() -> None:
    allowed = {"errors.py", "readers/parcels.py"}  # where it only goes from one process to another
    hits = []
    for path in core():
        name = path.relative_to(ROOT).as_posix()
        for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            concluded = re.search(r"(?:error|refusal|failure)\.status\b", text)
            if concluded and name not in allowed:
                hits.append(f"{name}:{number}")
    assert hits == []


LENGTHS = [DESCRIPTION_LIMIT, FACTS.limits.package_description, len(" [sha256:]") + MARK_LENGTH]


@pytest.mark.parametrize("length", LENGTHS)
def test_the_lengths_of_the_mark_are_no_numbers_of_a_stage(length: int) -> None:
    stages = [path for path in core() if path.relative_to(ROOT).parts[0] in ("diff", "resolve")]
    stages += [ROOT / name for name in ("observe.py", "reading.py", "validation/messages.py")]
    hits = [f"{path.name}:{line}" for path in stages for line, text in code(path) if text == str(length)]
    assert hits == []


def test_the_embedded_server_has_the_same_operations() -> None:
    assert {row.name for row in API} >= FACTS.operations.keys()
