"""The pages of `docs/reference/` that are made from the code: what they list can't be out of date."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import click

from reconciler.cli.group import COMMANDS, cli
from reconciler.errors import Exit
from reconciler.findings import CODES
from reconciler.model import Kind, Phase, Verb
from reconciler.providers.base import Changing, Detail, Facts, Field, Limits
from reconciler.providers.opening import PROVIDERS, facts_of
from reconciler.report.wording import MEANINGS
from reconciler.settings import ServerSettings
from reconciler.validation.schema_fields import SchemaField, fields, find, type_words
from reconciler.validation.schemas import PROJECT, Schema, inline, schema

_EXITS = """\
`plan` ends with 0, 1, 2 or 64 only: what would be 5 or 6 in `apply` stands in it as a finding. When several
hold, 1 comes first, then 4 or 5, then 3, then 7, then 6. They never depend on the form of the output.
"""
MADE = "<!-- Made from the code by tests/docs; `make golden` writes it anew. -->\n"


def command_line() -> str:
    """Every command with its arguments and flags."""
    root = click.Context(cli, info_name="reconciler")
    lines = [MADE, "# Command line\n", "Every command takes the global flags, before its name or after it.\n"]
    lines += ["## Global flags\n", *_options(cli)]
    hidden = {parameter.name for parameter in cli.params}
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        lines += _command(command, f"reconciler {name}", hidden, root)
    return "\n".join(lines)


def _command(
    command: click.Command, path: str, hidden: set[str | None], parent: click.Context
) -> Iterator[str]:
    context = click.Context(command, info_name=path.rsplit(" ", 1)[-1], parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## {path}\n"
    yield f"```text\n{path} {usage}\n```\n"
    yield _prose(command.help or "") + "\n"
    yield from _options(command, hidden)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, f"{path} {name}", hidden, context)


def _prose(text: str) -> str:
    """Help as Markdown; what click must not wrap is code here."""
    paragraphs = text.replace("\r", "").split("\n\n")
    return "\n\n".join(
        f"```text\n{p.removeprefix(chr(8)).strip(chr(10))}\n```" if p.startswith("\b") else p.strip()
        for p in paragraphs
    )


def _options(command: click.Command, hidden: Iterable[str | None] = ()) -> Iterator[str]:
    context = click.Context(command)
    records = [
        record
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in set(hidden)
        if (record := parameter.get_help_record(context)) is not None
    ]
    if records:
        yield from _table(("flag", "meaning"), ((f"`{flag}`", text) for flag, text in records))


def kinds() -> str:
    """Every field of every kind, and of the project file."""
    lines = [MADE, "# Kinds\n", "`reconciler explain KIND.FIELD` says the same in a terminal.\n"]
    for name in (*(kind.value for kind in Kind), PROJECT):
        kind = find(name)
        lines += [f"## {name}\n", f"{kind.schema['description']}\n"]
        rows = [
            (
                f"`{'.'.join(field.path[1:])}`",
                _type(field),
                str(field.schema.get("description", "")),
                _example(field),
            )
            for field in _below(find(f"{name}.spec"))
        ]
        lines += _table(("field", "type", "meaning", "example"), rows)
    return "\n".join(lines)


def _below(field: SchemaField) -> Iterator[SchemaField]:
    for inner in fields(field):
        yield inner
        yield from _below(inner)


def _type(field: SchemaField) -> str:
    words = [type_words(field.schema)]
    if field.required:
        words.append("**required**")
    if "default" in field.schema:
        words.append(f"default `{json.dumps(field.schema['default'])}`")
    return ", ".join(words)


def _example(field: SchemaField) -> str:
    example = next(iter(field.schema.get("examples", ())), None)
    text = json.dumps(example, ensure_ascii=False) if example is not None else ""
    return f"`{text}`" if text and len(text) <= 60 else ""


def exit_codes() -> str:
    """Every exit code of every command."""
    rows = ((str(code.value), MEANINGS[code]) for code in Exit)
    return "\n".join(
        [
            MADE,
            "# Exit codes\n",
            _EXITS,
            *_table(("code", "meaning"), rows),
        ]
    )


def findings() -> str:
    """Every code of a finding."""
    rows = ((f"`{code}`", text) for code, text in sorted(CODES.items()))
    return "\n".join(
        [
            MADE,
            "# Findings\n",
            "The codes are stable: scripts may rely on them.\n",
            *_table(("code", "when"), rows),
        ]
    )


def plan_file() -> str:
    """Every line of a plan file, then what lines share: mappings with fields, and values."""
    published = schema("plan-file")
    defs = published["$defs"]
    lines = [_name(rule) for rule in published["oneOf"]]
    parts = [name for name, rule in defs.items() if _has_section(rule, published) and name not in lines]
    text = [
        MADE,
        "# Plan file\n",
        f"{published['description']} [Plan files](../plan-files.md) says what for.\n",
    ]
    text += [
        "## Lines\n",
        "`type` says which line it is; they come in this order, a list before its first use.\n",
    ]
    for name in lines:
        text += _definition(name, published)
    text += [
        "## Parts of lines\n",
        "In the place of any list or mapping may stand `list:1`: the list with that number.\n",
    ]
    for name in parts:
        text += _definition(name, published)
    rest = [name for name in defs if name not in (*lines, *parts)]
    rows = ((name, defs[name]["description"], _code(defs[name]["examples"][0])) for name in rest)
    return "\n".join([*text, "### Values\n", *_table(("value", "meaning", "example"), rows)])


def _definition(name: str, published: Schema) -> Iterator[str]:
    rule = published["$defs"][name]
    yield f"### {name}\n"
    yield f"{rule['title']}. {rule['description']}\n"
    if "properties" not in rule:
        yield f"One of {', '.join(f'[{each}](#{each})' for each in map(_name, rule['oneOf']))}.\n"
        return
    yield from _table(("field", "type", "meaning", "example"), _properties(rule, published))


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[-1]


def _has_section(rule: Schema, published: Schema) -> bool:
    """Whether it is a mapping with fields, or one of several."""
    defs, several = published["$defs"], rule.get("oneOf", ())
    of = [defs[_name(each)] if "$ref" in each else each for each in several]
    return "properties" in rule or (bool(of) and all("properties" in each for each in of))


def _properties(rule: Schema, published: Schema, prefix: str = "") -> Iterator[tuple[str, ...]]:
    """The fields of one mapping, and of those within it; what has a section of its own is a link."""
    for name, inner in rule["properties"].items():
        if name == "type":
            continue
        whole = inline(inner, published)
        shared = inner.get("$ref", "").rsplit("/", 1)[-1]
        section = bool(shared) and _has_section(published["$defs"][shared], published)
        link = f"[{shared}](#{shared if section else 'values'})"
        words = link if shared else _type_of(inner, published)
        words += ", **required**" if name in rule["required"] else ""
        example = "" if section else _code(whole["examples"][0])
        yield f"`{prefix}{name}`", words, whole["description"], example
        if "properties" in whole and not shared:
            yield from _properties(inner, published, f"{prefix}{name}.")


def _type_of(rule: Schema, published: Schema) -> str:
    """Without the number of a list that may stand for it: that is said once."""
    kinds = [each for each in rule.get("oneOf", ()) if each != {"$ref": "#/$defs/reference"}]
    return type_words(inline({**rule, "oneOf": kinds} if kinds else rule, published))


def _code(example: object) -> str:
    text = f"`{json.dumps(example, ensure_ascii=False)}`"
    return text if len(text) <= 72 else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
    yield ""


_CHANGING: Final = {
    Changing.EDITED: "changed in place",
    Changing.REPLACED: "changed by a successor",
    Changing.FIXED: "never changed",
}


def servers() -> str:
    """Which kind of server can what: the facts, side by side."""
    kinds = {name: facts_of(ServerSettings(provider=name)) for name in sorted(PROVIDERS)}
    lines = [MADE, "# Which server can what\n", "`server.provider` names the kind of a server.\n"]
    lines += ["## Fields of a campaign\n"]
    rows = ((f"`{name}`", *(_field(facts, name) for facts in kinds.values())) for name in Field)
    lines += _table(("field", *kinds), rows)
    lines += ["## More about packages and delivery\n"]
    details = (
        (f"`{detail}`", *("yes" if detail in facts.details else "-" for facts in kinds.values()))
        for detail in Detail
    )
    lines += _table(("field", *kinds), details)
    lines += ["## What interrupts devices that are under way\n"]
    verbs = (
        (str(verb), *("yes" if verb in facts.interrupting else "-" for facts in kinds.values()))
        for verb in Verb
        if any(verb in facts.interrupting for facts in kinds.values())
    )
    lines += _table(("step", *kinds), verbs)
    lines += ["## Words for a campaign\n"]
    phases = (
        (str(phase), *(_words(facts, phase) for facts in kinds.values()))
        for phase in Phase
        if phase is not Phase.UNKNOWN
    )
    lines += _table(("means", *kinds), phases)
    lines += ["## Limits\n", "Characters, and bytes of a file.\n"]
    limits = (
        (what, *(_limit(facts.limits, what) for facts in kinds.values()))
        for what in ("name", "description", "package name", "package description", "id", "file")
    )
    lines += _table(("of", *kinds), limits)
    return "\n".join(lines)


def _field(facts: Facts, name: Field) -> str:
    if not facts.supports(name):
        return "-"
    words = [_CHANGING[facts.changing(name)] if facts.replaces else "yes"]
    words += ["can't be read"] if not facts.readable(name) else []
    words += ["required"] if facts.fields[name].required else []
    return ", ".join(words)


def _words(facts: Facts, phase: Phase) -> str:
    return " ".join(f"`{word}`" for word, meaning in facts.phases.items() if meaning is phase) or "-"


def _limit(limits: Limits, what: str) -> str:
    found = max(limits.upload.values()) if what == "file" else getattr(limits, what.replace(" ", "_"))
    return "-" if found is None else f"{found:,}"


PAGES: Mapping[str, Callable[[], str]] = {
    "servers.md": servers,
    "command-line.md": command_line,
    "exit-codes.md": exit_codes,
    "findings.md": findings,
    "kinds.md": kinds,
    "plan-file.md": plan_file,
}
"""File name → what makes it."""
