"""In whatever shapes a server answers, the same wish makes the same writes, and then none."""

import asyncio
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.embedded.dialects import PRESETS, REFERENCE, Dialect
from tests.dialects.dialect_scenarios import SCENARIOS, Writes, play


@cache
def in_the_reference(name: str) -> Writes:
    return played(name, REFERENCE)


def played(name: str, dialect: Dialect) -> Writes:
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        return asyncio.run(play(name, Path(folder), dialect))


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "reference"])
def test_every_preset_takes_the_same_writes(preset: str, name: str) -> None:
    assert played(name, PRESETS[preset]) == in_the_reference(name)


def values(kind: type) -> list[object]:
    """Every value that a field of a dialect may have; of numbers, some."""
    if kind is bool:
        return [False, True]
    return [1, 2, 3, 1000] if kind is int else list(kind)  # type: ignore[call-overload, no-any-return]


DIALECTS = st.builds(
    Dialect, **{name: st.sampled_from(values(kind)) for name, kind in get_type_hints(Dialect).items()}
)


@settings(max_examples=24)
@given(dialect=DIALECTS, name=st.sampled_from(list(SCENARIOS)))
def test_any_dialect_takes_the_same_writes(dialect: Dialect, name: str) -> None:
    assert played(name, dialect) == in_the_reference(name)
