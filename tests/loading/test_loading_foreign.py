"""Without a project file, YAML of something else is passed over; what may be ours is read, with mistakes."""

from pathlib import Path

import pytest

from reconciler.findings import CODES
from reconciler.loading import Loaded, load

OURS = "apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: a}\nspec: {}\n"
FOREIGN = {
    "pod": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n",
    "velero": "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: a}\n",
    "workflow": "on: [push]\njobs: {a: &b {steps: []}, c: *b}\n",
    "playbook": "- hosts: all\n  tasks: []\n",
    "helm": "{{- if .Values.x }}\nfoo: {{ .Values.y }}\n",
    "tagged": "a: !Ref b\n",
    "duplicate": "a: 1\na: 2\n",
    "openapi": "openapi: 3.1.0\npaths:\n  /x: {get: {kind: thing}}\n",
}
MISTAKEN = {
    "misspelled": OURS.replace("reconciler/v1", "reconcilr/v1"),
    "upper": OURS.replace("reconciler/v1", "Reconciler/V1"),
    "no version": OURS.replace("apiVersion: reconciler/v1\n", ""),
    "a bare version": OURS.replace("reconciler/v1", "v1"),
    "no kind": OURS.replace("kind: Campaign\n", ""),
    "misspelled kind": OURS.replace("apiVersion: reconciler/v1\nkind: Campaign", "kind: Campain"),
    "json": '{"apiVersion": "reconciler/v1", "kind": "Campaign", "metadata": {"name": "a"}, "spec": {}}',
}


def read(folder: Path, *paths: str, ours_only: bool = True) -> Loaded:
    loaded = load([Path(path) for path in paths or (".",)], base=folder, ours_only=ours_only)
    assert {finding.code for finding in loaded.findings} <= CODES.keys()
    return loaded


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_of_something_else_is_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.yaml").write_text(OURS)
    (tmp_path / "other.yaml").write_text(FOREIGN[name])
    loaded = read(tmp_path)
    assert [document.file for document in loaded.documents] == ["a.yaml"]
    (said,) = loaded.findings
    assert (said.code, said.is_error) == ("passed-over", False)
    assert "1 YAML file passed over" in said.message
    assert "other.yaml" in said.message
    named = read(tmp_path, "other.yaml")
    assert "passed-over" not in {each.code for each in named.findings}, "a file that is named is read"
    assert "passed-over" not in {each.code for each in read(tmp_path, ours_only=False).findings}


@pytest.mark.parametrize("name", MISTAKEN)
def test_what_may_be_ours_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.yaml").write_text(MISTAKEN[name])
    loaded = read(tmp_path)
    assert len(loaded.documents) == 1
    assert loaded.findings == ()


def test_documents_of_one_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("---\n".join([OURS, FOREIGN["pod"], FOREIGN["velero"]]))
    loaded = read(tmp_path)
    assert len(loaded.documents) == 1
    assert "a.yaml (2 documents)" in loaded.findings[0].message


@pytest.mark.parametrize(
    "text",
    [
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 1\n",
        "<!DOCTYPE html><html></html>",
        "a: \x00",
        "",
        OURS + "<<<<<<< HEAD\n=======\n>>>>>>> x\n",
    ],
)
def test_nobody_takes_a_broken_file_for_one_of_something_else(tmp_path: Path, text: str) -> None:
    """With `--prune` what it declared would be deleted."""
    (tmp_path / "a.yaml").write_text(text)
    codes = {each.code for each in read(tmp_path).findings}
    assert codes
    assert "passed-over" not in codes


def test_many_are_counted(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}.yaml").write_text(FOREIGN["pod"])
    (said,) = read(tmp_path).findings
    assert said.message.startswith("40 YAML files passed over")
    assert said.message.endswith("00.yaml, 01.yaml, 02.yaml and 37 more")
