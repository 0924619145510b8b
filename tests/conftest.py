"""What every test has: a clean environment, golden files, a ban on skips, and profiles for hypothesis.

Options: `--update-golden` rewrites golden files, `--forbid-skips` (or `FORBID_SKIPS=1`) makes a skipped
test a failure, which is how CI sees to it that nothing is left out in silence.
"""

import faulthandler
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.e2e.e2e_forks import Forks

pytest_plugins = ("pytester", "tests.hawkbit_standin.real_server", "tests.measured", "tests.state_servers")

# Random runs find new counterexamples, but a check must give the same answer twice: `ci` is the default.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
hypothesis.settings.register_profile("dev", deadline=None, max_examples=300, print_blob=True)
hypothesis.settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("reconciler")
    group.addoption(
        "--update-golden", action="store_true", help="rewrite the files in tests/golden instead of comparing"
    )
    group.addoption(
        "--forbid-skips", action="store_true", help="a skipped test fails the run (also: FORBID_SKIPS=1)"
    )


SILENCE_SECONDS = 400
"""A process of the run in which nothing begins or ends for so long hangs, at its own end for one, where the
time limit of a test doesn't reach: it says where each thread is, and ends."""


class Watchdog:
    """Sees to it that a run ends, and says why, when a thread or a fixture doesn't."""

    def __init__(self) -> None:
        # Of its own: pytest captures the one of the process.
        self._stderr = os.fdopen(os.dup(2), "w")
        self._restart()

    def _restart(self) -> None:
        faulthandler.dump_traceback_later(SILENCE_SECONDS, exit=True, file=self._stderr)

    def pytest_runtest_logstart(self) -> None:
        self._restart()

    def pytest_runtest_logfinish(self) -> None:
        self._restart()

    def pytest_sessionfinish(self) -> None:
        self._restart()

    def pytest_unconfigure(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._stderr.close()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Watchdog(), "reconciler-watchdog")
    forbidden = config.getoption("--forbid-skips") or os.environ.get("FORBID_SKIPS", "") not in ("", "0")
    # Workers of xdist hand their reports to the controller: it alone sees every skip and sets the exit code.
    if forbidden and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipBan(), "reconciler-skip-ban")


ALLOWED_SKIPS: Mapping[str, str] = {
    "tests/providers/test_hawkbit_real.py": "needs a hawkBit server, and no package registry has one",
}
"""How the id of a test begins → why not even CI can run it: a real server that no package registry has."""


class SkipBan:
    """Collects what was skipped, tests and whole modules, and fails the run at its end.

    `ALLOWED_SKIPS` are listed, too, and fail nothing.
    """

    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}
        self.allowed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # An expected failure is reported as skipped, too; it did run.
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        why = next((why for head, why in ALLOWED_SKIPS.items() if report.nodeid.startswith(head)), None)
        noted = self.skipped if why is None else self.allowed
        noted[report.nodeid] = why or reason.removeprefix("Skipped: ")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for title, noted, red in (
            ("skips that are allowed", self.allowed, False),
            ("skips are forbidden here", self.skipped, True),
        ):
            if noted:
                terminalreporter.section(title, red=red)
            for nodeid, reason in sorted(noted.items()):
                terminalreporter.line(f"{nodeid}: {reason}")


@pytest.fixture(scope="session", autouse=True)
def _same_environment_everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tool reads `CI` and `RECONCILER_*`; a test sees them only when it sets them.

    What the person who runs the tests trusts on this machine doesn't count in them. A job in the background
    may be told to ignore Ctrl-C and a hang-up, and so would be every process that it starts.
    """
    interrupted = signal.getsignal(signal.SIGINT)
    if interrupted is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    hung_up = signal.getsignal(signal.SIGHUP)
    if hung_up is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        for name in list(os.environ):
            if name in {"CI", "NO_COLOR", "FORCE_COLOR"} or name.startswith("RECONCILER_"):
                patch.delenv(name)
        # No test outlives a power cut; that the disk is asked to is what they look at.
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGHUP, hung_up)


@pytest.fixture(scope="session")
def forks() -> Iterator["Forks"]:
    """Starts runs in no time: few tests are about the start of a process."""
    from tests.e2e.e2e_forks import Forks

    with Forks() as forks:
        yield forks


class Golden(Protocol):
    """Compares `text` with the file `name` below `tests/golden`; `--update-golden` writes it instead."""

    def __call__(self, name: str, text: str) -> None: ...


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """See `Golden`."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            return
        if not path.exists():
            pytest.fail(
                f"there is no golden file {path}; `make golden` writes it, then review it", pytrace=False
            )
        assert text == path.read_bytes().decode(), (
            f"{path} differs; `make golden` rewrites it, then review it"
        )

    return compare
