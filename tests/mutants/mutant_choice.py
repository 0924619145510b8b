"""Which mutants are tried: a sample by a seed, without those that nobody can notice.

A mutant's rank is a hash of the seed and its text, so that a change elsewhere leaves the rest of a sample as
it was.
"""

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant_edits import Mutant, digest
from tests.mutants.mutant_expressions import optional_parameters
from tests.mutants.mutant_statements import mutants_of

EQUIVALENT = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True, slots=True)
class Equivalent:
    """An edit that no test can notice, and why. Where its function lives doesn't matter."""

    function: str
    was: str
    becomes: str
    reason: str

    def means(self, mutant: Mutant) -> bool:
        return (self.function, self.was, self.becomes) == (mutant.function, mutant.was, mutant.becomes)


def equivalents(text: str) -> list[Equivalent]:
    """The list as a file keeps it; ValueError for an entry that doesn't say all, or says it twice."""
    found = [Equivalent(**entry) for entry in tomllib.loads(text).get("equivalent", [])]
    if any(not (one.was and one.becomes and one.reason.strip()) for one in found):
        raise ValueError("an equivalent mutant needs what was, what it becomes, and a reason")
    if len({(one.function, one.was, one.becomes) for one in found}) < len(found):
        raise ValueError("an equivalent mutant is listed twice")
    return found


def all_mutants(sources: Mapping[str, bytes], packages: Collection[str]) -> list[Mutant]:
    """Those of the modules of `packages`; `sources` are all modules, by path.

    LookupError when a package has no module: it was renamed, and would be passed over in silence.
    """
    optional = optional_parameters(sources.values())
    found = [mutant for path in sorted(sources) for mutant in mutants_of(path, sources[path], optional)]
    chosen = [mutant for mutant in found if mutant.package in packages]
    if missing := set(packages) - {mutant.package for mutant in chosen}:
        raise LookupError(f"nothing to change in {', '.join(sorted(missing))}")
    return chosen


def sampled(
    mutants: Iterable[Mutant], number: int, seed: int, sources: Mapping[str, bytes]
) -> Sequence[Mutant]:
    """So many lines by chance, and of each one mutant; a changed text only where there is nothing else."""
    by_line: dict[tuple[str, int], list[tuple[bool, str, Mutant]]] = {}
    for mutant in mutants:
        rank = digest(seed, mutant.id)
        by_line.setdefault((mutant.path, mutant.line), []).append((mutant.kind == "text", rank, mutant))
    lines = []
    for found in by_line.values():
        first = min(found, key=lambda each: each[:2])[2]
        lines.append((digest(seed, first.function, first.was, first.twin), first))
    chosen: list[Mutant] = []
    for _, mutant in sorted(lines, key=lambda each: (each[0], each[1].path, each[1].start)):
        if len(chosen) == number:
            break
        if compiles(mutant, sources[mutant.path]):
            chosen.append(mutant)
    return sorted(chosen, key=lambda each: (each.path, each.start))


def compiles(mutant: Mutant, source: bytes) -> bool:
    try:
        compile(mutant.applied(source), mutant.path, "exec")
    except (SyntaxError, SyntaxWarning):
        return False
    return True
