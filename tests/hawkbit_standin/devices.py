"""Simulated devices: each polls, downloads, checks the hash and says how it went.

    devices.step(client, ids, outcome)   one poll of each; `outcome(id)` is "success", "failure" or None
                                         (None: download, say "proceeding", and leave it so)

`client` has the base URL ``{server}/DEFAULT/controller/v1``; with target tokens switched on, pass
``tokens={id: securityToken}``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

import httpx

CLOSED = {"success": "success", "failure": "failure"}


def step(
    client: httpx.Client,
    ids: Iterable[str],
    outcome: Callable[[str], str | None],
    tokens: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """What each device did in one poll: idle, success, failure, proceeding, canceled, window, confirm."""
    return {device: _poll(client, device, outcome(device), _headers(tokens, device)) for device in ids}


def _headers(tokens: Mapping[str, str] | None, device: str) -> dict[str, str]:
    return {"Authorization": f"TargetToken {tokens[device]}"} if tokens else {}


def _poll(client: httpx.Client, device: str, outcome: str | None, headers: dict[str, str]) -> str:
    links = client.get(f"/{device}", headers=headers).raise_for_status().json().get("_links", {})
    if "configData" in links:
        body = {"mode": "merge", "data": {"hw": "v1"}}
        client.put(links["configData"]["href"], json=body, headers=headers).raise_for_status()
    if "confirmationBase" in links and "deploymentBase" not in links and "cancelAction" not in links:
        return "confirm"
    if "cancelAction" in links:
        url = links["cancelAction"]["href"]
        _feedback(client, url, "closed", "success", headers)
        return "canceled"
    if "deploymentBase" not in links:
        return "idle"
    url = links["deploymentBase"]["href"]
    deployment = client.get(url, headers=headers).raise_for_status().json()["deployment"]
    if deployment.get("maintenanceWindow") == "unavailable":
        return "window"
    for chunk in deployment["chunks"]:
        assert chunk["artifacts"], f"{device} finds nothing to install in {chunk['name']}"
        for artifact in chunk["artifacts"]:
            content = client.get(artifact["_links"]["download-http"]["href"], headers=headers)
            found = hashlib.sha256(content.raise_for_status().content).hexdigest()
            assert found == artifact["hashes"]["sha256"], device
    if outcome is None:
        _feedback(client, url, "proceeding", "none", headers)
        return "proceeding"
    _feedback(client, url, "closed", CLOSED[outcome], headers)
    return outcome


def _feedback(client: httpx.Client, url: str, execution: str, finished: str, headers: dict[str, str]) -> None:
    where = url.partition("?")[0] + "/feedback"
    body = {"status": {"execution": execution, "result": {"finished": finished}, "details": ["simulated"]}}
    client.post(where, json=body, headers=headers).raise_for_status()
