"""A file that a person names on the command line, as a package to upload."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.model import Kind, PackageFile, Reason, ResourceId, UploadPackage
from reconciler.resolve.packages import MULTIPART_LIMIT, NAME_LIMIT, upload_mode


def upload_action(path: Path, name: str | None, description: str, upload: str) -> UploadPackage:
    """The upload of `path`; ReconcilerError when it can't be one."""
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise ReconcilerError(f"{path} can't be read: {error.strerror or error}") from error
    if not size:
        raise ReconcilerError(f"{path} is empty", hint="There is nothing to upload: was it built?")
    called = path.name if name is None else name
    if not called.strip() or len(called) > NAME_LIMIT or not called.isprintable():
        raise ReconcilerError(f"{called!r} can't be the name of a package", hint="Give it one with --name.")
    mode = upload_mode(upload, size)
    if mode is None:
        raise ReconcilerError(
            f"{path} has {size:,} bytes, but multipart takes {MULTIPART_LIMIT:,} at most",
            hint="Leave --upload out, or choose streaming.",
        )
    resource = ResourceId(Kind.PACKAGE_SET, called)
    found = PackageFile(sha256, path, called, size, resource, description, mode)
    return UploadPackage(resource, Reason.ASKED, found)
