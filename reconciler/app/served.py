"""What `serve` shows to people: its campaigns, and the documentation of its API.

Tests: `tests/app/test_app_served.py`.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from reconciler.app.pages import page, page_routes, said
from reconciler.model import Kind, ResourceId
from reconciler.plan.model import Plan
from reconciler.providers.base import Facts, Stage
from reconciler.providers.opening import facts_of
from reconciler.report.statuses import Gateways, Row, StatusReport
from reconciler.report.terminal import Tone
from reconciler.report.web.apidocs import api_page
from reconciler.report.web.fleet import FleetShown
from reconciler.settings import ServerSettings

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from reconciler.embedded import CampaignCensus, Census

DOCS_PATH: Final = "/docs"
_DOCUMENT: Final = "/_embedded/openapi.json"
_NOTICE: Final = "A fleet to rehearse on: nothing here is a real device."
_RUNS: Final = "STARTED"


def served_pages(app: Starlette, token: str | None) -> Sequence[BaseRoute]:
    """The pages of the embedded server `app`; with a `token` a browser asks for it as the password.

    ReconcilerError without the extra `controller`.
    """
    settings = ServerSettings()
    facts = facts_of(settings)

    async def look(request: Request) -> FleetShown | Response:
        from reconciler.embedded import EmbeddedError, census

        if (refusal := _refusal(request, token)) is not None:
            return refusal
        try:
            found = await census(app)
        except EmbeddedError as error:
            return said("Nothing can be looked at", str(error), 503, refresh=True)
        return fleet_of_census(found, facts, settings)

    async def docs(request: Request) -> Response:
        from reconciler.embedded import api_document

        del request
        return page(api_page(api_document(), source=_DOCUMENT))

    return [*page_routes(look), Route(DOCS_PATH, docs)]


def fleet_of_census(found: Census, facts: Facts, settings: ServerSettings) -> FleetShown:
    """Campaigns as the server has them; there is nothing that they should be like."""
    rows = [_row(each, facts) for each in found.campaigns]
    status = StatusReport(Plan(settings.identity), rows)
    return FleetShown(status, found.at, notice=_NOTICE, compared=False, api=DOCS_PATH)


def _row(found: CampaignCensus, facts: Facts) -> Row:
    stages: dict[Stage, int] = defaultdict(int)
    pending = 0
    order = sorted(found.states, key=lambda state: (facts.rank(state), state))
    for state in order:
        stage = facts.stage(state)
        stages[Stage.IDLE if stage is Stage.UNKNOWN else stage] += found.states[state]
        pending += 0 if stage.final else found.open.get(state, 0)
    closed = sum(found.states.values()) - sum(found.open.values())
    states: Mapping[str, int] = {state: found.states[state] for state in order}
    counts = Gateways(states, dict(stages), closed=closed, pending=pending, causes=_tuples(found.causes))
    return Row(
        ResourceId(Kind.CAMPAIGN, found.id),
        found.name,
        (found.id,),
        found.status,
        counts,
        Tone.GOOD,
        found.status.lower().replace("_", " "),
        running=found.status == _RUNS,
        firmware=found.packages,
    )


def _tuples(causes: Mapping[str, Sequence[str]]) -> Mapping[str, tuple[str, ...]]:
    order = sorted(causes, key=lambda cause: (-len(causes[cause]), cause))
    return {cause: tuple(causes[cause]) for cause in order}


def _refusal(request: Request, token: str | None) -> Response | None:
    """What somebody without the token gets."""
    if token is None or hmac.compare_digest(_given(request).encode(), token.encode()):
        return None
    headers = {"WWW-Authenticate": 'Basic realm="token of the embedded server as the password"'}
    return PlainTextResponse("The token is asked for, as the password.\n", 401, headers)


def _given(request: Request) -> str:
    """The token of a request: a bearer's, or the password of whoever signs in."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    try:
        return b64decode(value, validate=True).decode().partition(":")[2] if kind.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
