"""What is written is the same in every process, whatever order its sets have."""

import json
import os
import subprocess
import sys
from pathlib import Path

from reconciler.apply.record import after, before
from reconciler.model import Outcome, OutcomeStatus, Secret
from reconciler.state.applied import packages_value, recorded_settings, things_value
from reconciler.state.file import layout
from reconciler.state.folding import fold
from reconciler.state.leased import document_of
from reconciler.state.state_format import encode_event, encode_state
from tests.apply.apply_script import SALT, step
from tests.codec.state_sample import EVENTS, STATE

ROOT = Path(__file__).parents[2]
GATEWAYS = tuple(f"gw-{number}" for number in range(12))
THINGS = {gateway: (f"t-{number % 5}", "t-9") for number, gateway in enumerate(GATEWAYS)}


def told() -> str:
    """All that a state, a journal and their lines are made of, from sets where the code takes sets."""
    texts = frozenset(f"text {number}" for number in range(40))
    state = fold(STATE, EVENTS)
    many = step("run-on-things", gateways=GATEWAYS, per_call=12, things=THINGS)
    left = Outcome(many, OutcomeStatus.FAILED, left=GATEWAYS[::3])
    events = [
        *before(many, SALT, 0, {}),
        *after(Outcome(many, OutcomeStatus.DONE), SALT, 0, {}, {}),
        *after(left, SALT, 0, {}, {}),
    ]
    remove = step("remove-gateways", gateways=GATEWAYS, per_call=12)
    events += after(Outcome(remove, OutcomeStatus.FAILED, left=GATEWAYS[::5]), SALT, 0, {}, {})
    return "\n".join(
        [
            layout(encode_state(state)),
            document_of(state).decode(),
            json.dumps([encode_event(event) for event in [*EVENTS, *events]]),
            packages_value(texts),
            things_value(texts),
            json.dumps(recorded_settings({text: Secret("s", text) for text in texts}, SALT)),
        ]
    )


def test_what_is_written_is_the_same_in_every_process() -> None:
    code = "from tests.state.test_state_order import told; print(told())"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1
