"""Every error says what to do next: each that is raised has a hint, or a reason here why it needs none."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.errors import ReconcilerError, unreadable, unwritable

ROOT = Path(errors.__file__).parent
ERRORS = {"ReconcilerError", "UsageError", "StateError", "ForgeError"}
"""Classes whose errors people read as they are raised. Those of a server have theirs from its provider."""
NEEDLESS = {
    "fault_in_words(error)": "it ends with what to do",
    "found.message": "it is what a read says, with its own way out",
    "str(error)": "what it repeats says what to do",
    "f'a call is missing in the audit log: {fault_in_words(error)}'": "it ends with what to do",
    "f'nothing on the server tells whether {action.verb} was done'": "the outcome says what comes next",
    "f'{action.resource} has no id on the server yet: what creates it was not done'": "a step failed before",
    "f'the package with sha256 {package.sha256[:_DIGITS]}… was not uploaded'": "a step failed before",
    "'the HTTP server of this process did not start'": "the log says why",
    'f"what the plan would end with isn\'t known: {error!r}"': "the plan itself says what went wrong",
    'f"{path} can\'t be written: {error}"': "a warning: the job goes on without it",
}
"""The first argument of an error, as code → why there is nothing to do about it."""


def raised() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_error_that_is_raised_says_what_to_do() -> None:
    silent = [
        f"{where}: {text}"
        for where, call in raised()
        if not any(each.arg in {"hint", None} for each in call.keywords)
        and (text := ast.unparse(call.args[0])) not in NEEDLESS
    ]
    assert not silent, "say what to do: hint=…"


def test_no_reason_is_out_of_date() -> None:
    there = {ast.unparse(call.args[0]) for _, call in raised() if call.args}
    assert not set(NEEDLESS) - there


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (FileNotFoundError(2, "No such file or directory"), "Is the path right?"),
        (IsADirectoryError(21, "Is a directory"), "Name a file, not a folder."),
        (PermissionError(13, "Permission denied"), "Let this user read the file."),
        (OSError(5, "Input/output error"), "Is it a file that this user may read?"),
    ],
)
def test_what_cannot_be_read_comes_with_what_to_do(error: OSError, hint: str) -> None:
    found = unreadable("a.bin", error)
    assert (found.message, found.hint) == (f"a.bin can't be read: {error.strerror}", hint)


@pytest.mark.parametrize(
    ("number", "hint"), [(28, "Make room on that disk"), (2, "Name a place in a folder")]
)
def test_what_cannot_be_written_comes_with_what_to_do(number: int, hint: str) -> None:
    found = unwritable("a.plan", OSError(number, "why"))
    assert isinstance(found, ReconcilerError)
    assert found.message == "a.plan can't be written: why"
    assert (found.hint or "").startswith(hint)
