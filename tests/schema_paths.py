"""Which fields a schema knows, and which of them a document has."""

import re
from typing import Any

import yaml


class TextLoader(yaml.SafeLoader):
    """As our own loader, it takes times for text, and so it does `on` and `yes`."""


TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
TextLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(true|false)$"), list("tf"))


def fields(node: Any, path: str = "") -> set[str]:
    """Every field that a schema knows, as a dotted path; items of lists and values of maps are left out."""
    found: set[str] = set()
    for branch in [node, *node.get("oneOf", ()), node.get("items", {})]:
        for name, below in branch.get("properties", {}).items():
            found |= {f"{path}.{name}"} | fields(below, f"{path}.{name}")
    values = node.get("additionalProperties")
    return found | (fields(values, f"{path}.*") if isinstance(values, dict) else set())


def paths(value: Any, path: str = "") -> set[str]:
    """Every field that a value has, also with the keys of maps as ``*``."""
    if isinstance(value, list):
        return set().union(*(paths(item, path) for item in value))
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for name, below in value.items():
        for step in (name, "*"):
            found |= {f"{path}.{step}"} | paths(below, f"{path}.{step}")
    return found
