"""Package sets: references, the content of files, pins, and one declaration for one content."""

import hashlib
import os
from dataclasses import replace

import pytest

from reconciler.model import PackageById, PackageByName, PackageFile, Place, ResourceId, UploadMode
from reconciler.resolve.package_sets import upload_mode
from tests.fakes import PULSE

CONTENT = b"firmware"
SHA256 = hashlib.sha256(CONTENT).hexdigest()

MULTIPART_LIMIT = PULSE.limits.upload[UploadMode.MULTIPART]


def packages(folder, spec: str) -> tuple:
    folder.resource("PackageSet", "p", f"packages:\n{spec}")
    resolved = folder.resolve()
    assert resolved.findings == ()
    return resolved.desired.packages


def test_by_id_and_by_name(folder) -> None:
    assert packages(folder, "- id: p-1\n- name: fw 1") == (PackageById("p-1"), PackageByName("fw 1"))


def test_a_file_is_its_content(folder) -> None:
    folder.put("files/fw.bin", CONTENT)
    (package,) = packages(folder, "- file: files/fw.bin")
    assert package == PackageFile(
        SHA256, folder.root / "files/fw.bin", "fw.bin", 8, ResourceId.parse("PackageSet/p")
    )
    assert (package.name, package.size, package.description) == ("fw.bin", 8, "")
    assert package.path.read_bytes() == CONTENT
    assert package.mode is UploadMode.MULTIPART
    assert package.resource == ResourceId.parse("PackageSet/p")
    assert package.place == Place("packageset-p.yaml", 6, 5)


def test_a_file_with_all_its_fields(folder) -> None:
    folder.put("fw.bin", CONTENT)
    spec = f"- {{file: ./fw.bin, name: fw, description: d, sha256: {SHA256}, upload: streaming}}"
    (package,) = packages(folder, spec)
    assert (package.name, package.description, package.mode) == ("fw", "d", UploadMode.STREAMING)


def test_the_name_is_that_of_the_link_and_not_of_its_target(folder) -> None:
    folder.put("build/8c7f", CONTENT)
    (folder.root / "fw.bin").symlink_to("build/8c7f")
    (package,) = packages(folder, "- file: fw.bin")
    assert package.name == "fw.bin"


@pytest.mark.parametrize(
    ("wish", "size", "mode"),
    [
        ("auto", MULTIPART_LIMIT, UploadMode.MULTIPART),
        ("auto", MULTIPART_LIMIT + 1, UploadMode.STREAMING),
        ("multipart", MULTIPART_LIMIT, UploadMode.MULTIPART),
        ("multipart", MULTIPART_LIMIT + 1, None),
        ("streaming", 1, UploadMode.STREAMING),
        ("streaming", MULTIPART_LIMIT + 1, UploadMode.STREAMING),
    ],
)
def test_what_is_too_large_for_multipart_is_streamed(wish: str, size: int, mode: UploadMode | None) -> None:
    assert upload_mode(wish, size, PULSE.limits) is mode


def test_a_file_too_large_for_the_upload_it_wants(folder) -> None:
    limits = replace(PULSE.limits, upload={UploadMode.MULTIPART: 7})
    folder = replace(folder, facts=replace(PULSE, limits=limits))
    folder.put("fw.bin", CONTENT)
    folder.resource("PackageSet", "p", "packages: [{file: fw.bin, upload: multipart}]")
    finding = folder.finding()
    assert (finding.code, finding.place) == ("package-too-large", Place("packageset-p.yaml", 5, 37))
    assert finding.message == "`fw.bin` has 8 bytes, but multipart takes 7 at most"


@pytest.mark.parametrize(
    ("item", "code", "column", "said"),
    [
        ("{file: gone.bin}", "missing-file", 21, "there is no file `gone.bin`"),
        ("{file: ../fw.bin}", "outside-project", 21, "leads out of the project"),
        ("{file: empty.bin}", "empty-package", 21, "`empty.bin` is empty"),
        (f"{{file: fw.bin, sha256: {'f' * 64}}}", "wrong-sha256", 37, f"{SHA256}, not the pinned fff"),
        ('{file: fw.bin, name: "a\\tb"}', "bad-package-name", 35, "`a\\tb` has the control"),
        ('{file: fw.bin, name: " "}', "bad-package-name", 35, "but this has 0"),
        (f"{{name: {'x' * 256}}}", "bad-package-name", 21, "but this has 256"),
        ('{name: "a\\u2028b"}', "bad-package-name", 21, "has the control character U+2028"),
        (f"{{file: {'x' * 300}}}", "unreadable-file", 21, "can't be read: File name too long"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_where_it_stands(folder, item: str, code: str, column: int, said: str) -> None:
    folder.put("fw.bin", CONTENT)
    folder.put("empty.bin", b"")
    folder.resource("PackageSet", "p", f"packages: [{item}]")
    finding = folder.finding()
    assert (finding.code, finding.place) == (code, Place("packageset-p.yaml", 5, column))
    assert said in finding.message


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_file_that_cannot_be_opened(folder, monkeypatch) -> None:
    path = folder.put("fw.bin", CONTENT)
    really = type(path).open

    def refused(self, *args, **kwargs):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return really(self, *args, **kwargs)

    monkeypatch.setattr(type(path), "open", refused)  # root may open everything
    folder.resource("PackageSet", "p", "packages: [{file: fw.bin}]")
    finding = folder.finding()
    assert (finding.code, finding.message) == ("unreadable-file", "`fw.bin` can't be read: Permission denied")


def test_all_that_is_wrong_with_a_file_is_said_at_once(folder) -> None:
    folder.put("empty.bin", b"")
    folder.resource("PackageSet", "p", f'packages: [{{file: empty.bin, name: "\\t", sha256: {"f" * 64}}}]')
    codes = [finding.code for finding in folder.resolve().findings]
    assert codes == ["empty-package", "bad-package-name", "wrong-sha256"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("{id: p}", "{id: p}", "package id `p`"),
        ("{name: p}", "{name: p}", "package name `p`"),
        ("{file: a.bin}", "{file: b.bin}", f"the content sha256:{SHA256[:16]}"),
    ],
)
def test_a_package_is_in_a_set_once(folder, first: str, second: str, said: str) -> None:
    folder.put("a.bin", CONTENT)
    folder.put("b.bin", CONTENT)
    folder.resource("PackageSet", "p", f"packages:\n- {first}\n- {second}")
    finding = folder.finding()
    assert (finding.code, finding.place) == ("duplicate-package", Place("packageset-p.yaml", 7, 5))
    assert finding.message == f"{said} appears twice in this set, first at packageset-p.yaml:6:5"


def test_an_id_and_a_name_that_read_the_same_are_two_packages(folder) -> None:
    assert len(packages(folder, "- id: p\n- name: p")) == 2


@pytest.mark.parametrize(
    ("other", "differing"),
    [
        ("name: other", "name"),
        ("name: fw, description: other", "description"),
        ("name: fw, upload: streaming", "upload"),
        ("description: other", "name and description"),
    ],
)
def test_one_content_has_one_declaration(folder, other: str, differing: str) -> None:
    folder.put("a.bin", CONTENT)
    folder.put("b.bin", CONTENT)
    folder.resource("PackageSet", "p", "packages: [{file: a.bin, name: fw}]")
    folder.resource("PackageSet", "q", f"packages: [{{file: b.bin, {other}}}]")
    finding = folder.finding()
    assert (finding.code, finding.place) == ("package-conflict", Place("packageset-q.yaml", 5, 14))
    assert finding.message == (
        f"the content of `b.bin` is declared before at packageset-p.yaml:5:14 with another {differing}"
    )
    assert finding.resource == ResourceId.parse("PackageSet/q")


def test_the_same_declaration_again_collapses(folder) -> None:
    folder.put("a.bin", CONTENT)
    folder.put("b.bin", CONTENT)
    folder.resource("PackageSet", "z", "packages: [{id: x}, {file: b.bin, name: fw}]")
    folder.resource("PackageSet", "p", "packages: [{file: a.bin, name: fw, upload: multipart}]")
    folder.resource("Campaign", "c", "packageSet: z")
    resolved = folder.resolve()
    assert resolved.findings == ()
    content, by_id = resolved.desired.packages
    assert content.resource == ResourceId.parse("PackageSet/p")
    assert resolved.desired.campaigns[0].packages[1] is content
    assert by_id == PackageById("x")


def test_one_file_is_read_once(folder, monkeypatch) -> None:
    folder.put("a.bin", CONTENT)
    read: list[str] = []
    really = hashlib.file_digest

    def digest(file, name):
        read.append(file.name)
        return really(file, name)

    monkeypatch.setattr(hashlib, "file_digest", digest)
    folder.resource("PackageSet", "p", "packages: [{file: a.bin}]")
    folder.resource("PackageSet", "q", "packages: [{file: ./a.bin}]")
    assert folder.resolve().findings == ()
    assert len(read) == 1


def test_a_description_leaves_room_for_what_the_server_adds(folder) -> None:
    folder.put("fw.bin", CONTENT)
    folder.resource("PackageSet", "p", f"packages: [{{file: fw.bin, description: {'ä' * 103}}}]")
    finding = folder.finding()
    assert (finding.code, finding.place) == ("too-long", Place("packageset-p.yaml", 5, 42))
    assert finding.message == "the description has 103 characters, but 102 is the most"
    folder.resource("PackageSet", "p", f"packages: [{{file: fw.bin, description: {'ä' * 102}}}]")
    assert folder.resolve().findings == ()
