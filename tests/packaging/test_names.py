"""A name means one thing in the whole package."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

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
