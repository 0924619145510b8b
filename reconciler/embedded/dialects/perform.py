"""Manners that need more than words: what a server does with a call that the reference's way refuses.

Tests: `tests/embedded/test_embedded_dialects.py`.
"""

from collections.abc import Callable

from starlette.datastructures import QueryParams

from reconciler.embedded.dialects import translate
from reconciler.embedded.dialects.model import Dialect, PastEnd, Repeated, Unset
from reconciler.embedded.errors import Already, NotSet
from reconciler.embedded.wire import Body, Json

Run = Callable[[QueryParams, Body], Json]
"""Does the call, all of it or with an exception nothing; answers as the reference prints it."""


def perform(dialect: Dialect, operation: str, query: QueryParams, body: Body, run: Run) -> object:
    """The answer to a call in the words and with the manners of `dialect`; also where it is CallRefused."""
    value = _politely(dialect, translate.query(dialect, operation, query), body, run)
    if dialect.past_end is PastEnd.REPEAT and operation in translate.LISTS:
        value = _last_page(dialect, operation, query, value, run)
    return translate.answer(dialect, operation, value)


def _politely(dialect: Dialect, query: QueryParams, body: Body, run: Run) -> Json:
    try:
        return run(query, body)
    except Already as already:
        if dialect.repeated is not Repeated.SILENT:
            raise
        gateways = body.get("gatewayIds")
        rest = (
            [gateway for gateway in gateways if gateway not in already.gateways]
            if isinstance(gateways, list)
            else []
        )
        # What was already done counts as done; the rest of the call is performed.
        return run(query, {**body, "gatewayIds": rest}) if rest else {}
    except NotSet as unset:
        if dialect.unset_list is Unset.MISSING:
            raise
        empty: Json = {
            "distributionListId": "",
            "reevaluationIntervalSeconds": "",
            "campaignId": unset.campaign_id,
        }
        return {} if dialect.unset_list is Unset.OBJECT else empty


def _last_page(dialect: Dialect, operation: str, query: QueryParams, value: Json, run: Run) -> Json:
    """`value`, or the last page of the list where it is past it."""
    page = value["pageResponse"]
    assert isinstance(page, dict)
    if value[translate.LISTS[operation]] or page["totalPages"] == "0":
        return value
    last = {**translate.query(dialect, operation, query), "page.number": str(page["totalPages"])}
    return run(QueryParams(last), {})
