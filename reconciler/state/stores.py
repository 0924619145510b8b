"""From the URL of a state to its store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from reconciler.errors import ReconcilerError
from reconciler.state.base import StateStore
from reconciler.trust.folders import checkout_of


def open_store(url: str, *, root: Path) -> StateStore:
    """The store that `url` names; paths in it are relative to `root`. Reads and writes nothing yet.

    ReconcilerError when no store knows the URL. The message never repeats a URL: it may hold a password.
    """
    scheme, colon, rest = url.partition(":")
    known = ", ".join(f"{name}:" for name in _STORES)
    if not colon:
        hint = f"Known are {known}; for a file write file:{url or 'PATH'}"
        raise ReconcilerError("the URL of the state names no kind of store", hint=hint)
    if scheme not in _STORES:
        hint = f"Known are {known}; for a file write file:PATH"
        raise ReconcilerError(f"there is no store for a state URL that begins with {scheme}:", hint=hint)
    return _STORES[scheme](rest, url, root)


def _file_store(rest: str, url: str, root: Path) -> StateStore:
    """``file:relative``, ``file:/absolute`` or, with percent escapes, ``file:///absolute``."""
    from reconciler.state.file import FileStore

    path = rest
    if rest.startswith("//"):
        from urllib.parse import unquote

        host, slash, below = rest[2:].partition("/")
        if host not in ("", "localhost"):
            hint = f"Write file:{host}/… for a relative path, file:///… for an absolute one."
            raise ReconcilerError(f"a file: URL can't name the host {host!r}", hint=hint)
        path = unquote(slash + below)
    if not path.strip("/") or "\0" in path:
        raise ReconcilerError(
            f"{url} names no file", hint="Write file:PATH, as in file:.reconciler/state.json"
        )
    return FileStore(root / path, url=url, home=checkout_of(root))


def _postgresql_store(_rest: str, url: str, _root: Path) -> StateStore:
    try:
        from reconciler.state.postgresql import open_postgresql
    except ImportError as error:
        raise _missing("postgresql", error) from error
    return open_postgresql(url)


def _s3_store(_rest: str, url: str, _root: Path) -> StateStore:
    try:
        from reconciler.state.s3 import open_s3
    except ImportError as error:
        raise _missing("s3", error) from error
    return open_s3(url)


def _missing(scheme: str, error: ImportError) -> ReconcilerError:
    """What is said when the library of an extra, which is called as the scheme is, can't be imported."""
    return ReconcilerError(
        f"a state in {scheme}: needs a library that can't be imported: {error}",
        hint=f"pip install 'reconciler[{scheme}]'",
    )


_STORES: Mapping[str, Callable[[str, str, Path], StateStore]] = MappingProxyType(
    {"file": _file_store, "postgresql": _postgresql_store, "s3": _s3_store}
)
"""Scheme → what opens such a store from the rest of the URL, the URL, and the root."""
