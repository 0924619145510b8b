"""Which bugs of which code: `mutant_edits`, `mutant_expressions`, `mutant_statements`."""

import pytest

from tests.mutants.mutant_expressions import optional_parameters
from tests.mutants.mutant_statements import mutants_of


def edits(body: str, more: str = "") -> set[tuple[str, str]]:
    """The kind and the new line of each edit of a function with that body; texts are left out."""
    rows = "".join(f"    {row}\n" for row in body.splitlines())
    source = f"{more}def f(a, b, c):\n{rows}".encode()
    found = mutants_of("reconciler/core.py", source, optional_parameters([source]))
    assert all(one.was != one.becomes for one in found)
    for one in found:
        compile(one.applied(source), "core.py", "exec")
    return {(one.kind, one.becomes) for one in found if one.kind != "text"}


CASES = {
    "a < b": {("comparison", "a <= b")},
    "(a) is not (b)": {("comparison", "(a) is (b)")},
    "a not in b": {("comparison", "a in b")},
    "a and (b or c)": {
        ("and/or", "a or (b or c)"),
        ("and/or", "a and (b and c)"),
        ("operand removed", "a"),
        ("operand removed", "(b or c)"),
        ("operand removed", "a and (b)"),
        ("operand removed", "a and (c)"),
    },
    "a and b and (c)": {
        ("and/or", "a or b and (c)"),
        ("and/or", "a and b or (c)"),
        ("operand removed", "a and (c)"),
        ("operand removed", "a and b"),
    },
    "not (a)": {("not removed", "a")},
    "a - b": {("operand removed", "a"), ("set operator", "a & b")},
    "a | b": {("operand removed", "a"), ("operand removed", "b"), ("set operator", "a & b")},
    "len(a) - 1": {
        ("operand removed", "len(a)"),
        ("operator", "len(a) + 1"),
        ("constant", "len(a) - 2"),
    },
    "sorted(a, key=b)": {("sorted removed", "list(a)"), ("keyword removed", "sorted(a)")},
    "min(a)": {("function", "max(a)")},
    "a.get(b, c)": {("default removed", "a.get(b)")},
    "a if b else c": {("values swapped", "c if b else a")},
    "{x for x in a if (b)}": {
        ("filter removed", "{x for x in a }"),
        ("condition", "{x for x in a if (not (b))}"),
    },
    "True": {("constant", "False")},
}


@pytest.mark.parametrize("code", CASES)
def test_an_expression(code: str) -> None:
    wanted = {(kind, f"x = {becomes}") for kind, becomes in CASES[code]}
    assert edits(f"x = {code}") == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("a.append(b)", {("statement removed", "pass")}),
        ("a.b = c", {("statement removed", "pass")}),
        ("del a[b]", {("statement removed", "pass")}),
        ("a |= b", {("statement removed", "pass"), ("operator", "a &= b")}),
        ("yield a", {("statement removed", "pass")}),
        ("raise a", {("statement removed", "pass")}),
        ("return a, b", {("values swapped", "return b, a")}),
        ("if a:\n    b = c", {("condition", "if not (a):")}),
        ("with a:\n    b = c", {("with removed", "if True:")}),
        ("with a as b, c:\n    b = c", {("with removed", "with a as b:")}),
        ("try:\n    a = b\nexcept OSError:\n    c = a", {("except removed", "raise")}),
        (
            "match a:\n    case 1 if (b):\n        x = c\n    case _:\n        x = b",
            {
                ("case removed", "case 1 if (False):"),
                ("guard removed", "case 1:"),
                ("condition", "case 1 if (not (b)):"),
                ("case removed", "case _ if False:"),
            },
        ),
    ],
)
def test_a_statement(body: str, wanted: set[tuple[str, str]]) -> None:
    assert edits(body) == wanted


@pytest.mark.parametrize(
    "body",
    [
        '"""Text: 1 < 2."""',
        "assert a < b",
        "_LOG.debug('%s', a < b)",
        'raise_ = f"{a < b}"',
        "x: Literal[1]",
        "import os",
        "del a, b",
        "def __repr__(self):\n    return 1 < 2",
        "class A(Protocol):\n    def f(self, a=1): return 1",
        "if TYPE_CHECKING:\n    x = 1",
        "x = a < b  # pragma: no cover",
        "match a:\n    case _:\n        assert_never(a)",
        "match a:\n    case _:\n        pass",
    ],
)
def test_what_nobody_could_mistake_is_left_alone(body: str) -> None:
    assert edits(body) == set()


def test_a_keyword_goes_only_where_a_call_may_leave_it_out() -> None:
    more = "def g(*, needed, may=1): ...\n"
    assert edits("x = g(needed=a, may=b)", more) == {("keyword removed", "x = g(needed=a)")}
    assert edits("x = replace(a, b=c)") == {("keyword removed", "x = replace(a)")}


def test_an_id_stays_when_the_function_moves() -> None:
    one, two = b"def f(a):\n    return a < 1\n", b"import os\n\n\ndef f(a):\n    b = a\n    return a < 1\n"
    first = {each.id for each in mutants_of("reconciler/core.py", one, {})}
    assert first
    assert first == {each.id for each in mutants_of("reconciler/other/place.py", two, {})}


def test_the_same_edit_twice_in_a_function_has_two_ids() -> None:
    found = mutants_of("reconciler/core.py", b"def f(a):\n    g(a)\n    g(a)\n", {})
    assert len({each.id for each in found}) == len(found) == 2
