"""Each claim of docs/security.md names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`(test_\w+)`")


def claims() -> dict[str, list[str]]:
    """Claim → the tests that hold it."""
    found: dict[str, list[str]] = {}
    claiming = False
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
        if not cells:
            claiming = False
        elif cells == ["claim", "test"]:
            claiming = True
        elif claiming and not set(line) <= set("|-"):
            *claim, tests = cells
            found[" | ".join(claim)] = NAMED.findall(tests)
    return found


def test_each_claim_has_tests_and_they_are_there() -> None:
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    found = claims()
    assert len(found) > 30
    assert [claim for claim, tests in found.items() if not tests] == []
    assert sorted({name for tests in found.values() for name in tests} - there) == []


def test_the_page_names_every_variable_that_decides() -> None:
    text = PAGE.read_text("utf-8")
    for name in (
        "RECONCILER_URL",
        "RECONCILER_STATE",
        "RECONCILER_TRUSTED_HOSTS",
        "RECONCILER_TOKEN_FILE",
        "RECONCILER_TOKEN_COMMAND",
        "RECONCILER_CA_FILE",
    ):
        assert f"`{name}`" in text
