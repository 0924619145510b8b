"""The documentation builds without a warning, and what it lists of the code is true."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.reference_pages import PAGES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_is_up_to_date(name: str, request: pytest.FixtureRequest) -> None:
    path = ROOT / "docs" / "reference" / name
    text = PAGES[name]()
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"`make golden` writes {path} anew"


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "-b", "html",
         "-d", out / "doctrees", "-c", ROOT / "docs", source, out / "html"],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    built = build(ROOT / "docs", tmp_path)
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    assert "A first plan" in (tmp_path / "html" / "index.html").read_text(encoding="utf-8")


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "index.md").write_text("# Start\n\n[x](#no-such-heading) and [y](no-such-page.md)\n")
    built = build(source, tmp_path)
    assert built.returncode != 0
    assert "no-such-heading" in built.stderr
    assert "no-such-page" in built.stderr
