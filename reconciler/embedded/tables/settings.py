"""What an organization has switched on, and the tokens that were handed out."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Final

MAX_TOKENS = 1000

# What the reference asks for, operation by operation.
PERMISSIONS: Final = frozenset(
    {
        *(
            f"{verb}_CAMPAIGN"
            for verb in ("APPROVE", "CREATE", "DELETE", "EDIT", "SCHEDULE", "START", "STOP")
        ),
        *(f"{verb}_PACKAGE" for verb in ("CREATE", "DELETE")),
        *(f"VIEW_{kind}" for kind in ("CAMPAIGN", "PACKAGE")),
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """`/_embedded/settings`, all but `record`: kept in the database."""

    approval_needed: bool = False
    reapprove_after_edit: bool = False
    rerun_after_edit: bool = False
    max_page_size: int = 1000
    max_multipart_bytes: int = 1 << 30
    max_recorded_calls: int = 10_000


def load(db: sqlite3.Connection) -> Settings:
    known = {field.name for field in fields(Settings)}
    rows = db.execute("SELECT key, value FROM settings")
    return Settings(**{key: json.loads(value) for key, value in rows if key in known})


def save(db: sqlite3.Connection, settings: Settings) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)",
        [(key, json.dumps(value)) for key, value in asdict(settings).items()],
    )


def add_token(db: sqlite3.Connection, kind: str, token: str, now_ms: int) -> None:
    """Remember a token by its digest; the oldest beyond `MAX_TOKENS` are forgotten."""
    row = (kind, _digest(token), now_ms)
    seq = db.execute("INSERT INTO tokens (kind, digest, created_ms) VALUES (?, ?, ?)", row).lastrowid or 0
    db.execute("DELETE FROM tokens WHERE seq <= ?", (seq - MAX_TOKENS,))


def is_access_token(db: sqlite3.Connection, token: str) -> bool:
    query = "SELECT 1 FROM tokens WHERE kind = 'access' AND digest = ?"
    return db.execute(query, (_digest(token),)).fetchone() is not None


def revoke_tokens(db: sqlite3.Connection) -> int:
    return db.execute("DELETE FROM tokens").rowcount


def save_permissions(db: sqlite3.Connection, granted: Mapping[str, Sequence[str]]) -> None:
    """Token → what it may do, in the place of all that were there; kept by digest."""
    db.execute("DELETE FROM token_permissions")
    db.executemany(
        "INSERT INTO token_permissions (digest, permissions) VALUES (?, ?)",
        [(_digest(token), json.dumps(names)) for token, names in granted.items()],
    )


def permissions(db: sqlite3.Connection, token: str) -> frozenset[str] | None:
    """What a token may do; None for one that has no limits of its own."""
    query = "SELECT permissions FROM token_permissions WHERE digest = ?"
    row = db.execute(query, (_digest(token),)).fetchone()
    return None if row is None else frozenset(json.loads(row["permissions"]))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
