"""The tables. `PRAGMA user_version` holds `VERSION`; older files are brought up to it, newer ones refused."""

from typing import Final

VERSION: Final = 2

# Gateways of a campaign are numbered on arrival (`position`, never used twice); a bucket counts the members
# among BUCKET neighbouring positions, so that page N of a million is found by adding up a thousand counts.
BUCKET: Final = 1024

_FIRST: Final = (
    "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE tokens (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, digest TEXT NOT NULL UNIQUE,
        created_ms INTEGER NOT NULL)""",
    """CREATE TABLE packages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
        description TEXT NOT NULL, created_by TEXT NOT NULL, created_ms INTEGER NOT NULL,
        size INTEGER NOT NULL, sha256 TEXT NOT NULL)""",
    """CREATE TABLE campaigns (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
        description TEXT NOT NULL, settings TEXT NOT NULL, status TEXT NOT NULL,
        made_under_approval INTEGER NOT NULL, created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL,
        next_position INTEGER NOT NULL DEFAULT 0,
        distribution_list_id TEXT, reevaluation_seconds TEXT)""",
    "CREATE INDEX campaigns_by_status ON campaigns (status)",
    """CREATE TABLE campaign_packages (
        campaign INTEGER NOT NULL REFERENCES campaigns (seq) ON DELETE CASCADE,
        position INTEGER NOT NULL, package TEXT NOT NULL REFERENCES packages (id),
        PRIMARY KEY (campaign, position)) WITHOUT ROWID""",
    "CREATE INDEX campaign_packages_by_package ON campaign_packages (package)",
    """CREATE TABLE callbacks (
        campaign INTEGER NOT NULL REFERENCES campaigns (seq) ON DELETE CASCADE,
        kind TEXT NOT NULL, destination TEXT NOT NULL, tracked_states TEXT NOT NULL,
        PRIMARY KEY (campaign, kind)) WITHOUT ROWID""",
    """CREATE TABLE gateways (
        campaign INTEGER NOT NULL REFERENCES campaigns (seq) ON DELETE CASCADE,
        position INTEGER NOT NULL, gateway_id TEXT NOT NULL, state TEXT NOT NULL,
        closed INTEGER NOT NULL DEFAULT 0, overridden INTEGER NOT NULL DEFAULT 0,
        notified INTEGER NOT NULL DEFAULT 0, changed_ms INTEGER NOT NULL, caused_by TEXT,
        downloaded TEXT, executed TEXT,
        PRIMARY KEY (campaign, position)) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX gateways_by_id ON gateways (gateway_id, campaign)",
    """CREATE TABLE gateway_buckets (
        campaign INTEGER NOT NULL REFERENCES campaigns (seq) ON DELETE CASCADE,
        bucket INTEGER NOT NULL, members INTEGER NOT NULL,
        PRIMARY KEY (campaign, bucket)) WITHOUT ROWID""",
    """CREATE TABLE gateway_packages (
        campaign INTEGER NOT NULL, gateway_id TEXT NOT NULL, position INTEGER NOT NULL,
        package TEXT NOT NULL REFERENCES packages (id),
        PRIMARY KEY (campaign, gateway_id, position),
        FOREIGN KEY (gateway_id, campaign) REFERENCES gateways (gateway_id, campaign) ON DELETE CASCADE
        ) WITHOUT ROWID""",
    "CREATE INDEX gateway_packages_by_package ON gateway_packages (package)",
    """CREATE TABLE schedules (
        campaign INTEGER NOT NULL, gateway_id TEXT NOT NULL, phase TEXT NOT NULL,
        begin_ms TEXT NOT NULL, end_ms TEXT NOT NULL,
        PRIMARY KEY (campaign, gateway_id, phase),
        FOREIGN KEY (gateway_id, campaign) REFERENCES gateways (gateway_id, campaign) ON DELETE CASCADE
        ) WITHOUT ROWID""",
    """CREATE TABLE things (
        campaign INTEGER NOT NULL, gateway_id TEXT NOT NULL, thing_id TEXT NOT NULL, runs INTEGER NOT NULL,
        PRIMARY KEY (campaign, gateway_id, thing_id),
        FOREIGN KEY (gateway_id, campaign) REFERENCES gateways (gateway_id, campaign) ON DELETE CASCADE
        ) WITHOUT ROWID""",
)

# A gateway that is at work in a started campaign has a line in the agenda: when it acts next, or NULL while
# it waits for a window that is not there. No line is left: the campaign is through.
_SIMULATION: Final = (
    """CREATE TABLE agenda (
        campaign INTEGER NOT NULL, gateway_id TEXT NOT NULL, due_ms INTEGER,
        PRIMARY KEY (campaign, gateway_id),
        FOREIGN KEY (gateway_id, campaign) REFERENCES gateways (gateway_id, campaign) ON DELETE CASCADE
        ) WITHOUT ROWID""",
    "CREATE INDEX agenda_by_due ON agenda (due_ms, campaign, gateway_id) WHERE due_ms IS NOT NULL",
    """CREATE TABLE evaluations (
        campaign INTEGER PRIMARY KEY REFERENCES campaigns (seq) ON DELETE CASCADE,
        due_ms INTEGER NOT NULL)""",
    "CREATE INDEX evaluations_by_due ON evaluations (due_ms, campaign)",
    "CREATE TABLE inventory (gateway_id TEXT PRIMARY KEY, attributes TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE inventory_attributes (
        name TEXT NOT NULL, value TEXT NOT NULL,
        gateway_id TEXT NOT NULL REFERENCES inventory (gateway_id) ON DELETE CASCADE,
        PRIMARY KEY (name, value, gateway_id)) WITHOUT ROWID""",
    "CREATE INDEX inventory_attributes_by_gateway ON inventory_attributes (gateway_id)",
    "CREATE TABLE distribution_lists (id TEXT PRIMARY KEY, filter TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE destinations (id TEXT PRIMARY KEY, url TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE deliveries (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, campaign_id TEXT NOT NULL, event TEXT NOT NULL,
        destination TEXT NOT NULL, payload TEXT NOT NULL, created_ms INTEGER NOT NULL, due_ms INTEGER,
        outcome TEXT NOT NULL, attempts TEXT NOT NULL)""",
    "CREATE INDEX deliveries_by_due ON deliveries (due_ms, seq) WHERE due_ms IS NOT NULL",
    "CREATE TABLE token_permissions (digest TEXT PRIMARY KEY, permissions TEXT NOT NULL) WITHOUT ROWID",
)

TABLES: Final = (*_FIRST, *_SIMULATION)

# Version of a file → what brings it up to `VERSION`.
UPGRADES: Final = {1: _SIMULATION}
