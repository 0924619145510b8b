"""`calendar show`: windows of the next days, without a server."""

import json
from pathlib import Path

import pytest

from reconciler.errors import Exit

CALENDAR = """
---
apiVersion: reconciler/v1
kind: Calendar
metadata: {name: nights}
spec:
  timezone: %s
  windows: [{from: "22:00", to: "04:00"}]
  freezes: [{name: year end, yearly: {from: 12-18, to: 01-06}}]
"""


def declare(folder: Path, zone: str) -> None:
    path = next((folder / "resources").glob("*.yaml"))
    path.write_text(path.read_text().rstrip() + CALENDAR % zone)
    (folder / "reconciler.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: demo}\nspec: {resources: [resources]}\n"
    )


def test_windows_as_clocks_read_them(folder: Path, run) -> None:
    declare(folder, "Europe/Berlin")
    found = json.loads(run("calendar", "show", "nights", "--days", "300", "--output", "json").out)
    assert found["calendar"] == "nights"
    assert len(found["windows"]) > 250
    text = run("calendar", "show", "nights", "--days", "300")
    assert text.code == Exit.DONE
    assert "OPENS (Europe/Berlin)" in text.out
    assert "freeze year end: each year from 12-18 to 01-06" in text.out
    assert " 22:00" in text.out


@pytest.mark.parametrize(
    ("zone", "arguments", "code", "said"),
    [
        ("gateway", ["nights"], Exit.USAGE, "has no zone of its own"),
        ("gateway", ["nights", "--timezone", "Asia/Tokyo"], Exit.DONE, "Asia/Tokyo"),
        ("UTC", ["night"], Exit.ERROR, "there is no calendar 'night'"),
        ("UTC", ["nights", "--timezone", "Europe/Belrin"], Exit.USAGE, "there is no time zone"),
    ],
)
def test_what_is_asked_of_it(
    folder: Path, run, zone: str, arguments: list[str], code: Exit, said: str
) -> None:
    declare(folder, zone)
    ran = run("calendar", "show", *arguments)
    assert ran.code == code
    assert said in ran.out + ran.err
