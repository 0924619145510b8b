"""Objects in an S3 bucket, by way of obstore, and clear words when they can't be read or written.

A write is made only if the object is as expected: not there, or of that tag. obstore repeats what failed on
the way; a repetition of a write that had arrived finds the object changed, by itself.

| status        | obstore raises                          | which means                        |
|---------------|-----------------------------------------|------------------------------------|
| 401, 403      | UnauthenticatedError, PermissionDenied… | these credentials may not          |
| 404           | FileNotFoundError                       | no such object, or no such bucket  |
| 404 (replace) | PreconditionError                       | the same                           |
| 409, 412      | AlreadyExistsError, PreconditionError   | somebody else wrote the object     |
| any (list)    | GenericError                            | what a HEAD of the bucket is told  |
| else, or none | GenericError                            | the server fails, or the way to it |

What is done about an error hangs on its type alone, and what that leaves open is asked of the bucket itself.
Its text is for people.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from reconciler.errors import ReconcilerError, StateError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

_T = TypeVar("_T")

OPTIONS: Final = (
    "region",
    "endpoint",
    "virtual_hosted_style_request",
    "server_side_encryption",
    "sse_kms_key_id",
    "sse_bucket_key_enabled",
)
"""What of obstore's settings may stand in a URL."""
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_AT_ONCE: Final = 16
_RETRY: Final[RetryConfig] = {"max_retries": 5, "retry_timeout": timedelta(seconds=20)}
_TIMES: Final[ClientConfig] = {"timeout": "20s", "connect_timeout": "5s"}
_SAID = re.compile(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>")
_STATUS = re.compile(r"status code: (\d{3} [^:\n]*)")
_CAUSE = re.compile(r"[Ee]rror(?: performing [A-Z]+ \S+ in [^,]*?)?(?:, after [^-]*)? - (.*)")

_LIST: Final = "list"

_MISSING: Final = (FileNotFoundError, NotFoundError)
_DENIED: Final = (PermissionDeniedError, UnauthenticatedError)
_OTHERS_WROTE: Final = (AlreadyExistsError, PreconditionError)
_FAILED: Final = (BaseError, FileNotFoundError)
"""All that obstore raises."""
_BUCKET: Final = ""
"""The key of the bucket itself."""


class BucketTrouble(StrEnum):
    """What is wrong when nothing can be read or written, and what to do about it."""

    NO_BUCKET = "Make that bucket, or correct the URL of the state."
    NO_OBJECT = "Somebody removed it while this run used it: put it back, or run `apply --adopt`."
    DENIED = (
        "Are these the right credentials, and is the clock right? Then let them s3:ListBucket on the bucket,"
        " and s3:GetObject, s3:PutObject and s3:DeleteObject on what begins with that key."
    )
    OTHER = (
        "Is the endpoint right, and is there a way to it? Credentials are taken from AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY, from a web identity, or from the machine's role."
    )


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it was read; ``modified`` is when the server says that it was written (whole seconds)."""

    data: bytes
    tag: str
    modified: float


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a list."""

    key: str
    modified: float


class Bucket:
    """The bucket of that name. Credentials are those of the environment; `options` as in `OPTIONS`."""

    def __init__(self, name: str, options: Mapping[str, str], *, url: str) -> None:
        self._url = url
        config: S3Config = {**options}  # type: ignore[typeddict-item]  # checked by obstore
        endpoint = options.get("endpoint") or next(filter(None, map(os.environ.get, _ENDPOINTS)), "")
        # Without TLS only where somebody wrote it so.
        client: ClientConfig = {**_TIMES, "allow_http": endpoint.startswith("http://")}
        try:
            self._store = S3Store(name, config=config, client_options=client, retry_config=_RETRY)
        except (BaseError, ValueError) as error:
            raise ReconcilerError(
                f"the s3: URL of the state has an option that can't be used: {_first_line(error)}",
                hint=f"Known are {', '.join(OPTIONS)} and lease.",
            ) from error

    def get(self, key: str) -> StoredObject | None:
        """The object; None when there is none."""

        def get() -> StoredObject:
            result = obstore.get(self._store, key)
            meta = result.meta
            return StoredObject(bytes(result.bytes()), meta["e_tag"] or "", meta["last_modified"].timestamp())

        return self._unless_missing("read", key, get)

    def get_all(self, keys: Sequence[str]) -> list[bytes] | None:
        """What is in the objects, in that order; None when one of them isn't there any more."""
        with ThreadPoolExecutor(min(_AT_ONCE, len(keys) or 1)) as pool:
            found = list(pool.map(self.get, keys))
        data = [each.data for each in found if each]
        return data if len(data) == len(keys) else None

    def look(self, key: str) -> tuple[str, float] | None:
        """Tag of the object, and when it was written; None when there is none."""

        def head() -> tuple[str, float]:
            meta = obstore.head(self._store, key)
            return meta["e_tag"] or "", meta["last_modified"].timestamp()

        return self._unless_missing("read", key, head)

    def create(self, key: str, data: bytes) -> str | None:
        """Writes a new object; its tag, or None when there is one already."""
        with self._explained("write", key):
            try:
                put = obstore.put(self._store, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return None
            return put["e_tag"] or ""

    def replace(self, key: str, data: bytes, tag: str) -> str | None:
        """Writes the object over that of `tag`; its new tag, or None when that one isn't there any more."""
        with self._explained("write", key):
            try:
                put = obstore.put(self._store, key, data, mode={"e_tag": tag}, use_multipart=False)
            except _OTHERS_WROTE:
                return None
            return put["e_tag"] or ""

    def put(self, key: str, data: bytes) -> None:
        """Writes the object, whatever was there."""
        with self._explained("write", key):
            obstore.put(self._store, key, data, use_multipart=False)

    def copy(self, key: str, to: str) -> None:
        """Copies the object within the bucket."""
        with self._explained("copy", key):
            obstore.copy(self._store, key, to)

    def list(self, prefix: str, *, after: str | None = None) -> list[Listed]:
        """The objects below `prefix`, sorted by key; only those behind the key `after`."""
        with self._explained(_LIST, prefix):
            found = obstore.list(self._store, prefix, offset=after).collect()
        return sorted(
            (Listed(meta["path"], meta["last_modified"].timestamp()) for meta in found),
            key=lambda listed: listed.key,
        )

    def delete(self, keys: Sequence[str]) -> None:
        """Removes the objects, those that are there."""
        if keys:
            with self._explained("remove", keys[0]):
                obstore.delete(self._store, keys)

    def _unless_missing(self, doing: str, key: str, work: Callable[[], _T]) -> _T | None:
        with self._explained(doing, key):
            try:
                return work()
            except _MISSING:
                # A key that isn't there is an answer, a bucket that isn't is a mistake.
                if self._asked() is BucketTrouble.NO_BUCKET:
                    raise
                return None

    @contextmanager
    def _explained(self, doing: str, key: str) -> Iterator[None]:
        """Turns what obstore raises into a StateError."""
        try:
            yield
        except _FAILED as error:
            raise StateError(
                f"can't {doing} {key} of the state {self._url}: {_why(error)}",
                hint=self._trouble(error, listing=doing == _LIST).value,
            ) from error

    def _trouble(self, error: BaseException, *, listing: bool) -> BucketTrouble:
        match error:
            case FileNotFoundError() | NotFoundError():
                return self._asked() or BucketTrouble.NO_OBJECT
            case PermissionDeniedError() | UnauthenticatedError():
                return BucketTrouble.DENIED
            case GenericError() if listing:
                return self._asked() or BucketTrouble.OTHER
        return BucketTrouble.OTHER

    def _asked(self) -> BucketTrouble | None:
        """What is wrong with the bucket itself; None when nothing is, or nobody can tell."""
        try:
            obstore.head(self._store, _BUCKET)
        except _MISSING:
            return BucketTrouble.NO_BUCKET
        except _DENIED:
            return BucketTrouble.DENIED
        except BaseError:  # also that a bucket has no tag, as an object would
            return None
        return None


def _why(error: BaseException) -> str:
    """What the server said, or what happened on the way; obstore's own words are many lines."""
    text = str(error)
    if said := _SAID.search(text):
        return f"{said[1]}: {said[2]}"
    if status := _STATUS.search(text):
        return status[1].strip()
    line = _first_line(error)
    cause = _CAUSE.search(line)
    return cause[1] if cause else line


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
