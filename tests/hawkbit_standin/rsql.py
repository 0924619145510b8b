"""The query language of the lists: what a query says of an object, blind to case as the real one is."""

import re
from collections.abc import Callable, Iterable
from typing import Any

Getter = Callable[[Any, str], Iterable[Any]]
"""The values of a field of an object; KeyError for a field that there is not."""
Matches = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<op>==|!=|=in=|=out=|=gt=|=ge=|=lt=|=le=|[();,])"""
    r"""|(?P<word>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?:\\.|[^\s'"();,=!<>\\])+))""",
    re.IGNORECASE,
)


class BadQuery(Exception):
    """A query that can't be read; ``code`` says why, in the server's words."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def matcher(query: str, getter: Getter, known: Callable[[str], bool]) -> Matches:
    """Whether an object is meant by `query`."""
    parser = _Parser(_tokens(query), getter, known)
    found = parser.either()
    if parser.tokens:
        raise BadQuery("rest.param.rsqlParamSyntax")
    return found


def _tokens(query: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(query.rstrip()):
        hit = _TOKEN.match(query, at)
        if hit is None:
            raise BadQuery("rest.param.rsqlParamSyntax")
        kind = hit.lastgroup or ""
        found.append((kind, hit[kind].lower() if kind == "op" else hit[kind]))
        at = hit.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], getter: Getter, known: Callable[[str], bool]) -> None:
        self.tokens, self._get, self._known = tokens, getter, known

    def _take(self, *ops: str) -> str | None:
        if self.tokens and self.tokens[0][1].lower() in ops:
            return self.tokens.pop(0)[1]
        return None

    def either(self) -> Matches:
        parts = [self._both()]
        while self._take(",", "or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda it: any(part(it) for part in parts)

    def _both(self) -> Matches:
        parts = [self._one()]
        while self._take(";", "and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda it: all(part(it) for part in parts)

    def _one(self) -> Matches:
        if self._take("("):
            inner = self.either()
            self._need(")")
            return inner
        field = self._word()
        if not self._known(field):
            raise BadQuery("rest.param.rsqlInvalidField")
        op = self._op()
        values = self._values() if op in ("=in=", "=out=") else [self._word()]
        return self._comparison(field, op, values)

    def _comparison(self, field: str, op: str, values: list[str]) -> Matches:
        get = self._get
        if op in ("==", "=in=", "!=", "=out="):
            plain = {v.lower() for v in values if "*" not in v}
            patterns = [_pattern(v) for v in values if "*" in v]

            def among(it: Any) -> bool:
                return any(
                    str(f).lower() in plain or any(p.fullmatch(str(f).lower()) for p in patterns)
                    for f in get(it, field)
                )

            return among if op in ("==", "=in=") else lambda it: not among(it)
        limit = float(values[0])
        compare = {
            "=gt=": lambda f: f > limit,
            "=ge=": lambda f: f >= limit,
            "=lt=": lambda f: f < limit,
            "=le=": lambda f: f <= limit,
        }[op]
        return lambda it: any(compare(float(f)) for f in get(it, field))

    def _values(self) -> list[str]:
        self._need("(")
        values = [self._word()]
        while self._take(","):
            values.append(self._word())
        self._need(")")
        return values

    def _need(self, op: str) -> None:
        if not self._take(op):
            raise BadQuery("rest.param.rsqlParamSyntax")

    def _op(self) -> str:
        if self.tokens and self.tokens[0][0] == "op" and self.tokens[0][1] not in "();,":
            return self.tokens.pop(0)[1]
        raise BadQuery("rest.param.rsqlParamSyntax")

    def _word(self) -> str:
        if not self.tokens or self.tokens[0][0] != "word":
            raise BadQuery("rest.param.rsqlParamSyntax")
        word = self.tokens.pop(0)[1]
        if word[0] in "'\"":
            word = word[1:-1]
        # An escaped star is no wildcard.
        return re.sub(r"\\(.)", lambda m: "\0" if m[1] == "*" else m[1], word).replace("\0", "\ue000")


def _pattern(value: str) -> re.Pattern[str]:
    parts = (re.escape(part.replace("\ue000", "*")) for part in value.lower().split("*"))
    return re.compile(".*".join(parts), re.DOTALL)
