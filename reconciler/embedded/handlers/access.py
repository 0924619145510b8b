"""Versions and sign-in: the two calls that need no token."""

import base64
import binascii

from reconciler.embedded.context import Context, new_token
from reconciler.embedded.errors import CallRefused
from reconciler.embedded.tables import settings
from reconciler.embedded.wire import Json, ReceivedCall

API_VERSION = "0.17"


def versions(_: ReceivedCall) -> Json:
    return {"currentApiVersion": API_VERSION}


def tokens(call: ReceivedCall) -> Json:
    """Fresh tokens for HTTP Basic credentials; an open server gives them to anybody who signs in."""
    given = _basic(call.headers.get("authorization", ""))
    if given is None or not call.context.credentials.is_user(*given):
        raise CallRefused(401, "User name or password is wrong: sign in with HTTP Basic.")
    access, refresh = new_token(), new_token()
    now = call.context.now_ms()
    settings.add_token(call.db, "access", access, now)
    settings.add_token(call.db, "refresh", refresh, now)
    return {"accessToken": access, "refreshToken": refresh}


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, found, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (username, password) if found else None


def check_bearer(context: Context, header: str) -> frozenset[str] | None:
    """What the token of the header may do; None: everything. 401 for one that the server doesn't know.

    A server that is open takes any token, and none.
    """
    scheme, _, token = header.partition(" ")
    given = token if scheme.lower() == "bearer" else ""
    if context.credentials.is_token(given):
        return None
    if given:
        with context.store.transaction(write=False) as db:
            granted = settings.permissions(db, given)
            if granted is not None or settings.is_access_token(db, given):
                return granted
    if context.credentials.open:
        return None
    raise CallRefused(
        401, "The token is missing, wrong or no longer good: send Authorization: Bearer <accessToken>."
    )


def check_permission(granted: frozenset[str] | None, permission: str | None, *, control: bool) -> None:
    """403 for what a token may not do. The controls are for tokens without limits."""
    if granted is None:
        return
    if control:
        raise CallRefused(403, "A token with limited permissions may not use the controls of the server.")
    if permission is not None and permission not in granted:
        raise CallRefused(403, f"The permission {permission} is missing: the token does not have it.")
