"""Which rollouts wait for a person, as the apply of a look tells: each has an issue for as long as it does.

Tests: `tests/forge/test_forge_rollouts.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.report.markup import code_span, listed
from reconciler.text import clean, cut, plural

LABEL: Final = "reconciler-rollout"
FLAGS: Final = ("--rollouts-only", "--auto-approve", "--lock-timeout", "600")
"""What makes an apply a look."""
_MOST: Final = 60
_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class Asking:
    """A rollout that goes on only by a person's word."""

    resource: str
    title: str
    body: str

    def key(self, job: str) -> str:
        """What its issue is found again by; that of another campaign never is the same."""
        return of_job(job) + hashlib.sha256(self.resource.encode()).hexdigest()[:16]


def of_job(job: str) -> str:
    """What the keys of all rollouts of a job begin with."""
    return f"{job.replace('#', '-')}#"


def asking(document: Mapping[str, Any]) -> tuple[Asking, ...]:
    """The rollouts that wait for a person, of what `apply --output json` tells."""
    found = (_asking(one) for one in document.get("rollouts", ()))
    return tuple(each for each in found if each is not None)


def _asking(one: Mapping[str, Any]) -> Asking | None:
    waits: Sequence[Mapping[str, Any]] = one["waits"]
    resource = str(one["resource"])
    name = cut(clean(resource.partition("/")[2]), _NAME)
    if one["status"] == "aborted":
        title = f"The rollout of {name} is aborted"
    elif one["status"] == "paused" and not one["by"]:
        # A person who paused it by hand knows already.
        title = f"The rollout of {name} is paused"
    elif any(wait["for"] == "approval" for wait in waits):
        title = f"The rollout of {name} waits for approval"
    else:
        return None
    return Asking(resource, title, "\n".join(_body(one, waits)))


def _body(one: Mapping[str, Any], waits: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"{code_span(str(one['resource']))}, policy {code_span(str(one['policy']))}\n"
    if waits:
        yield listed([f"- {code_span(str(wait['text']), limit=1_000)}" for wait in waits], _MOST)
    yield "| wave | gateways | in | done | failed |"
    yield "|---|---:|---:|---:|---:|"
    for wave in one["waves"][:_MOST]:
        counts = (f"{wave[name]:,}" for name in ("gateways", "in", "done", "failed"))
        yield f"| {code_span(str(wave['name']), table=True)} | {' | '.join(counts)} |"
    yield ""


def summary(document: Mapping[str, Any]) -> str:
    """What a look came to, for the job's summary."""
    rollouts: Sequence[Mapping[str, Any]] = document.get("rollouts", ())
    lines = [_line(one) for one in rollouts if one["status"] != "complete" or one["joins"]]
    left = [str(one["message"]) for one in document.get("findings", ()) if one["code"] == "left-to-apply"]
    said = [f"### Rollouts under way: {len(lines):,}\n"]
    if lines:
        said.append(listed(lines, _MOST))
    if left:
        said += ["### Left to a reviewed apply\n", listed([f"- {code_span(each)}" for each in left], _MOST)]
    return "\n".join(said)


def _line(one: Mapping[str, Any]) -> str:
    joins = f", {plural(one['joins'], 'gateway')} join" if one["joins"] else ""
    waits = "".join(f"<br>waits: {code_span(str(wait['text']))}" for wait in one["waits"])
    at = f"wave {one['wave']} of {len(one['waves'])}"
    return f"- {code_span(str(one['resource']))}: {at}, {one['status']}{joins}{waits}"
