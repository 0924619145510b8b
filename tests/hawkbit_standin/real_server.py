"""A real hawkBit for the tests that take one: HAWKBIT_URL (on this machine), or started from HAWKBIT_JAR.

No package registry has such a server: get the jar `hawkbit-update-server` (1.0.x wants Java 17), or run the
image `hawkbit/hawkbit-update-server`. The user is admin/admin. What a server of ours writes lies in one
temporary folder, which goes with it.
"""

import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

QUICK = {
    "hawkbit.rollout.scheduler.fixedDelay": "150",
    "hawkbit.autoassign.scheduler.fixedDelay": "150",
    "hawkbit.repository.cluster.lock.ticPeriodMS": "500",
    "hawkbit.server.repository.dynamicRolloutsMinInvolvePeriodMS": "500",
    "hawkbit.server.repository.eagerPollPersistence": "true",
    "hawkbit.cache.ttl": "0s",
}
"""Its schedulers look every 0.15 s instead of every 2, and take in new targets after 0.5 s instead of 60."""
SECONDS = 180


@pytest.fixture(scope="session")
def hawkbit_url() -> Iterator[str]:
    """The URL of a real server; skipped where there is none."""
    if url := os.environ.get("HAWKBIT_URL"):
        yield url.rstrip("/")
    elif jar := os.environ.get("HAWKBIT_JAR"):
        with started(Path(jar)) as url:
            yield url
    else:
        pytest.skip("needs a real hawkBit: set HAWKBIT_URL, or HAWKBIT_JAR to a hawkbit-update-server.jar")


@contextmanager
def started(jar: Path) -> Iterator[str]:
    """A server of its own, in memory, on a free port."""
    with tempfile.TemporaryDirectory(prefix="hawkbit-", ignore_cleanup_errors=True) as folder:
        port = _free_port()
        url, log = f"http://127.0.0.1:{port}", Path(folder) / "server.log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                _command(jar, Path(folder), port), stdout=out, stderr=subprocess.STDOUT, cwd=folder
            )
        try:
            ends = time.monotonic() + SECONDS
            while not _is_up(url):
                if server.poll() is not None or time.monotonic() > ends:
                    tail = log.read_text(errors="replace")[-4000:]
                    raise RuntimeError(f"hawkBit did not come up:\n{tail}")
                time.sleep(0.25)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _command(jar: Path, folder: Path, port: int) -> list[str]:
    settings = {
        "server.address": "127.0.0.1",
        "server.port": str(port),
        "org.eclipse.hawkbit.artifact.fs.path": str(folder / "artifacts"),
        "spring.datasource.url": "jdbc:h2:mem:hawkbit;MODE=LEGACY",
        "spring.main.banner-mode": "off",
        "hawkbit.artifact.url.protocols.download-http.port": str(port),
        **QUICK,
    }
    java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={folder}"]
    return [*java, "-jar", str(jar), *(f"--{key}={value}" for key, value in settings.items())]


def _is_up(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/rest/v1/userinfo", timeout=2)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return True
