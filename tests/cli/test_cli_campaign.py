"""`campaign …` over TCP: names, answers, writes and holds."""

import json

import pytest

GONE = "00000000-0000-0000-0000-000000000000"


def declare(world, **spec: str) -> None:
    """Edit the campaign of the resources."""
    path = world.folder / "resources" / "line.yaml"
    lines = "".join(f"  {key}: {value}\n" for key, value in spec.items())
    path.write_text(path.read_text().replace("  description: Line 3\n", lines + "  description: Line 3\n"))


def test_list_shows_everything_on_the_server_and_whose_it_is(world):
    world.api("POST", "/api/campaigns", {"name": "another"})
    ran = world.run("campaign", "list")
    assert ran.code == 0
    server, empty, heading, another, ours, total = ran.out.splitlines()
    assert (server, empty, heading.split()) == (
        f"Server: {world.proxy.url}",
        "",
        ["NAME", "ID", "STATUS", "RESOURCE"],
    )
    assert another.split()[0] == "another"
    assert another.split()[2:] == ["CREATED", "-"]
    assert ours.split() == ["line-3", world.id_of("line-3"), "STARTED", "Campaign/line-3"]
    assert total == "2 campaigns."
    assert set(world.operations()) >= {"list-campaigns"}
    only = world.run("campaign", "list", "--status", "started", "--output", "json")
    assert [c["name"] for c in json.loads(only.out)["campaigns"]] == ["line-3"]
    named = json.loads(world.run("campaign", "list", "--name", "another", "--output", "json").out)
    assert named["campaigns"][0]["resource"] is None
    assert world.run("campaign", "list", "--name", "nobody").out.endswith("\n\n0 campaigns.\n")


def test_counts(world):
    ran = world.run("campaign", "counts", "--output", "json")
    assert json.loads(ran.out)["counts"] == {
        "readyToStart": 0, "waitingForApproval": 0, "approved": 0, "started": 1, "stopped": 0,
    }  # fmt: skip
    assert "Started               1" in world.run("campaign", "counts").out


def test_show(world):
    campaign_id = world.id_of("line-3")
    text = world.run("campaign", "show", "line-3").out
    assert f"Id                 {campaign_id}\n" in text
    assert "Resource           Campaign/line-3\n" in text
    assert "Gateways           3 (DOWNLOAD_COMPLETE 0," in text
    shown = json.loads(world.run("campaign", "show", campaign_id, "--output", "json").out)
    assert shown["server"]["url"] == world.proxy.url
    assert shown["campaign"]["gateways"]["total"] == 3
    assert shown["campaign"]["distributionList"] is None
    assert {"get-campaign", "get-campaign-status", "get-distribution-list"} <= set(world.operations())


def test_show_a_distribution_list(world):
    world.proxy.tell("get-distribution-list", body={"distributionListId": "d1"})
    assert "Distribution list  d1\n" in world.run("campaign", "show", "line-3").out


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["line-3", "Campaign/line-3", "id"])
def test_a_campaign_is_named_by_resource_name_or_id(world, word):
    word = world.id_of("line-3") if word == "id" else word
    assert (
        json.loads(world.run("campaign", "show", word, "--output", "json").out)["campaign"]["name"]
        == "line-3"
    )


def test_a_name_on_the_server_and_a_resource_that_declares_it(world):
    other = world.api("POST", "/api/campaigns", {"name": "Spring"})["uuid"]
    assert f"Id                 {other}\n" in world.run("campaign", "show", "Spring").out
    more = "---\napiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: spring}\nspec: {name: Spring}\n"
    (world.folder / "more.yaml").write_text(more)
    for word in ("spring", "Campaign/spring"):
        assert f"Id                 {other}\n" in world.run("campaign", "show", word).out
    (world.folder / "broken.yaml").write_text("kind: Campaign\nspec: 3\n\tx")
    assert world.run("campaign", "show", "spring").code == 0, "a mistake elsewhere is no obstacle"


def test_what_could_mean_several_is_an_error_that_names_them(world):
    ours = world.id_of("line-3")
    other = world.api("POST", "/api/campaigns", {"name": "line-3"})["uuid"]
    ran = world.run("campaign", "stop", "line-3", "--auto-approve", "--output", "json")
    assert ran.code == 1
    assert "'line-3' could mean 2 campaigns: " in ran.err
    assert ours in ran.err
    assert other in ran.err
    assert f"{ours} (owned by this project as Campaign/line-3)" in ran.err
    assert "hint: Name the one by its id" in ran.err
    assert json.loads(ran.out)["findings"][0]["code"] == "run-failed"
    assert world.run("campaign", "show", "Campaign/line-3").code == 0
    assert world.run("campaign", "show", other).code == 0
    assert "stop-campaign" not in world.operations()


@pytest.mark.parametrize("word", ["nobody", GONE, "Campaign/nobody", "..", "a/b"])
def test_what_is_nowhere(world, word):
    ran = world.run("campaign", "show", word)
    assert (ran.code, ran.out) == (1, "")
    assert f"error: there is no campaign '{word}' on {world.proxy.url}" in ran.err
    assert "`reconciler campaign list`" in ran.err


def test_what_was_deleted_by_somebody_else(world):
    campaign_id = world.id_of("line-3")
    world.api("PUT", f"/api/campaigns/{campaign_id}/stop", {"campaignId": campaign_id})
    world.api("DELETE", f"/api/campaigns/{campaign_id}")
    ran = world.run("campaign", "show", "Campaign/line-3")
    assert f"Campaign/line-3 is campaign {campaign_id}, which is no longer on the server" in ran.err
    assert "there is no campaign 'line-3'" in world.run("campaign", "show", "line-3").err


def test_a_server_that_refuses_what_is_no_id(world):
    world.proxy.tell("get-campaign", status=400, body=b"not a UUID", times=1)
    assert world.run("campaign", "show", "line-3", "--state", "file:none.json").code == 0
    world.proxy.tell("get-campaign", status=403, body=b"no")
    ran = world.run("campaign", "show", "line-3")
    assert "403 no" in ran.err
    assert "The operation needs the permission VIEW_CAMPAIGN." in ran.err


def test_settings_that_are_wrong(world):
    ran = world.run("campaign", "list", "--project", "nowhere.yaml", "--output", "json")
    assert ran.code == 1
    assert json.loads(ran.out)["findings"][0]["severity"] == "error"


# --- writes --------------------------------------------------------------------------------------


def test_stop_makes_a_hold_and_start_ends_it(world):
    declare(world)
    before = json.loads((world.folder / ".reconciler" / "state.json").read_text())
    stopped = world.run("campaign", "stop", "line-3", "--auto-approve")
    assert stopped.code == 0
    assert stopped.out.splitlines()[-1].startswith(
        f"done: campaign 'line-3' ({world.id_of('line-3')}) is stopped; held:"
    )
    assert world.writes() == ["stop-campaign"]
    after = json.loads((world.folder / ".reconciler" / "state.json").read_text())
    assert after == before, "the recorded wish stays"
    planned = json.loads(world.run("plan", "resources", "--output", "json").out)
    assert [finding["code"] for finding in planned["findings"]] == ["held"]
    assert planned["steps"] == []
    assert "held" in world.run("status", "resources").out.splitlines()[3]

    again = world.run("campaign", "stop", "line-3")
    assert "not needed: campaign 'line-3'" in again.out
    assert "is STOPPED; nothing was sent" in again.out
    started = world.run("campaign", "start", "line-3", "--output", "json")
    assert json.loads(started.out)["outcome"] == "done"
    assert world.run("plan", "resources").out.endswith("No changes.\n")
    assert "it is started already" in world.run("campaign", "start", "line-3").out


def test_what_a_stop_means_for_the_next_apply(world):
    campaign_id = world.id_of("line-3")
    state = world.folder / ".reconciler" / "state.json"
    for key, value, said in (
        ("returnTo", "STARTED", "an interrupted apply"),
        ("status", None, "the next apply starts it"),
    ):
        document = json.loads(state.read_text())
        document["campaigns"]["Campaign/line-3"] |= {"status": "STARTED", key: value}
        state.write_text(json.dumps(document))
        assert said in world.run("campaign", "stop", campaign_id, "--auto-approve").out
        document["campaigns"]["Campaign/line-3"] |= {"status": "STARTED", "returnTo": None}
        state.write_text(json.dumps(document))
        world.run("campaign", "start", campaign_id)
    unowned = world.run("campaign", "stop", campaign_id, "--auto-approve", "--state", "file:none.json").out
    assert unowned.endswith("is stopped\n")


def test_approve_and_start_of_what_waits(world):
    world.api("PUT", "/_embedded/settings", {"approvalNeeded": True})
    made = world.api("POST", "/api/campaigns", {"name": "waits"})["uuid"]
    started = world.run("campaign", "start", "waits")
    assert started.code == 0, "it waits for a person"
    assert "waiting for approval: `reconciler campaign approve` gives it" in started.out
    assert world.run("campaign", "approve", "waits").out.endswith(
        f"done: campaign 'waits' ({made}) is approved\n"
    )
    assert world.run("campaign", "start", "waits", "--output", "json").code == 0
    assert "it asks for no approval" in world.run("campaign", "approve", "waits").out


def test_no_terminal_no_stop(world, process):
    ran = process("campaign", "stop", "line-3")
    assert ran.code == 1
    assert ran.err == (
        "error: there is no terminal to ask on, so nothing was done\n"
        "  hint: --auto-approve does it without asking.\n"
    )
    assert world.writes() == []


@pytest.mark.parametrize(
    ("told", "sent", "code", "said"),
    [
        ({"status": 403, "body": b"no"}, 1, 1, "403 no. The operation needs the permission STOP_CAMPAIGN."),
        ({"status": 409, "body": b"odd"}, 1, 1, "PUT /api/campaigns/ID/stop: 409 odd"),
        ({"status": 404, "body": b"gone"}, 1, 1, "PUT /api/campaigns/ID/stop: 404 gone"),
        ({"status": 429, "times": 1}, 2, 0, "done: "),
        ({"cut": True, "times": 1}, 2, 0, "done: "),
        ({"cut": True, "after": True, "times": 1}, 1, 0, "done: "),
        ({"status": 500, "body": b"oops", "after": True}, 1, 0, "done: "),
    ],
)  # fmt: skip
def test_a_stop_is_repeated_as_its_operation_may_be(world, told, sent, code, said):
    campaign_id = world.id_of("line-3")
    world.proxy.tell("stop-campaign", **told)
    ran = world.run("campaign", "stop", "line-3", "--auto-approve")
    assert ran.code == code
    assert said.replace("ID", campaign_id) in ran.out + ran.err
    assert world.proxy.count("stop-campaign") == sent


def test_a_group_alone_shows_its_commands(run):
    ran = run("campaign")
    assert (ran.code, ran.out) == (64, "")
    assert "approve  Approve a campaign that waits for it." in ran.err
    assert run("campaign", "--nope").code == 64
