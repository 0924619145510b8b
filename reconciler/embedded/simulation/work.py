"""The work of the three phases in steps, and which step fails. Pure.

Tests: `tests/embedded/test_embedded_machine.py`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.embedded.simulation.machine import DOWNLOAD, EXECUTION, PHASES
from reconciler.embedded.simulation.settings import Rate, Simulation

# A download tells its progress so often at most, and not more than once a second.
_PIECES: Final = 4


@dataclass(frozen=True, slots=True)
class PackagePart:
    """A package as a gateway works on it; `size` in bytes."""

    id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class WorkStep:
    """A piece of work: it takes `duration` milliseconds, then `downloaded` and `executed` are these.

    `ends` are the packages that it finishes in this phase; `last` finishes the phase.
    """

    duration: int
    downloaded: Mapping[str, int]
    executed: Sequence[str]
    ends: Sequence[PackagePart]
    last: bool


def next_step(
    phase: str,
    parts: Sequence[PackagePart],
    downloaded: Mapping[str, int],
    executed: Sequence[str],
    pace: Simulation,
) -> WorkStep:
    """What is to be done next: a piece of a download, the execution of a package, the activation of all."""
    if phase == DOWNLOAD:
        return _download(parts, downloaded, executed, pace.download_bytes_per_second)
    if phase == EXECUTION:
        return _execution(parts, downloaded, executed, pace.execution_seconds * 1000)
    return WorkStep(pace.activation_seconds * 1000, downloaded, executed, ends=parts, last=True)


def _download(
    parts: Sequence[PackagePart],
    downloaded: Mapping[str, int],
    executed: Sequence[str],
    bytes_per_second: int,
) -> WorkStep:
    left = [part for part in parts if downloaded.get(part.id, -1) < part.size]
    if not left:
        return WorkStep(0, downloaded, executed, ends=(), last=True)
    part = left[0]
    have = downloaded.get(part.id, 0)
    pieces = max(1, min(_PIECES, part.size // bytes_per_second))
    taken = min(-(-part.size // pieces), part.size - have)
    done = have + taken == part.size
    return WorkStep(
        duration=-(-taken * 1000 // bytes_per_second),
        downloaded={**downloaded, part.id: have + taken},
        executed=executed,
        ends=(part,) if done else (),
        last=done and all(other.id == part.id for other in left),
    )


def _execution(
    parts: Sequence[PackagePart], downloaded: Mapping[str, int], executed: Sequence[str], duration: int
) -> WorkStep:
    """One line for each package that is done: how many there are says how far it is."""
    done = len(executed)
    if done >= len(parts):
        return WorkStep(0, downloaded, executed, ends=(), last=True)
    part = parts[done]
    line = f"{done + 1}/{len(parts)} {part.name}: done"
    return WorkStep(duration, downloaded, (*executed, line), ends=(part,), last=done + 1 == len(parts))


_CAUSES: Final = {
    DOWNLOAD: "the download of {} broke off",
    EXECUTION: "the execution of {} ended with code 1",
}
_ACTIVATION: Final = "the activation of {} was not confirmed"


def failure(phase: str, step: WorkStep, *, campaign: str, gateway: str, simulation: Simulation) -> str | None:
    """The cause when this step fails, else None.

    Chance is a function of the seed and of names, so that the same rehearsal fails in the same way again:
    for `failureRate` of the campaign and the gateway, for `failures` of the package and the gateway.
    """
    for part in step.ends:
        rate = simulation.failures.get(part.id)
        if rate is not None and _fails(rate, phase, f"{simulation.seed}:package:{part.name}:{gateway}"):
            return _CAUSES.get(phase, _ACTIVATION).format(part.name)
    overall = f"{simulation.seed}:campaign:{campaign}:{gateway}"
    if step.last and _fails(simulation.failure_rate, phase, overall):
        return f"the {phase} failed: simulated"
    return None


def offline(gateway: str, simulation: Simulation) -> bool:
    """Whether the gateway is one of those that don't poll at first: the same ones in every campaign."""
    return _roll(f"{simulation.seed}:offline:{gateway}") < simulation.offline_rate


def _fails(rate: Rate, phase: str, subject: str) -> bool:
    if rate.whole and _roll(subject) < rate.whole:
        return PHASES[int(_roll(f"{subject}:phase") * len(PHASES))] == phase
    return _roll(f"{subject}:{phase}") < rate.phases.get(phase, 0.0)


def _roll(subject: str) -> float:
    """A number from 0 to 1, 1 left out, that looks random and isn't."""
    digest = hashlib.blake2b(subject.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / (1 << 53)
