"""The rehearsal ends as it should: every gateway final, nothing outside its window, every callback there."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "rehearsal" / "rehearse.py"


@pytest.mark.timeout(300)
def test_a_rehearsal_of_500_gateways() -> None:
    ran = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, timeout=290, check=False
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert ran.stdout.endswith("The rehearsal went as it should.\n")
    assert "No changes." in ran.stdout
    assert "ACTIVATION_COMPLETE 486, FAILED 14" in ran.stdout
