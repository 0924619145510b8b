"""Which files are read."""

import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.filereading import read_whole
from reconciler.loading import Loaded, load
from reconciler.loading.walk import project_files
from reconciler.model import Severity


def write(folder: Path, *names: str, text: str = "kind: {name}\n") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=path.stem), "utf-8")


def files(loaded: Loaded) -> list[str]:
    return [document.file for document in loaded.documents]


def codes(loaded: Loaded) -> list[str]:
    return [f"{finding.place} {finding.code}" for finding in loaded.findings]


def test_folders_are_read_recursively_and_sorted(tmp_path: Path) -> None:
    write(
        tmp_path,
        "b.yaml",
        "a/z.yml",
        "a/b/c.yaml",
        "a.yaml",
        "a/notes.txt",
        "a.json",
        ".hidden.yaml",
        ".git/x.yaml",
    )
    loaded = load([Path()], base=tmp_path)
    assert files(loaded) == ["a/b/c.yaml", "a/z.yml", "a.yaml", "b.yaml"]
    assert loaded.findings == ()
    assert [document.path for document in loaded.documents] == [tmp_path / file for file in files(loaded)]


def test_a_named_file_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", ".b")
    assert files(load([Path("a.txt"), tmp_path / ".b"], base=tmp_path)) == ["a.txt", ".b"]


def test_a_file_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, "x/a.yaml")
    (tmp_path / "x" / "b.yaml").symlink_to("a.yaml")
    os.link(tmp_path / "x" / "a.yaml", tmp_path / "x" / "c.yaml")
    paths = [Path("x"), Path("x/a.yaml"), Path("x/../x/b.yaml"), tmp_path, Path("x")]
    assert files(load(paths, base=tmp_path)) == ["x/a.yaml"]


def test_files_outside_are_shown_as_given(tmp_path: Path) -> None:
    write(tmp_path, "in/a.yaml", "out/b.yaml")
    assert files(load([tmp_path / "out"], base=tmp_path / "in")) == [str(tmp_path / "out/b.yaml")]


def test_a_relative_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "in/a.yaml")
    monkeypatch.chdir(tmp_path)
    (document,) = load([Path("a.yaml")], base=Path("in")).documents
    assert (document.file, document.path) == ("a.yaml", tmp_path / "in/a.yaml")


def test_what_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml")
    loaded = load([Path("nothing"), Path("a.yaml/b"), Path("a.yaml")], base=tmp_path)
    assert codes(loaded) == ["nothing:1:1 file-not-found", "a.yaml/b:1:1 unreadable-file"]
    assert files(loaded) == ["a.yaml"]
    assert not loaded.complete


def test_a_path_with_a_nul_is_a_finding(tmp_path: Path) -> None:
    assert codes(load([Path("a\0b")], base=tmp_path)) == ["a\\x00b:1:1 unreadable-file"]


def test_a_folder_without_yaml_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "x/notes.txt")
    loaded = load([Path("x")], base=tmp_path)
    assert codes(loaded) == ["x:1:1 empty-folder"]
    assert loaded.findings[0].severity is Severity.WARNING
    assert loaded.complete


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write(tmp_path, "x/a.yaml")
    (tmp_path / "x" / "again").symlink_to("..")
    (tmp_path / "x" / "self.yaml").symlink_to("self.yaml")
    (tmp_path / "x" / "self").symlink_to("self")
    loaded = load([Path()], base=tmp_path)
    assert files(loaded) == ["x/a.yaml"]
    assert codes(loaded) == ["x/self.yaml:1:1 unreadable-file"]
    assert codes(load([Path("x/self")], base=tmp_path)) == ["x/self:1:1 unreadable-file"]


def test_a_linked_folder_is_read(tmp_path: Path) -> None:
    write(tmp_path, "x/a.yaml", "y/b.yaml")
    (tmp_path / "x" / "link").symlink_to(tmp_path / "y")
    assert files(load([Path("x")], base=tmp_path)) == ["x/a.yaml", "x/link/b.yaml"]


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    """As every other reference that does; a link out of the folder that stays in the project is none."""
    write(tmp_path, "in/x/a.yaml", "in/shared/b.yaml", "out/c.yaml", "out/notes.txt")
    for name, target in {
        "x/shared": "../shared",
        "x/c.yaml": "../../out/c.yaml",
        "x/out": "../../out",
        "x/c.txt": "../../out/notes.txt",
        "shared/deep": "../../out",
    }.items():
        (tmp_path / "in" / name).symlink_to(target)
    loaded = load([Path("x")], base=tmp_path / "in")
    assert files(loaded) == ["x/a.yaml", "x/shared/b.yaml"]
    places = ["x/c.yaml", "x/out", "x/shared/deep"]
    assert codes(loaded) == [f"{place}:1:1 outside-project" for place in places]
    assert not loaded.complete, "a reference may mean what is there"
    assert all(finding.hint for finding in loaded.findings)


def test_links_into_what_git_keeps_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", ".git/b.yaml", ".reconciler/c.yaml", ".git/x/d.yaml")
    for name, target in {"b.yaml": ".git/b.yaml", "c.yaml": ".reconciler/c.yaml", "x": ".git/x"}.items():
        (tmp_path / name).symlink_to(target)
    loaded = load([Path()], base=tmp_path)
    assert files(loaded) == ["a.yaml"]
    assert codes(loaded) == [f"{place}:1:1 private-path" for place in ("b.yaml", "c.yaml", "x")]


def test_a_project_file_that_is_a_link_out_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path, "in/a.yaml", "in/sub/b.yaml")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "out.yaml").write_text("kind: Project\nspec: {environments: {x: {overlays: [b.yaml]}}}\n")
    (tmp_path / "in" / "sub" / "reconciler.yaml").symlink_to("../../out.yaml")
    loaded = load([Path()], base=tmp_path / "in")
    assert files(loaded) == ["a.yaml", "sub/b.yaml"]
    assert codes(loaded) == ["sub/reconciler.yaml:1:1 outside-project"]


def test_what_a_person_names_may_be_anywhere(tmp_path: Path) -> None:
    """A folder elsewhere is the home of the links in it, and so is what a given link leads to."""
    write(tmp_path, "in/a.yaml", "out/c.yaml", "out/x/d.yaml")
    (tmp_path / "in" / "out").symlink_to("../out")
    (tmp_path / "out" / "x" / "up").symlink_to("..")
    base = tmp_path / "in"
    assert files(load([Path("out")], base=base)) == ["out/c.yaml", "out/x/d.yaml"]
    loaded = load([tmp_path / "out" / "x"], base=base)
    assert files(loaded) == [str(tmp_path / "out/x/d.yaml")]
    assert codes(loaded) == [f"{tmp_path}/out/x/up:1:1 outside-project"]
    assert files(load([Path("out/c.yaml")], base=base)) == ["out/c.yaml"]


def test_a_base_behind_a_link(tmp_path: Path) -> None:
    write(tmp_path, "in/x/a.yaml", "in/y/b.yaml")
    (tmp_path / "in/x/link").symlink_to("../y")
    (tmp_path / "base").symlink_to("in")
    loaded = load([Path("x")], base=tmp_path / "base")
    assert (files(loaded), loaded.findings) == (["x/a.yaml", "x/link/b.yaml"], ())


def test_a_link_to_nowhere_is_a_finding_only_when_it_is_yaml(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("gone")
    (tmp_path / "b.txt").symlink_to("gone")
    assert codes(load([Path()], base=tmp_path)) == ["a.yaml:1:1 unreadable-file"]


def test_pipes_are_read_when_named_and_skipped_in_folders(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert codes(load([Path()], base=tmp_path)) == ["pipe.yaml:1:1 skipped-file", ".:1:1 empty-folder"]
    reader, writer = os.pipe()
    os.write(writer, b"kind: x\n")
    os.close(writer)
    try:
        loaded = load([Path(f"/dev/fd/{reader}")], base=tmp_path)
    finally:
        os.close(reader)
    assert [document.value for document in loaded.documents] == [{"kind": "x"}]


def test_devices_are_not_read() -> None:
    assert codes(load([Path("/dev/zero")], base=Path("/"))) == ["dev/zero:1:1 unreadable-file"]


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusals are played."""
    write(tmp_path, "a.yaml", "b.yaml", "x/c.yaml")
    scandir = os.scandir

    def no_scandir(path: Path) -> Any:
        if path.name == "x":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    def no_read(path: Path) -> bytes:
        if path.name == "a.yaml":
            raise PermissionError(13, "Permission denied")
        return read_whole(path)

    monkeypatch.setattr(os, "scandir", no_scandir)
    monkeypatch.setattr("reconciler.loading.walk.read_whole", no_read)
    loaded = load([Path()], base=tmp_path)
    assert files(loaded) == ["b.yaml"]
    assert sorted(codes(loaded)) == ["a.yaml:1:1 unreadable-file", "x:1:1 unreadable-file"]
    assert "permission denied" in loaded.findings[0].message


def test_lists_of_ids_beside_resources_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be ten thousand of them; the files that refer to them are what is read."""
    write(tmp_path, "a.yaml", *(f"ids-{number}.txt" for number in range(20)))
    looks = 0
    stat = Path.stat

    def counted(path: Path, **how: bool) -> os.stat_result:
        nonlocal looks
        looks += path.suffix == ".txt"
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", counted)
    assert files(load([Path()], base=tmp_path)) == ["a.yaml"]
    assert looks == 0


def test_names_that_are_not_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff\n.yaml")
    (tmp_path / name).write_bytes(b"- x")
    (finding,) = load([Path()], base=tmp_path).findings
    assert str(finding.place) == "a\ufffd\\n.yaml:1:1"


def test_a_broken_file_hides_no_other(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "c.yaml")
    (tmp_path / "b.yaml").write_bytes(b"a: [")
    (tmp_path / "d.yaml").write_bytes(b"\x00")
    loaded = load([Path()], base=tmp_path)
    assert files(loaded) == ["a.yaml", "c.yaml"]
    assert codes(loaded) == ["b.yaml:1:5 yaml-syntax", "d.yaml:1:1 binary-file"]


def test_the_project_file_is_no_resource(tmp_path: Path) -> None:
    write(tmp_path, "reconciler.yaml", "sub/reconciler.yml", "other.yaml", text="kind: Project\n")
    write(tmp_path, "a.yaml")
    loaded = load([Path()], base=tmp_path)
    assert files(loaded) == ["a.yaml"]
    assert codes(loaded) == ["other.yaml:1:7 misplaced-project", "sub/reconciler.yml:1:1 another-project"]
    assert loaded.complete
    assert load([Path("reconciler.yaml")], base=tmp_path) == Loaded()


PROJECT_NAMES = ["reconciler.yaml", "reconciler.yml", "reconciler.YAML", "Reconciler.Yml"]


@pytest.mark.parametrize("name", PROJECT_NAMES)
@pytest.mark.parametrize("given", ["plant", "plant/{}", "plant plant/{}", "plant/{} plant"])
def test_a_project_that_is_not_used_is_said_once(tmp_path: Path, name: str, given: str) -> None:
    write(tmp_path, f"plant/{name}", text="kind: Project\n")
    write(tmp_path, "plant/a.yaml")
    loaded = load([Path(path) for path in given.format(name).split()], base=tmp_path)
    assert files(loaded) == (["plant/a.yaml"] if given != "plant/{}" else [])
    assert codes(loaded) == [f"plant/{name}:1:1 another-project"]


def test_project_files_are_files_or_what_may_be_one(tmp_path: Path) -> None:
    write(
        tmp_path, "x/RECONCILER.yml", "x/reconciler.yaml.bak", "x/my-reconciler.yaml", "x/b/reconciler.yaml"
    )
    (tmp_path / "x" / "reconciler.yaml").mkdir()
    (tmp_path / "x" / "reconciler.yml").symlink_to("nowhere")
    assert [path.name for path in project_files(tmp_path / "x")] == ["RECONCILER.yml", "reconciler.yml"]
    assert project_files(tmp_path) == project_files(tmp_path / "gone") == ()


def test_a_project_file_is_found_where_the_folder_may_not_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(folder: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(folder))

    write(tmp_path, "reconciler.yml")
    monkeypatch.setattr(os, "listdir", refused)
    assert project_files(tmp_path) == (tmp_path / "reconciler.yml",)


def test_upper_case_endings_are_read_too(tmp_path: Path) -> None:
    write(tmp_path, "a.YAML", "b/c.Yml", "d.yaml")
    loaded = load([Path()], base=tmp_path)
    assert files(loaded) == ["a.YAML", "b/c.Yml", "d.yaml"]
    assert loaded.findings == ()


@pytest.mark.parametrize(
    "name", ["e.YAMLX", "a.yaml.j2", "a.yaml~", "a.yml.bak", "x/a.yaml.txt", "a.yaml ", "c.JSON", "x/d.json5"]
)
def test_what_looks_like_resources_is_never_passed_over_in_silence(tmp_path: Path, name: str) -> None:
    write(tmp_path, "d.yaml")
    write(tmp_path, name, text='{{"apiVersion": "reconciler/v1"}}\n')
    loaded = load([Path()], base=tmp_path)
    assert files(loaded) == ["d.yaml"]
    assert codes(loaded) == [f"{name}:1:1 skipped-file"]
    assert loaded.findings[0].severity is Severity.WARNING
    assert loaded.findings[0].hint
    assert loaded.complete


def test_other_files_beside_resources_are_nobodys_concern(tmp_path: Path) -> None:
    write(tmp_path, "d.yaml", "README.md", "ids.csv", "yaml", "fw.bin", "package.json", ".a.yaml.swp")
    assert codes(load([Path()], base=tmp_path)) == []


def test_a_pipe_to_which_nobody_writes_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.filereading.PATIENCE", 0.05)
    os.mkfifo(tmp_path / "pipe.yaml")
    (finding,) = load([Path("pipe.yaml")], base=tmp_path).findings
    assert (str(finding.place), finding.code) == ("pipe.yaml:1:1", "unreadable-file")
    assert "nobody wrote to it" in finding.message


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(1 << 40)
    (finding,) = load([Path()], base=tmp_path).findings
    assert (str(finding.place), finding.code) == ("a.yaml:1:1", "unreadable-file")
    assert "larger than 64 MiB" in finding.message
    assert finding.hint == "split it into several files"


# --- projects below -------------------------------------------------------------------------------

INNER = """\
kind: Project
spec:
  environments:
    lab: {overlays: [overlays/lab, gone, 7]}
    hall: {overlays: [hall.yaml]}
    bare: {}
    odd: []
    none: {overlays: all}
"""


def inner_project(folder: Path, text: str = INNER, name: str = "reconciler.yaml") -> None:
    write(folder, "a.yaml", "hall.yaml", "overlays/lab/x.yaml", "overlays/y.yaml")
    (folder / name).write_text(text)


@pytest.mark.parametrize("name", PROJECT_NAMES)
def test_the_overlays_of_a_project_below_are_no_resources(tmp_path: Path, name: str) -> None:
    inner_project(tmp_path / "plant", name=name)
    inner_project(tmp_path / "plant" / "line", name=name)
    loaded = load([Path()], base=tmp_path)
    names = ["a.yaml", "line/a.yaml", "line/overlays/y.yaml", "overlays/y.yaml"]
    assert files(loaded) == [f"plant/{name}" for name in names]
    assert codes(loaded) == [
        f"plant/{name}:1:1 another-project",
        f"plant/line/{name}:1:1 another-project",
    ]
    assert not any(finding.is_error for finding in loaded.findings)


def test_the_project_itself_is_no_other_one(tmp_path: Path) -> None:
    inner_project(tmp_path)
    for given in (Path(), tmp_path, Path("overlays/..")):
        assert codes(load([given], base=tmp_path)) == []


@pytest.mark.parametrize("text", ["kind: Campaign\n", "", "[", "kind: Project\nspec: 7\n"])
def test_what_only_has_the_name_of_a_project_file_sets_nothing_aside(tmp_path: Path, text: str) -> None:
    inner_project(tmp_path / "plant", text)
    loaded = load([Path()], base=tmp_path)
    assert "plant/hall.yaml" in files(loaded)
    assert ("another-project" in "".join(codes(loaded))) is ("Project" in text)
