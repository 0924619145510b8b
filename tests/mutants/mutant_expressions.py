"""What can be edited in an expression."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from tests.mutants.mutant_edits import Edits

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
_LOGS = {"_LOG", "LOG", "log", "logger", "logging"}
_TYPES = {"TypeVar", "ParamSpec", "NewType", "Literal", "cast", "isinstance", "issubclass", "field"}
_TEXTS = {"hint", "message", "note", "title", "description", "encoding", "errors", "repr"}
"""Keyword arguments that people read, or that change nothing."""
_WORD = re.compile(r"[\w./:-]+")
_NUMBERS = re.compile(r"len\(|clock|time|now\b|second|count|size|number|\b\d|total")


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


class Expressions:
    """Walks through expressions, and leaves their edits with `edits`."""

    def __init__(self, edits: Edits, optional: Optional) -> None:
        self._edits = edits
        self._optional = optional

    def condition(self, node: ast.expr) -> None:
        """What decides; a comparison and the like have edits of their own."""
        if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.NamedExpr | ast.Await | ast.Subscript):
            text = self._edits.source[self._edits.start(node) : self._edits.end(node)].decode()
            self._edits.replace("condition", node, f"not ({text})")
        self.visit(node)

    def visit(self, node: ast.expr) -> None:
        match node:
            case ast.JoinedStr() | ast.Lambda(body=ast.Constant(value=None)):
                return
            case ast.Call(func=ast.Name(id=name)) if name in _TYPES:
                return
            case ast.Subscript(value=ast.Name(id="Literal" | "Annotated")):
                return
            case _ if is_log(node):
                return
            case ast.Compare():
                self._compare(node)
            case ast.BoolOp():
                self._boolean(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._edits.replace("not removed", node, self._edits.text(operand))
            case ast.BinOp():
                self._binary(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                if self._edits.text(body) != self._edits.text(orelse):
                    parts = self._edits.text(orelse), self._edits.text(test), self._edits.text(body)
                    self._edits.replace("values swapped", node, "{} if {} else {}".format(*parts))
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
                    self.visit(child)
                case ast.keyword():
                    if child.arg not in _TEXTS:
                        self.visit(child.value)
                case ast.comprehension():
                    self.visit(child.iter)
                    for condition in child.ifs:
                        self.condition(condition)

    def _compare(self, node: ast.Compare) -> None:
        for left, right in pairwise([node.left, *node.comparators]):
            start = self._edits.end(left)
            if found := _COMPARISON.search(self._edits.source, start, self._edits.start(right)):
                swapped = _COMPARED[" ".join(found.group().decode().split())]
                self._edits.edit("comparison", found.start(), found.end(), swapped)

    def _boolean(self, node: ast.BoolOp) -> None:
        word, other = (b"and", "or") if isinstance(node.op, ast.And) else (b"or", "and")
        for left, right in pairwise(node.values):
            at = self._edits.source.index(word, self._edits.end(left), self._edits.start(right))
            self._edits.edit("and/or", at, at + len(word), other)
        if len(node.values) == 2:
            self._edits.replace("operand removed", node, self._edits.text(node.values[0]))
            self._edits.replace("operand removed", node, self._edits.text(node.values[1]))
        else:
            for left, right in pairwise(node.values):
                at = self._edits.source.index(word, self._edits.end(left), self._edits.start(right))
                self._edits.edit("operand removed", at, self._edits.closed(at, right), "")

    def _binary(self, node: ast.BinOp) -> None:
        left, right = self._edits.text(node.left), self._edits.text(node.right)
        numbers = _NUMBERS.search(f"{left} {right}") is not None
        if isinstance(node.op, ast.BitOr) and not self._edits.scope:
            return  # types, and the bits of flags
        if isinstance(node.op, ast.Add | ast.Sub):
            self._edits.replace("operand removed", node, left)
            if numbers:
                sign = "-" if isinstance(node.op, ast.Add) else "+"
                self._edits.replace("operator", node, f"{left} {sign} {right}")
        if not numbers and (known := _SETS.get(type(node.op))):
            self._edits.replace("set operator", node, f"{left} {known[1]} {right}")
            if not isinstance(node.op, ast.Sub):
                self._edits.replace("operand removed", node, left)
                self._edits.replace("operand removed", node, right)

    def _call(self, node: ast.Call) -> None:
        name, function = _name_of(node.func), node.func
        if swapped := _CALLED.get(name):
            end = self._edits.end(function)
            if name != "sorted":
                self._edits.edit("function", end - len(name), end, swapped)
            elif len(node.args) == 1:
                self._edits.replace("sorted removed", node, f"list({self._edits.text(node.args[0])})")
        if name == "get" and len(node.args) == 2 and isinstance(function, ast.Attribute):
            self._edits.edit(
                "default removed", self._edits.end(node.args[0]), self._edits.end(node.args[1]), ""
            )
        self.keywords(node)

    def keywords(self, node: ast.Call) -> None:
        unsorted: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        parts = sorted(unsorted, key=self._edits.start)
        may = self._optional.get(_name_of(node.func), {})
        for number, part in enumerate(parts):
            if not isinstance(part, ast.keyword) or part.arg is None or part.arg in _TEXTS:
                continue
            if may.get(part.arg, True):
                start = self._edits.end(parts[number - 1]) if number else self._edits.start(part)
                end = self._edits.start(parts[1]) if not number and len(parts) > 1 else self._edits.end(part)
                self._edits.edit("keyword removed", start, end, "")

    def _constant(self, node: ast.Constant) -> None:
        match node.value:
            case bool(value):
                self._edits.replace("constant", node, str(not value))
            case int(value):
                self._edits.replace("constant", node, str(value + 1))
            case float(value):
                self._edits.replace("constant", node, str(value * 2 or 1.0))
            case str(value) if _WORD.fullmatch(value):
                self._edits.replace("text", node, f'"{value}_"')

    def _filters(self, generator: ast.comprehension) -> None:
        for condition in generator.ifs:
            at = self._edits.source.rindex(b"if", 0, self._edits.start(condition))
            self._edits.edit("filter removed", at, self._edits.closed(at, condition), "")


def _name_of(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def is_log(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return name in _LOGS
        case _:
            return False
