"""Settings can be written but not read: they are compared with what was last applied.

| declared | recorded | origin  | what happens                                             |
|----------|----------|---------|----------------------------------------------------------|
| yes      | yes      | any     | keys that differ are changes                             |
| yes      | no       | created | never written: all are sent                              |
| yes      | no       | adopted | assumed to be so: recorded, not sent                     |
| no       | any      | any     | not managed; an edit sends the recorded ones, if it can  |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.diff.detail import details
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
from reconciler.state.applied import changed_settings, known_plain, recorded_settings
from reconciler.state.base import Event, FieldApplied, Origin, Owned


@dataclass(frozen=True, slots=True)
class SettingsDiff:
    """``send`` is what an edit carries; None where nothing is known, so that nothing is sent."""

    send: Mapping[str, SettingValue] | None = None
    changes: tuple[Change, ...] = ()
    lossy: Finding | None = None
    """Set when an edit could wipe settings that we don't know."""
    findings: tuple[Finding, ...] = ()
    records: tuple[Event, ...] = ()


def diff_settings(campaign: DesiredCampaign, owned: Owned, salt: str) -> SettingsDiff:
    """Compare the settings of a live campaign of ours."""
    recorded = owned.applied.get(Field.SETTINGS)
    adopted = owned.origin is Origin.ADOPTED
    if campaign.settings is None:
        return _unmanaged(campaign, recorded, adopted)
    if recorded is None and adopted:
        record = FieldApplied(campaign.resource, Field.SETTINGS, recorded_settings(campaign.settings, salt))
        return SettingsDiff(
            send=campaign.settings,
            lossy=_lossy(campaign, "it was adopted, and may have settings that YAML doesn't name"),
            findings=(_assumed(campaign),),
            records=(record,),
        )
    known = recorded if isinstance(recorded, Mapping) else {}
    differing = changed_settings(known, campaign.settings, salt)
    reason = Reason.NOT_RECORDED if recorded is None else Reason.DIFFERS
    before = {key: _shown_record(known[key]) for key in differing if key in known}
    after = {key: shown(campaign.settings[key]) for key in differing if key in campaign.settings}
    changes = tuple(
        Change(campaign.resource, f"{Field.SETTINGS}.{key}", old, new, reason)
        for key, old, new in (details(before, after) if differing else ())
    )
    return SettingsDiff(send=campaign.settings, changes=changes)


def _unmanaged(campaign: DesiredCampaign, recorded: Json, adopted: bool) -> SettingsDiff:
    if not isinstance(recorded, Mapping):
        reason = "it was adopted, and its settings can't be read"
        return SettingsDiff(lossy=_lossy(campaign, reason) if adopted else None)
    plain, secret = known_plain(recorded)
    if secret:
        names = ", ".join(sorted(secret))
        return SettingsDiff(send=plain, lossy=_lossy(campaign, f"the secrets {names} are no longer declared"))
    return SettingsDiff(send=plain)


def shown(value: SettingValue) -> Json:
    """A setting as a change shows it: a secret only by where it comes from."""
    return {"secret": value.source} if isinstance(value, Secret) else value


def _shown_record(record: Json) -> Json:
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


def _assumed(campaign: DesiredCampaign) -> Finding:
    return Finding(
        "assumed",
        f"the settings of {campaign.resource} can't be read; they are taken to be as declared, and not sent",
        campaign.place_of("settings"),
        None,
        campaign.resource,
        Severity.NOTE,
    )
