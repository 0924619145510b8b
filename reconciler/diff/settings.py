"""Settings are compared with what the server tells. Where it tells nothing, with what was last applied:

| declared | recorded | campaign           | what happens                                  |
|----------|----------|--------------------|-----------------------------------------------|
| yes      | yes      | any                | keys that differ are changes                  |
| yes      | no       | ours before        | never written by us: all are sent             |
| yes      | no       | just being adopted | assumed to be so: recorded, not sent          |
| no       | any      | any                | not managed; an edit sends the recorded ones  |

An edit can wipe settings only where they can't be read. A value that the server tells is never shown where it
is, was or may be a secret.

A secret that can't be compared (not read, or its digest withheld) is no difference, and is said to be neither
that nor in sync.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reconciler.diff.view import View
from reconciler.model import (
    Change,
    DesiredCampaign,
    Finding,
    Json,
    Reason,
    Secret,
    SettingValue,
    Severity,
)
from reconciler.providers.base import Field
from reconciler.state.applied import (
    ASSUMED_SETTINGS,
    WITHHELD,
    changed_settings,
    known_plain,
    recorded_settings,
    untold_settings,
)
from reconciler.state.base import Event, FieldApplied, Origin
from reconciler.text import smells_secret


@dataclass(frozen=True, slots=True)
class SettingsDiff:
    """``send`` is what an edit carries; None where nothing is known, so that nothing is sent."""

    send: Mapping[str, SettingValue] | None = None
    changes: tuple[Change, ...] = ()
    lossy: Finding | None = None
    """Set when an edit could wipe settings that we don't know."""
    findings: tuple[Finding, ...] = ()
    records: tuple[Event, ...] = ()


def diff_settings(view: View) -> SettingsDiff:
    """Compare the settings of a live campaign of ours."""
    campaign, owned, salt = view.campaign, view.owned, view.salt
    assert owned is not None
    if view.readable(Field.SETTINGS):
        return _readable(view)
    recorded = owned.applied.get(Field.SETTINGS)
    if campaign.settings is None:
        return _unmanaged(campaign, recorded, owned.origin)
    lossy = None
    if owned.origin is Origin.ADOPTED and (recorded is None or ASSUMED_SETTINGS in owned.applied):
        lossy = _lossy(campaign, "it was adopted, and may have settings that YAML doesn't name")
    kept = recorded_settings(campaign.settings, salt, unread=WITHHELD)
    record = FieldApplied(campaign.resource, Field.SETTINGS, kept)
    if recorded is None and view.assuming(Field.SETTINGS):
        mark = FieldApplied(campaign.resource, ASSUMED_SETTINGS, True)
        return SettingsDiff(campaign.settings, (), lossy, (_assumed(view),), (record, mark))
    known = recorded if isinstance(recorded, Mapping) else {}
    differing = changed_settings(known, campaign.settings, salt)
    if view.reasserting(Field.SETTINGS):
        differing = frozenset(campaign.settings) | differing
    reason = view.why(Field.SETTINGS, known=recorded is not None)
    before = {key: shown_record(known[key]) for key in differing if key in known}
    after = {key: shown(campaign.settings[key]) for key in differing if key in campaign.settings}
    changes = tuple(
        Change(campaign.resource, f"{Field.SETTINGS}.{key}", before.get(key), after.get(key), reason)
        for key in sorted(differing)
    )
    untold = untold_settings(known, campaign.settings) - differing
    findings = (_untold(view, untold),) if untold else ()
    kept_otherwise = not differing and not untold and record.value != recorded
    return SettingsDiff(campaign.settings, changes, lossy, findings, (record,) if kept_otherwise else ())


def _readable(view: View) -> SettingsDiff:
    """The live settings tell what differs; nothing is assumed, and nothing lost."""
    campaign, owned = view.campaign, view.owned
    assert owned is not None
    if campaign.settings is None:
        return SettingsDiff()
    live = view.value(Field.SETTINGS, Field.SETTINGS)
    known = live if isinstance(live, Mapping) else {}
    differing = changed_settings(known, campaign.settings, view.salt) - _kept(view, campaign.settings, known)
    kept = owned.applied.get(Field.SETTINGS)
    secret = known_plain(kept)[1] | {k for k, v in campaign.settings.items() if isinstance(v, Secret)}
    before = {key: _shown_live(key, known[key], secret) for key in differing if key in known}
    after = {key: shown(campaign.settings[key]) for key in differing if key in campaign.settings}
    changes = tuple(
        Change(
            campaign.resource,
            f"{Field.SETTINGS}.{key}",
            before.get(key),
            after.get(key),
            Reason.DIFFERS,
        )
        for key in sorted(differing)
    )
    untold = untold_settings(known, campaign.settings) - differing
    return SettingsDiff(campaign.settings, changes, findings=(_untold(view, untold),) if untold else ())


def _kept(view: View, wanted: Mapping[str, SettingValue], there: Mapping[str, Json]) -> frozenset[str]:
    """Settings of which the server has what it makes of those that were last sent."""
    kept = view.owned.kept.get(Field.SETTINGS) if view.owned else None
    if not isinstance(kept, Mapping):
        return frozenset()
    assert view.owned is not None
    resent = changed_settings(view.owned.applied.get(Field.SETTINGS), wanted, view.salt)
    return frozenset(
        key
        for key, value in kept.items()
        if key not in resent and same_record(value, there.get(key), view.salt)
    )


def same_record(kept: Json, there: Json, salt: str) -> bool:
    """Whether a setting on the server, or none there (None), is as the state keeps it."""
    if kept is None or there is None:
        return kept is there
    plain = known_plain({"": there})[0]
    return bool(plain) and not changed_settings({"": kept}, plain, salt)


def _shown_live(key: str, live: Json, secret: Collection[str]) -> Json:
    if key in secret or smells_secret(key):
        return {"secret": "as on the server"}
    return shown_record(live)


def _unmanaged(campaign: DesiredCampaign, recorded: Json, origin: Origin) -> SettingsDiff:
    if not isinstance(recorded, Mapping):
        reason = "it was adopted, and its settings can't be read"
        return SettingsDiff(lossy=_lossy(campaign, reason) if origin is Origin.ADOPTED else None)
    plain, secret = known_plain(recorded)
    names = ", ".join(sorted(secret))
    lossy = _lossy(campaign, f"the secrets {names} are no longer declared") if secret else None
    return SettingsDiff(plain, lossy=lossy)


def shown(value: SettingValue) -> Json:
    """A setting as a change shows it: a secret only by where it comes from."""
    return {"secret": value.source} if isinstance(value, Secret) else value


def shown_record(record: Json) -> Json:
    """A setting as the state keeps it, as a change shows it."""
    plain = record.get("value") if isinstance(record, Mapping) else None
    return plain if isinstance(plain, str) else {"secret": "as last applied"}


def _lossy(campaign: DesiredCampaign, why: str) -> Finding:
    return Finding(
        "may-lose-settings",
        f"editing {campaign.resource} could wipe settings that we don't know: {why}",
        campaign.place_of("settings"),
        "declare every setting that the campaign needs",
        campaign.resource,
        Severity.WARNING,
    )


def _untold(view: View, keys: frozenset[str]) -> Finding:
    names = ", ".join(sorted(keys))
    return view.note(
        "secret-not-compared",
        f"can't tell whether the secret setting{'s' if len(keys) > 1 else ''} {names} changed:"
        " secrets are neither in a snapshot nor read to plan on one",
        Field.SETTINGS,
        "a plan that asks the server, with the secrets at hand, tells",
    )


def _assumed(view: View) -> Finding:
    message = "the settings can't be read; they are taken to be as declared, and not sent"
    return view.note("assumed", message, Field.SETTINGS, "send them with --reassert")
