"""What the stand-in holds."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Stamped:
    """Who made it and when; every object says so."""

    id: int
    created_at: int
    created_by: str = "admin"
    modified_at: int = 0
    modified_by: str = ""


@dataclass(eq=False)
class Target(Stamped):
    controller: str = ""
    name: str = ""
    description: str = ""
    token: str = ""
    status: str = "unknown"
    tags: set[int] = field(default_factory=set)
    assigned: int | None = None
    installed: int | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    asked: bool = False
    actions: list["Action"] = field(default_factory=list)


@dataclass(eq=False)
class Tag(Stamped):
    name: str = ""
    description: str = ""
    members: dict[str, None] = field(default_factory=dict)


@dataclass(eq=False)
class TargetFilter(Stamped):
    name: str = ""
    query: str = ""


@dataclass(eq=False)
class Artifact:
    id: int
    filename: str
    content: bytes
    hashes: dict[str, str]


@dataclass(eq=False)
class Module(Stamped):
    name: str = ""
    version: str = ""
    type: str = ""
    vendor: str = ""
    description: str = ""
    locked: bool = False
    deleted: bool = False
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    artifacts: list[Artifact] = field(default_factory=list)


@dataclass(eq=False)
class Bundle(Stamped):
    """A distribution set."""

    name: str = ""
    version: str = ""
    type: str = "os_app"
    description: str = ""
    locked: bool = False
    deleted: bool = False
    valid: bool = True
    used: bool = False
    modules: list[int] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Action(Stamped):
    target: str = ""
    bundle: int = 0
    rollout: int | None = None
    group: int | None = None
    status: str = "running"
    active: bool = True
    force: str = "forced"
    force_time: int = 0
    weight: int = 1000
    window: dict[str, str] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(eq=False)
class Group(Stamped):
    name: str = ""
    status: str = "creating"
    query: str = ""
    percentage: float = 100
    dynamic: bool = False
    conditions: dict[str, dict[str, str]] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    confirm: bool = False


@dataclass(eq=False)
class Rollout(Stamped):
    name: str = ""
    description: str = ""
    bundle: int = 0
    query: str = ""
    type: str = "forced"
    force_time: int = 0
    weight: int = 1000
    start_at: int | None = None
    dynamic: bool = False
    status: str = "creating"
    deleted: bool = False
    ran: bool = False
    confirm: bool = False
    remark: str | None = None
    decider: str | None = None
    groups: list[Group] = field(default_factory=list)
    actions: dict[str, Action] = field(default_factory=dict)
    suffix: str = ""
