"""Operations on packages. Uploads are read in pieces, hashed and counted; the content is not kept."""

import hashlib
from email.message import Message
from http import HTTPStatus

from starlette.requests import Request

from reconciler.embedded.context import Context
from reconciler.embedded.errors import CallRefused
from reconciler.embedded.forms import UploadForm
from reconciler.embedded.tables import packages, settings
from reconciler.embedded.tables.packages import Package
from reconciler.embedded.wire import Json, ReceivedCall, check_text, filters, page

MAX_DESCRIPTION = 128


class _Content:
    """A file as it comes in: hashed and counted. CallRefused when it is larger than `limit`."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.size = 0
        self.digest = hashlib.sha256()

    def take(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.limit is not None and self.size > self.limit:
            raise _too_large(self.limit)
        self.digest.update(piece)


def get(call: ReceivedCall) -> Json:
    """Get Package Information."""
    return _shown(packages.find(call.db, call.path["uuid"], until=call.shown_ms))


def _shown(package: Package) -> Json:
    return {
        "description": package.description,
        "id": package.id,
        "createdBy": package.created_by,
        "createdOn": str(package.created_ms),
        "name": package.name,
    }


def listing(call: ReceivedCall) -> Json:
    """List Packages, oldest first; `name` matches as part."""
    (name,) = filters(call.query, "name")
    part = page(call.query, settings.load(call.db).max_page_size)
    total, found = packages.listing(call.db, part, name, exact=call.context.speech.exact, until=call.shown_ms)
    return part.answer(total, "programs", [_shown(package) for package in found])


def delete(call: ReceivedCall) -> Json:
    """Delete a Package."""
    packages.delete(call.db, call.path["uuid"])
    return {}


async def upload_multipart(context: Context, request: Request) -> Json:
    """Upload Package Multipart: a part `file` with a file name, and perhaps a part `description`."""
    with context.store.transaction(write=False) as db:
        limit = settings.load(db).max_multipart_bytes
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit)
    content = _Content(limit)
    form = UploadForm(request.headers.get("content-type", ""), content.take)
    await form.read(request.stream())
    description = form.fields.get("description", "")
    _check(form.filename, description)
    return _store(context, form.filename, description, content)


def _too_large(limit: int) -> CallRefused:
    return CallRefused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A multipart upload is limited to {limit} bytes; stream it."
    )


async def upload_stream(context: Context, request: Request) -> Json:
    """Upload Package Streaming: the body is the file; its name is in a header, `description` in the query."""
    header = Message()
    header["content-disposition"] = request.headers.get("content-disposition", "")
    name = header.get_filename("")
    if not name:
        raise CallRefused(
            400, 'A streaming upload needs the file name: Content-Disposition: attachment; filename="…".'
        )
    description = request.query_params.get("description", "")
    _check(name, description)
    content = _Content()
    async for piece in request.stream():
        content.take(piece)
    return _store(context, name, description, content)


def _check(name: str, description: object) -> None:
    check_text(name, "The file name")
    if len(check_text(description, "`description`")) > MAX_DESCRIPTION:
        raise CallRefused(400, f"`description` is longer than {MAX_DESCRIPTION} characters.")


def _store(context: Context, name: str, description: str, content: _Content) -> Json:
    package = Package(
        id=context.new_id(),
        name=name,
        description=description,
        created_by=context.user,
        created_ms=context.now_ms(),
        size=content.size,
        sha256=content.digest.hexdigest(),
    )
    with context.store.transaction(write=True) as db:
        packages.insert(db, package)
    return {"uuid": package.id}
