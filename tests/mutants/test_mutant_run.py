"""The whole of `make mutants`, on a tree with one function; which mutants it chooses, and who is asked."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.mutant_choice import EQUIVALENT, all_mutants, equivalents, sampled
from tests.mutants.mutant_trace import Traced, environment, users_of, who_may_notice

SOURCES = {
    "reconciler/__init__.py": b"",
    "reconciler/core.py": b"LIMIT = 3\n\n\ndef most(a):\n    return min(a, LIMIT)\n",
    "reconciler/other.py": b"from reconciler.core import most\n\n\ndef all_of(a):\n    return most(a) or 7\n",
}
TEST = """\
import subprocess
import sys

from reconciler.core import most
from reconciler.other import all_of


def test_most():
    assert [most(2), most(3), most(4)] == [2, 3, 3]


def test_in_another_process():
    code = "from reconciler.other import all_of; assert all_of(0) == 7"
    subprocess.run([sys.executable, "-c", code], check=True)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with our tool in it."""
    for path, source in SOURCES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(source)
    shutil.copytree(Path(__file__).parent, tmp_path / "tests" / "mutants")
    (tmp_path / "tests" / "mutants" / EQUIVALENT.name).write_text("")
    (tmp_path / "tests" / "core").mkdir()
    (tmp_path / "tests" / "core" / "test_core.py").write_text(TEST)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "-p no:schemathesis"\n')
    return tmp_path


def test_what_the_tests_notice_dies_and_the_rest_is_shown(tree: Path) -> None:
    command = [sys.executable, "-m", "tests.mutants", "--packages=core other", "--processes=1"]
    ran = subprocess.run(
        command, cwd=tree, env=environment(tree), capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 1, ran.stderr
    assert "-    return most(a) or 7\n+    return most(a) and 7\n" not in ran.stdout
    assert "killed  reconciler/core.py:1 (module): constant" in ran.stdout
    assert "killed  reconciler/core.py:5 most: function" in ran.stdout
    (head,) = [line for line in ran.stdout.splitlines() if "LIVES   reconciler/other.py" in line]
    assert f"repeat: make mutants ONLY={head.rpartition('[')[2].rstrip(']')}" in ran.stdout
    assert ran.stdout.splitlines()[-3].split() == ["all", "3", "2", "1", "66.7%"]
    assert (tree / "reconciler" / "core.py").read_bytes() == SOURCES["reconciler/core.py"]


def test_a_seed_gives_the_same_sample_and_a_change_elsewhere_keeps_it() -> None:
    def chosen(sources: dict[str, bytes], seed: int) -> list[str]:
        return [one.id for one in sampled(all_mutants(sources, {"core", "other"}), 2, seed, sources)]

    samples = {seed: chosen(SOURCES, seed) for seed in range(20)}
    assert samples == {seed: chosen(SOURCES, seed) for seed in range(20)}
    assert len(set(map(tuple, samples.values()))) > 1
    changed = {**SOURCES, "reconciler/core.py": b"import os\n\n" + SOURCES["reconciler/core.py"]}
    assert samples == {seed: chosen(changed, seed) for seed in range(20)}


def test_a_package_that_was_renamed_is_not_passed_over() -> None:
    with pytest.raises(LookupError, match="gone"):
        all_mutants(SOURCES, {"core", "gone"})


def test_an_equivalent_mutant_needs_a_reason() -> None:
    entry = '[[equivalent]]\nfunction = "f"\nwas = "a"\nbecomes = "b"\nreason = "{}"\n'
    assert [one.reason for one in equivalents(entry.format("why"))] == ["why"]
    for wrong in (entry.format(" "), entry.format("why") * 2):
        with pytest.raises(ValueError, match="equivalent"):
            equivalents(wrong)
    assert equivalents(EQUIVALENT.read_text(encoding="utf-8")) is not None


def test_those_who_execute_it_are_asked_and_its_own_folder_first() -> None:
    core, other = "reconciler/core.py", "reconciler/other.py"
    tests = [
        Traced("tests/cli/test_a.py::quick", 0.1, {core: 1 << 5}),
        Traced("tests/core/test_b.py::slow", 0.9, {core: 1 << 5}),
        Traced("tests/core/test_b.py::elsewhere", 0.1, {core: 1 << 4}),
        Traced("tests/e2e/test_c.py::in_its_process", 5.0, calls={core: [4]}),
        Traced("tests/cli/test_a.py::uses_it", 0.2, {other: 1 << 5}),
    ]
    mutants = {one.line: one for one in all_mutants(SOURCES, {"core"})}

    def asked(line: int) -> list[str]:
        return [
            test.nodeid.partition("::")[2] for test in who_may_notice(mutants[line], tests, users_of(SOURCES))
        ]

    assert asked(5) == ["slow", "quick", "in_its_process"]
    says = b'"""It.\n\nTests: `tests/e2e/test_c.py`.\n"""\n'
    led = [test.nodeid for test in who_may_notice(mutants[5], tests, users_of(SOURCES), says)]
    assert led[0] == "tests/e2e/test_c.py::in_its_process"
    own = [Traced("tests/cli/test_cli_core.py::its_name", 7.0, {core: 1 << 5}), *tests]
    assert who_may_notice(mutants[5], own, users_of(SOURCES))[0] == own[0]
    deep = replace(mutants[5], path="reconciler/core/deep/inner.py")
    near, akin = (
        Traced(f"tests/core/test_{name}_x.py::{name}", seconds, {deep.path: 1 << 5})
        for name, seconds in (("other", 1.0), ("deep", 5.0))
    )
    assert who_may_notice(deep, [near, akin], {}) == [akin, near], "it is called after the folder"
    assert asked(1) == ["elsewhere", "slow", "quick", "uses_it", "in_its_process"]
    tables = Traced("tests/core/test_d.py::a_table", 0.1, {})
    importing = users_of({**SOURCES, "tests/core/test_d.py": b"from reconciler.core import f"})
    assert who_may_notice(mutants[1], [tables], importing) == [tables], "it read what the module holds"
    assert who_may_notice(mutants[1], [tables], users_of(SOURCES)) == []
    assert who_may_notice(mutants[5], [tables], importing) == []
    with_default = {**SOURCES, core: b"def most(a, most=3):\n    return min(a, most)\n"}
    default, *_ = (one for one in all_mutants(with_default, {"core"}) if one.line == 1)
    assert who_may_notice(default, [tables], importing) == [tables], "it read the signature"


def test_of_a_coroutine_all_are_asked_that_begin_it() -> None:
    """What it does after a wait isn't always seen."""
    core = "reconciler/core.py"
    plain = b"def later(ask):\n    found = ask()\n    return found + 1\n"
    waits = plain.replace(b"def ", b"async def ").replace(b"= ask", b"= await ask")
    begins = Traced("tests/core/test_a.py::begins", 1.0, {core: 1 << 2})
    elsewhere = Traced("tests/core/test_a.py::elsewhere", 1.0, {core: 1 << 9})
    for source, asked in ((plain, []), (waits, [begins])):
        last = next(one for one in all_mutants({**SOURCES, core: source}, {"core"}) if one.line == 3)
        assert who_may_notice(last, [begins, elsewhere], users_of(SOURCES), source) == asked
