"""Plain English, where a machine can tell: words that have a shorter one, and sentences read twice.

The list of words that we use is in CONTRIBUTING (*Words*).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import click
import pytest

from reconciler.cli.group import COMMANDS, cli
from reconciler.findings import CODES
from tests.docs.docs_blocks import PAGES, ROOT

WORSE = {
    "utilize": "use",
    "utilise": "use",
    "leverage": "use",
    "in order to": "to",
    "prior to": "before",
    "subsequent": "later",
    "whilst": "while",
    "aforementioned": "that",
    "hereby": "",
    "thereof": "of it",
    "whereupon": "then",
    "please note": "",
    "note that": "",
    "obviously": "",
    "basically": "",
    "seamless": "what it does",
    "robust": "what it survives",
    "performant": "fast",
    "blacklist": "what is refused",
    "whitelist": "what is allowed",
    "sanity check": "check",
    "and/or": "or",
    "shall be": "is",
    "as well as": "and",
    "a number of": "some",
    "due to the fact": "because",
}
LONGEST = 45
"""Words of a sentence."""
_CODE = re.compile(r"```.*?```|`[^`\n]*`|<[^>]+>|!?\[|\]\([^)]*\)", re.DOTALL)


def texts() -> Iterator[tuple[str, str]]:
    """Where it stands, and what people read there."""
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        if page.name == "plan-file.md":
            continue  # lists of names
        yield page.relative_to(ROOT).as_posix(), _CODE.sub(" ", page.read_text("utf-8"))
    for schema in sorted((ROOT / "schemas").glob("*.json")):
        for text in described(json.loads(schema.read_text("utf-8"))):
            yield f"schemas/{schema.name}", text
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield f"reconciler {name} --help", helped(command)
    for code, text in CODES.items():
        yield f"finding {code}", text


def described(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            yield node["description"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from described(each)


def helped(command: click.Command) -> str:
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    flags = [p.help or "" for p in command.params if isinstance(p, click.Option)]
    return "\n".join((command.help or "", *flags, *map(helped, inner)))


@pytest.mark.parametrize("word", WORSE)
def test_a_word_that_has_a_shorter_one(word: str) -> None:
    found = [where for where, text in texts() if re.search(rf"\b{word}", text, re.IGNORECASE)]
    assert not found, f"{word!r}: say {WORSE[word]!r}" if WORSE[word] else f"{word!r}: leave it out"


def test_no_sentence_is_read_twice() -> None:
    """Tables and lists have their own breaks."""
    long = [
        f"{where}: {' '.join(words[:12])} … ({len(words)} words)"
        for where, text in texts()
        for part in re.split(r"\n\s*\n|\n\s*[-*|\d]|\|", text)
        for sentence in re.split(r"(?<=[.!?:;])\s+", part)
        if len(words := sentence.split()) > LONGEST
    ]
    assert not long, "\n".join(long)
