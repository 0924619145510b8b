"""Files that aren't themselves, wherever one is read: YAML, lists, packages and secrets."""

from pathlib import Path

import pytest

from reconciler.loading import load_text
from reconciler.loading.stand_ins import conflict_marker, stand_in

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
OTHERS = [
    ("lfs-pointer", POINTER),
    ("lfs-pointer", POINTER.replace(b"\n", b"\r\n")),
    ("lfs-pointer", b"\xef\xbb\xbf" + POINTER),
    ("lfs-pointer", b"version https://hawser.github.com/spec/v1\noid sha256:1\n"),
    ("lfs-pointer", b"/annex/objects/SHA256E-s1--ab.bin\n"),
    ("lfs-pointer", b"../.git/annex/objects/xx/yy/SHA256E-s1--ab.bin"),
    ("web-page", b"<!DOCTYPE html>\n<html><head><title>Please sign in</title>"),
    ("web-page", b"\n\n  <!doctype HTML PUBLIC>"),
    ("web-page", b"\xef\xbb\xbf<HTML lang=en>"),
    ("web-page", b'<?xml version="1.0"?>\n<!-- a portal -->\n<html xmlns="x">'),
    ("web-page", b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'),
    ("web-page", b'{"message": "Not Found", "documentation_url": "x"}'),
    ("web-page", b'{\n  "errors" : [{"status": 404}]}'),
]


@pytest.mark.parametrize(("code", "head"), OTHERS)
def test_what_stands_in_for_a_file_is_known(code: str, head: bytes) -> None:
    found = stand_in(head, name="fw.bin", size=len(head))
    assert found
    assert (found.code, bool(found.what), bool(found.hint)) == (code, True, True)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("fw.bin", b"\x7fELF\x02\x01"),
        ("fw.bin", b"version 2\noid x\n"),
        ("fw.bin", b"firmware for <html> pages"),
        ("page.html", b"<!doctype html><html>"),
        ("PAGE.HTM", b"<html>"),
        ("config.json", b'{"message": "hello"}'),
        ("fw.bin", b""),
    ],
)
def test_what_is_itself_is_left_alone(name: str, head: bytes) -> None:
    assert stand_in(head, name=name, size=len(head)) is None


def test_a_large_file_is_no_error_of_a_server() -> None:
    assert stand_in(b'{"message": "', name="fw.bin", size=1 << 20) is None


@pytest.mark.parametrize(
    "marker", ["<<<<<<< HEAD", "=======", ">>>>>>> main", "||||||| 4d7a214", "<<<<<<<<<"]
)
def test_a_marker_of_a_merge_is_found_at_the_start_of_a_line(marker: str) -> None:
    assert conflict_marker(f"a\nb\n{marker}\nc\n") == 4
    assert conflict_marker(f"{marker}\nc\n") == 0
    assert conflict_marker(f"a\n {marker}\n# {marker}\n") is None


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "=======", ">>>>>>> main", "||||||| 4d7a214"])
def test_yaml_with_a_merge_says_where(marker: str) -> None:
    (finding,) = load_text(f"kind: x\n{marker}\nname: y\n", "a.yaml", Path("a.yaml")).findings
    assert (finding.code, str(finding.place)) == ("merge-conflict", "a.yaml:2:1")
    assert finding.hint


@pytest.mark.parametrize(("code", "head"), OTHERS)
def test_yaml_that_is_something_else(code: str, head: bytes) -> None:
    (finding,) = load_text(head, "a.yaml", Path("a.yaml")).findings
    assert (finding.code, str(finding.place)) == (code, "a.yaml:1:1")
