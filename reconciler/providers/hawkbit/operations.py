"""The calls of the Management API that are made: one row each, named as plans and audits name them.

The permissions are those that the call itself needs; `Repeat` says how it may be sent again after an unclear
answer. `OPERATIONS` are those that facts name, each with all the permissions of what it takes; `PARTS` are calls
that come before or after one of them.

Tests: `tests/providers/test_hawkbit_facts.py`.
"""

# ruff: noqa: E501 - a table reads best with a row a line

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.model import Operation, Repeat

_BASE: Final = "/rest/v1"
_ROLLOUTS: Final = f"{_BASE}/rollouts"
_ROLLOUT: Final = _ROLLOUTS + "/{rollout}"
_TAGGED: Final = f"{_BASE}/targettags" + "/{tag}/assigned"
_ACTION: Final = f"{_BASE}/targets" + "/{target}/actions/{action}"
_MODULES: Final = f"{_BASE}/softwaremodules"
_MODULE: Final = _MODULES + "/{module}"
_SETS: Final = f"{_BASE}/distributionsets"

_SAFE, _LOOK, _NEVER = Repeat.IDEMPOTENT, Repeat.VERIFY_FIRST, Repeat.NEVER

# fmt: off
_ROWS: Final = (
    Operation("list-rollouts", "GET", _ROLLOUTS, "Rollouts", ("READ_ROLLOUT",), _SAFE),
    Operation("get-rollout", "GET", _ROLLOUT, "Rollouts", ("READ_ROLLOUT", "READ_DISTRIBUTION_SET"), _SAFE),
    Operation("list-actions", "GET", f"{_BASE}/actions", "Actions", ("READ_TARGET", "READ_ROLLOUT"), _SAFE),
    Operation("list-filters", "GET", f"{_BASE}/targetfilters", "Target Filter Queries", ("READ_TARGET",), _SAFE),
    Operation("list-modules", "GET", _MODULES, "Software Modules", ("READ_SOFTWARE_MODULE",), _SAFE),
    Operation("get-module", "GET", _MODULE, "Software Modules", ("READ_SOFTWARE_MODULE",), _SAFE),
    Operation("upload-artifact", "POST", _MODULE + "/artifacts", "Software Modules", ("CREATE_SOFTWARE_MODULE", "READ_SOFTWARE_MODULE", "UPDATE_SOFTWARE_MODULE"), _LOOK),
    Operation("delete-module", "DELETE", _MODULE, "Software Modules", ("DELETE_SOFTWARE_MODULE", "DELETE_DISTRIBUTION_SET", "UPDATE_DISTRIBUTION_SET"), _LOOK, destructive=True),
    Operation("create-rollout", "POST", _ROLLOUTS, "Rollouts", ("CREATE_ROLLOUT", "CREATE_DISTRIBUTION_SET", "UPDATE_DISTRIBUTION_SET", "CREATE_TARGET"), _LOOK),
    Operation("edit-rollout", "PUT", _ROLLOUT, "Rollouts", ("UPDATE_ROLLOUT",), _SAFE),
    Operation("delete-rollout", "DELETE", _ROLLOUT, "Rollouts", ("DELETE_ROLLOUT", "UPDATE_ROLLOUT", "DELETE_TARGET"), _LOOK, destructive=True),
    Operation("start-rollout", "POST", _ROLLOUT + "/start", "Rollouts", ("HANDLE_ROLLOUT",), _LOOK),
    Operation("pause-rollout", "POST", _ROLLOUT + "/pause", "Rollouts", ("HANDLE_ROLLOUT",), _LOOK),
    Operation("stop-rollout", "POST", _ROLLOUT + "/stop", "Rollouts", ("UPDATE_ROLLOUT", "UPDATE_TARGET"), _LOOK, destructive=True),
    Operation("approve-rollout", "POST", _ROLLOUT + "/approve", "Rollouts", ("APPROVE_ROLLOUT",), _LOOK),
    Operation("tag-targets", "POST", _TAGGED, "Target Tags", ("UPDATE_TARGET",), _LOOK),
    Operation("untag-targets", "DELETE", _TAGGED, "Target Tags", ("UPDATE_TARGET",), _LOOK, destructive=True),
    Operation("cancel-action", "DELETE", _ACTION, "Targets", ("UPDATE_TARGET",), _LOOK, destructive=True),
)
_PARTS: Final = (
    Operation("resume-rollout", "POST", _ROLLOUT + "/resume", "Rollouts", ("HANDLE_ROLLOUT",), _LOOK),
    Operation("list-groups", "GET", _ROLLOUT + "/deploygroups", "Rollouts", ("READ_ROLLOUT",), _SAFE),
    Operation("list-group-targets", "GET", _ROLLOUT + "/deploygroups/{group}/targets", "Rollouts", ("READ_ROLLOUT", "READ_TARGET"), _SAFE),
    Operation("list-tags", "GET", f"{_BASE}/targettags", "Target Tags", ("READ_TARGET",), _SAFE),
    Operation("create-tag", "POST", f"{_BASE}/targettags", "Target Tags", ("CREATE_TARGET",), _LOOK),
    Operation("delete-tag", "DELETE", f"{_BASE}/targettags" + "/{tag}", "Target Tags", ("DELETE_TARGET",), _LOOK),
    Operation("list-tagged", "GET", _TAGGED, "Target Tags", ("READ_TARGET",), _SAFE),
    Operation("get-action-history", "GET", _ACTION + "/status", "Targets", ("READ_TARGET",), _SAFE),
    Operation("purge-action", "DELETE", f"{_BASE}/actions" + "/{action}", "Actions", ("UPDATE_TARGET",), _LOOK, destructive=True),
    Operation("list-artifacts", "GET", _MODULE + "/artifacts", "Software Modules", ("READ_SOFTWARE_MODULE",), _SAFE),
    Operation("create-module", "POST", _MODULES, "Software Modules", ("CREATE_SOFTWARE_MODULE",), _LOOK),
    Operation("mark-module", "POST", _MODULE + "/metadata", "Software Modules", ("UPDATE_SOFTWARE_MODULE",), _LOOK),
    Operation("list-sets", "GET", _SETS, "Distribution Sets", ("READ_DISTRIBUTION_SET",), _SAFE),
    Operation("get-set", "GET", _SETS + "/{set}", "Distribution Sets", ("READ_DISTRIBUTION_SET",), _SAFE),
    Operation("list-installed", "GET", _SETS + "/{set}/installedTargets", "Distribution Sets", ("READ_DISTRIBUTION_SET", "READ_TARGET"), _SAFE),
    Operation("create-set", "POST", _SETS, "Distribution Sets", ("CREATE_DISTRIBUTION_SET",), _LOOK),
    Operation("edit-set", "PUT", _SETS + "/{set}", "Distribution Sets", ("UPDATE_DISTRIBUTION_SET",), _SAFE),
    Operation("delete-set", "DELETE", _SETS + "/{set}", "Distribution Sets", ("DELETE_DISTRIBUTION_SET",), _LOOK, destructive=True),
    Operation("get-userinfo", "GET", f"{_BASE}/userinfo", "Basic Auth", (), _SAFE),
)
# fmt: on

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType({row.name: row for row in _ROWS})
PARTS: Final[Mapping[str, Operation]] = MappingProxyType({row.name: row for row in _PARTS})


def operation(name: str) -> Operation:
    """An operation of either table."""
    return OPERATIONS[name] if name in OPERATIONS else PARTS[name]
