"""Pages that are one story work as printed: their files saved, their commands run in one shell.

Single commands of other pages: `tests/e2e/test_e2e_documents.py`.
"""

import os
import socket
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from types import MappingProxyType

import httpx
import pytest

from tests.docs.docs_blocks import ROOT, blocks, play
from tests.hawkbit_standin import devices, running

DOCS = ROOT / "docs"
NOTHING: Mapping[str, str] = MappingProxyType({})
SCRIPTS = sysconfig.get_path("scripts")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def played(page: Path, tmp_path: Path, instead: Mapping[str, str] = NOTHING, **changes: str) -> str:
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "HOME": str(tmp_path), "CI": "", "GITHUB_ACTIONS": ""}
    found = play(page, tmp_path, changes, instead=instead, **environ)
    assert found.failed is None, found.output
    return found.output


def told(page: Path) -> list[str]:
    """What the page says that its commands print."""
    return [line for block in blocks(page) if block.language == "text" for line in block.text.splitlines()]


# Nobody is there to answer the question.
YES = {"reconciler apply campaigns": "reconciler apply campaigns --auto-approve"}


def test_the_readme(tmp_path: Path) -> None:
    output = played(ROOT / "README.md", tmp_path, **YES)
    assert "Applied to the embedded server: 4 done." in output
    assert "in sync" in output


@pytest.mark.timeout(240)
def test_a_first_rollout(tmp_path: Path) -> None:
    page, port = DOCS / "tutorial.md", str(free_port())
    output = played(page, tmp_path, **{"8080": port, "--simulate 600": f"--simulate 600 --port {port}"})
    missing = [line for line in told(page) if line and line not in output]
    assert not missing, output


@pytest.mark.timeout(240)
def test_a_first_rollout_on_hawkbit(tmp_path: Path) -> None:
    """On the stand-in, in whose devices this process plays."""
    page, asked, done = DOCS / "tutorial-hawkbit.md", tmp_path / "asked", tmp_path / "done"
    with running() as server:
        server.world.config["authentication.gatewaytoken.enabled"] = True
        server.world.config["authentication.gatewaytoken.key"] = "key"

        def poll() -> None:
            while not asked.exists():
                time.sleep(0.05)
            server.settle()
            base, headers = f"{server.url}/DEFAULT/controller/v1", {"Authorization": "GatewayToken key"}
            with httpx.Client(base_url=base, headers=headers) as client:
                devices.step(client, ["gw-1", "gw-2", "gw-3"], lambda _: "success")
            server.settle()
            done.touch()

        playing = Thread(target=poll, daemon=True)
        playing.start()
        wait = f"touch {asked}; until test -e {done}; do sleep 0.1; done"
        instead = {"hawkbit-device-simulator": wait}
        output = played(page, tmp_path, instead, **{"http://127.0.0.1:8080": server.url})
        playing.join()
    missing = [line for line in told(page) if line and line not in output]
    assert not missing, output
    assert [tag.name for tag in server.world.tags.values()] != []
