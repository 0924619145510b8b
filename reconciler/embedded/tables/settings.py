"""What an organization has switched on, and the tokens that were handed out."""

import hashlib
import json
import sqlite3
from dataclasses import asdict, dataclass, fields

MAX_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """`/_embedded/settings`, all but `record`: kept in the database."""

    approval_needed: bool = False
    reapprove_after_edit: bool = False
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


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
