"""Text → documents or findings: the table of what is refused, and where."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from yaml.error import MarkedYAMLError
from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
)
from yaml.scanner import ScannerError

from reconciler.findings import CODES
from reconciler.loading import Ambiguous, Document, Loaded, MarkedList, MarkedMap, load_text
from reconciler.loading.builder import Builder
from reconciler.loading.nodes import unsure
from reconciler.loading.syntax import explain
from reconciler.model import Severity


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both parsers; without libyaml, PyYAML has no `yaml._yaml`."""
    if request.param == "python":
        monkeypatch.setitem(sys.modules, "yaml._yaml", None)
    else:
        pytest.importorskip("yaml._yaml")
    return str(request.param)


def text(data: str | bytes) -> Loaded:
    return load_text(data, "a.yaml", Path("/project/a.yaml"))


REFUSED = {
    # what: (text, (code, line, column), …)
    "tab": ("a:\n\tb: 1\n", ("tab-indentation", 2, 1)),
    "tab behind spaces": ("a:\n  b: 1\n  \tc: 2\n", ("tab-indentation", 3, 3)),
    "tab in a list": ("a:\n  - x\n\t- y\n", ("tab-indentation", 3, 1)),
    "key too long": ("a: 1\n" + "k" * 1025 + ": x\n", ("yaml-syntax", 2, 1)),
    "quoted key too long": ("a:\n  - \"" + "k" * 1030 + "\": x\n", ("yaml-syntax", 2, 5)),
    "two colons": ("a: b: c", ("yaml-syntax", 1, 5)),
    "indented too far": ("a: 1\n  b: 2\n", ("yaml-syntax", 2, 4)),
    "item without a break": ("a: - b", ("yaml-syntax", 1, 4)),
    "list not closed": ("a: [1, 2\nb: 3", ("yaml-syntax", 2, 2)),
    "list not closed at the end": ("a: [\n\n\n", ("yaml-syntax", 1, 5)),
    "mapping not closed": ("a: {b: 1\nc: [", ("yaml-syntax", 2, 2)),
    "quote not closed": ('b: 1\na: "x\n\n', ("yaml-syntax", 2, 4)),
    "field after items": ("- a\nb: 1", ("yaml-syntax", 2, 1)),
    "field without colon": ("a: b\nfoo\n", ("yaml-syntax", 2, 4)),
    "reserved character": ("a: @x", ("yaml-syntax", 1, 4)),
    "star without a name": ("a: *\n", ("yaml-syntax", 1, 5)),
    "surrogate": ('a: "\\ud800"', ("yaml-syntax", 1, None)),
    "escape beyond Unicode": ('a: "\\UFFFFFFFF"', ("yaml-syntax", 1, 7)),
    "undefined tag handle": ("a: !x!y z", ("yaml-syntax", 1, 4)),
    "another version": ("%YAML 2.0\n---\na: 1", ("yaml-syntax", 1, 1)),
    "endless version": ("%YAML 1." + "9" * 5000 + "\n---\na: 1", ("yaml-syntax", 1, None)),
    "something else": ("a: }", ("yaml-syntax", 1, 4)),
    "duplicate": ("a: 1\nb: 2\na: 3\n", ("duplicate-key", 3, 1)),
    "duplicates": ("{a: 1, a: {b: *x}, a: 3}",
        ("duplicate-key", 1, 8), ("yaml-alias", 1, 15), ("duplicate-key", 1, 20)),
    "duplicate by quotes": ("a: 1\n'a': *x", ("duplicate-key", 2, 1)),
    "number as key": ("x: 1\n1: 2\n", ("non-string-key", 2, 1)),
    "boolean as key": ("true: 2\n", ("non-string-key", 1, 1)),
    "empty key": ("a: 1\n? \n: 3\n", ("non-string-key", 2, 2)),
    "list as key": ("? [a, {b: c}]\n: b\n", ("non-string-key", 1, 3)),
    "mapping as key": ("{{a: b}: c}", ("non-string-key", 1, 2)),
    "alias as key": ("a: 1\n*a : 2\n", ("yaml-alias", 2, 1)),
    "merge": ("a: 1\n<<: *b\n", ("yaml-alias", 2, 1)),
    "alias": ("a: &x [1]\nb: *x\n", ("yaml-alias", 2, 4)),
    "alias in a list": ("a: [*x]\n", ("yaml-alias", 1, 5)),
    "alias alone": ("*x", ("yaml-alias", 1, 1)),
    "alias of itself": ("a: &x [*x]", ("yaml-alias", 1, 8)),
    "python": ("a: !!python/object/apply:os.system [ls]", ("yaml-tag", 1, 4)),
    "binary tag": ("a: !!binary aGk=", ("yaml-tag", 1, 4)),
    "own tag": ("!campaign\na: 1", ("yaml-tag", 1, 1)),
    "tag of another type": ("a: !!int x\nb: !!int true\nc: !!bool yes",
        *(("yaml-tag", line, 4) for line in (1, 2, 3))),
    "tag on a list": ("a: !!map [1]", ("yaml-tag", 1, 4)),
    "list": ("# hi\n- a\n", ("not-a-mapping", 2, 1)),
    "scalar": ("a\n", ("not-a-mapping", 1, 1)),
    "number": ("---\n12\n", ("not-a-mapping", 2, 1)),
    "written null": ("~", ("not-a-mapping", 1, 1)),
    "nothing": ("", ("empty-file", 1, 1)),
    "comments": ("# nothing\n---\n---\n# here\n", ("empty-file", 1, 1)),
    "control character": ("a: 1\nb: \x01", ("control-character", 2, 4)),
    "line separator": ("a: x\u2028y", ("control-character", 1, 5)),
    "lone surrogate": ("a: \ud800", ("control-character", 1, 4)),
    "mark in the middle": ("a: 1\n\ufeffb: 2", ("control-character", 2, 1)),
    "NUL": ("a: 1\x00", ("binary-file", 1, 5)),
    "NUL before other bytes": (b"a\n\x00\xff", ("binary-file", 2, 1)),
    "Latin-1": ("ä: 1\nb: ".encode() + b"\xe4", ("not-utf8", 2, 4)),
    "UTF-16": ("a: 1".encode("utf-16"), ("not-utf8", 1, 1)),
    "UTF-16 without a mark": ("kind: x\n".encode("utf-16-le"), ("not-utf8", 1, 1)),
    "UTF-32": ("a: 1".encode("utf-32"), ("not-utf8", 1, 1)),
    "UTF-16, big": ("\ufeffa: 1".encode("utf-16-be"), ("not-utf8", 1, 1)),
    "too deep": ("a: " + "[" * 100, ("too-deep", 1, 103)),
    "too deep, closed": ("a: " + "[" * 100 + "]" * 100, ("too-deep", 1, 103)),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str, parser: str) -> None:
    data, *expected = REFUSED[what]
    loaded = text(data)
    assert [(finding.code, finding.place and finding.place.line) for finding in loaded.findings] == [
        (code, line) for code, line, _ in expected
    ]
    for finding, (_, _, column) in zip(loaded.findings, expected, strict=True):
        assert finding.place is not None
        assert column is None or finding.place.column == column
        assert finding.place.file == "a.yaml"
        assert finding.hint
        assert finding.code in CODES
        assert finding.severity is (Severity.WARNING if finding.code == "empty-file" else Severity.ERROR)
        within = finding.code in ("duplicate-key", "non-string-key", "yaml-alias", "yaml-tag")
        assert loaded.complete is (within or finding.code == "empty-file")
        assert bool(loaded.documents) is (within and what != "alias alone")


@pytest.mark.parametrize("error", [yaml.YAMLError("odd"), MarkedYAMLError(problem="odd")])
def test_a_fault_that_a_parser_cannot_place(error: yaml.YAMLError) -> None:
    finding = explain(error, "a: 1", "a.yaml")
    assert (finding.code, str(finding.place)) == ("yaml-syntax", "a.yaml:1:1")
    assert "odd" in finding.message


def test_a_parser_that_stops_early_is_a_bug() -> None:
    some = iter([DocumentStartEvent(), MappingStartEvent(None, None, True)])
    with pytest.raises(AssertionError, match="ends what it begins"):
        list(Builder("a.yaml").documents(lambda: next(some, None)))


def test_every_place_of_a_duplicate_is_named(parser: str) -> None:
    (finding,) = text("a: 1\nb: 2\n  \na: 3\n").findings
    assert "first at 1:1" in finding.message
    assert str(finding.place) == "a.yaml:4:1"


def test_many_duplicates_between_new_keys(parser: str) -> None:
    keys = "".join(f"k{index}: 1\nk{index}: 2\n" for index in range(50))
    found = text(keys).findings
    assert [finding.place and finding.place.line for finding in found] == list(range(2, 101, 2))
    assert "first at 99:1" in found[-1].message


def test_what_a_person_wrote_is_made_printable(parser: str) -> None:
    (finding,) = text('"\\e[31m": 1\n"\\e[31m": 1').findings
    assert "\\x1b[31m" in finding.message
    (finding,) = text(f"{'x' * 99}: 1\n{'x' * 99}: 1").findings
    assert "x" * 59 + "…" in finding.message


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ("a: b: c", "a `:` stands where no key can be", "quote text that holds `: `"),
        ("a: [1,\n2\nb: 3", "(it began in line 1)", "separate items with `,`"),
        ("a: `x`", "plain text cannot begin with ```", 'quote the text: "`…"'),
        ('a: "\\q"', "an unknown escape", "single quotes"),
        ("a: *x", "the alias `*x`", '"*x"'),
        ("1: x", "the key `1` is not text", 'quote it: "1"'),
        ("a: \x07", "U+0007", '"\\u0007"'),
        ("- x", "the document is a list", "apiVersion: reconciler/v1"),
        ("a: &\n", "an anchor without a name", "write values out"),
    ],
)
def test_words(data: str, message: str, hint: str, parser: str) -> None:
    (finding,) = text(data).findings
    assert message in finding.message
    assert hint in (finding.hint or "")


def test_documents_before_a_fault_count_and_those_beside_one_too(parser: str) -> None:
    loaded = text("a: 1\n---\nb: 1\nb: 2\n---\n- x\n---\nc: 1\n---\nd: [\n")
    assert [(document.value, document.index) for document in loaded.documents] == [
        ({"a": 1}, 0),
        ({}, 1),
        ({"c": 1}, 3),
    ]
    assert [finding.code for finding in loaded.findings] == ["duplicate-key", "not-a-mapping", "yaml-syntax"]


def test_blank_documents_are_none(parser: str) -> None:
    loaded = text("---\n---\n# x\n---\na: 1\n---\n")
    assert [document.value for document in loaded.documents] == [{"a": 1}]
    assert loaded.findings == ()


def test_a_byte_order_mark_is_no_column(parser: str) -> None:
    (document,) = text(b"\xef\xbb\xbfa: 1").documents
    assert str(document.place(["a"], key=True)) == "a.yaml:1:1"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends(newline: str, parser: str) -> None:
    (document,) = text(f"a: ü{newline}b:{newline}  c: é d{newline}").documents
    assert document.value == {"a": "ü", "b": {"c": "é d"}}
    assert str(document.place(["b", "c"])) == "a.yaml:3:6"


def test_core_tags_and_anchors_without_alias_are_harmless(parser: str) -> None:
    data = "a: !!str 12\nb: !!int 3\nc: !!map {d: !!seq [!!null ~]}\ne: !!float 1.5\nf: &x y\n!!str 5: z\n"
    (document,) = text(data).documents
    assert document.value == {"a": "12", "b": 3, "c": {"d": [None]}, "e": 1.5, "f": "y", "5": "z"}
    assert type(document.value["a"]) is str


def test_values(parser: str) -> None:
    data = "a: |\n  x\n  y\nb: 'yes'\nc: \"010\"\nd: yes\ne: 1.10\nf:\ng: ''\nh: {}\ni: []\n'<<': 1\n"
    (document,) = text(data).documents
    value = document.value
    assert dict(value) == {
        "a": "x\ny\n", "b": "yes", "c": "010", "d": "yes", "e": 1.1, "f": None, "g": "", "h": {}, "i": [],
        "<<": 1,
    }  # fmt: skip
    assert not isinstance(value["b"], Ambiguous)
    assert isinstance(value["d"], Ambiguous)


def test_as_deep_as_allowed(parser: str) -> None:
    (document,) = text("a: " + "[" * 99 + "]" * 99).documents
    assert document.place(["a", *[0] * 98]).column == 102


@pytest.mark.parametrize(("opening", "column"), [("[", 101), ("{a: ", 401), ("- ", 201), ("? ", 201)])
def test_nesting_without_end_does_not_crash(opening: str, column: int) -> None:
    """In a process of its own: a stack that overflows takes the process with it."""
    script = (
        "import sys; from pathlib import Path; from reconciler.loading import load_text\n"
        f"loaded = load_text({opening!r} * 50_000, 'a.yaml', Path('a.yaml'))\n"
        "print([f'{finding.place} {finding.code}' for finding in loaded.findings])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, f"['a.yaml:1:{column} too-deep']\n", "")


NESTED = {
    # what is nested how deep: the findings
    "flow, open": ("a: 1\n---\nb: " + "[" * 300, [("too-deep", "a.yaml:3:103")]),
    "flow, closed": ("a: " + "[" * 300 + "]" * 300, [("too-deep", "a.yaml:1:103")]),
    "flow mappings": ("{a: " * 300, [("too-deep", "a.yaml:1:401")]),
    "flow over lines": ("a:\n" + "  [\n" * 300, [("too-deep", "a.yaml:101:3")]),
    "items": ("- " * 300, [("too-deep", "a.yaml:1:201")]),
    "block mappings": ("".join(f"{' ' * n}a:\n" for n in range(300)), [("too-deep", "a.yaml:101:101")]),
    "keys": ("? " * 300, [("too-deep", "a.yaml:1:201")]),
    "behind another fault": (
        "a: 1\na: 2\nb: " + "[" * 300,
        [("duplicate-key", "a.yaml:2:1"), ("too-deep", "a.yaml:3:103")],
    ),
    "not too deep": ("a: " + "[" * 99 + "]" * 99, []),
    "a fault before": ("a: {b: 1}}\nc: [[[[]]]]", [("yaml-syntax", "a.yaml:1:10")]),
    "a fault behind": ("a: [[[[]]]]\nb: }", [("yaml-syntax", "a.yaml:2:4")]),
}


@pytest.mark.parametrize("most", [0, 3, 99, 101, None])
@pytest.mark.parametrize("what", NESTED)
def test_what_libyaml_calls_too_deep_changes_nothing(
    what: str, most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limit is 1,000 since 0.2.6, and was none before; this one has any."""
    libyaml = pytest.importorskip("yaml._yaml")

    class Limited:
        def __init__(self, data: str) -> None:
            self.next_event = libyaml.CParser(data).get_event
            self.depth = 0

        def get_event(self) -> Event | None:
            event: Event | None = self.next_event()
            self.depth += isinstance(event, CollectionStartEvent)
            self.depth -= isinstance(event, CollectionEndEvent)
            if event is not None and most is not None and self.depth > most:
                mark = event.start_mark
                raise ScannerError(
                    "while increasing flow level", mark, "exceeded maximum nesting depth", mark
                )
            return event

    monkeypatch.setitem(sys.modules, "yaml._yaml", SimpleNamespace(CParser=Limited))
    data, expected = NESTED[what]
    loaded = text(data)
    assert [(found.code, str(found.place)) for found in loaded.findings] == expected
    assert all(found.hint for found in loaded.findings)
    assert bool(loaded.documents) is (what in ("flow, open", "not too deep"))


def test_a_bomb_of_aliases_is_refused_and_not_built() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    loaded = text("\n".join(lines))
    (document,) = loaded.documents
    assert [key for key, value in document.value.items() if value] == ["a0"]
    assert {finding.code for finding in loaded.findings} == {"yaml-alias"}


def test_a_document_knows_its_file(tmp_path: Path) -> None:
    (document,) = load_text("a: 1", "x/a.yaml", tmp_path / "x" / "a.yaml").documents
    assert document == Document("x/a.yaml", tmp_path / "x" / "a.yaml", {"a": 1}, 0)


LEFT = {
    # text: what is left of it, and which keys have gaps
    "a: 1\nb: 2\na: 3\n": ({"b": 2}, {"a"}),
    "a: *x\nb: 2\na: 3\n": ({"b": 2}, {"a"}),
    "a: 1\na: *x\na: 3\n": ({}, {"a"}),
    "{a: 1, 2: 3}": ({"a": 1}, {None}),
    "a: 1\n<<: *b\n": ({"a": 1}, {None}),
    "a: 1\n*b : 2\n": ({"a": 1}, {None}),
    "!x a: 1\nb: 2": ({"b": 2}, {None}),
    "? !x {a: 1}\n: 1\nb: 2": ({"b": 2}, {None}),
    "a: !x 1\nb: !x {c: 1}\nd: !x [1]\ne: 1": ({"e": 1}, {"a", "b", "d"}),
    "!own\na: 1": ({"a": 1}, set()),
    "a: !x {a: 1, a: 2}\nb: [{c: 1, c: 2}, {d: 1}]": ({"b": [{}, {"d": 1}]}, {"a"}),
}


@pytest.mark.parametrize("data", LEFT)
def test_what_is_refused_leaves_a_gap(data: str, parser: str) -> None:
    (document,) = text(data).documents
    assert isinstance(document.value, MarkedMap)
    assert (document.value, document.value.gaps) == LEFT[data]
    assert all(unsure(document.value, str(key)) for key in document.value.gaps)


def test_a_refused_item_leaves_a_gap_in_its_list(parser: str) -> None:
    (document,) = text("a: [x, *y, z]\nb: [!x y, !x [1], !x {}]\nc: [x]").documents
    a, b, c = (document.value[key] for key in "abc")
    assert isinstance(a, MarkedList)
    assert isinstance(b, MarkedList)
    assert isinstance(c, MarkedList)
    assert (a, a.gap, b, b.gap, c, c.gap) == (["x", "z"], True, [], True, ["x"], False)
    assert str(document.place(["a", 1])) == "a.yaml:1:12"
    assert [unsure(document.value, key) for key in "abcd"] == [True, True, False, False]


def test_what_is_left_still_knows_its_places(parser: str) -> None:
    (document,) = text("a: 1\nb:\n  c: x\na: 2\nd: e\n").documents
    places = {path: str(document.place(path)) for path in (("b", "c"), ("d",))}
    assert places == {("b", "c"): "a.yaml:3:6", ("d",): "a.yaml:5:4"}
    assert str(document.place(["d"], key=True)) == "a.yaml:5:1"


def test_nodes_that_come_and_go_are_not_taken_for_refused_ones(parser: str) -> None:
    """A refused node is forgotten before another one may get its identity."""
    (document,) = text("a:\n" + "- !x [1]\n- [2]\n" * 200).documents
    assert document.value["a"] == [[2]] * 200


@pytest.mark.parametrize(
    ("written", "remembered"),
    [
        ("+1", "+1"), ("-0", "-0"), ("True", "True"), ("FALSE", "FALSE"), ("1.10", "1.10"), ("1e3", "1e3"),
        (".5", ".5"), ("1", None), ("-3", None), ("true", None), ("1.5", None), ("x", None), ("yes", None),
        ("'+1'", None), ("~", None),
    ],
)  # fmt: skip
def test_a_spelling_is_remembered_where_others_would_write_another(
    written: str, remembered: str | None, parser: str
) -> None:
    (document,) = text(f"a: {{b: [x, {written}]}}").documents
    assert document.written(["a", "b", 1]) == remembered
    assert document.written(["a", "b", 0]) is None
