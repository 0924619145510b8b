"""Which tests execute what, learned from one run of them without a mutant, and kept.

    tests = traced(root, copy, ["tests"], processes=2)      # runs only what isn't known yet
    who_may_notice(mutant, tests)                           # quickest first

Lines are known of what runs in the process of the tests (coverage's contexts), functions of what runs in
processes that tests start (`mutant_calls`).
"""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coverage import CoverageData

from tests.leading import said_tests
from tests.mutants.mutant_edits import Lines, Mutant, digest

PACKAGE = "reconciler"
_CACHE = Path("build", "mutants", "trace.json")
_NEAR, _AKIN, _NAMED = 10, 100, 1_000
_COVERAGE = f"[run]\nparallel = true\nsource = {PACKAGE}\n"


@dataclass(frozen=True, slots=True)
class Traced:
    """A test that passes without mutants: its time, and what it executes, by path."""

    nodeid: str
    seconds: float
    lines: Mapping[str, int] = field(default_factory=dict)
    """Bit n stands for line n."""
    calls: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """The first lines of functions, decorators included, in processes that it starts."""


def copied(root: Path, place: Path) -> Path:
    """A copy of the tree without what tools leave in it."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        hidden = {".git", ".venv", ".venv-newest", "build", "dist", "htmlcov", "__pycache__"}
        top = Path(folder) == root
        return {
            name for name in names if name in hidden or (top and name.endswith(("_cache", ".hypothesis")))
        }

    return Path(shutil.copytree(root, place, ignore=left_out, symlinks=True))


def environment(copy: Path) -> dict[str, str]:
    """Of processes that import from the copy; sets have the same order in all of them."""
    unwanted = ("COV", "MUTANT_", "PYTEST_", "RECONCILER_", "MAKE", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PYTHONPATH": str(copy), "PYTHONHASHSEED": "0"}


def traced(
    root: Path, copy: Path, chosen: Sequence[str], processes: int, say: Callable[[str], object]
) -> list[Traced]:
    """All tests below the `chosen` folders and files; what has changed since the last time is run."""
    cache = root / _CACHE
    files = _test_files(root, chosen)
    common = _digest(root, [*_sources(root), *_helpers(root)])
    known = json.loads(cache.read_text(encoding="utf-8")) if cache.exists() else {}
    if known.get("common") != common:
        known = {"common": common, "files": {}}
    digests = {name: _digest(root, [root / name]) for name in files}
    stale = [name for name in files if known["files"].get(name, {}).get("digest") != digests[name]]
    if stale:
        say(f"Learning which tests execute what: {len(stale)} files of tests ...")
        tests, failed = _trace(copy, stale, processes)
        if failed:
            say(
                "These fail without a mutant, and are not asked:\n"
                + "".join(f"  {each}\n" for each in failed)
            )
        again = {nodeid.partition("::")[0] for nodeid in failed}
        for name in stale:
            # What failed may pass the next time.
            known["files"][name] = {
                "digest": "" if name in again else digests[name],
                "tests": tests.get(name, {}),
            }
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(known), encoding="utf-8")
    return [
        Traced(
            nodeid, test["seconds"], {p: int(bits, 16) for p, bits in test["lines"].items()}, test["calls"]
        )
        for name in files
        for nodeid, test in known["files"][name]["tests"].items()
    ]


def _sources(root: Path) -> list[Path]:
    return sorted((root / PACKAGE).rglob("*.py"))


def _test_files(root: Path, chosen: Sequence[str]) -> list[str]:
    found: set[Path] = set()
    for name in chosen:
        place = root / name
        if not place.exists():
            raise LookupError(f"there are no tests {name}")
        found.update(place.rglob("test_*.py") if place.is_dir() else [place])
    names = sorted(path.relative_to(root).as_posix() for path in found)
    return [name for name in names if not name.startswith("tests/mutants/")]


def _helpers(root: Path) -> list[Path]:
    ours = Path(__file__).parent.name
    found = [path for path in (root / "tests").rglob("*.py") if not path.name.startswith("test_")]
    return [*sorted(path for path in found if ours not in path.parts), root / "pyproject.toml"]


def _digest(root: Path, paths: Sequence[Path]) -> str:
    return digest(
        *((path.relative_to(root), hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)
    )


def _trace(copy: Path, names: Sequence[str], processes: int) -> tuple[dict[str, dict[str, dict]], list[str]]:  # type: ignore[type-arg]
    """By file and test: its seconds, lines and calls; and the tests that fail."""
    shutil.copy(Path(__file__).with_name("mutant_calls.py"), copy / "sitecustomize.py")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        Path(place, "coveragerc").write_text(_COVERAGE, encoding="utf-8")
        env = {**environment(copy), "MUTANT_TRACE": name, "COVERAGE_FILE": str(place / "coverage")}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutants.mutant_tracing"]
        command += ["-m", "not soak", "--no-header", "--tb=no", "--timeout=400"]
        command += ["-n", str(processes)] if processes > 1 else []
        command += [f"--cov={PACKAGE}", "--cov-context=test", f"--cov-config={place / 'coveragerc'}"]
        command += ["--cov-report=", f"--basetemp={place / 'tmp'}", *names]
        with Path(place, "output").open("wb") as output:
            ended = subprocess.run(command, cwd=copy, env=env, stdout=output, stderr=output, check=False)
        if ended.returncode not in (0, 1):
            raise RuntimeError(Path(place, "output").read_text(encoding="utf-8", errors="replace")[-4000:])
        said = json.loads(Path(place, "seconds.json").read_text(encoding="utf-8"))
        tests: dict[str, dict[str, dict]] = {}  # type: ignore[type-arg]
        for nodeid, seconds in said["seconds"].items():
            found = {"seconds": round(seconds, 3), "lines": {}, "calls": {}}
            tests.setdefault(nodeid.partition("::")[0], {})[nodeid] = found
        every = {nodeid: test for each in tests.values() for nodeid, test in each.items()}
        for nodeid, path, bits in _lines(place / "coverage", copy):
            if nodeid in every:
                lines = every[nodeid]["lines"]
                lines[path] = f"{int(lines.get(path, '0'), 16) | bits:x}"
        for nodeid, path, line in _calls(place, copy):
            if nodeid in every:
                every[nodeid]["calls"].setdefault(path, []).append(line)
    (copy / "sitecustomize.py").unlink()
    return tests, said["failed"]


def _lines(file: Path, copy: Path) -> Iterator[tuple[str, str, int]]:
    data = CoverageData(str(file))
    data.read()
    for path in data.measured_files():
        bits: dict[str, int] = {}
        for line, contexts in data.contexts_by_lineno(path).items():
            for context in contexts:
                nodeid = context.rpartition("|")[0]
                bits[nodeid] = bits.get(nodeid, 0) | 1 << line
        for nodeid, each in bits.items():
            yield nodeid, Path(path).relative_to(copy).as_posix(), each


def _calls(place: Path, copy: Path) -> Iterator[tuple[str, str, int]]:
    found: set[tuple[str, str, int]] = set()
    for file in place.glob("*.calls"):
        for row in file.read_text(encoding="utf-8").splitlines():
            path, line, nodeid = row.split("\t", 2)
            found.add((nodeid, Path(path).relative_to(copy).as_posix(), int(line)))
    yield from sorted(found)


def who_may_notice(
    mutant: Mutant,
    tests: Sequence[Traced],
    users: Mapping[str, frozenset[str]],
    source: bytes = b"",
) -> list[Traced]:
    """The tests that execute what the mutant changes, the quickest first.

    Those of its own part of the package are most likely to notice, and count as if they were quicker; more so
    those whose file is called after a folder of the module there; so are, before all others, those to which
    the module leads: by its name, or by what the docstring of its `source` says.

    Of a coroutine all are asked that begin it: once it was thrown into while it waited, Python 3.11 no longer
    tells coverage which lines it goes on with.

    What stands outside of functions runs when it is imported: who executes anything of that module, or of one
    that imports it (`users`), may notice, and so may the tests of a file that imports it. Those are asked of
    the default of a parameter, too.
    """
    importing = users.get(mutant.path, frozenset())
    if mutant.scope is None:
        paths = {mutant.path, *importing}
        found = [
            test
            for test in tests
            if paths & (test.lines.keys() | test.calls.keys() | {test.nodeid.partition("::")[0]})
        ]
    else:
        bits, scope = _bits(mutant.lines), range(mutant.scope[0], mutant.scope[1] + 1)
        if _suspends(source, mutant.scope):
            bits = _bits(mutant.scope)
        found = [
            test
            for test in tests
            if test.lines.get(mutant.path, 0) & bits
            or any(line in scope for line in test.calls.get(mutant.path, ()))
            or (mutant.default and test.nodeid.partition("::")[0] in importing)
        ]
    folder, stem = f"tests/{mutant.package}/", Path(mutant.path).stem.strip("_")
    akin = set(Path(mutant.path).parts[2:-1])
    named = said_tests(source.decode())

    def rank(test: Traced) -> tuple[float, str]:
        file = test.nodeid.partition("::")[0]
        if file in named or Path(file).stem.endswith(f"_{stem}"):
            return test.seconds / _NAMED, test.nodeid
        if not file.startswith(folder):
            return test.seconds, test.nodeid
        return test.seconds / (_AKIN if akin & {*Path(file).stem.split("_")} else _NEAR), test.nodeid

    return sorted(found, key=rank)


def _suspends(source: bytes, scope: Lines) -> bool:
    """Whether there is a coroutine in these lines."""
    return any(b"async def " in line for line in source.splitlines()[scope[0] - 1 : scope[1]])


def _bits(lines: Lines) -> int:
    return (1 << lines[1] + 1) - (1 << lines[0])


def users_of(sources: Mapping[str, bytes]) -> Mapping[str, frozenset[str]]:
    """The modules that import from each module, by path; those of tests may be among the `sources`."""
    paths = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in sources}
    users: dict[str, set[str]] = {}
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Import(names=names):
                    named = [each.name for each in names]
                case ast.ImportFrom(module=str(module), names=names):
                    named = [module, *(f"{module}.{each.name}" for each in names)]
                case _:
                    continue
            for name in named:
                if name in paths:
                    users.setdefault(paths[name], set()).add(path)
    return {path: frozenset(found) for path, found in users.items()}
