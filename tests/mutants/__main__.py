"""How many bugs would the tests notice? See `make mutants` and CONTRIBUTING.

    python -m tests.mutants --number 300 --seed 0

Exit codes: 0, 1 (fewer than `--threshold` percent were noticed), 2 (it could not be told).
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from tests.mutants.mutant_choice import EQUIVALENT, all_mutants, equivalents, sampled
from tests.mutants.mutant_edits import Mutant
from tests.mutants.mutant_run import HANGS, Trial, Tried, shown, workers
from tests.mutants.mutant_trace import PACKAGE, copied, traced, users_of

ROOT = Path(__file__).parents[2]
CORE = "diff plan apply state providers ownership observe pacing"


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    # A shell lets what it runs in the background ignore this, and tests of Ctrl-C would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _run(options)
    except (LookupError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.mutants", description=__doc__)
    add = parser.add_argument
    add("--number", type=int, default=300, help="so many mutants, on so many lines")
    add("--seed", type=int, default=0, help="another seed, other mutants")
    add("--packages", default=CORE, help=f"parts of {PACKAGE} (default: {CORE})")
    add("--only", default="", help="mutants by id, instead of a sample")
    add("--tests", default="tests", help="folders and files of tests that are asked")
    add("--processes", type=int, default=2, help="so many are tried at once")
    add("--budget", type=float, default=60, help="seconds of tests for each mutant")
    add("--threshold", type=float, default=95, help="percent that must be noticed")
    add("--list", action="store_true", help="only show the mutants")
    return parser


def _run(options: argparse.Namespace) -> int:
    began = time.monotonic()
    found = sorted((ROOT / PACKAGE).rglob("*.py"))
    sources = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in found}
    mutants = all_mutants(sources, options.packages.split())
    known = equivalents(EQUIVALENT.read_text(encoding="utf-8"))
    stale = [one for one in known if not any(map(one.means, mutants))]
    if options.packages == CORE and stale:
        for one in stale:
            print(f"{EQUIVALENT.name}: nothing is {one.becomes!r} in {one.function} any more: remove it")
        return 2
    if ids := options.only.split():
        chosen = [mutant for mutant in mutants if mutant.id in ids]
        if missing := set(ids) - {mutant.id for mutant in chosen}:
            raise LookupError(f"no mutant is {', '.join(sorted(missing))}; its function or its line changed")
    else:
        chosen = list(sampled(mutants, options.number, options.seed, sources))
    if options.list:
        for mutant in chosen:
            print(f"{_head(mutant)}\n{shown(mutant, sources[mutant.path])}")
        return 0
    real = [mutant for mutant in chosen if not any(one.means(mutant) for one in known)]
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as name:
        copy = copied(ROOT, Path(name, "trace"))
        tests = traced(ROOT, copy, options.tests.split(), options.processes, print)
        files = {test.nodeid.partition("::")[0] for test in tests}
        users = users_of(sources | {file: (ROOT / file).read_bytes() for file in files})
        trial = Trial(sources, tests, users, options.budget)
        with workers(ROOT, Path(name), options.processes) as able:
            tried = trial.run(real, able, _Progress(len(real)))
    for each in tried:
        if not each.killed:
            print(_living(each, sources[each.mutant.path]))
    if trial.unfit:
        print(f"Failed without a mutant, too, and were not asked: {', '.join(trial.unfit)}\n")
    return _figures(tried, len(chosen) - len(real), options.threshold, time.monotonic() - began)


class _Progress:
    """A line for each mutant that was tried."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._guard = Lock()

    def __call__(self, tried: Tried) -> None:
        with self._guard:
            self._done += 1
            fate = (
                f"killed  {_head(tried.mutant)}: {tried.killed}"
                if tried.killed
                else f"LIVES   {_head(tried.mutant)}"
            )
            print(f"{self._done:4}/{self._total} {fate}", flush=True)


def _head(mutant: Mutant) -> str:
    return f"{mutant.path}:{mutant.line} {mutant.function or '(module)'}: {mutant.kind} [{mutant.id}]"


def _living(tried: Tried, source: bytes) -> str:
    asked = f"{tried.ran} tests ran and noticed nothing" if tried.ran else "no test executes it"
    if tried.left_out:
        asked += f"; {tried.left_out} more would take longer than --budget"
    return (
        f"\nLIVES {_head(tried.mutant)}\n{shown(tried.mutant, source)}"
        f"{asked}\nrepeat: make mutants ONLY={tried.mutant.id}\n"
    )


def _figures(tried: Sequence[Tried], equivalent: int, threshold: float, seconds: float) -> int:
    print(f"\n{'':12} {'tried':>6} {'killed':>6} {'living':>6} {'percent':>8}")
    for name in [*sorted({each.mutant.package for each in tried}), ""]:
        part = [each for each in tried if name in ("", each.mutant.package)]
        killed = sum(1 for each in part if each.killed)
        percent = 100 * killed / len(part) if part else 100.0
        print(f"{name or 'all':12} {len(part):6} {killed:6} {len(part) - killed:6} {percent:7.1f}%")
    hang = sum(1 for each in tried if each.killed == HANGS)
    print(f"Of the killed {hang} never end. {equivalent} more can't be noticed ({EQUIVALENT.name}).")
    print(f"It took {seconds:.0f} s.")
    if percent < threshold:
        print(f"fewer than {threshold:g} % were noticed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
