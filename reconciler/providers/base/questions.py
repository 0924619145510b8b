"""What people ask of a server by hand, and what `doctor` wants to know.

A plan needs none of this, and a server that can't answer a question here can still be planned for.
Commands that change something beyond `notify` go through `Writes.run`, so that there is one way to
send a write and one way to repeat it. Times are epoch milliseconds, UTC; None is what wasn't said.

Tests: `tests/contract/test_provider_contract.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from reconciler.errors import ServerError
from reconciler.model import LivePackage, Operation


class CampaignCounts(NamedTuple):
    """How many campaigns there are, by what they wait for."""

    ready: int
    waiting: int
    approved: int
    started: int
    stopped: int


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """A campaign as a whole. ``states``: how many gateways are in a state now, of those that are counted."""

    id: str
    name: str
    status: str
    description: str
    gateways: int
    packages: int
    states: Mapping[str, int]
    created: int | None = None
    modified: int | None = None


@dataclass(frozen=True, slots=True)
class PackageProgress:
    """How much of a package a gateway has, in the server's unit (bytes)."""

    id: str
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """A gateway in a campaign: its state, since when, how far it is, and what made it fail."""

    gateway: str
    state: str
    changed: int | None = None
    downloads: tuple[PackageProgress, ...] = ()
    execution: tuple[str, ...] = ()
    """Lines of progress, in the server's words."""
    cause: str = ""
    """Why it failed; empty when the server names no cause."""


@dataclass(frozen=True, slots=True)
class PackageInfo:
    """A package, who brought it and when; ``digits`` of its SHA-256, as many as the server tells."""

    package: LivePackage
    created_by: str = ""
    created: int | None = None
    digits: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a call may be made: what a read answered that was made to see that, or what the server says."""

    operation: Operation
    error: ServerError | None = None
    tried: bool = True
    """False: the server says so of a call that was not made; an error is then no fault of a read."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """The server's answer to the first call of a run.

    ``version`` is the API version that calls ask for. ``ahead`` is how many seconds the server's clock is
    ahead of ours, give or take one. ``error`` is what the call ended with, which may be a missing permission.
    """

    version: str | None = None
    ahead: float | None = None
    error: ServerError | None = None


class Questions(Protocol):
    """Questions and commands of a person. Every read and `notify` may raise ServerError."""

    async def counts(self) -> CampaignCounts:
        """How many campaigns there are by status."""
        ...

    async def campaign_progress(self, campaign_id: str) -> CampaignProgress:
        """A campaign as a whole, in one request."""
        ...

    async def gateway_state(self, campaign_id: str, gateway_id: str) -> str:
        """The state of one gateway."""
        ...

    async def gateway_status(self, campaign_id: str, gateway_id: str) -> GatewayStatus:
        """State, progress and cause of failure of one gateway."""
        ...

    async def gateway_packages(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """The packages that a gateway gets."""
        ...

    async def download_progress(self, campaign_id: str, gateway_id: str) -> tuple[PackageProgress, ...]:
        """How far the downloads of one gateway are."""
        ...

    async def execution_progress(self, campaign_id: str, gateway_id: str) -> tuple[str, ...]:
        """How far the execution of one gateway is, in the server's words."""
        ...

    async def active_campaigns(self, gateway_id: str) -> tuple[str, ...]:
        """Ids of the campaigns that are running for a gateway."""
        ...

    async def notify(self, campaign_id: str, gateway_id: str) -> None:
        """Tell a gateway to ask for its tasks: sent once, and never again."""
        ...

    async def package_infos(self, names: Collection[str] | None = None) -> tuple[PackageInfo, ...]:
        """The whole list of packages, or those of exactly these names."""
        ...

    async def package_info(self, package_id: str) -> PackageInfo | None:
        """A package, None when there is no such id."""
        ...

    async def greet(self) -> Greeting:
        """Ask for the version, sign in, and make a small read. Raises only what isn't about a request."""
        ...

    async def concerns(self) -> tuple[str, ...]:
        """What a person should look at on the server, a sentence each; none where it can't tell."""
        ...

    async def probe(self) -> tuple[Probe, ...]:
        """Make every read that can be made, each once and no larger than it must be."""
        ...
