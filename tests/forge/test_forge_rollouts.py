"""The job that looks at rollouts: one issue for each that waits for a person, and none for the others."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import main as reconciler
from reconciler.forge.notes import keep_issues, mark
from reconciler.forge.rollouts import LABEL, Asking, asking, of_job, summary
from tests.forge.forge_server import Host
from tests.forge.test_forge_gate import Job, checkout, job  # noqa: F401 - fixtures

FLEET = """\
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: line}
spec: {gateways: [gw-1, gw-2, gw-3]}
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: careful}
spec:
  waves:
    - {name: canary, gateways: [gw-2]}
    - {name: rest, approval: true}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  description: x
  gatewayLists: [line]
  desiredStatus: STARTED
  rollout: {policy: careful}
"""


def rollout(**more: Any) -> dict[str, Any]:
    wave = {"name": "a|b", "gateways": 1_200, "in": 3, "done": 2, "failed": 1}
    made = {"resource": "Campaign/line-3", "policy": "careful", "status": "progressing", "by": "", "joins": 0}
    return {**made, "wave": 1, "waves": [wave], "waits": [], **more}


def wait(reason: str, text: str = "so it is") -> dict[str, Any]:
    return {"for": reason, "until": None, "text": text}


@pytest.mark.parametrize(
    ("one", "title"),
    [
        (rollout(waits=[wait("success")]), None),
        (rollout(waits=[wait("soak"), wait("calendar"), wait("budget")]), None),
        (rollout(status="complete"), None),
        (rollout(waits=[wait("approval")]), "The rollout of line-3 waits for approval"),
        (rollout(status="aborted", by="ann"), "The rollout of line-3 is aborted"),
        (rollout(status="paused"), "The rollout of line-3 is paused"),
        (rollout(status="paused", by="ann"), None),
    ],
)
def test_who_waits_for_a_person(one: Mapping[str, Any], title: str | None) -> None:
    assert [each.title for each in asking({"rollouts": [one]})] == ([title] if title else [])


def test_texts_of_others_are_only_text() -> None:
    (found,) = asking({"rollouts": [rollout(status="aborted", waits=[wait("aborted", "@all <b>`x`")])]})
    assert "- ``@all <b>`x` ``\n" in found.body or "`` @all <b>`x` ``" in found.body
    assert "| `a\\|b` | 1,200 | 3 | 2 | 1 |" in found.body


def test_no_project_takes_the_issue_of_another() -> None:
    one, other = Asking("Campaign/a--b", "", ""), Asking("Campaign/a-b", "", "")
    keys = [each.key(name) for each in (one, other) for name in ("rollout", "rollout/a", "rollout/a#b")]
    assert len({mark(key) for key in keys}) == 6
    assert not any(key.startswith(of_job("rollout/a")) for key in keys if "a-b#" in key)


def test_the_summary_names_what_is_left() -> None:
    text = summary(
        {
            "rollouts": [rollout(joins=5), rollout(status="complete")],
            "findings": [{"code": "left-to-apply", "message": "Campaign/b differs"}, {"code": "x"}],
        }
    )
    assert "### Rollouts under way: 1" in text
    assert "5 gateways join" in text
    assert "- `Campaign/b differs`" in text


def test_issues_are_opened_updated_and_closed_each_by_itself(
    forge: Callable[[], Any],
    host: Host,
) -> None:
    def keep(wanted: dict[str, tuple[str, str]], name: str = "rollout", *, close: bool = True) -> None:
        async def main() -> None:
            async with forge() as made:
                await keep_issues(made, of_job(name), wanted, LABEL, close=close)

        asyncio.run(main())

    def states() -> list[tuple[str, bool]]:
        return [(issue["title"], issue["state"] == "closed") for issue in host.issues]

    keep({"rollout#1": ("one", "x"), "rollout#2": ("two", "x")})
    keep({"rollout/other#1": ("other", "x")}, "rollout/other")
    assert states() == [("one", False), ("two", False), ("other", False)]
    writes = len(host.writes)
    keep({"rollout#1": ("one", "x"), "rollout#2": ("two", "x")})
    assert len(host.writes) == writes
    keep({"rollout#2": ("two, again", "y")}, close=False)
    assert states() == [("one", False), ("two, again", False), ("other", False)]
    keep({"rollout#2": ("two, again", "y")})
    assert states() == [("one", True), ("two, again", False), ("other", False)]
    keep({})
    assert states() == [("one", True), ("two, again", True), ("other", False)]


def test_from_the_first_wave_to_an_abort(job: Job, host: Host, checkout: Path, tmp_path: Path) -> None:  # noqa: F811
    (checkout / "fleet.yaml").write_text(FLEET)
    text = (checkout / "reconciler.yaml").read_text()
    (checkout / "reconciler.yaml").write_text(text.replace("maxStarts: 0", "maxStarts: 9"))
    # It isn't there yet: that is for the apply.
    assert job("rollout") == 0
    assert host.issues == []
    assert "Left to a reviewed apply" in (tmp_path / "summary").read_text()
    assert reconciler(["apply", "--auto-approve"]) == 0
    assert job("rollout") == 0
    assert host.issues == []
    assert reconciler(["rollout", "abort", "line-3", "--reason", "smoke"]) == 0
    for _ in range(2):
        assert job("rollout") == 7, "the job stays red"
        (issue,) = host.issues
        assert (issue["title"], issue["labels"]) == ("The rollout of line-3 is aborted", [LABEL])
        assert "smoke" in issue["body"]
    # A look that fails closes nothing.
    (checkout / "fleet.yaml").write_text(FLEET.replace("description", "descriptoin"))
    assert job("rollout") == 1
    assert [issue["state"] for issue in host.issues] == ["open"]
    (checkout / "fleet.yaml").write_text(FLEET)
    assert reconciler(["rollout", "resume", "line-3", "--reason", "sun"]) == 0
    assert job("rollout") == 0
    assert [issue["state"] for issue in host.issues] == ["closed"]
