"""The schema of a type says what the codec writes of it, and nothing else."""

from typing import Any

import jsonschema
import pytest
from state_sample import EVENTS, LOCK, OWNED, STATE

from reconciler.codec import coder
from reconciler.codec.members import kebab
from reconciler.codec.typeschema import SchemaMaker
from reconciler.model import ResourceId
from reconciler.state.base import Event
from reconciler.state.state_format import STATE_FORMAT, encode_event


def schema_of(kind: Any, **head: str) -> dict[str, Any]:
    said = dict.fromkeys(
        ("event", "formatVersion", "value", "gateways", "digest", "whole", "notice", "since"), "What it says."
    )
    maker = SchemaMaker(STATE_FORMAT, rules={ResourceId: {"type": "string"}}, said=said)
    return {**maker.object(kind, head), "$defs": maker.defs}


def holds(schema: dict[str, Any], document: Any) -> bool:
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    return validator.is_valid(document)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: kebab(type(event)))
def test_each_event_is_what_its_schema_says(event: Event) -> None:
    schema, document = schema_of(type(event), event=kebab(type(event))), encode_event(event)
    jsonschema.validate(document, schema)
    for name in document:
        short = {key: value for key, value in document.items() if key != name}
        assert holds(schema, short) == (name not in schema["required"]), name
    assert not holds(schema, document | {"colourOfPaint": "grey"})
    assert not holds(schema, document | {"event": "other"})


@pytest.mark.parametrize("value", [STATE, OWNED, LOCK], ids=["state", "campaign", "lock"])
def test_what_is_kept_is_what_its_schema_says(value: Any) -> None:
    schema = schema_of(type(value))
    document: Any = coder(STATE_FORMAT, type(value)).encode(value, {})
    jsonschema.validate(document, schema)
    assert set(schema["required"]) <= document.keys() <= set(schema["properties"])
