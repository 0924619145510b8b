"""A bug that could be: a small edit of one place of a module.

Edits are of the text, at places that the syntax tree names, so that what is shown is what was there.
"""

import ast
import hashlib
from dataclasses import dataclass

Lines = tuple[int, int]
"""The first and the last line of something."""
Place = ast.expr | ast.stmt | ast.keyword | ast.pattern
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Constant, ast.Subscript, ast.List, ast.Dict, ast.Set)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit: `replacement` stands in place of the bytes from `start` to `end` of `path`."""

    path: str
    function: str
    """Its qualified name in the module; ``Class`` or ``""`` outside of functions."""
    kind: str
    start: int
    end: int
    replacement: bytes
    line: int
    lines: Lines
    """The statement, or what stands before its block: who executes one of these lines may notice."""
    scope: Lines | None
    """The outermost function, with its decorators; None outside of functions."""
    was: str
    becomes: str
    """The lines that the edit touches, without their indentation, before and after it."""
    default: bool = False
    """It is in the default of a parameter: who reads the signature may notice it, too."""
    twin: int = 0
    """So many others before it in this function read the same."""

    @property
    def id(self) -> str:
        """Stays while the function and these lines stay, wherever they move to."""
        return digest(self.function, self.was, self.becomes, self.twin)[:10]

    @property
    def package(self) -> str:
        """The part of the package that its module belongs to."""
        return self.path.split("/")[1].removesuffix(".py")

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.replacement + source[self.end :]


def digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


class Edits:
    """The edits of a module that were found so far, and where in it we are.

    ``names``: the classes and functions around; ``scope``: the outermost function; ``lines``: the statement;
    ``default``: it is the default of a parameter.
    """

    def __init__(self, path: str, source: bytes) -> None:
        self.found: list[Mutant] = []
        self.source = source
        self.names: list[str] = []
        self.scope: Lines | None = None
        self.lines: Lines = (1, 1)
        self.default = False
        self._path = path
        self._rows = source.split(b"\n")
        self._starts = [0]
        for row in self._rows:
            self._starts.append(self._starts[-1] + len(row) + 1)

    def start(self, node: Place) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: Place) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def closed(self, before: int, node: ast.expr) -> int:
        """The end of `node` with the parentheses that open between `before` and it."""
        end = self.end(node)
        for _ in range(self.source.count(b"(", before, self.start(node))):
            end = self.source.index(b")", end) + 1
        return end

    def text(self, node: ast.expr) -> str:
        text = self.source[self.start(node) : self.end(node)].decode()
        return text if isinstance(node, _ATOMS) else f"({text})"

    def _line_of(self, offset: int) -> int:
        return self.source.count(b"\n", 0, offset) + 1

    def edit(self, kind: str, start: int, end: int, replacement: str) -> None:
        line, last = self._line_of(start), self._line_of(end)
        rows = self._rows[line - 1 : last]
        if any(b"pragma: no cover" in row for row in rows):
            return
        before = self.source[self._starts[line - 1] : start].decode()
        after = self.source[end : self._starts[last] - 1].decode()
        was, becomes = (
            " ".join(text.split()) for text in (b"\n".join(rows).decode(), f"{before}{replacement}{after}")
        )
        function = ".".join(self.names)
        where = (self._path, function, kind, start, end, replacement.encode(), line, self.lines)
        self.found.append(Mutant(*where, self.scope, was, becomes, self.default))

    def replace(self, kind: str, node: ast.expr | ast.stmt, replacement: str) -> None:
        self.edit(kind, self.start(node), self.end(node), replacement)
