"""Findings for machines that show them beside the code: GitHub workflow commands and SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath
from typing import Final
from urllib.parse import quote

import reconciler
from reconciler.findings import CODES, first_of
from reconciler.model import Finding, Place, RowPlace, Severity
from reconciler.report.workflow_commands import no_orders

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


FileName = Callable[[str], str]
"""The name of a file from the root of its repository, of the one that findings show."""


def github_lines(findings: Iterable[Finding], name: FileName = str) -> Iterator[str]:
    """A workflow command for each finding, which GitHub shows on its line."""
    for finding in first_of(findings):
        properties = {"title": finding.code}
        if finding.place:
            place = finding.place
            properties |= {
                "file": PurePath(name(place.file)).as_posix(),
                "line": str(place.line),
                "col": str(place.column),
            }
        listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        yield f"::{_COMMANDS[finding.severity]} {listed}::{_data(_message(finding))}"


def _message(finding: Finding) -> str:
    about = f"{finding.resource}: " if finding.resource and not finding.place else ""
    rows = finding.place.rows if finding.place else ()
    at = f"\nrow: {', '.join(map(str, rows))}" if rows else ""
    hint = f"\nhint: {finding.hint}" if finding.hint else ""
    return f"{about}{finding.message}{at}{hint}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(findings: Iterable[Finding], name: FileName = str) -> str:
    """A SARIF 2.1.0 log with one run."""
    found = first_of(findings)
    codes = sorted({finding.code for finding in found})
    index = {code: at for at, code in enumerate(codes)}
    log = {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "reconciler",
                        "version": reconciler.__version__,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, index[finding.code], name) for finding in found],
            }
        ],
    }
    return no_orders(json.dumps(log, indent=2)) + "\n"


def _rule(code: str) -> dict[str, object]:
    meaning = {"shortDescription": {"text": CODES[code]}} if code in CODES else {}
    return {"id": code, **meaning}


def _result(finding: Finding, rule: int, name: FileName) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity.value,
        "message": {"text": _message(finding)},
    }
    if finding.place:
        result["locations"] = [_location(finding.place, name)]
        if finding.place.rows:
            result["relatedLocations"] = [
                {"id": at, "message": {"text": "the row"}, **_location(row, name)}
                for at, row in enumerate(finding.place.rows, 1)
            ]
    return result


def _location(place: Place | RowPlace, name: FileName) -> dict[str, object]:
    path = PurePath(name(place.file))
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    region = {"startLine": place.line, "startColumn": place.column}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
