"""From nothing to a campaign on a server: `init`, then the commands that it names."""

from pathlib import Path

from e2e_runs import TOKEN, Live, Workplace

from tests.e2e.e2e_forks import Forks


def fresh(forks: Forks, tmp_path: Path, **env: str) -> Workplace:
    """A project that `init` has just made."""
    place = Workplace(tmp_path / "work", env, canaries=[TOKEN], start=forks)
    assert place.run("init", "new").code == 0
    place.folder /= "new"
    return place


def test_a_new_project_is_rehearsed_without_a_network(tmp_path: Path, forks: Forks) -> None:
    place = fresh(forks, tmp_path)
    assert place.run("validate").out == "3 resources: no findings\n"
    assert place.run("plan", "-e", "rehearsal", "--detailed-exitcode").code == 2
    assert place.run("apply", "-e", "rehearsal", "--auto-approve").code == 0
    assert place.run("plan", "-e", "rehearsal", "--detailed-exitcode").code == 0
    shown = place.run("status", "-e", "rehearsal")
    assert "Campaign/pilot" in shown.out
    assert place.run("plan").code == 1


def test_a_new_project_goes_to_a_real_server_once_it_is_named(
    tmp_path: Path, live: Live, forks: Forks
) -> None:
    place = fresh(forks, tmp_path, RECONCILER_URL=live.url, RECONCILER_TOKEN=TOKEN)
    assert place.run("apply", "--auto-approve").code == 0
    assert live.writes() == ["upload-package", "create-campaign", "add-gateways"]
    assert [each["name"] for each in live.campaigns()] == ["pilot"]
    live.forget()
    place.edit("# desiredStatus: STARTED", "desiredStatus: STARTED", "resources/campaign.yaml")
    assert place.run("apply", "--auto-approve", "--target", "Campaign/pilot").code == 0
    assert live.writes() == ["start-campaign"]
