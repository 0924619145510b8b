"""An OpenAPI document as a page."""

from web_pages import body, faults

from reconciler.report.web.apidocs import api_page

THING = {"schema": {"$ref": "#/components/schemas/Thing"}}
THINGS = {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}}
WHICH = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Which."}
DOCUMENT = {
    "info": {"title": "Things", "version": "1", "description": "Of <b>all</b> kinds."},
    "tags": [{"name": "Things"}],
    "paths": {
        "/things/{id}": {
            "put": {
                "operationId": "put-thing",
                "summary": "Put",
                "description": "Needs `PUT`.",
                "tags": ["Things"],
                "parameters": [WHICH],
                "requestBody": {"content": {"application/json": THING}},
                "responses": {
                    "200": {"description": "Done.", "content": {"application/json": THINGS}},
                    "404": {"$ref": "#/components/responses/404"},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "description": "Its name."},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "size": {"type": "integer", "format": "int64"},
                    "parts": THINGS["schema"],
                    "owner": {"oneOf": [{"type": "string"}, {"type": ["integer", "null"]}]},
                },
            }
        },
        "responses": {"404": {"description": "There is none."}},
    },
}  # fmt: skip


def test_each_operation_is_told_with_what_is_sent_and_answered():
    html = api_page(DOCUMENT, source="/openapi.json")
    assert faults(html) == []
    text = body(html)
    for said in (
        "Things 1 Of <b>all</b> kinds.",
        "Things : 1 operations",
        "Put PUT /things/{id} Needs PUT .",
        "id text required; in the path. Which.",
        "Body: application/json",
        "name text required; Its name.",
        "kind text: a, b",
        "size whole number (int64)",
        "parts list of object",
        "parts[].parts[].name text",
        "owner text or whole number or null",
        "Answer 200 of put-thing",
        "404 There is none.",
    ):
        assert said in text, said


def test_what_contains_itself_comes_to_an_end():
    assert api_page(DOCUMENT).count("parts[].parts[].parts[].name") == 2
    assert "parts[].parts[].parts[].parts[].name" not in api_page(DOCUMENT)
