"""The bugs that could be in a module.

    for mutant in mutants_of("reconciler/pacing.py", source, optional_parameters(sources)):
        mutant.applied(source)      # the module with this one bug

What people can't mistake for a bug of ours is left alone: docstrings, annotations, logging, texts of errors,
assertions, `__repr__`, abstract methods.
"""

import ast
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from tests.mutants.mutant_edits import Edits, Mutant
from tests.mutants.mutant_expressions import Expressions, Optional, is_log

_AUGMENTED = {ast.Add: "-=", ast.Sub: "+=", ast.BitOr: "&=", ast.BitAnd: "|="}


def mutants_of(path: str, source: bytes, optional: Optional) -> list[Mutant]:
    """All mutants of a module, in the order of its text; some may not compile."""
    edits = Edits(path, source)
    Statements(edits, Expressions(edits, optional)).block(ast.parse(source).body)
    twins: dict[tuple[str, str, str], int] = {}
    found = []
    for mutant in sorted(edits.found, key=lambda each: (each.start, each.end, each.replacement)):
        key = (mutant.function, mutant.was, mutant.becomes)
        found.append(replace(mutant, twin=twins.get(key, 0)))
        twins[key] = twins.get(key, 0) + 1
    return found


class Statements:
    """Walks through statements, and leaves their edits with `edits`."""

    def __init__(self, edits: Edits, expressions: Expressions) -> None:
        self._edits = edits
        self._expressions = expressions

    def block(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        body = getattr(node, "body", None) or getattr(node, "cases", None)
        first = body[0] if body else None
        header = (first.pattern.lineno if isinstance(first, ast.match_case) else first.lineno) if first else 0
        outer, self._edits.lines = (
            self._edits.lines,
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
                self._expressions.condition(node.test)
                self.block(node.body)
                self.block(node.orelse)
            case ast.For() | ast.AsyncFor():
                self._expressions.visit(node.iter)
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
        self._edits.lines = outer

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        decorators = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
        if node.name == "__repr__" or "overload" in decorators or _is_abstract(node.body):
            return
        self._edits.names.append(node.name)
        outermost = self._edits.scope is None
        if outermost:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            self._edits.scope = (first, _last(node))
        # A default is evaluated once, and noticed by who runs the function, or reads its signature.
        self._edits.lines, self._edits.default = (node.lineno, _last(node)), True
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self._expressions.visit(default)
        self._edits.default = False
        self.block(node.body)
        if outermost:
            self._edits.scope = None
        self._edits.names.pop()

    def _class(self, node: ast.ClassDef) -> None:
        if any("Protocol" in ast.unparse(base) for base in node.bases):
            return
        self._edits.names.append(node.name)
        self.block(node.body)
        self._edits.names.pop()

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self._expressions.visit(item.context_expr)
        last = node.items[-1]
        if len(node.items) == 1 and last.optional_vars is None:
            colon = self._edits.source.index(b":", self._edits.end(last.context_expr))
            self._edits.edit("with removed", self._edits.start(node), colon, "if True")
        for before, item in pairwise(node.items):
            if item.optional_vars is None:
                end = before.optional_vars or before.context_expr
                self._edits.edit("with removed", self._edits.end(end), self._edits.end(item.context_expr), "")
        self.block(node.body)

    def _try(self, node: ast.Try) -> None:
        self.block(node.body)
        for handler in node.handlers:
            self._edits.lines = (handler.lineno, _last(handler.body[-1]))
            self._edits.edit(
                "except removed",
                self._edits.start(handler.body[0]),
                self._edits.end(handler.body[-1]),
                "raise",
            )
            self.block(handler.body)
        self.block(node.orelse)
        self.block(node.finalbody)

    def _match(self, node: ast.Match) -> None:
        self._expressions.visit(node.subject)
        lines = self._edits.lines
        for case in node.cases:
            self._edits.lines = lines
            if not (_gives_up(case.body) or _is_the_rest(case)):
                if case.guard:
                    self._edits.replace("case removed", case.guard, "False")
                    end = self._edits.closed(self._edits.end(case.pattern), case.guard)
                    self._edits.edit("guard removed", self._edits.end(case.pattern), end, "")
                    self._expressions.condition(case.guard)
                else:
                    self._edits.edit(
                        "case removed",
                        self._edits.end(case.pattern),
                        self._edits.end(case.pattern),
                        " if False",
                    )
            self.block(case.body)

    def _simple(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Assert() | ast.Import() | ast.ImportFrom() | ast.Pass():
                return
            case ast.Expr(value=ast.Call(func=ast.Name(id="assert_never"))):
                return
            case ast.Expr(value=value):
                if not is_log(value):
                    self._edits.replace("statement removed", node, "pass")
                    self._expressions.visit(value)
            case ast.Raise(exc=exc):
                self._edits.replace("statement removed", node, "pass")
                if isinstance(exc, ast.Call):
                    self._expressions.keywords(exc)
            case ast.Return(value=value):
                self._return(node, value)
            case ast.Delete(targets=[ast.Name(), *_]):
                return  # a name that nobody uses any more
            case ast.Break() | ast.Continue() | ast.Delete():
                self._edits.replace("statement removed", node, "pass")
            case ast.Assign(targets=targets, value=value):
                if any(isinstance(target, ast.Name) and target.id.startswith("__") for target in targets):
                    return
                if self._edits.scope and not any(
                    isinstance(target, ast.Name | ast.Tuple) for target in targets
                ):
                    self._edits.replace("statement removed", node, "pass")
                self._expressions.visit(value)
            case ast.AnnAssign(value=ast.expr() as value):
                self._expressions.visit(value)
            case ast.AugAssign(op=op, value=value):
                self._edits.replace("statement removed", node, "pass")
                if swapped := _AUGMENTED.get(type(op)):
                    gap = self._edits.end(node.target)
                    at = self._edits.source.index(b"=", gap)
                    self._edits.edit("operator", at - 1, at + 1, swapped)
                self._expressions.visit(value)

    def _return(self, node: ast.Return, value: ast.expr | None) -> None:
        if value is None:
            self._edits.replace("statement removed", node, "pass")
        elif isinstance(value, ast.Tuple) and len(value.elts) == 2:
            first, second = value.elts
            self._edits.replace(
                "values swapped", value, f"{self._edits.text(second)}, {self._edits.text(first)}"
            )
        if value is not None:
            self._expressions.visit(value)


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _is_abstract(body: Sequence[ast.stmt]) -> bool:
    """Only a docstring, or `...`."""
    return all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in body)


def _is_the_rest(case: ast.match_case) -> bool:
    """Whether it only says that nothing is done with what no other case takes."""
    match case:
        case ast.match_case(pattern=ast.MatchAs(pattern=None, name=None), guard=None, body=[ast.Pass()]):
            return True
        case _:
            return False


def _gives_up(body: Sequence[ast.stmt]) -> bool:
    """Only says that this can't be."""
    match body:
        case [ast.Expr(value=ast.Call(func=ast.Name(id="assert_never")))] | [ast.Raise()]:
            return True
        case _:
            return False
