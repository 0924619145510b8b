"""A file that a person names on the command line, as a package to upload."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.model import Action, Kind, PackageFile, Reason, ResourceId, Verb
from reconciler.providers.base import Limits
from reconciler.resolve.packages import NAME_LIMIT, largest, upload_mode


def upload_action(path: Path, name: str | None, description: str, upload: str, limits: Limits) -> Action:
    """The upload of `path`; ReconcilerError when it can't be one, or none within `limits`."""
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise ReconcilerError(f"{path} can't be read: {error.strerror or error}") from error
    if not size:
        raise ReconcilerError(f"{path} is empty", hint="There is nothing to upload: was it built?")
    called = path.name if name is None else name
    if not called.strip() or len(called) > (limits.package_name or NAME_LIMIT) or not called.isprintable():
        raise ReconcilerError(f"{called!r} can't be the name of a package", hint="Give it one with --name.")
    mode = upload_mode(upload, size, limits)
    if mode is None:
        raise ReconcilerError(
            f"{path} has {size:,} bytes, but {upload} takes {largest(upload, limits):,} at most",
            hint="Leave --upload out, or choose streaming.",
        )
    resource = ResourceId(Kind.PACKAGE_SET, called)
    found = PackageFile(sha256, path, called, size, resource, description, mode)
    return Action(Verb.UPLOAD, resource, Reason.ASKED, file=found)
