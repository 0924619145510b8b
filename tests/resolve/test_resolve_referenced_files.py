"""Files that resources refer to: in the project, there, and files."""

import os

import pytest

from reconciler.model import Place


@pytest.mark.parametrize(
    ("file", "code", "said"),
    [
        ("gone.txt", "missing-file", "there is no file `gone.txt`"),
        ("here.txt/below.txt", "missing-file", "there is no file"),
        ("../outside.txt", "outside-project", "leads out of the project"),
        ("link.txt", "outside-project", "leads out of the project"),
        (".linked/outside.txt", "outside-project", "leads out of the project"),
        ("/etc/passwd", "bad-path", "is not a relative path"),
        ('"a\\nb.txt"', "bad-path", "is not a relative path"),
        ("folder", "unreadable-file", "is a folder, not a file"),
        ("pipe.txt", "unreadable-file", "is a device, a pipe or a socket, not a file"),
        ("loop.txt", "unreadable-file", "can't be read: Too many levels of symbolic links"),
        (f"{'x' * 300}.txt", "unreadable-file", "can't be read: File name too long"),
    ],
)
def test_files_that_cannot_be_used(folder, file: str, code: str, said: str) -> None:
    folder.write(here_txt="a\n", folder__x_txt="a\n")
    outside = folder.root.parent / "outside.txt"
    outside.write_text("secret\n")
    (folder.root / "link.txt").symlink_to(outside)
    # Hidden, for a folder of resources that leads out is a finding of its own.
    (folder.root / ".linked").symlink_to(folder.root.parent)
    (folder.root / "loop.txt").symlink_to("loop.txt")
    os.mkfifo(folder.root / "pipe.txt")
    folder.resource("GatewayList", "l", f"file: {file}")
    finding = folder.finding()
    assert (finding.code, finding.place) == (code, Place("gatewaylist-l.yaml", 5, 9))
    assert said in finding.message


@pytest.mark.parametrize(
    "file",
    [
        ".git/config",
        ".GIT/config",
        "./x/../.git/config",
        "x/.git/config",
        "link",
        "linked/config",
        ".reconciler/state.json",
        ".Reconciler/state.json",
    ],
)
@pytest.mark.parametrize(
    ("kind", "spec", "place"),
    [
        ("GatewayList", "file: '{}'", (5, 9)),
        ("PackageSet", "packages: [file: '{}']", (5, 20)),
        ("Campaign", "settings: {{A: {{fromFile: '{}'}}}}", (5, 28)),
    ],
)
def test_files_stay_out_of_what_git_and_we_keep(folder, file, kind, spec, place) -> None:
    """There are the sign-ins of a checkout, and the digests of secrets."""
    for name in (
        ".git/config",
        ".GIT/config",
        "x/.git/config",
        ".reconciler/state.json",
        ".Reconciler/state.json",
    ):
        folder.put(name, "token = canary\n")
    # Hidden from the walk over resources, which finds them, too.
    (folder.root / ".links").mkdir()
    (folder.root / ".links" / "link").symlink_to("../.git/config")
    (folder.root / ".links" / "linked").symlink_to("../.git")
    name = f".links/{file}" if file.startswith("link") else file
    folder.resource(kind, "l", spec.format(name))
    finding = folder.finding({})
    assert (finding.code, finding.place) == ("private-path", Place(f"{kind.lower()}-l.yaml", *place))
    assert "leads into " in finding.message
    assert "canary" not in str(finding)


def test_files_of_github_and_the_like_are_none_of_these(folder) -> None:
    folder.put(".github/ids.txt", "a\n")
    assert folder.ids_of("file: .github/ids.txt") == {"a"}


def test_a_link_inside_the_project_is_fine(folder) -> None:
    folder.put("data/x.txt", "a\n")
    (folder.root / "link.txt").symlink_to("data/x.txt")
    assert folder.ids_of("file: link.txt") == {"a"}


def test_a_missing_file_gets_the_nearest_name(folder) -> None:
    folder.put("data/gateways.txt", "a\n")
    folder.resource("GatewayList", "l", "file: data/gatewasy.txt")
    assert folder.finding().hint == "did you mean `data/gateways.txt`?"


def test_a_missing_folder_gets_no_hint(folder) -> None:
    folder.resource("GatewayList", "l", "file: data/gateways.txt")
    assert folder.finding().hint is None


def test_a_list_outside_the_root_has_its_own_folder_for_files(folder) -> None:
    """As when the quickstart is applied from anywhere: the working folder is the root."""
    folder.put("../outside.txt", "a\n")
    folder.put("x.txt", "a\n")
    folder.resource("GatewayList", "l", "file: x.txt")
    elsewhere = folder.put("../elsewhere/keep", "").parent
    assert folder.resolve(root=elsewhere).findings == ()
    folder.resource("GatewayList", "l", "file: ../outside.txt")
    (finding,) = folder.resolve(root=elsewhere).findings
    assert finding.code == "outside-project"


def test_a_root_behind_a_link_is_the_root(folder) -> None:
    folder.put("x.txt", "a\n")
    folder.resource("GatewayList", "l", "file: ../x.txt", file="lists/l.yaml")
    link = folder.root.parent / "link"
    link.symlink_to(folder.root)
    assert folder.resolve(root=link).findings == ()
