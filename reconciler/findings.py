"""Every finding that loading, validation and resolving can make: its code and what it means, in one line.

Codes are public and stable: reports, SARIF and the documentation list them from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_LOADING = {
    "file-not-found": "A path that was given does not exist.",
    "unreadable-file": "A file or folder cannot be read: no permission, or not a regular file.",
    "empty-folder": "A folder that was given holds no YAML file.",
    "empty-file": "A file holds no document.",
    "not-utf8": "A file is not UTF-8 text.",
    "binary-file": "A file holds NUL bytes, so it is no text.",
    "control-character": "A character that YAML does not allow, or that readers take for a line break.",
    "tab-indentation": "A line is indented with a tab.",
    "yaml-syntax": "The text is not YAML.",
    "yaml-alias": "An alias (`*name`) or a merge key (`<<`): the value must be written out.",
    "yaml-tag": "An explicit tag (`!name`) that asks for more than plain YAML.",
    "duplicate-key": "A key stands twice in one mapping.",
    "non-string-key": "A key is not text.",
    "too-deep": "Lists and mappings are nested deeper than 100.",
    "not-a-mapping": "A document is a list or a single value where a resource belongs.",
    "misplaced-project": "A Project document stands among the resources.",
}

_VALIDATION = {
    "unknown-api-version": "The `apiVersion` is not one that this version reads.",
    "unknown-kind": "The `kind` is not one of the kinds of resource.",
    "unknown-field": "A field that does not belong there.",
    "missing-field": "A required field is left out.",
    "exactly-one-of": "Of several fields, exactly one must stand.",
    "null-value": "A field has no value.",
    "wrong-type": "A value is of another type than belongs there.",
    "ambiguous-scalar": "A plain value that some YAML readers take for something else than text.",
    "unknown-value": "A value that is not one of the allowed ones.",
    "bad-format": "Text is not of the form that belongs there.",
    "too-short": "Text or a list is shorter than allowed.",
    "too-long": "Text is longer than allowed.",
    "out-of-range": "A number is too small or too large.",
    "reserved-gateway-id": "A gateway id that the server uses for something else.",
    "bad-gateway-id": "A gateway id is empty, too long, or has spaces around it or control characters.",
    "duplicate-gateway": "A gateway stands twice in one list.",
    "duplicate-item": "A value stands twice in one list.",
    "duplicate-resource": "Two resources of one kind have one name.",
    "duplicate-campaign-name": "Two campaigns have one name on the server.",
    "dangling-reference": "A resource refers to one that does not exist.",
    "thing-outside-list": "Things are given for a gateway that is not in the list.",
    "plain-secret": "A value in plain text under a key that smells of a secret.",
    "url-with-credentials": "A server URL holds a user name or a password.",
}

CODES: Mapping[str, str] = MappingProxyType({**_LOADING, **_VALIDATION})
"""Code → what it means."""
