"""A campaign server of one's own: every operation of the API reference over HTTP, with SQLite below it.

It shares nothing with the client but the reference, so that the one can be tested against the other.
Needs the extra `embedded`; only who uses it pays for it: each name is loaded when it is asked for.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from reconciler.embedded.errors import EmbeddedError

if TYPE_CHECKING:
    from reconciler.embedded.app import api_document, create_app, runs_again
    from reconciler.embedded.headcount import CampaignCensus, Census, census
    from reconciler.embedded.stepped import SteppedServer
    from reconciler.embedded.tcp import Running, SeenCall, serve

__all__ = [
    "CampaignCensus",
    "Census",
    "EmbeddedError",
    "Running",
    "SeenCall",
    "SteppedServer",
    "api_document",
    "census",
    "create_app",
    "runs_again",
    "serve",
]

_HOMES = {
    "api_document": "app",
    "CampaignCensus": "headcount",
    "Census": "headcount",
    "census": "headcount",
    "create_app": "app",
    "runs_again": "app",
    "SteppedServer": "stepped",
    "Running": "tcp",
    "SeenCall": "tcp",
    "serve": "tcp",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for package in ("starlette", "python_multipart", "uvicorn"):
        if find_spec(package) is None:
            raise EmbeddedError(
                f"The embedded server needs the package {package}: pip install 'reconciler[embedded]'."
            )
    return getattr(import_module(f"{__name__}.{home}"), name)
