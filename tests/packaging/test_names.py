"""A name means one thing in the whole package, and leads from a module to its tests."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leading import said_tests

PACKAGE = Path(__file__).parents[2] / "reconciler"
CLASS = re.compile(r"^\s*class ([A-Za-z]\w*)", re.MULTILINE)
"""Of a public class, wherever it stands."""


def classes(folder: Path) -> Iterator[tuple[str, str]]:
    """Each public class, and the module that holds it."""
    for path in sorted(folder.rglob("*.py")):
        for name in CLASS.findall(path.read_text(encoding="utf-8")):
            yield name, path.relative_to(folder).as_posix()


def twice(folder: Path) -> dict[str, list[str]]:
    places = defaultdict(list)
    for name, module in classes(folder):
        places[name].append(module)
    return {name: modules for name, modules in places.items() if len(modules) > 1}


def test_a_class_name_is_used_once() -> None:
    assert len(list(classes(PACKAGE))) > 200
    assert twice(PACKAGE) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class Plan:\n    pass\n", ["a.py", "b/c.py"]),
        ("if True:\n    class Plan(object): ...\n", ["a.py", "b/c.py"]),
        ("class _Plan: ...\n", None),
        ('Plan = TypeVar("Plan")\n', None),
        ("class Planner: ...\n", None),
        ("# class Plan\n", None),
    ],
)
def test_the_check_sees_a_second_one(tmp_path: Path, text: str, found: list[str] | None) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.py").write_text("class Plan: ...\n")
    (tmp_path / "b" / "c.py").write_text(text)
    assert twice(tmp_path) == ({} if found is None else {"Plan": found})


# --- from a module to its tests ---------------------------------------------------------------------

TESTS = Path(__file__).parents[1]


def has_a_test_of_its_name(module: str, tests: frozenset[str]) -> bool:
    """Whether `tests`, names of files, have ``test_MODULE`` or ``test_…_MODULE``."""
    name = module.rstrip("_")
    return any(test == f"test_{name}" or test.endswith(f"_{name}") for test in tests)


def modules_without_tests(package: Path, tests: Path) -> list[str]:
    """Modules that neither have a test of their name nor say where their tests are, or say it wrongly."""
    names = frozenset(path.stem for path in tests.rglob("test_*.py"))
    return [
        path.relative_to(package).as_posix()
        for path in sorted(package.rglob("*.py"))
        if path.stem not in ("__init__", "__main__")
        and not has_a_test_of_its_name(path.stem, names)
        and not (
            (said := said_tests(path.read_text("utf-8"))) and all((tests.parent / s).exists() for s in said)
        )
    ]


def test_each_module_leads_to_its_tests() -> None:
    assert modules_without_tests(PACKAGE, TESTS) == []


@pytest.mark.parametrize(
    ("docstring", "lost"),
    [
        ('"""What it does."""', True),
        ('"""What it does.\n\nTests: `tests/test_other.py`.\n"""', False),
        ('"""What it does.\n\nTests: `tests/test_other.py`, `tests/test_gone.py`.\n"""', True),
        ('"""What it does.\n\nTests: everywhere.\n"""', True),
    ],
)
def test_a_module_without_tests_is_noticed(tmp_path: Path, docstring: str, lost: bool) -> None:
    for folder in ("package", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "package" / "other.py").write_text("")
    (tmp_path / "package" / "module.py").write_text(f"{docstring}\n")
    (tmp_path / "tests" / "test_other.py").write_text("")
    found = modules_without_tests(tmp_path / "package", tmp_path / "tests")
    assert found == (["module.py"] if lost else [])
