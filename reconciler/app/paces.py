"""`--pace FILE`: what a rehearsal found, as `rehearse --output json` wrote it.

Tests: `tests/app/test_app_paces.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reconciler.errors import ReconcilerError, unreadable
from reconciler.filereading import read_whole
from reconciler.model import Desired, DesiredCampaign, Finding, ResourceId, Severity
from reconciler.report.plan_document import FORMAT_VERSION
from reconciler.rollout.forecast import RehearsedPace
from reconciler.rollout.situation import WaitFor
from reconciler.text import first

_MAKE: Final = "make one with `reconciler rehearse --output json > {file}`"
_DEVICES: Final = frozenset({WaitFor.SUCCESS.value, WaitFor.BUDGET.value})
"""What is waited for while devices are at work."""
_FEW: Final = 3
_LONGEST: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The paces that a file holds."""

    file: str
    """What the file is called."""
    paces: Mapping[ResourceId, RehearsedPace]

    def findings(self, desired: Desired) -> Iterator[Finding]:
        """What of the rollouts that are looked at it says nothing of, and what no longer is as it was."""
        rollouts = [each for each in desired.campaigns if each.rollout is not None]
        lacking = [each for each in rollouts if each.resource not in self.paces]
        if lacking:
            none = len(lacking) == len(rollouts)
            yield Finding(
                "pace-missing",
                f"{self.file} has no rehearsal of {_named(lacking)}: nothing is expected of"
                f" {'it' if len(lacking) == 1 else 'them'}",
                hint=f"it has {first(sorted(str(each) for each in self.paces), _FEW) or 'none'};"
                f" {_MAKE.format(file=self.file)}",
                severity=Severity.WARNING if none else Severity.NOTE,
            )
        for each in rollouts:
            pace, wish = self.paces.get(each.resource), each.rollout
            if pace is not None and wish is not None and not pace.fits(wish):
                yield Finding(
                    "pace-changed",
                    f"{self.file} was made of other waves of {each.resource}: {_waves(pace.waves)} there, and"
                    f" {_waves([wave.name for wave in wish.waves])} now; nothing is expected of it",
                    wish.place,
                    f"rehearse it again; {_MAKE.format(file=self.file)}",
                    each.resource,
                    Severity.WARNING,
                )


def _named(campaigns: Sequence[DesiredCampaign]) -> str:
    return first([str(each.resource) for each in campaigns], _FEW)


def _waves(names: Sequence[str]) -> str:
    return first(names, _FEW)


def read_rehearsal(path: Path) -> Rehearsed:
    """What `path` says; ReconcilerError when that is no rehearsal, or one of another format."""
    try:
        found = json.loads(read_whole(path))
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise _no_rehearsal(path, "it isn't JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("rehearsals"), list):
        raise _no_rehearsal(path, "`rehearsals` is not in it")
    if (version := found.get("formatVersion")) != FORMAT_VERSION:
        of = json.dumps(version)
        message = f"{path}: it is a rehearsal of format {of}, and this version reads {FORMAT_VERSION}"
        raise ReconcilerError(message, hint=_MAKE.format(file=path))
    try:
        return Rehearsed(str(path), dict(_campaign(each) for each in found["rehearsals"]))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _no_rehearsal(path, "something of a campaign, run or wave is not as it is written") from error


def _no_rehearsal(path: Path, why: str) -> ReconcilerError:
    return ReconcilerError(f"{path}: it is no rehearsal as JSON: {why}", hint=_MAKE.format(file=path))


def _campaign(item: Mapping[str, Any]) -> tuple[ResourceId, RehearsedPace]:
    """The run with the fewest failures tells how long it takes."""
    run = min(item["runs"], key=lambda each: float(each["failureRate"]))
    waves: Sequence[Mapping[str, Any]] = run["waves"]
    names = tuple(_text(wave["name"]) for wave in waves)
    return ResourceId.parse(item["resource"]), RehearsedPace(names, tuple(_took(waves, run)))


def _took(waves: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> Iterator[int | None]:
    """How long devices were at work in each wave, for those that another one followed or that ended it."""
    ended = run["verdict"] == "complete"
    for number, wave in enumerate(waves):
        later = next((each for each in waves[number + 1 :] if each["gateways"]), None)
        if wave["opened"] is None or (later is None and not ended):
            yield None
        elif later is None:
            # Older rehearsals don't have `waited`.
            yield _at_work(run["waited"]) if "waited" in run else None
        else:
            yield None if later["opened"] is None else _at_work(later["waited"])


def _at_work(waited: Sequence[Mapping[str, Any]]) -> int:
    return sum(_milliseconds(each["milliseconds"]) for each in waited if each["for"] in _DEVICES)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _milliseconds(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LONGEST:
        raise ValueError(value)
    return value
