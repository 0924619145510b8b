"""Gateways that join a running campaign over TCP: each gets its window right after its own add."""

from tests.e2e.e2e_runs import Live, Workplace

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: plant}
spec:
  resources: [resources.yaml]
  server: {batchSize: 10}
"""

RESOURCES = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {name: firmware}
spec: {packages: [{file: firmware.bin}]}
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {name: hall}
spec: {gateways: [GATEWAYS]}
---
apiVersion: reconciler/v1
kind: Schedule
metadata: {name: always}
spec: {download: {begin: "2020-01-01T00:00Z", end: "2099-01-01T00:00Z"}}
---
apiVersion: reconciler/v1
kind: RolloutPolicy
metadata: {name: halves}
spec:
  waves: [{name: canary, upTo: 10}, {name: rest}]
  gate: {minSuccessPercent: 1}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: line-3}
spec:
  packageSet: firmware
  gatewayLists: [hall]
  schedules: [{schedule: always}]
  rollout: {policy: halves}
  desiredStatus: STARTED
"""


def test_the_first_window_is_sent_before_the_last_add(place: Workplace, live: Live) -> None:
    gateways = ", ".join(f"gw-{number:03}" for number in range(210))
    (place.folder / "reconciler.yaml").write_text(PROJECT)
    (place.folder / "resources.yaml").write_text(RESOURCES.replace("GATEWAYS", gateways))
    (place.folder / "firmware.bin").write_bytes(b"firmware")
    place.apply()
    ran = place.run("rollout", "promote", "line-3", "--skip", "success", "--reason", "tried by hand")
    assert ran.code == 0, ran
    live.forget()
    ran = place.run("apply", "--auto-approve", "--parallelism", "4")
    assert ran.code == 0, ran
    writes = live.writes()
    assert (writes.count("add-gateways"), writes.count("schedule-download")) == (20, 200)
    assert not {"stop-campaign", "start-campaign"} & set(writes), "it runs on: they join while it does"
    first, last = writes.index("schedule-download"), len(writes) - 1 - writes[::-1].index("add-gateways")
    assert first < last
    assert first <= 4, "no more adds go ahead than there may be calls in flight"
