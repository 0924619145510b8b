"""The YAML of the pages is right, and each kind has a page that shows all of it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from reconciler.model import Kind
from reconciler.validation.schemas import PROJECT, inline, schema
from tests.docs.docs_blocks import PAGES, ROOT, Block, blocks
from tests.schema_paths import TextLoader, fields, paths

KINDS = (*(kind.value for kind in Kind), PROJECT)
BLOCKS = [block for page in PAGES for block in blocks(page) if block.language == "yaml"]
OVERLAY = {"environments.md"}
"""Pages that show overlays, which say only what is different."""


def page_of(kind: str) -> Any:
    return ROOT / "docs" / "kinds" / (re.sub(r"(?<!^)(?=[A-Z])", "-", kind).lower() + ".md")


def documents(block: Block) -> Iterator[Any]:
    """The resources of a block; none of a part of one."""
    for document in yaml.load_all(block.text, TextLoader):
        if isinstance(document, dict) and str(document.get("apiVersion", "")).startswith("reconciler/"):
            yield document


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page.name}:{block.line}")
def test_it_fits_its_schema(block: Block) -> None:
    for document in documents(block):
        if block.page.name in OVERLAY and document["kind"] != PROJECT:
            continue
        rule = json.loads((ROOT / "schemas" / f"{document['kind']}.json").read_text("utf-8"))
        Draft202012Validator(rule).validate(document)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_page_with_all_of_it(kind: str) -> None:
    found = [
        document
        for block in blocks(page_of(kind))
        if block.language == "yaml"
        for document in documents(block)
    ]
    used: set[str] = set().union(*(paths(each["spec"]) for each in found if each["kind"] == kind))
    known = fields(inline(schema(kind))["properties"]["spec"])
    if kind == PROJECT:
        # Of the settings, what people set first: the reference has them all.
        known = {field for field in known if field.count(".") == 1}
    # What a set is a template of has pages of its own.
    known = {field for field in known if not field.startswith((".template.spec.", ".gatewayList.spec."))}
    assert known - used == set()


def test_every_kind_is_in_the_list_of_kinds() -> None:
    text = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert [kind for kind in KINDS if f"kinds/{page_of(kind).stem}" not in text] == []
