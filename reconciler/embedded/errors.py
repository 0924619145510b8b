"""What the embedded server can say no with: to a caller over HTTP, or to the program that starts it.

Tests: `tests/embedded/test_embedded_campaigns.py`.
"""

from collections.abc import Collection


class EmbeddedError(Exception):
    """The server can't start: its database or address is not usable; says why and what to do."""


class CallRefused(Exception):
    """An answer other than 2xx: an HTTP status and a sentence for `{"message": …}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Already(CallRefused):
    """What was asked for has already happened; `gateways`: to these, where only a part has."""

    def __init__(self, status: int, message: str, gateways: Collection[str] = ()) -> None:
        super().__init__(status, message)
        self.gateways = frozenset(gateways)


class NotSet(CallRefused):
    """A campaign has no distribution list."""

    def __init__(self, campaign_id: str) -> None:
        super().__init__(404, f"Campaign {campaign_id!r} has no distribution list.")
        self.campaign_id = campaign_id


def missing(kind: str, name: str) -> CallRefused:
    """404 for a thing that isn't there."""
    return CallRefused(404, f"There is no {kind} {name!r}.")


def some(names: list[str], shown: int = 5) -> str:
    """The first few of many names, for a message: `'a', 'b' and 998 more`."""
    text = ", ".join(map(repr, names[:shown]))
    return text if len(names) <= shown else f"{text} and {len(names) - shown} more"
