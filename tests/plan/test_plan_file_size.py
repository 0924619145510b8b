"""A plan of a million steps: groups are what is kept, so memory grows with gateways and not with steps."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STEPS = 1_000_000
MEGABYTES = {"write": 64, "open": 16, "read": 256}
"""Beyond what was there before: the plan itself for writing, nothing for reading. The ids alone are 100."""

MEASURED = """
import json, resource, sys
from pathlib import Path
from reconciler.model import *
from reconciler.options import Options
from reconciler.plan import Plan
from reconciler.plan.file import Head, MadeIn, MadeOn, open_plan, write_plan
from reconciler.plan.fingerprints import Fingerprint, Of
from reconciler.providers.pulse.operations import OPERATIONS

what, path, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

def peak():
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

def made():
    ids = tuple(f"gateway-{number:07d}-of-the-northern-plant" for number in range(steps))
    line, operation = ResourceId(Kind.CAMPAIGN, "line"), OPERATIONS["schedule-download"]
    phase, window = SchedulePhase.DOWNLOAD, Window(1, 2)
    action = ScheduleWindow(line, Reason.NOT_RECORDED, "c-1", ids, phase=phase, window=window)
    change = Change(line, "schedules.download", None, {}, Reason.NOT_RECORDED, members=ids)
    plan = Plan(Server("pulse", "x"), (StepGroup("schedule-download:line", action, operation, 1),), (change,))
    return plan, (Fingerprint(Of.CAMPAIGN, "c-1", {}, {"gateways": frozenset(ids)}, line),)

found = {}
if what == "write":
    plan, fingerprints = made()
    before = peak()
    head = Head("0", plan.server, MadeIn("/"), MadeOn(1, "l"), Options())
    write_plan(path, head, plan, fingerprints, root=Path("/"), salt="5a17")
    found["write"] = peak() - before
else:
    before = peak()
    opened = open_plan(path)
    found["open"] = peak() - before
    saved = opened.read(Path("/"), OPERATIONS, lambda secret: secret)
    found["read"] = peak() - before
    assert saved.plan.size == steps
print(json.dumps(found))
"""


def test_a_million_steps(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    # Not of the program: what a measurement of coverage needs.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    found: dict[str, float] = {}
    for what in ("write", "read"):
        made = subprocess.run(
            [sys.executable, "-c", MEASURED, what, str(path), str(STEPS)],
            cwd=ROOT,
            env=env,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        found |= json.loads(made.stdout)
    assert {what: value for what, value in found.items() if value > MEGABYTES[what]} == {}
    assert path.stat().st_size < 50 * STEPS, "each gateway is written once"
