"""The bugs that could be: each a small edit of one place of a module.

    for mutant in mutants_of("reconciler/pacing.py", source, optional_parameters(sources)):
        mutant.applied(source)      # the module with this one bug

Edits are of the text, at places that the syntax tree names, so that what is shown is what was there. What
people can't mistake for a bug of ours is left alone: docstrings, annotations, logging, texts of errors,
assertions, `__repr__`, abstract methods.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

Lines = tuple[int, int]
"""The first and the last line of something."""
Optional = Mapping[str, Mapping[str, bool]]
"""Name of a function or class → parameter → whether a call may leave it out."""

_COMPARED = {
    "==": "!=",
    "!=": "==",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "is": "is not",
    "is not": "is",
    "in": "not in",
    "not in": "in",
}
_COMPARISON = re.compile(rb"\bis\s+not\b|\bnot\s+in\b|\bis\b|\bin\b|[=!<>]=|[<>]")
_CALLED = {
    "sorted": "list",
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "union": "intersection",
    "intersection": "union",
    "difference": "intersection",
    "issubset": "issuperset",
    "issuperset": "issubset",
    "startswith": "endswith",
    "endswith": "startswith",
}
_SETS = {ast.Sub: ("-", "&"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&")}
_AUGMENTED = {ast.Add: "-=", ast.Sub: "+=", ast.BitOr: "&=", ast.BitAnd: "|="}
_LOGS = {"_LOG", "LOG", "log", "logger", "logging"}
_TYPES = {"TypeVar", "ParamSpec", "NewType", "Literal", "cast", "isinstance", "issubclass", "field"}
_TEXTS = {"hint", "message", "note", "title", "description", "encoding", "errors", "repr"}
"""Keyword arguments that people read, or that change nothing."""
_WORD = re.compile(r"[\w./:-]+")
_NUMBERS = re.compile(r"len\(|clock|time|now\b|second|count|size|number|\b\d|total")
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Constant, ast.Subscript, ast.List, ast.Dict, ast.Set)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


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


def optional_parameters(sources: Iterable[bytes]) -> Optional:
    """What calls may leave out, by the name of what is called; of two with one name both must allow it."""
    found: dict[str, dict[str, bool]] = {}
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.ClassDef():
                    named = _fields(node)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    named = _parameters(node.args)
                case _:
                    continue
            known = found.setdefault(node.name, {})
            for name, optional in named:
                known[name] = optional and known.get(name, True)
    return found


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    for part in node.body:
        match part:
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                yield name, value is not None
            case ast.FunctionDef(name="__init__"):
                yield from _parameters(part.args)


def _parameters(arguments: ast.arguments) -> Iterator[tuple[str, bool]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    for number, each in enumerate(positional):
        yield each.arg, number >= required
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield each.arg, default is not None


def mutants_of(path: str, source: bytes, optional: Optional) -> list[Mutant]:
    """All mutants of a module, in the order of its text; some may not compile."""
    finder = _Finder(path, source, optional)
    finder.block(ast.parse(source).body)
    twins: dict[tuple[str, str, str], int] = {}
    found = []
    for mutant in sorted(finder.found, key=lambda each: (each.start, each.end, each.replacement)):
        key = (mutant.function, mutant.was, mutant.becomes)
        found.append(replace(mutant, twin=twins.get(key, 0)))
        twins[key] = twins.get(key, 0) + 1
    return found


class _Finder:
    """Walks through a module, and collects what can be edited."""

    def __init__(self, path: str, source: bytes, optional: Optional) -> None:
        self.found: list[Mutant] = []
        self._path = path
        self._source = source
        self._rows = source.split(b"\n")
        self._starts = [0]
        for row in self._rows:
            self._starts.append(self._starts[-1] + len(row) + 1)
        self._optional = optional
        self._names: list[str] = []
        self._scope: Lines | None = None
        self._lines: Lines = (1, 1)

    # --- places in the text ---------------------------------------------------------------------------

    def _start(self, node: ast.expr | ast.stmt | ast.keyword | ast.pattern) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt | ast.keyword | ast.pattern) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _closed(self, before: int, node: ast.expr) -> int:
        """The end of `node` with the parentheses that open between `before` and it."""
        end = self._end(node)
        for _ in range(self._source.count(b"(", before, self._start(node))):
            end = self._source.index(b")", end) + 1
        return end

    def _text(self, node: ast.expr) -> str:
        text = self._source[self._start(node) : self._end(node)].decode()
        return text if isinstance(node, _ATOMS) else f"({text})"

    def _line_of(self, offset: int) -> int:
        return self._source.count(b"\n", 0, offset) + 1

    def _edit(self, kind: str, start: int, end: int, replacement: str) -> None:
        line, last = self._line_of(start), self._line_of(end)
        rows = self._rows[line - 1 : last]
        if any(b"pragma: no cover" in row for row in rows):
            return
        before = self._source[self._starts[line - 1] : start].decode()
        after = self._source[end : self._starts[last] - 1].decode()
        was, becomes = (
            " ".join(text.split()) for text in (b"\n".join(rows).decode(), f"{before}{replacement}{after}")
        )
        function = ".".join(self._names)
        where = (self._path, function, kind, start, end, replacement.encode(), line, self._lines)
        self.found.append(Mutant(*where, self._scope, was, becomes))

    def _replace(self, kind: str, node: ast.expr | ast.stmt, replacement: str) -> None:
        self._edit(kind, self._start(node), self._end(node), replacement)

    # --- statements -----------------------------------------------------------------------------------

    def block(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        body = getattr(node, "body", None) or getattr(node, "cases", None)
        first = body[0] if body else None
        header = (first.pattern.lineno if isinstance(first, ast.match_case) else first.lineno) if first else 0
        outer, self._lines = (
            self._lines,
            (node.lineno, max(node.lineno, header - 1) if first else _last(node)),
        )
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(node)
            case ast.ClassDef():
                self._class(node)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                self.block(node.orelse)
            case ast.If() | ast.While():
                self._condition(node.test)
                self.block(node.body)
                self.block(node.orelse)
            case ast.For() | ast.AsyncFor():
                self._expression(node.iter)
                self.block(node.body)
                self.block(node.orelse)
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.Try():
                self._try(node)
            case ast.Match():
                self._match(node)
            case _:
                self._simple(node)
        self._lines = outer

    def _function(self, node: _Function) -> None:
        decorators = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
        if node.name == "__repr__" or "overload" in decorators or _is_abstract(node.body):
            return
        self._names.append(node.name)
        outermost = self._scope is None
        if outermost:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            self._scope = (first, _last(node))
        # A default is evaluated once, and noticed by who runs the function.
        self._lines = (node.lineno, _last(node))
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self._expression(default)
        self.block(node.body)
        if outermost:
            self._scope = None
        self._names.pop()

    def _class(self, node: ast.ClassDef) -> None:
        if any("Protocol" in ast.unparse(base) for base in node.bases):
            return
        self._names.append(node.name)
        self.block(node.body)
        self._names.pop()

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self._expression(item.context_expr)
        last = node.items[-1]
        if len(node.items) == 1 and last.optional_vars is None:
            colon = self._source.index(b":", self._end(last.context_expr))
            self._edit("with removed", self._start(node), colon, "if True")
        for before, item in pairwise(node.items):
            if item.optional_vars is None:
                end = before.optional_vars or before.context_expr
                self._edit("with removed", self._end(end), self._end(item.context_expr), "")
        self.block(node.body)

    def _try(self, node: ast.Try) -> None:
        self.block(node.body)
        for handler in node.handlers:
            self._lines = (handler.lineno, _last(handler.body[-1]))
            self._edit("except removed", self._start(handler.body[0]), self._end(handler.body[-1]), "raise")
            self.block(handler.body)
        self.block(node.orelse)
        self.block(node.finalbody)

    def _match(self, node: ast.Match) -> None:
        self._expression(node.subject)
        lines = self._lines
        for case in node.cases:
            self._lines = lines
            if not _gives_up(case.body):
                if case.guard:
                    self._replace("case removed", case.guard, "False")
                    end = self._closed(self._end(case.pattern), case.guard)
                    self._edit("guard removed", self._end(case.pattern), end, "")
                    self._condition(case.guard)
                else:
                    self._edit("case removed", self._end(case.pattern), self._end(case.pattern), " if False")
            self.block(case.body)

    def _simple(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Assert() | ast.Import() | ast.ImportFrom() | ast.Pass():
                return
            case ast.Expr(value=value):
                if not _is_log(value):
                    self._replace("statement removed", node, "pass")
                    self._expression(value)
            case ast.Raise(exc=exc):
                self._replace("statement removed", node, "pass")
                if isinstance(exc, ast.Call):
                    self._keywords(exc)
            case ast.Return(value=value):
                self._return(node, value)
            case ast.Break() | ast.Continue() | ast.Delete():
                self._replace("statement removed", node, "pass")
            case ast.Assign(targets=targets, value=value):
                if any(isinstance(target, ast.Name) and target.id.startswith("__") for target in targets):
                    return
                if self._scope and not any(isinstance(target, ast.Name | ast.Tuple) for target in targets):
                    self._replace("statement removed", node, "pass")
                self._expression(value)
            case ast.AnnAssign(value=ast.expr() as value):
                self._expression(value)
            case ast.AugAssign(op=op, value=value):
                self._replace("statement removed", node, "pass")
                if swapped := _AUGMENTED.get(type(op)):
                    gap = self._end(node.target)
                    at = self._source.index(b"=", gap)
                    self._edit("operator", at - 1, at + 1, swapped)
                self._expression(value)

    def _return(self, node: ast.Return, value: ast.expr | None) -> None:
        if value is None:
            self._replace("statement removed", node, "pass")
        elif isinstance(value, ast.Tuple) and len(value.elts) == 2:
            first, second = value.elts
            self._replace("values swapped", value, f"{self._text(second)}, {self._text(first)}")
        if value is not None:
            self._expression(value)

    # --- expressions ----------------------------------------------------------------------------------

    def _condition(self, node: ast.expr) -> None:
        """What decides; a comparison and the like have edits of their own."""
        if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.NamedExpr | ast.Await | ast.Subscript):
            text = self._source[self._start(node) : self._end(node)].decode()
            self._replace("condition", node, f"not ({text})")
        self._expression(node)

    def _expression(self, node: ast.expr) -> None:
        match node:
            case ast.JoinedStr() | ast.Lambda(body=ast.Constant(value=None)):
                return
            case ast.Call(func=ast.Name(id=name)) if name in _TYPES:
                return
            case ast.Subscript(value=ast.Name(id="Literal" | "Annotated")):
                return
            case _ if _is_log(node):
                return
            case ast.Compare():
                self._compare(node)
            case ast.BoolOp():
                self._boolean(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._replace("not removed", node, self._text(operand))
            case ast.BinOp():
                self._binary(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                if self._text(body) != self._text(orelse):
                    parts = self._text(orelse), self._text(test), self._text(body)
                    self._replace("values swapped", node, "{} if {} else {}".format(*parts))
            case ast.Call():
                self._call(node)
            case ast.Constant():
                self._constant(node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                for generator in node.generators:
                    self._filters(generator)
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.expr():
                    self._expression(child)
                case ast.keyword():
                    if child.arg not in _TEXTS:
                        self._expression(child.value)
                case ast.comprehension():
                    self._expression(child.iter)
                    for condition in child.ifs:
                        self._condition(condition)

    def _compare(self, node: ast.Compare) -> None:
        for left, right in pairwise([node.left, *node.comparators]):
            start = self._end(left)
            if found := _COMPARISON.search(self._source, start, self._start(right)):
                swapped = _COMPARED[" ".join(found.group().decode().split())]
                self._edit("comparison", found.start(), found.end(), swapped)

    def _boolean(self, node: ast.BoolOp) -> None:
        word, other = (b"and", "or") if isinstance(node.op, ast.And) else (b"or", "and")
        for left, right in pairwise(node.values):
            at = self._source.index(word, self._end(left), self._start(right))
            self._edit("and/or", at, at + len(word), other)
        if len(node.values) == 2:
            self._replace("operand removed", node, self._text(node.values[0]))
            self._replace("operand removed", node, self._text(node.values[1]))
        else:
            for left, right in pairwise(node.values):
                at = self._source.index(word, self._end(left), self._start(right))
                self._edit("operand removed", at, self._closed(at, right), "")

    def _binary(self, node: ast.BinOp) -> None:
        left, right = self._text(node.left), self._text(node.right)
        numbers = _NUMBERS.search(f"{left} {right}") is not None
        if isinstance(node.op, ast.BitOr) and not self._scope:
            return  # types, and the bits of flags
        if isinstance(node.op, ast.Add | ast.Sub):
            self._replace("operand removed", node, left)
            if numbers:
                sign = "-" if isinstance(node.op, ast.Add) else "+"
                self._replace("operator", node, f"{left} {sign} {right}")
        if not numbers and (known := _SETS.get(type(node.op))):
            self._replace("set operator", node, f"{left} {known[1]} {right}")
            if not isinstance(node.op, ast.Sub):
                self._replace("operand removed", node, left)
                self._replace("operand removed", node, right)

    def _call(self, node: ast.Call) -> None:
        name, function = _name_of(node.func), node.func
        if swapped := _CALLED.get(name):
            end = self._end(function)
            if name != "sorted":
                self._edit("function", end - len(name), end, swapped)
            elif len(node.args) == 1:
                self._replace("sorted removed", node, f"list({self._text(node.args[0])})")
        if name == "get" and len(node.args) == 2 and isinstance(function, ast.Attribute):
            self._edit("default removed", self._end(node.args[0]), self._end(node.args[1]), "")
        self._keywords(node)

    def _keywords(self, node: ast.Call) -> None:
        parts = sorted([*node.args, *node.keywords], key=self._start)
        may = self._optional.get(_name_of(node.func), {})
        for number, part in enumerate(parts):
            if not isinstance(part, ast.keyword) or part.arg is None or part.arg in _TEXTS:
                continue
            if may.get(part.arg, True):
                start = self._end(parts[number - 1]) if number else self._start(part)
                end = self._start(parts[1]) if not number and len(parts) > 1 else self._end(part)
                self._edit("keyword removed", start, end, "")

    def _constant(self, node: ast.Constant) -> None:
        match node.value:
            case bool(value):
                self._replace("constant", node, str(not value))
            case int(value):
                self._replace("constant", node, str(value + 1))
            case float(value):
                self._replace("constant", node, str(value * 2 or 1.0))
            case str(value) if _WORD.fullmatch(value):
                self._replace("text", node, f'"{value}_"')

    def _filters(self, generator: ast.comprehension) -> None:
        for condition in generator.ifs:
            at = self._source.rindex(b"if", 0, self._start(condition))
            self._edit("filter removed", at, self._closed(at, condition), "")


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _name_of(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _is_log(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return name in _LOGS
        case _:
            return False


def _is_abstract(body: Sequence[ast.stmt]) -> bool:
    """Only a docstring, or `...`."""
    return all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in body)


def _gives_up(body: Sequence[ast.stmt]) -> bool:
    """Only says that this can't be."""
    match body:
        case [ast.Expr(value=ast.Call(func=ast.Name(id="assert_never")))] | [ast.Raise()]:
            return True
        case _:
            return False
