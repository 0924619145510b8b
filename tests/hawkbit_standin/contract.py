"""What the provider relies on, asked of a server: the stand-in and a real one must answer the same.

It makes objects of its own (names end in a random word) and leaves them there. It wants the user admin/admin
and, of a real server, quick schedulers.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.hawkbit_standin import devices

CODE = "hawkbit.server.error."


def failures(base: str, rest: Callable[[float], None]) -> list[str]:
    """What the server at `base` answers otherwise; `rest` lets so many seconds go by."""
    word = secrets.token_hex(3)
    api = httpx.Client(base_url=base + "/rest/v1", auth=("admin", "admin"), timeout=30)
    as_device = httpx.Client(
        base_url=base + "/DEFAULT/controller/v1", headers={"Authorization": "GatewayToken key"}
    )
    failed: list[str] = []

    def check(what: str, found: Any, wanted: Any = True) -> None:
        if found != wanted:
            failed.append(f"{what}: wanted {wanted!r}, found {found!r}")

    def said(answer: httpx.Response) -> tuple[int, str]:
        code = answer.json().get("errorCode", "") if answer.content[:1] == b"{" else ""
        return answer.status_code, code.removeprefix(CODE)

    def until(read: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 20) -> Any:
        ends = time.monotonic() + seconds
        while not wanted(value := read()) and time.monotonic() < ends:
            rest(0.05)
        return value

    def rollout(key: int) -> dict[str, Any]:
        return api.get(f"/rollouts/{key}").json()

    def reaches(key: int, *states: str) -> str:
        return until(lambda: rollout(key).get("status", "gone"), lambda s: s in states)

    def ids(*numbers: int) -> list[str]:
        return [f"gw-{word}-{n:03}" for n in numbers]

    def tag(name: str, members: list[str]) -> str:
        key = api.post("/targettags", json=[{"name": f"{name}-{word}"}]).json()[0]["id"]
        api.post(f"/targettags/{key}/assigned", json=members).raise_for_status()
        return f"tag=={name}-{word}"

    def module(name: str, version: str, content: bytes) -> int:
        body = [{"name": f"{name}-{word}", "version": version, "type": "os"}]
        key = api.post("/softwaremodules", json=body).json()[0]["id"]
        api.post(
            f"/softwaremodules/{key}/artifacts", files={"file": (f"{name}.bin", content)}
        ).raise_for_status()
        return key

    def bundle(name: str, *modules: int) -> int:
        parts = [{"id": each} for each in modules]
        body = [{"name": f"{name}-{word}", "version": "1", "type": "os", "modules": parts}]
        return api.post("/distributionsets", json=body).json()[0]["id"]

    def make(name: str, bundle_id: int, query: str, **more: Any) -> httpx.Response:
        body = {"name": f"{name}-{word}", "distributionSetId": bundle_id, "targetFilterQuery": query, **more}
        return api.post("/rollouts", json=body)

    def begun(name: str, bundle_id: int, query: str, **more: Any) -> int:
        key = make(name, bundle_id, query, **more).json()["id"]
        reaches(key, "ready")
        api.post(f"/rollouts/{key}/start").raise_for_status()
        reaches(key, "running", "finished")
        return key

    def groups(key: int) -> list[dict[str, Any]]:
        return api.get(f"/rollouts/{key}/deploygroups", params={"representation": "full"}).json()["content"]

    def members(group: dict[str, Any], key: int) -> list[str]:
        found = api.get(f"/rollouts/{key}/deploygroups/{group['id']}/targets", params={"limit": 500}).json()
        return [each["controllerId"] for each in found["content"]]

    def config(key: str, value: Any) -> int:
        return api.put(f"/system/configs/{key}", json={"value": value}).status_code

    # --- targets, tags, queries
    gateway = "authentication.gatewaytoken."
    check("config is 204", [config(gateway + "enabled", True), config(gateway + "key", "key")], [204, 204])
    everyone = ids(*range(80))
    check(
        "targets in bulk",
        api.post("/targets", json=[{"controllerId": each} for each in everyone]).status_code,
        201,
    )
    again = api.post("/targets", json=[{"controllerId": f"new-{word}"}, {"controllerId": everyone[0]}])
    check("a taken id refuses the whole bulk", said(again), (409, "repo.entityAlreadyExists"))
    check("… and none is made", api.get(f"/targets/new-{word}").status_code, 404)
    check(
        "a page has 500 at most",
        api.get("/targets", params={"limit": 9999, "q": f"id==gw-{word}-*"}).json()["size"],
        80,
    )
    check(
        "queries ignore case",
        api.get("/targets", params={"q": f"id=={everyone[0].upper()}"}).json()["total"],
        1,
    )
    key = api.post("/targettags", json=[{"name": f"x-{word}"}]).json()[0]["id"]
    strange = api.post(f"/targettags/{key}/assigned", json=[everyone[0], "nobody"])
    check("tagging an unknown target", said(strange), (404, "repo.entityNotFound"))
    check("… names it", strange.json()["info"]["entityId"], ["nobody"])
    check("… tags nobody", api.get(f"/targettags/{key}/assigned").json()["total"], 0)
    twice = [api.post(f"/targettags/{key}/assigned", json=everyone[:2]).status_code for _ in range(2)]
    twice += [
        api.request("DELETE", f"/targettags/{key}/assigned", json=everyone[:2]).status_code for _ in range(2)
    ]
    check("tagging and untagging twice", twice, [204] * 4)

    # --- modules, artifacts, sets
    content = b"one " + word.encode()
    first = module("fw", "1", content)
    same = api.post("/softwaremodules", json=[{"name": f"fw-{word}", "version": "1", "type": "os"}])
    check("name, version and type are one module's", said(same), (409, "repo.entityAlreadyExists"))
    hashes = api.get(f"/softwaremodules/{first}/artifacts").json()[0]["hashes"]
    check("hashes are read back", hashes["sha256"], hashlib.sha256(content).hexdigest())
    wrong = api.post(
        f"/softwaremodules/{first}/artifacts", files={"file": ("b", b"b")}, data={"sha256sum": "0" * 64}
    )
    check("a wrong hash is refused", said(wrong), (400, "artifact.uploadFailed.checksum.sha256.match"))
    api.post(f"/softwaremodules/{first}/metadata", json=[{"key": "r.sha", "value": f"v{word}"}])
    check(
        "modules are found by metadata",
        api.get("/softwaremodules", params={"q": f"metadata.r.sha==v{word}"}).json()["total"],
        1,
    )
    one = bundle("one", first)
    empty = api.post(
        "/distributionsets", json=[{"name": f"empty-{word}", "version": "1", "type": "os"}]
    ).json()[0]["id"]
    check(
        "an incomplete set",
        said(make("no", empty, f"id=={everyone[0]}")),
        (400, "distributionset.incomplete"),
    )

    # --- a rollout and its states
    line = tag("line", everyone[:6])
    answer = make("line", one, line, amountGroups=2)
    key = answer.json()["id"]
    check("a new rollout is being created", (answer.status_code, answer.json()["status"]), (201, "creating"))
    check("its name is taken", said(make("line", one, line)), (409, "repo.entityAlreadyExists"))
    check(
        "a query without targets",
        said(make("none", one, f"tag==none-{word}")),
        (400, "repo.constraintViolation"),
    )
    check("it gets ready", reaches(key, "ready"), "ready")
    check("its set is locked", api.get(f"/distributionsets/{one}").json()["locked"])
    check(
        "… and its modules",
        said(api.post(f"/softwaremodules/{first}/artifacts", files={"file": ("c", b"c")})),
        (423, "locked"),
    )
    api.put(f"/rollouts/{key}", json={"description": "new", "weight": 1, "targetFilterQuery": "id==x"})
    check(
        "an edit takes name and description only",
        [rollout(key)[f] for f in ("description", "weight", "targetFilterQuery")],
        ["new", 1000, line],
    )
    check("ready can't be paused", said(api.post(f"/rollouts/{key}/pause")), (400, "rollout.illegalState"))
    tags = api.get("/targettags", params={"q": f"name==line-{word}"}).json()["content"][0]["id"]
    api.post(f"/targettags/{tags}/assigned", json=[everyone[7]])
    check(
        "who joins the tag later isn't in",
        everyone[7] in [m for g in groups(key) for m in members(g, key)],
        False,
    )
    check(
        "start", (api.post(f"/rollouts/{key}/start").status_code, reaches(key, "running")), (204, "running")
    )
    check("a second start", said(api.post(f"/rollouts/{key}/start")), (400, "rollout.illegalState"))
    check("groups", [g["status"] for g in groups(key)], ["running", "scheduled"])
    check(
        "defaults of a group",
        [(g["successCondition"]["expression"], g["errorCondition"]["expression"]) for g in groups(key)],
        [("50", "50")] * 2,
    )
    waiting = api.get("/actions", params={"q": f"rollout.id=={key};status==scheduled"}).json()["content"][0]
    target = waiting["_links"]["self"]["href"].rsplit("/", 3)[1]
    check(
        "a scheduled action can't be cancelled",
        said(api.delete(f"/targets/{target}/actions/{waiting['id']}")),
        (405, "action.notCancelable"),
    )
    lead, others = members(groups(key)[0], key), members(groups(key)[1], key)
    check("devices", set(devices.step(as_device, lead, lambda _: "success").values()), {"success"})
    check(
        "the next group follows",
        until(lambda: [g["status"] for g in groups(key)], lambda s: s[1] == "running"),
        ["finished", "running"],
    )
    api.post(f"/rollouts/{key}/pause")
    check("a pause is at once", rollout(key)["status"], "paused")
    check(
        "… and stops no device that has its action",
        set(devices.step(as_device, others[:1], lambda _: "success").values()),
        {"success"},
    )
    check(
        "resume", (api.post(f"/rollouts/{key}/resume").status_code, rollout(key)["status"]), (204, "running")
    )
    devices.step(as_device, others[1:], lambda _: "success")
    check("it finishes", reaches(key, "finished"), "finished")
    check("finished can't be stopped", said(api.post(f"/rollouts/{key}/stop")), (400, "rollout.illegalState"))
    again_id = begun("again", one, f"id=={lead[0]}")
    check("the same set again: finished without a device", reaches(again_id, "finished"), "finished")

    # --- names and deletion
    check(
        "deletion of what has run",
        (api.delete(f"/rollouts/{key}").status_code, reaches(key, "deleted")),
        (204, "deleted"),
    )
    check(
        "it is hidden from lists", api.get("/rollouts", params={"q": f"name==line-{word}"}).json()["total"], 0
    )
    check("… but keeps its name", said(make("line", one, line)), (409, "repo.entityAlreadyExists"))
    check(
        "… and can't be renamed",
        said(api.put(f"/rollouts/{key}", json={"name": "x"})),
        (403, "entityReadOnly"),
    )
    check("a second deletion", api.delete(f"/rollouts/{key}").status_code, 204)
    other = begun("other", one, f"id=={everyone[8]}")
    api.put(f"/rollouts/{other}", json={"name": f"other-{word} ~{other}"}).raise_for_status()
    api.delete(f"/rollouts/{other}").raise_for_status()
    reaches(other, "deleted")
    free = make("other", one, f"id=={everyone[9]}")
    check("renamed before it was deleted: the name is free", free.status_code, 201)
    reaches(free.json()["id"], "ready")
    api.delete(f"/rollouts/{free.json()['id']}")
    check(
        "what has never run is gone for good",
        until(lambda: api.get(f"/rollouts/{free.json()['id']}").status_code, lambda s: s == 404),
        404,
    )

    # --- thresholds
    above = {
        "errorCondition": {"condition": "THRESHOLD", "expression": "50"},
        "errorAction": {"action": "PAUSE"},
    }
    two = bundle("two", module("fw", "2", b"two"))
    bad = begun("bad", two, tag("bad", everyone[10:18]), amountGroups=2, **above)
    lead = members(groups(bad)[0], bad)
    devices.step(as_device, lead[:2], lambda _: "failure")
    rest(1)
    check("at the threshold it goes on", rollout(bad)["status"], "running")
    devices.step(as_device, lead[2:3], lambda _: "failure")
    check("above it, it pauses", (reaches(bad, "paused"), groups(bad)[0]["status"]), ("paused", "error"))
    api.post(f"/rollouts/{bad}/resume").raise_for_status()
    check(
        "resume goes on with the next group",
        until(lambda: groups(bad)[1]["status"], lambda s: s == "running"),
        "running",
    )
    lead = members(groups(bad)[1], bad)
    devices.step(as_device, lead[:3], lambda _: "failure")
    check(
        "above it in the last group: finished, with a device still at it",
        reaches(bad, "finished"),
        "finished",
    )
    check(
        "… who can still report", devices.step(as_device, lead[3:], lambda _: "success")[lead[3]], "success"
    )

    # --- stop and replace
    old = begun("old", two, f"id=={everyone[20]}")
    devices.step(as_device, [everyone[20]], lambda _: None)
    check("stop", (api.post(f"/rollouts/{old}/stop").status_code, reaches(old, "stopped")), (204, "stopped"))
    check(
        "a stopped one can't be resumed",
        said(api.post(f"/rollouts/{old}/resume")),
        (400, "rollout.illegalState"),
    )
    active = api.get("/actions", params={"q": f"rollout.id=={old};active==true"}).json()["content"]
    check("its actions wait for the device", [a["status"] for a in active], ["canceling"])
    new = begun("new", two, f"id=={everyone[20]}")
    check("the same set meanwhile: a lie of success", rollout(new)["totalTargetsPerStatus"]["finished"], 1)
    check(
        "… the device only cancels",
        devices.step(as_device, [everyone[20]], lambda _: "success")[everyone[20]],
        "canceled",
    )
    gone = begun("gone", two, f"id=={everyone[21]}")
    link = as_device.get(f"/{everyone[21]}").json()["_links"]["deploymentBase"]["href"].partition("?")[0]
    api.delete(f"/rollouts/{gone}")
    reaches(gone, "deleted")
    late = as_device.post(
        link + "/feedback", json={"status": {"execution": "closed", "result": {"finished": "success"}}}
    )
    check("deletion cancels at once; what the device says later is 410", late.status_code, 410)

    # --- approval, dynamic
    config("rollout.approval.enabled", True)
    asks = make("asks", two, f"id=={everyone[30]}").json()["id"]
    check("approval", reaches(asks, "waiting_for_approval"), "waiting_for_approval")
    check("… is needed for a start", said(api.post(f"/rollouts/{asks}/start")), (400, "rollout.illegalState"))
    check(
        "approve",
        (api.post(f"/rollouts/{asks}/approve?remark=ok").status_code, rollout(asks)["status"]),
        (204, "ready"),
    )
    check("… only once", said(api.post(f"/rollouts/{asks}/approve")), (400, "rollout.illegalState"))
    config("rollout.approval.enabled", False)
    query = tag("dyn", everyone[40:42])
    grows = begun("dyn", two, query, dynamic=True)
    devices.step(as_device, everyone[40:42], lambda _: "success")
    until(lambda: groups(grows)[1]["status"], lambda s: s == "running")
    tags = api.get("/targettags", params={"q": f"name==dyn-{word}"}).json()["content"][0]["id"]
    api.post(f"/targettags/{tags}/assigned", json=[everyone[42]])
    check(
        "a dynamic rollout takes in who joins",
        until(lambda: rollout(grows)["totalTargets"], lambda n: n == 3),
        3,
    )
    devices.step(as_device, [everyone[42]], lambda _: "success")
    rest(1)
    check("… and never finishes", rollout(grows)["status"], "running")

    # --- who is done, by counts
    def total(path: str, query: str) -> int:
        return api.get(path, params={"q": query, "limit": 1}).json()["total"]

    def installed(more: str = "") -> int:
        query = f"tag=='dyn-{word}';updatestatus==in_sync{more}"
        return total(f"/distributionsets/{two}/installedTargets", query)

    def actions(status: str) -> int:
        return total("/actions", f"rollout.id=={grows};status{status}finished")

    check("who of a tag has a set installed", until(installed, lambda n: n == 3), 3)
    check("… without some", installed(f";id=out=('{everyone[40]}')"), 2)
    check("actions that are finished, and others", (actions("=="), actions("!=")), (3, 0))
    api.post(f"/targets/{everyone[43]}/assignedDS", json={"id": two}).raise_for_status()
    api.post(f"/targettags/{tags}/assigned", json=[everyone[43]])
    check("who has the set assigned is finished", until(lambda: actions("=="), lambda n: n == 4), 4)
    check("… and hasn't installed it", installed(), 3)
    api.post(f"/targets/{everyone[42]}/assignedDS", json={"id": one}).raise_for_status()
    check("who is to get another set isn't in sync", until(installed, lambda n: n == 2), 2)
    alike = api.post("/targettags", json=[{"name": f"DYN-{word}"}])
    check("names of tags may differ in case only", alike.status_code, 201)
    api.post(f"/targettags/{alike.json()[0]['id']}/assigned", json=[everyone[44]])
    check("… and queries mean both", total("/targets", f"tag=='dyn-{word}'"), 5)

    # --- waves: one dynamic rollout whose tag grows
    quiet = {
        "successCondition": {"condition": "THRESHOLD", "expression": "0"},
        "successAction": {"action": "NEXTGROUP", "expression": ""},
        "errorCondition": {"condition": "THRESHOLD", "expression": "100"},
        "errorAction": {"action": "PAUSE", "expression": ""},
        "dynamicGroupTemplate": {"nameSuffix": "-more", "targetCount": 1000},
        "dynamic": True,
        "amountGroups": 1,
    }

    def running(key: int) -> int:
        return rollout(key)["totalTargetsPerStatus"]["running"]

    three = bundle("three", module("fw", "3", b"three"))
    waves = begun("waves", three, tag("waves", everyone[60:63]), **quiet)
    tags = api.get("/targettags", params={"q": f"name==waves-{word}"}).json()["content"][0]["id"]
    api.post(f"/targettags/{tags}/assigned", json=everyone[63:66])
    check(
        "who is tagged later begins at once, while nobody is done",
        until(lambda: running(waves), lambda n: n == 6),
        6,
    )
    devices.step(as_device, everyone[60:66], lambda _: "failure")
    until(lambda: rollout(waves)["totalTargetsPerStatus"]["error"], lambda n: n == 6)
    api.post(f"/targettags/{tags}/assigned", json=everyone[66:69])
    check("errors of others don't hold them up", until(lambda: running(waves), lambda n: n == 3), 3)
    api.post(f"/rollouts/{waves}/pause").raise_for_status()
    api.post(f"/targettags/{tags}/assigned", json=everyone[69:72])
    rest(1.5)
    check("while it is paused nobody is taken in", rollout(waves)["totalTargets"], 9)
    api.post(f"/rollouts/{waves}/resume").raise_for_status()
    check(
        "resume takes in who was tagged meanwhile",
        until(lambda: rollout(waves)["totalTargets"], lambda n: n == 12),
        12,
    )

    # --- windows
    window = {"schedule": "0 0 3 1 1 ? 2099", "duration": "01:00:00", "timezone": "+01:00"}
    check(
        "a window on an assignment",
        api.post(
            f"/targets/{everyone[50]}/assignedDS", json={"id": two, "maintenanceWindow": window}
        ).status_code,
        200,
    )
    check(
        "… keeps the device from installing",
        devices.step(as_device, [everyone[50]], lambda _: "success")[everyone[50]],
        "window",
    )
    bad_window = {**window, "timezone": "Europe/Berlin"}
    check(
        "a zone by name",
        said(
            api.post(f"/targets/{everyone[51]}/assignedDS", json={"id": two, "maintenanceWindow": bad_window})
        ),
        (400, "maintenanceScheduleInvalid"),
    )

    # --- without a group of its own: who is tagged is taken in, and who is untagged before the start isn't
    pure = {**quiet, "amountGroups": 0}
    nobody = api.post("/targettags", json=[{"name": f"pure-{word}"}]).json()[0]["id"]
    made = make("pure", three, f"tag=='pure-{word}'", **pure)
    check("a dynamic rollout without groups may be empty", made.status_code, 201)
    key = made.json()["id"]
    check("… and gets ready", reaches(key, "ready"), "ready")
    api.post(f"/targettags/{nobody}/assigned", json=everyone[72:75]).raise_for_status()
    api.request("DELETE", f"/targettags/{nobody}/assigned", json=everyone[74:75]).raise_for_status()
    api.post(f"/rollouts/{key}/start").raise_for_status()
    reaches(key, "running")
    check("who is tagged when it starts begins", until(lambda: running(key), lambda n: n == 2), 2)
    one_action = api.get(
        "/actions",
        params={"q": f"rollout.id=={key};target.controllerid=={everyone[72]}", "representation": "full"},
    ).json()["content"][0]
    check(
        "an action names its target", one_action["_links"]["target"]["href"].rsplit("/", 1)[1], everyone[72]
    )
    where = f"/targets/{everyone[72]}/actions/{one_action['id']}"
    check("cancel", api.delete(where).status_code, 204)
    check("cancel twice", said(api.delete(where)), (405, "action.notCancelable"))
    check("quit", api.delete(where, params={"force": "true"}).status_code, 204)
    check(
        "cancelled: it is counted so",
        until(lambda: rollout(key)["totalTargetsPerStatus"]["cancelled"], lambda n: n == 1),
        1,
    )
    check(
        "escaped words in a query",
        api.get("/targettags", params={"q": f"name=='pure-{word}'"}).json()["total"],
        1,
    )
    check(
        "the history of an action",
        api.get(where + "/status", params={"limit": 5}).json()["content"][0].keys() >= {"messages"},
    )
    api.close()
    as_device.close()
    return failed
