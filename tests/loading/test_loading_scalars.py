"""Plain scalars: the table of the core schema, and what readers disagree about."""

import copy
import pickle

import pytest

from reconciler.loading.nodes import Ambiguous
from reconciler.loading.scalars import SUSPECTS, canonical, resolve


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
        ("0", 0), ("-0", 0), ("12", 12), ("+12", 12), ("-3", -3), ("123456789012345678", 123456789012345678),
        ("1.10", 1.1), (".5", 0.5), ("1.", 1.0), ("-1e3", -1000.0), ("1E+3", 1000.0), ("6.02e23", 6.02e23),
        ("nUll", "nUll"), ("tRUE", "tRUE"), ("yEs", "yEs"), ("a", "a"), ("1.2.3", "1.2.3"), ("0x", "0x"),
        ("-", "-"), ("+", "+"), (".", "."), ("1a", "1a"), ("_1", "_1"), ("12:60", "12:60"),
        ("2024-1", "2024-1"), ("2026-01-10T22:00", "2026-01-10T22:00"), ("٣", "٣"), ("12\n", "12\n"),
        ("08:30 h", "08:30 h"), ("0b", "0b"),
        ("4bfe22", "4bfe22"), ("nightly", "nightly"), ("one", "one"),
    ],
)  # fmt: skip
def test_core_schema(written: str, value: object) -> None:
    read = resolve(written)
    assert read == value
    assert isinstance(read, type(value))
    assert not isinstance(read, Ambiguous)


@pytest.mark.parametrize(
    ("written", "reads_as"),
    [
        *[(word, "true in YAML 1.1") for word in ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON")],
        *[(word, "false in YAML 1.1") for word in ("n", "N", "no", "No", "NO", "off", "Off", "OFF")],
        ("010", "the number 8 in YAML 1.1"), ("0o10", "the number 8 in YAML 1.2"),
        ("-017", "the number -15 in YAML 1.1"),
        ("08", "a number with leading zeros"), ("0_7", "the number 7 in YAML 1.1"),
        ("0" * 30, "a number in YAML 1.1"),
        ("0x1F", "the number 31"), ("0xdead_beef", "the number 3735928559"), ("0x" + "f" * 5000, "a number"),
        ("0b101", "the number 5 in YAML 1.1"),
        ("1_000", "the number 1000 in YAML 1.1"), ("1_0.5", "the number 10.5 in YAML 1.1"),
        ("12:30:45", "a number of base 60 in YAML 1.1"), ("1:20", "a number of base 60 in YAML 1.1"),
        ("00:11:22:33:44:55", "a number of base 60 in YAML 1.1"),
        ("1:20.5", "a number of base 60 in YAML 1.1"),
        ("2024-01-01", "a date"), ("2024-13-45", "a date"),
        ("2001-12-14t21:59:43.10-05:00", "a date and time"), ("2001-12-14 21:59:43.10 -5", "a date and time"),
        ("2026-01-10T22:00:00Z", "a date and time"),
        (".inf", "infinity"), ("-.INF", "infinity"), ("+.Inf", "infinity"), (".nan", "not a number"),
        ("1e999", "a number too large for most readers"), ("-1e999", "a number too large for most readers"),
        ("=", "the default key of YAML 1.1"), ("<<", "a merge key of YAML 1.1"),
        ("1234567890123456789", "a number of 19 digits, which many readers round"),
        ("9" * 5000, "a number of 5000 digits, which many readers round"),
    ],
)  # fmt: skip
def test_ambiguous(written: str, reads_as: str) -> None:
    read = resolve(written)
    assert isinstance(read, Ambiguous)
    assert (read, read.reads_as) == (written, reads_as)
    assert written[0] in SUSPECTS


def test_what_scalars_remember_survives_a_copy() -> None:
    value = Ambiguous("yes", "true in YAML 1.1")
    for made in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert type(made) is Ambiguous
        assert (made, made.reads_as) == (value, value.reads_as)


@pytest.mark.parametrize("written", ["true", "false", "0", "-3", "12", "1.5", "-0.25"])
def test_what_is_written_as_most_would(written: str) -> None:
    assert canonical(resolve(written)) == written
