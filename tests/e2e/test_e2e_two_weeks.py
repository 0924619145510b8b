"""Two weeks of a repository, over TCP: each day somebody does something, and drift says what it was."""

import json
import shutil

from reconciler.forge.drift import drift_markdown, drift_of
from tests.e2e.e2e_runs import Live, Workplace

RESOURCES = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: line-3}
spec:
  gateways:
    - gw-1
    - gw-2
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: spring}
spec:
  description: Spring update
  gatewayLists: [line-3]
  desiredStatus: STARTED
"""
SUMMER = """\
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: summer}
spec: {description: Summer update}
"""


class Weeks:
    """A project on its server, and who does what."""

    def __init__(self, place: Workplace, live: Live) -> None:
        self.place, self.live = place, live
        self.resources = place.folder / "resources.yaml"

    def merge(self, old: str, new: str) -> None:
        self.place.edit(old, new)

    def apply(self, *arguments: str) -> None:
        self.place.apply(*arguments)

    def drift(self) -> str:
        """What the drift job makes of the plan."""
        ran = self.place.run("plan", "resources.yaml", "--output", "json")
        drift = drift_of(json.loads(ran.out))
        return ("Drift.\n" if drift.any else "No drift.\n") + drift_markdown(drift)

    @property
    def spring(self) -> str:
        return next(f"/api/campaigns/{c['id']}" for c in self.live.campaigns() if c["name"] == "spring")

    def order(self, what: str, **body: object) -> None:
        """By hand, on the server."""
        path = self.spring
        self.live.call("PUT", f"{path}/{what}", {"campaignId": path.rpartition("/")[2], **body})

    def edit_by_hand(self, description: str) -> None:
        self.order("stop")
        self.live.call("PUT", self.spring, {"updateSpec": {"name": "spring", "description": description}})
        self.order("start")


def test_two_weeks(place: Workplace, live: Live) -> None:
    weeks = Weeks(place, live)
    where = "Campaign/spring: description: "

    # Monday: everything is new, and waits for its first apply.
    weeks.resources.write_text(RESOURCES)
    said = weeks.drift()
    assert said.startswith("No drift.\n")
    assert f'{where}(none) → "Spring update", never applied' in said
    weeks.apply()
    assert weeks.drift() == "No drift.\n"

    # Tuesday: an edit is merged, and nobody has applied it yet.
    weeks.merge("description: Spring update", "description: Spring update 2")
    said = weeks.drift()
    assert said.startswith("No drift.\n")
    assert "### Waiting: 1" in said
    assert f'{where}"Spring update" → "Spring update 2", changed in Git' in said

    # Wednesday: it is applied.
    weeks.apply()
    assert weeks.drift() == "No drift.\n"

    # Thursday: somebody edits on the server.
    weeks.edit_by_hand("by hand")
    said = weeks.drift()
    assert "### Changed: 1" in said
    assert f'{where}"by hand" → "Spring update 2", changed on the server' in said
    assert "Waiting" not in said

    # Friday: and a merge changes the same. All three values are said.
    weeks.merge("description: Spring update 2", "description: Spring update 3")
    said = weeks.drift()
    assert f'{where}"by hand" → "Spring update 3", changed both in Git and on the server' in said
    assert 'last applied: "Spring update 2"' in said
    weeks.apply()
    assert weeks.drift() == "No drift.\n"

    # Monday: a gateway is taken out by hand.
    weeks.order("devices", gatewayIds=["gw-2"])
    said = weeks.drift()
    assert "gateways: 1 → 2 (1 missing there, 0 too many), changed on the server" in said

    # Tuesday: a merge adds another one. What waits is told from what drifted.
    weeks.merge("    - gw-2\n", "    - gw-2\n    - gw-3\n")
    weeks.merge("description: Spring update 3", "description: Spring update 4")
    said = weeks.drift()
    assert "### Changed: 1" in said
    assert "(2 missing there, 0 too many), changed both in Git and on the server; last applied: 2" in said
    assert "### Waiting: 1" in said
    assert '"Spring update 3" → "Spring update 4", changed in Git' in said
    weeks.apply()
    assert weeks.drift() == "No drift.\n"

    # Wednesday: an emergency stop, and a new campaign that is merged only.
    weeks.order("stop")
    weeks.resources.write_text(weeks.resources.read_text() + SUMMER)
    said = weeks.drift()
    assert "### Held: 1" in said
    assert "Changed" not in said
    assert 'Campaign/summer: description: (none) → "Summer update", never applied' in said

    # Thursday: an apply leaves the stop alone.
    weeks.apply()
    said = weeks.drift()
    assert "### Held: 1" in said
    assert "Changed" not in said
    assert "Waiting" not in said

    # Friday: the state is lost. Nothing is called changed that nobody knows of, and nothing is started.
    shutil.rmtree(place.folder / ".reconciler")
    said = weeks.drift()
    assert "### Wrong: 2" in said
    assert "Changed" not in said
    weeks.apply("--adopt")
    status = {campaign["name"]: campaign["status"] for campaign in weeks.live.campaigns()}
    assert status["spring"] == "STOPPED"
    said = weeks.drift()
    assert "Changed" not in said
    weeks.apply("--resume")
    assert weeks.drift() == "No drift.\n"
    weeks.edit_by_hand("by hand")
    assert f'{where}"by hand" → "Spring update 4", changed on the server' in weeks.drift()
