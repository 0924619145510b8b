"""The options of `tests/conftest.py`, tried in runs of their own."""

import signal
from pathlib import Path

import pytest

from tests.measured import REPEATED, TESTS

CONFTEST = Path(__file__).parents[1] / "conftest.py"

SKIPS = {
    "test_it": """
        import pytest

        def test_passes():
            pass

        def test_skips():
            pytest.skip("no browser here")

        @pytest.mark.xfail(strict=True)
        def test_fails_as_expected():
            assert False
        """,
    "test_whole": """
        import pytest
        pytest.importorskip("no_such_module_anywhere")

        def test_never():
            pass
        """,
}


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with our conftest, where pytest runs as a process of its own."""
    for name in ("FORBID_SKIPS", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # a third of the start-up time
    pytester.makeconftest(CONFTEST.read_text())
    return pytester


def test_a_skip_passes_by_default(inner: pytest.Pytester) -> None:
    inner.makepyfile(**SKIPS)
    result = inner.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*skips are forbidden*")


@pytest.mark.parametrize(
    ("variable", "options"),
    [("", ["--forbid-skips", "-p", "xdist", "-n", "2"]), ("1", [])],
    ids=["option, xdist", "environment"],
)
def test_forbid_skips_fails_and_names_skipped_tests_and_modules(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, variable: str, options: list[str]
) -> None:
    monkeypatch.setenv("FORBID_SKIPS", variable)
    inner.makepyfile(**SKIPS)
    result = inner.runpytest_subprocess(*options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, skipped=2, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            "*skips are forbidden here*",
            "test_it.py::test_skips: no browser here",
            "test_whole.py: could not import 'no_such_module_anywhere'*",
        ]
    )
    result.stdout.no_fnmatch_line("test_it.py::test_fails_as_expected: *")


@pytest.mark.parametrize(
    ("allowed", "fails"),
    [({"test_it.py::test_skips": "no registry has it"}, False), ({"test_it": "x"}, True)],
)
def test_what_may_be_skipped_is_listed(inner: pytest.Pytester, allowed: dict[str, str], fails: bool) -> None:
    conftest = inner.path / "conftest.py"
    conftest.write_text(f"{conftest.read_text()}\nALLOWED_SKIPS = {allowed}\n")
    inner.makepyfile(**(SKIPS if fails else {"test_it": SKIPS["test_it"]}))
    result = inner.runpytest_subprocess("--forbid-skips")
    ((_, why),) = allowed.items()
    result.stdout.fnmatch_lines(["*skips that are allowed*", f"test_it.py::test_skips: {why}"])
    if fails:
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["*skips are forbidden here*", "test_whole.py: *"])
    else:
        assert result.ret == pytest.ExitCode.OK
        result.stdout.no_fnmatch_line("*skips are forbidden*")


COUNTED = """
def on_purpose():
    return 1

def by_chance():
    return 2
"""


def test_coverage_counts_what_is_reached_on_purpose(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a test calls; not what a property calls, nor what is imported while tests are found."""
    monkeypatch.setenv("COVERAGE_FILE", str(inner.path / "data"))
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)
    inner.makepyfile(counted=COUNTED)
    inner.makeini("[pytest]\npythonpath = .")
    inner.makefile(".ini", coveragerc="[run]\npatch = subprocess\nparallel = true\n")
    inner.makepyfile(
        test_it="""
        import os
        from hypothesis import given, strategies as st
        import counted

        def test_measured():
            assert counted.on_purpose() == 1
            assert "COVERAGE_PROCESS_CONFIG" in os.environ

        @given(st.just(2))
        def test_property(value):
            assert counted.by_chance() == value
            assert "COVERAGE_PROCESS_CONFIG" not in os.environ

        def test_measured_again():
            assert "COVERAGE_PROCESS_CONFIG" in os.environ
        """
    )
    result = inner.runpytest_subprocess(
        "-p", "pytest_cov", "--cov=counted", "--cov-config=coveragerc.ini", "--cov-report=term-missing"
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["counted.py * 4 * 3 * 25% * 1, 4-5"])


def test_every_run_is_the_same_run(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a robot sets doesn't reach the tests, hypothesis repeats itself, a ban minds only skips."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("RECONCILER_URL", "https://campaigns.invalid")
    inner.makepyfile(
        """
        import os
        import signal
        import hypothesis

        def test_interrupted():
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

        def test_clean():
            assert "CI" not in os.environ
            assert not [name for name in os.environ if name.startswith("RECONCILER_")]

        def test_repeatable():
            assert hypothesis.settings().derandomize
            assert hypothesis.settings().deadline is None
        """
    )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a job in the background has it
    try:
        assert inner.runpytest_subprocess("--forbid-skips").ret == pytest.ExitCode.OK
    finally:
        signal.signal(signal.SIGINT, before)


def test_hypothesis_looks_further_when_asked_to(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import hypothesis

        def test_randomised():
            assert not hypothesis.settings().derandomize
            assert hypothesis.settings().max_examples > 100
        """
    )
    options = ["-p", "_hypothesis_pytestplugin", "--hypothesis-profile=dev"]
    assert inner.runpytest_subprocess(*options).ret == pytest.ExitCode.OK


def test_golden_compares_and_rewrites(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        r"""
        import pytest

        @pytest.mark.parametrize("name", ["plan/same.txt", "plan/differs.txt", "plan/missing.txt"])
        def test_text(golden, name):
            golden(name, "one\ntwo – 2\n")
        """
    )
    folder = inner.path / "golden" / "plan"
    folder.mkdir(parents=True)
    (folder / "same.txt").write_bytes("one\ntwo – 2\n".encode())
    (folder / "differs.txt").write_bytes("one\r\ntwo – 2\n".encode())

    compared = inner.runpytest_subprocess()
    compared.assert_outcomes(passed=1, failed=2)
    compared.stdout.fnmatch_lines(
        [
            "*differs.txt differs; `make golden` rewrites it*",
            "*there is no golden file*missing.txt; `make golden`*",
        ]
    )

    inner.runpytest_subprocess("--update-golden").assert_outcomes(passed=3)
    assert {path.read_bytes().decode() for path in folder.iterdir()} == {"one\ntwo – 2\n"}


def test_a_run_that_hangs_at_its_end_says_where_and_ends(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        test_it="""
        import sys
        import time
        import pytest

        @pytest.fixture(scope="session")
        def stubborn():
            yield
            time.sleep(100)

        def test_makes_it_impatient(request):
            watchdog = request.config.pluginmanager.get_plugin("reconciler-watchdog")
            # Only by now: a busy machine is silent for longer while it imports.
            sys.modules[type(watchdog).__module__].SILENCE_SECONDS = 1

        def test_passes(stubborn):
            pass
        """
    )
    result = inner.runpytest_subprocess(timeout=60)
    assert result.ret == 1
    result.stderr.fnmatch_lines(["Timeout (*", "*test_it.py* in stubborn"])


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_not_measured_is_there(name: str) -> None:
    assert (TESTS / name).exists(), "coverage would be measured as if the list didn't have it"
