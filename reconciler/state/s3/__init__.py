"""State in an S3 bucket, or in what speaks like one and writes on conditions.

    state.json                      the snapshot, replaced by compare-and-swap
    state.json.journal/SERIAL/1…    what was recorded since that snapshot: segments of whole lines
    state.json.audit/1…             who did what: segments of whole lines, never removed
    state.json.lock                 who is writing, or wrote last
    state.json.backup               the snapshot before this one
    state.json.clock                written by who finds a lock, to learn what time the server has

A segment is created under the next number, once, and never changed: of two writers one fails. So the lock
is safe without a clock: who takes it from a holder that didn't leave by itself shuts that one out first. An
empty segment goes where its next one would, in journal and audit, and a new snapshot over the one it knows.
Whatever it sends afterwards, and however late that arrives, finds its place taken.

A reader takes no lock: it looks at the end whether the snapshot still is the one that it began with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from reconciler.errors import ReconcilerError
from reconciler.state.addresses import parse_address
from reconciler.state.base import LockInfo
from reconciler.state.leased import Holding, LeasedStore
from reconciler.state.leases import lease_seconds
from reconciler.state.s3.bucket import OPTIONS, Bucket
from reconciler.state.s3.locked import S3Holding
from reconciler.state.s3.reader import Lock, LockStatus, S3Reader
from reconciler.text import clean

_SECRET: Final = dict.fromkeys(
    ("access_key_id", "secret_access_key", "session_token"),
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_REGION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_HINT: Final = "Write s3://BUCKET/KEY, as in s3://my-bucket/reconciler/state.json?region=eu-central-1"


def open_s3(url: str) -> LeasedStore:
    """The store of an ``s3:`` URL."""
    address = parse_address(url, secret=_SECRET, hint=_HINT)
    key = address.path
    if not address.host or address.port or any(part in ("", ".", "..") for part in key.split("/")):
        raise ReconcilerError("the s3: URL of the state names no object in a bucket", hint=_HINT)
    if address.user is not None:
        raise ReconcilerError(
            "the s3: URL of the state holds credentials, which would show in reports",
            hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.",
        )
    options = dict(address.options)
    seconds = lease_seconds(options.pop("lease", None))
    _check(address.host, options)
    bucket = Bucket(address.host, options, url=address.url)
    remote = S3Backend(bucket, key, seconds, name=f"s3://{address.host}/{key}")
    return LeasedStore(remote, url=address.url, seconds=seconds)


def _check(bucket: str, options: Mapping[str, str]) -> None:
    """Bucket and region become parts of a host name, and an option we don't know may name another one."""
    if not _BUCKET.fullmatch(bucket):
        raise ReconcilerError("the s3: URL of the state names no bucket", hint=_HINT)
    if unknown := sorted(options.keys() - set(OPTIONS)):
        raise ReconcilerError(
            f"the s3: URL of the state has an option that can't be used: {clean(unknown[0])}",
            hint=f"Known are {', '.join(OPTIONS)} and lease.",
        )
    if not _REGION.fullmatch(options.get("region", "auto")):
        raise ReconcilerError("region= in the s3: URL of the state isn't a region", hint=_HINT)
    if (endpoint := options.get("endpoint")) is not None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or "\\" in endpoint:
            hint = "Write endpoint=https://HOST, without user name and password."
            raise ReconcilerError("endpoint= in the s3: URL of the state can't be used", hint=hint)


class S3Backend(S3Reader):
    """A `Backend` in a bucket."""

    def take(self, info: LockInfo) -> Holding | None:
        """See `Backend.take`."""
        before, found = self.lock()
        if before and found and self._runs(before, found):
            return None
        mine = Lock(info, self.seconds, LockStatus.HELD, before.audit if before else 0)
        if found:
            tag = self.bucket.replace(self.lock_key, mine.encoded(), found.tag)
        else:
            tag = self.bucket.create(self.lock_key, mine.encoded())
        if tag is None and (tag := self.tag_of(mine)) is None:
            return None
        return S3Holding(self, mine, tag, before)
