"""`/_embedded/faults`, `/_embedded/dialect`, `/_embedded/openapi.json`: what servers do to their callers."""

from collections.abc import Collection, Iterable

from reconciler.embedded.dialects import PRESETS, parse_dialect, shown
from reconciler.embedded.errors import CallRefused
from reconciler.embedded.faults import parse_rules
from reconciler.embedded.openapi import Described, document
from reconciler.embedded.wire import Handler, Json, ReceivedCall


def get_faults(call: ReceivedCall) -> Json:
    """The rules, how often each was asked and struck, and the last strikes."""
    return call.context.faults.shown()


def put_faults(known: Collection[str]) -> Handler:
    """Rules in the place of those before; `known`: the operations that they may name."""

    def handle(call: ReceivedCall) -> Json:
        call.context.faults.arm(*parse_rules(call.body, known))
        return call.context.faults.shown()

    return handle


def delete_faults(call: ReceivedCall) -> Json:
    """No faults any more."""
    call.context.faults.arm(())
    return {}


def get_dialect(call: ReceivedCall) -> Json:
    """The dialect field by field, and the name of the preset that it is, if it is one."""
    spoken = call.context.speech.dialect
    name = next((name for name, preset in PRESETS.items() if preset == spoken), None)
    return shown(spoken) | {"preset": name}


def put_dialect(call: ReceivedCall) -> Json:
    """Change those fields given, on top of `preset` if that is given; answers all of them."""
    if not call.body:
        raise CallRefused(400, f"Name a `preset` ({', '.join(PRESETS)}), or fields to change.")
    call.context.speech.dialect = parse_dialect(call.body, call.context.speech.dialect)
    return get_dialect(call)


def get_openapi(operations: Iterable[Described]) -> Handler:
    """The API as its reference has it: an OpenAPI document of `operations`."""

    def handle(_: ReceivedCall) -> Json:
        return document(operations)

    return handle
