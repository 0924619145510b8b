"""`apply --metrics-file`: the figures of a run, for the textfile collector of node_exporter."""

import stat
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.controller.metricsfile import write_whole
from reconciler.errors import Exit
from tests.cli.cli_runs import Run, folder, run

__all__ = ["folder", "run"]

APPLY = ("apply", "resources", "--auto-approve", "--metrics-file", "r.prom")


def figures(path: Path) -> dict[tuple[str, ...], float]:
    """(name, values of labels …) → value."""
    return {
        (sample.name.removeprefix("reconciler_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


def test_it_holds_what_the_run_did_and_counts_on(folder: Path, run: Run) -> None:
    assert run(*APPLY).code == Exit.DONE
    first = figures(folder / "r.prom")
    assert first["looks_total", "applied"] == 1
    assert first["steps_total", "create-campaign", "done"] == 1
    assert first["requests_total", "create-campaign", "ok"] == 1
    assert first["campaign_gateways", "line-3", "idle"] == 3
    assert first["campaigns", "in-sync"] == 1
    assert run(*APPLY).code == Exit.DONE
    second = figures(folder / "r.prom")
    assert (second["looks_total", "applied"], second["looks_total", "nothing"]) == (1, 1)
    assert second["steps_total", "create-campaign", "done"] == 1
    assert second["look_duration_seconds_count",] == 2
    assert second["last_success_timestamp_seconds",] > first["last_success_timestamp_seconds",]


def test_a_run_that_fails_says_so_and_leaves_the_last_success(folder: Path, run: Run) -> None:
    run(*APPLY)
    before = figures(folder / "r.prom")
    (folder / ".reconciler" / "state.json").write_text("{")
    assert run(*APPLY).code == Exit.ERROR
    after = figures(folder / "r.prom")
    assert after["looks_total", "failed"] == 1
    assert after["last_success_timestamp_seconds",] == before["last_success_timestamp_seconds",]


def test_it_is_one_of_every_user(folder: Path, run: Run) -> None:
    run(*APPLY)
    assert stat.S_IMODE((folder / "r.prom").stat().st_mode) == 0o644
    assert [each.name for each in folder.iterdir() if "r.prom" in each.name] == ["r.prom"]


def test_a_link_is_replaced_and_not_followed(folder: Path, run: Run) -> None:
    (folder / "precious").write_text('reconciler_looks_total{result="applied"} 7\n')
    (folder / "r.prom").symlink_to("precious")
    run(*APPLY)
    assert (folder / "precious").read_text().startswith("reconciler_looks_total")
    assert not (folder / "r.prom").is_symlink()
    assert figures(folder / "r.prom")["looks_total", "applied"] == 1


def test_figures_that_cannot_be_written_change_nothing_of_the_run(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reconciler.controller.metricsfile.write_whole", full)
    assert run(*APPLY).code == Exit.DONE
    assert "the figures can't be written: r.prom: No space left on device" in caplog.text


@pytest.mark.parametrize("where", ["resources", "nowhere/r.prom"])
def test_a_place_where_no_file_can_be_is_refused_before_anything_is_done(
    folder: Path, run: Run, where: str
) -> None:
    ran = run(*APPLY[:-1], where)
    assert ran.code == Exit.USAGE
    assert not (folder / ".reconciler" / "embedded.db").exists()


def test_it_does_not_stand_beside_a_plan_file(folder: Path, run: Run) -> None:
    run("plan", "resources", "--out", "p.jsonl")
    assert run("apply", "--plan", "p.jsonl", "--metrics-file", "r.prom").code == Exit.USAGE


def test_half_a_file_is_never_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.prom").write_text("whole")

    def broken(self: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="Input/output"):
        write_whole(tmp_path / "r.prom", b"new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("r.prom", "whole")]
