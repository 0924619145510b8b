"""The schemas of what we write, made from its types: what the checked-in files have to be.

What types and their docstrings don't tell stands here as data: patterns, the words for members that are no
fields, and documents from which the examples are taken.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from reconciler.codec.typeschema import IDS, REFERENCE, Rule, SchemaMaker, illustrate
from reconciler.model import (
    Action,
    Kind,
    OnRemove,
    Operation,
    Promotion,
    ResourceId,
    RolloutRecord,
    RolloutStatus,
    Secret,
    Server,
)
from reconciler.plan.file.disk import HEAD_FORMAT, Head, PlanEnd
from reconciler.plan.file.lines import PARTS_FORMAT, PLAN_FORMAT, TYPES, EnvSecret, FileSecret, ListPart
from reconciler.snapshot import Overrides
from reconciler.snapshot.line_format import (
    SNAPSHOT_FORMAT,
    EndLine,
    GatewaysLine,
    Header,
    Line,
    OverridesLine,
    StateLine,
    ValuesLine,
)
from reconciler.state.base import Intent, Origin, Owned, Predecessor, State, Uploaded
from reconciler.state.state_format import STATE_FORMAT, encode_state

_SHA256: Final[Rule] = {"pattern": "^[0-9a-f]{64}$(?!\\n)"}
_RESOURCE: Final[Rule] = {
    "title": "Resource",
    "description": "Kind and name.",
    "type": "string",
    "pattern": f"^({'|'.join(Kind)})/[^\\n]",
    "examples": ["Campaign/line-3"],
}
_RULES: Final[Mapping[str | type, Rule]] = {
    ResourceId: {"$ref": "#/$defs/resource"},
    "State.lineage": {"minLength": 1},
    "State.salt": {"pattern": "^[0-9a-f]{32}$"},
    "Uploaded.sha256": _SHA256,
    "Intent.key": {"minLength": 1},
    "PendingUpload.sha256": _SHA256,
    "PackageFile.sha256": _SHA256,
    "DeletePackage.sha256": _SHA256,
    "EnvSecret.digest": _SHA256,
    "FileSecret.digest": _SHA256,
    "PlanEnd.digest": _SHA256,
    "EndLine.sha256": _SHA256,
    "EndLine.lines": {"minimum": 1},
    "Header.taken": {"maximum": 253_402_300_799_000},
    "Header.overrides": {"enum": [each.value for each in Overrides]},
    "Header.state_version": {"minimum": 1},
    "ListPart.list": {"minimum": 1},
    "ListPart.items": {"type": "array", "minItems": 1},
    "GatewaysLine.ids": {"minItems": 1, "maxItems": 1000},
    "OverridesLine.ids": {"minItems": 1, "maxItems": 1000},
    Operation: {"type": "string"},
    Path: {"type": "string"},
    Secret: {"$ref": "#/$defs/secret"},
}
_SAID: Final = {
    "formatVersion": "The version of this format; newer ones are refused.",
    "type": "The kind of line.",
    "kind": "The kind of line.",
    "event": "What happened.",
    "verb": "What is done.",
    "value": "What was applied.",
    "gateways": "The gateways that have it.",
    "digest": "The digest that closes the file.",
    "whole": "Whether every step of it is settled; otherwise it was begun, and a new plan does the rest.",
    "notice": "What lasts, and a notice was sent about.",
    "since": "Since when, epoch milliseconds.",
}


def state() -> Rule:
    """``schemas/state.json``."""
    maker = SchemaMaker(
        STATE_FORMAT,
        rules={**_RULES, "digest": _SHA256},
        names={Owned: "campaign", Uploaded: "package"},
        said=_SAID,
        defs={"resource": dict(_RESOURCE)},
    )
    made = {
        **_head("state"),
        **maker.object(State),
        "title": "State",
        "description": "What a project owns on one server, and the values it last applied there that the"
        " server can't report. Written by `apply`; it contains secrets only as salted digests.",
        "$defs": maker.defs,
    }
    illustrate(made, [encode_state(each) for each in (_STATE, _LARGE)])
    return {**made, "examples": [encode_state(_STATE)]}


def snapshot() -> Rule:
    """``schemas/snapshot.json``."""
    maker = SchemaMaker(
        SNAPSHOT_FORMAT,
        rules=_RULES,
        names={
            Header: "snapshot",
            GatewaysLine: "gateways",
            OverridesLine: "overrides",
            ValuesLine: "values",
            StateLine: "state",
            EndLine: "end",
        },
        said=_SAID,
    )
    lines = maker.tagged(get_args(Line))
    maker.defs["state"]["properties"]["event"] |= {
        "type": "object",
        "required": ["event"],
        "properties": {
            "event": {
                "title": "Event",
                "description": "What happened.",
                "enum": ["campaign-owned", "members-applied", "package-uploaded", "intent-noted"],
            }
        },
    }
    made = {
        **_head("snapshot"),
        "title": "Snapshot",
        "description": "A line of what `reconciler snapshot` writes; the file is JSON lines, and its `kind`"
        " tells them apart.",
        "oneOf": lines,
        "$defs": maker.defs,
    }
    illustrate(made, _golden("snapshot.jsonl"))
    return made


def plan_file() -> Rule:
    """``schemas/plan-file.json``."""
    defs: Rule = {
        "resource": {**_RESOURCE, "pattern": _RESOURCE["pattern"] + "+$(?!\\n)"},
        REFERENCE: {
            "title": "Reference",
            "description": "`list:` and the number of a list in earlier lines.",
            "type": "string",
            "pattern": "^list:[1-9][0-9]*$(?!\\n)",
            "examples": ["list:1"],
        },
        IDS: {
            "title": "Ids",
            "description": "Sorted ids; if there are more than 100, `list:` and the number of their list.",
            "oneOf": [
                {"type": "array", "items": {"type": "string"}},
                {"$ref": f"#/$defs/{REFERENCE}"},
            ],
            "examples": [["gw-0301", "gw-0302"]],
        },
    }
    rules: Mapping[Any, Rule] = {**_RULES, Action: {"$ref": "#/$defs/action"}}
    lines, head, parts = (
        SchemaMaker(each, rules, said=_SAID, defs=defs) for each in (PLAN_FORMAT, HEAD_FORMAT, PARTS_FORMAT)
    )
    defs["action"] = {
        "title": "Action",
        "description": "One thing to do to one object; `verb` says what.",
        "oneOf": lines.tagged(get_args(Action)),
    }
    defs["secret"] = {
        "title": "Secret",
        "description": "Where its value comes from, and a salted digest of it.",
        "oneOf": [lines.defined(EnvSecret), lines.defined(FileSecret)],
        "examples": [{"source": "environment variable KEY", "fromEnv": "KEY", "digest": "ab" * 32}],
    }
    made: dict[str, Rule] = {"plan": head.object(Head), "list": parts.object(ListPart, {"type": "list"})}
    for name, kind in TYPES.items():
        if get_args(kind):
            variants = lines.tagged(get_args(kind), {"type": name})
            made[name] = {
                "title": "Record",
                "description": "A fact for the state that takes no call; `event` says which kind.",
                "oneOf": variants,
            }
        else:
            made[name] = lines.object(kind, {"type": name})
    made["end"] = head.object(PlanEnd)
    found: Rule = {
        **_head("plan-file"),
        "title": "Plan file",
        "description": "One line of what `plan --out` writes and `apply --plan` reads: a file of JSON lines,"
        " the first of the type `plan`, the last of the type `end`. Fields with their default value are left"
        " out.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in made],
        "$defs": {**made, **{name: rule for name, rule in defs.items() if name not in made}},
    }
    illustrate(found, [*_golden("plan-file.jsonl"), _MOVED, _DECLARED, _NOTICED])
    return found


_MOVED: Final[Any] = {
    "type": "record",
    "event": "campaign-owned",
    "owned": {
        "resource": "Campaign/line-3",
        "id": "8c7f",
        "origin": "created",
        "declared": {"name": "Line 3 ", "gateways": {"count": 120, "digest": "9f86d081"}},
        "kept": {"name": "Line 3"},
    },
}
"""A campaign that another resource declares now."""
_DECLARED: Final[Any] = {
    "type": "record",
    "event": "fields-declared",
    "resource": "Campaign/line-3",
    "fields": {"name": "Line 3 "},
    "kept": {"name": "Line 3"},
}

_NOTICED: Final[Any] = {
    "type": "record",
    "event": "notice-noted",
    "notice": "guard:maxDeletes",
    "at": 1714600000000,
}
"""What lasts, and people are told of."""

MADE: Final = {"state": state, "snapshot": snapshot, "plan-file": plan_file}
"""Name of a schema → what makes it."""


def text_of(rule: Rule) -> str:
    return json.dumps(rule, indent=2, ensure_ascii=False) + "\n"


def _head(name: str) -> Rule:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://reconciler.dev/schemas/v1/{name}.json",
    }


def _golden(name: str) -> list[Any]:
    text = (Path(__file__).parents[1] / "golden" / name).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


_LINE_3: Final = ResourceId(Kind.CAMPAIGN, "line-3")
_OWNED: Final = Owned(
    _LINE_3,
    "b0e1d6a4",
    Origin.CREATED,
    status="STARTED",
    applied={"settings": {"LOG_LEVEL": {"value": "debug"}}},
)
_ROLLOUT: Final = RolloutRecord(
    "9f86d081",
    "2c26b46b",
    edited=True,
    wave=2,
    since=1714600000000,
    reached=1714607200000,
    status=RolloutStatus.PAUSED,
    why="the weather",
    by="ann",
    at=1714607200000,
    limit=50,
    promoted=(Promotion(3, ("soak",)),),
    stops=True,
    frozen=True,
    stopped=("c-6", "c-7"),
    own="b94d27b9",
    lists="5e884898",
    ends=("00061ab0fa8eef72gw-0301", "80087b5b43d91766gw-0302"),
    ends_of="8bf0cd55df4f09f2",
)
_STATE: Final = State(
    lineage="6f1c0a52-4c0e-4c43-9a55-0f5d8c4a7f0e",
    salt="9b2e4c1fa07d53868e1d0c2b7a4f6e35",
    serial=2,
    server=Server("pulse", "https://pulse.example.com"),
    campaigns={_LINE_3: _OWNED},
)
_LARGE: Final = State(
    lineage="6f1c0a52-4c0e-4c43-9a55-0f5d8c4a7f0e",
    salt="9b2e4c1fa07d53868e1d0c2b7a4f6e35",
    serial=12,
    server=Server("pulse", "https://pulse.example.com", "line-3"),
    campaigns={
        _LINE_3: Owned(
            _LINE_3,
            "b0e1d6a4",
            Origin.ADOPTED,
            OnRemove.ABANDON,
            "STARTED",
            "STARTED",
            {"settings": {"LOG_LEVEL": {"value": "debug"}, "API_KEY": {"digest": "9f86d081"}}},
            {"schedules.download": {"1714600000000/1714607200000": frozenset({"gw-1"})}},
            replacing=True,
            predecessors=(Predecessor("a9f2c1d0", ended=True),),
            since=1_714_599_000,
            declared={"name": "Line 3 ", "gateways": {"count": 1, "digest": "9f86d081"}},
            kept={"name": "Line 3"},
            rollout=_ROLLOUT,
        )
    },
    packages={
        "3f1a9c0e" * 8: Uploaded(
            "3f1a9c0e" * 8,
            "5c0d",
            "firmware-2.1.bin",
            ResourceId(Kind.PACKAGE_SET, "line-3-firmware"),
            True,
            "For line 3.",
            1_714_599_000,
        )
    },
    intents={
        "Campaign/line-4": Intent(
            "Campaign/line-4",
            "Line 4",
            {"settings": {"K": {"value": "3"}}},
            "b0e1d6a4",
            "STARTED",
            since=1_714_599_000,
            ended=True,
            others=("5c0c",),
        )
    },
    plans={"3f1a9c0e" * 8: True},
    told={"guard:maxDeletes": 1714600000000},
)
