"""Delivery, versions and types: what they mean, and where a server lacks them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.loading import load
from reconciler.model import DeliveryTerms, Desired, Finding, Force, Only, PackageFile, SetName
from reconciler.providers.base import Detail, Facts
from reconciler.providers.hawkbit.facts import facts_of as hawkbit_facts
from reconciler.providers.opening import facts_of
from reconciler.resolve import resolve
from reconciler.settings import ServerSettings
from reconciler.validation import validate

HAWKBIT = hawkbit_facts(ServerSettings())
PULSE = facts_of(ServerSettings())

TEXT = """\
apiVersion: reconciler/v1
kind: PackageSet
metadata: {{name: firmware}}
spec:
  {version}
  packages: [{packages}]
---
apiVersion: reconciler/v1
kind: GatewayList
metadata: {{name: hall}}
spec: {{gateways: [{gateways}]}}
---
apiVersion: reconciler/v1
kind: Campaign
metadata: {{name: line}}
spec:
  gatewayLists: [hall]
  {more}
"""


def resolved(folder: Path, facts: Facts = HAWKBIT, **given: Any) -> tuple[Desired, list[Finding], str]:
    (folder / "fw.bin").write_bytes(b"fw")
    (folder / "my fw.bin").write_bytes(b"other")
    values = {
        "version": "",
        "packages": "{file: fw.bin}",
        "gateways": "gw-1",
        "more": "packageSet: firmware",
        **given,
    }
    text = TEXT.format(**values)
    (folder / "r.yaml").write_text(text)
    valid = validate(load([folder / "r.yaml"], base=folder).documents)
    found = resolve(valid.documents, facts, root=folder, environ={})
    return found.desired, [f for f in (*valid.findings, *found.findings) if f.is_error], text


def at(finding: Finding, text: str) -> str:
    assert finding.place is not None
    return text.splitlines()[finding.place.line - 1][finding.place.column - 1 :]


def delivery(words: str) -> str:
    return f"packageSet: firmware\n  delivery: {{{words}}}"


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        ("", DeliveryTerms()),
        ("force: never", DeliveryTerms(Force.NEVER)),
        ("force: after, forceAfter: 2027-01-17T00:00Z", DeliveryTerms(Force.AFTER, 1_800_144_000_000)),
        ("only: download, confirm: false", DeliveryTerms(only=Only.DOWNLOAD, confirm=False)),
        ('startAt: "2027-01-17T01:00+01:00"', DeliveryTerms(start_at=1_800_144_000_000)),
    ],
)
def test_what_is_said_of_delivery(tmp_path: Path, words: str, terms: DeliveryTerms) -> None:
    desired, errors, _ = resolved(tmp_path, more=delivery(words))
    assert errors == []
    assert desired.campaigns[0].delivery == terms


@pytest.mark.parametrize(
    ("words", "code", "where"),
    [
        ("force: after", "force-after", "after"),
        ("forceAfter: 2027-01-17T00:00Z", "force-after", "2027-01-17T00:00Z"),
        ("force: always, forceAfter: 2027-01-17T00:00Z", "force-after", "2027-01-17T00:00Z"),
        ("force: never, only: download", "force-and-only", "never"),
        ("startAt: 2027-01-17T00:00", "time-zone", "2027-01-17T00:00"),
        ("startAt: 2027-01-17", "time-format", "2027-01-17"),
    ],
)
def test_what_can_t_be_meant(tmp_path: Path, words: str, code: str, where: str) -> None:
    _, errors, text = resolved(tmp_path, more=delivery(words))
    [error] = errors
    if code != "time-zone":
        assert error.code == code
    assert at(error, text).startswith(where)


def test_left_out_it_is_not_managed(tmp_path: Path) -> None:
    desired, errors, _ = resolved(tmp_path)
    assert errors == []
    assert desired.campaigns[0].delivery is None


def test_packages_have_words_of_their_own(tmp_path: Path) -> None:
    words = '{file: fw.bin, name: fw, version: "2.1", type: os, vendor: Acme}'
    desired, errors, _ = resolved(tmp_path, version='version: "7"', packages=words)
    assert errors == []
    [file] = desired.packages
    assert isinstance(file, PackageFile)
    assert (file.name, file.version, file.type, file.vendor, file.first) == ("fw", "2.1", "os", "Acme", True)
    assert desired.campaigns[0].package_set == SetName("firmware", "7")


def test_a_server_without_them_says_so_at_each(tmp_path: Path) -> None:
    _, errors, _ = resolved(
        tmp_path,
        PULSE,
        version='version: "7"',
        packages='{file: fw.bin, version: "2.1", type: os, vendor: Acme}',
        more=delivery("force: never, confirm: true"),
    )
    assert {error.code for error in errors} == {"unsupported-field"}
    assert len(errors) == 5
    assert sum("version" in error.message for error in errors) == 2


def test_a_server_that_lacks_a_part_of_delivery_says_so_of_that(tmp_path: Path) -> None:
    facts = replace(HAWKBIT, details=HAWKBIT.details - {Detail.CONFIRM})
    _, errors, text = resolved(tmp_path, facts, more=delivery("force: never, confirm: true"))
    [error] = errors
    assert (error.code, at(error, text)[:4]) == ("unsupported-field", "true")


def test_a_campaign_without_packages_is_none_there(tmp_path: Path) -> None:
    _, errors, _ = resolved(tmp_path, more="description: x")
    assert [error.code for error in errors] == ["missing-field"]
    assert "packageSet" in errors[0].message
    assert resolved(tmp_path, PULSE, more="description: x")[1] == []


def test_a_file_that_no_device_could_fetch(tmp_path: Path) -> None:
    _, errors, text = resolved(tmp_path, packages="{file: my fw.bin}")
    [error] = errors
    assert (error.code, at(error, text)[:9]) == ("bad-file-name", "my fw.bin")
    assert resolved(tmp_path, PULSE, packages="{file: my fw.bin}")[1] == []


@pytest.mark.parametrize("gateway", ["a/b", "a;b", "a%b", '"a\\\\b"', "a b"])
def test_an_id_that_no_address_can_hold(tmp_path: Path, gateway: str) -> None:
    _, errors, _ = resolved(tmp_path, gateways=f"gw-1, {gateway}, gw-2")
    [error] = errors
    assert error.code == "bad-gateway-id"
    assert error.place is not None
    assert resolved(tmp_path, PULSE, gateways=f"gw-1, {gateway}, gw-2")[1] == []
