"""The OpenAPI document: kept, served, complete, and true of the server, as schemathesis sees it over TCP."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from reconciler.embedded import Running
from reconciler.embedded.openapi import SECTIONS, document, written
from reconciler.embedded.openapi.schemas import SCHEMAS
from reconciler.embedded.operations import API
from tests.conftest import Golden

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 8
KNOWN_ID = 0.7
"""How many of the calls are about things that are there; the others are about anything."""

# The two uploads are one operation in OpenAPI.
OPERATIONS = [operation for operation in API if operation.name != "stream-package"]


def test_the_kept_document_is_the_one_of_the_code(golden: Golden) -> None:
    golden("../../docs/openapi.json", written(document(API)))


def test_the_served_document_is_the_kept_one(server: Running, api: httpx.Client) -> None:
    kept = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
    assert api.get("/_embedded/openapi.json").json() == kept


def test_everybody_may_read_the_document() -> None:
    with Running(token="t") as running:
        assert httpx.get(f"{running.url}/_embedded/openapi.json").status_code == 200


def described() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document(API)["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def test_every_operation_is_described_once() -> None:
    names = [
        name
        for _, _, one in described()
        for name in one.get("x-operation-ids", {"": one["operationId"]}).values()
    ]
    assert sorted(names) == sorted(operation.name for operation in API)
    assert len(names) == len(set(names)) == 38
    assert [section.operation for section in SECTIONS] == [operation.name for operation in API]
    by_place = {(path, method): one for path, method, one in described()}
    for operation in API:
        one = by_place[operation.path, operation.method]
        assert one.get("x-permission") == operation.permission
        assert operation.permission is None or f"(`{operation.permission}`)" in one["description"]
        in_path = [p["name"] for p in one.get("parameters", []) if p["in"] == "path"]
        assert in_path == re.findall(r"\{(\w+)\}", operation.path)


def test_every_schema_is_one_and_is_used() -> None:
    text = json.dumps(document(API))
    for name, schema in SCHEMAS.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert f'"#/components/schemas/{name}"' in text
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in SCHEMAS
    for status in re.findall(r'"#/components/responses/(\w+)"', text):
        assert status in document(API)["components"]["responses"]


# --- schemathesis over TCP ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema(shared_server: Running) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{shared_server.url}/_embedded/openapi.json")


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def make_ready(server: Running, operation: str, campaign: str) -> None:
    """What the campaign needs so that the operation is not refused."""
    with server.app.state.context.store.transaction(write=True) as db:
        status = {"stop-campaign": "STARTED", "approve-campaign": "APPROVAL_NEEDED"}.get(operation)
        if status:
            db.execute("UPDATE campaigns SET status = ? WHERE id = ?", (status, campaign))
        if operation == "get-distribution-list":
            db.execute("UPDATE campaigns SET distribution_list_id = 'dl', reevaluation_seconds = '60'")


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_answers_are_as_described(
    server: Running,
    session: requests.Session,
    schema: BaseSchema,
    campaign: str,
    new_package: Any,
    operation: Any,
    mode: GenerationMode,
) -> None:
    package = new_package()
    known = {"campaign_id": campaign, "gateway_id": "gw-1", "uuid": package}
    bodies: dict[str, object] = {
        "campaignId": campaign,
        "gatewayId": "gw-1",
        "packages": [package],
        "gatewayIds": ["gw-new" if operation.name == "add-gateways" else "gw-1"],
        "gateway_things": [{"gateway_id": "gw-1", "thing_ids": ["t-1"]}],
    }
    make_ready(server, operation.name, campaign)
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        derandomize=True,
        database=None,
    )
    @given(
        case=schema[operation.path][operation.method].as_strategy(generation_mode=mode),
        chance=st.floats(0, 1),
    )
    def check(case: Case, chance: float) -> None:
        if chance < KNOWN_ID:
            case.path_parameters = {name: known[name] for name in case.path_parameters}
            if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
                case.body = case.body | {key: bodies[key] for key in case.body.keys() & bodies}
        response = case.call(base_url=server.url, session=session)
        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    check()
    if mode is GenerationMode.POSITIVE:
        assert 200 in statuses, f"only {sorted(set(statuses))}: nothing of the answer was looked at"
