"""Findings: the codes that they have, and the one place where a stage gathers them.

Codes are public and stable: reports, SARIF and the documentation list them from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from reconciler.model import Finding, Place, ResourceId, Severity
from reconciler.text import plural

WAIVER_OVER: Final = "waiver-over"
"""The code of the finding that the time of a waiver is over."""

_LOADING = {
    "file-not-found": "A path that was given does not exist.",
    "unreadable-file": "A file or folder cannot be read: no permission, or not a regular file.",
    "empty-folder": "A folder that was given holds no YAML file.",
    "skipped-file": "A file that looks like resources is not read, because it ends otherwise or is none.",
    "empty-file": "A file holds no document.",
    "lfs-pointer": "A file is a pointer of Git LFS or git-annex, not the content that it stands for.",
    "web-page": "A file is a page or an error of a web server in place of its content.",
    "merge-conflict": "A file holds the markers of a merge that nobody resolved.",
    "not-utf8": "A file is not UTF-8 text.",
    "binary-file": "A file holds NUL bytes, so it isn't text.",
    "control-character": "A character that YAML does not allow, or that readers take for a line break.",
    "tab-indentation": "A line is indented with a tab.",
    "yaml-syntax": "The text is not YAML.",
    "yaml-alias": "An alias (`*name`) or a merge key (`<<`): the value must be written out.",
    "yaml-tag": "An explicit tag (`!name`) that asks for more than plain YAML.",
    "duplicate-key": "A key appears twice in one mapping.",
    "non-string-key": "A key is not text.",
    "too-deep": "Lists and mappings are nested deeper than 100.",
    "not-a-mapping": "A document is a list or a single value where a resource belongs.",
    "misplaced-project": "A Project document stands among the resources.",
    "another-project": "A folder that was given holds a project file of its own, which is not used.",
    "passed-over": "Without a project file: YAML of something else, which isn't a resource, is not read.",
    "overlay-alone": "An overlay was given where resources belong; it is left out.",
}

_OVERLAYS = {
    "overlay-without-resource": "An overlay is for a resource that does not exist.",
    "duplicate-overlay": "An overlay is read twice, or changes one resource twice.",
}

_SETS = {
    "bad-placeholder": "A placeholder of a template has no name, isn't closed, or stands in a key.",
    "unknown-placeholder": "A placeholder names what no row of a generator has.",
    "missing-value": "A row has no value for a placeholder.",
    "bad-value": "A value of a row can't be filled in.",
    "odd-value": "A value of a row looks like a number that a spreadsheet rounded.",
    "unused-value": "No placeholder of the template uses a value of the rows.",
    "duplicate-value": "Both generators of a matrix have a value of one name.",
    "bad-table": "A file of rows is not CSV, or its columns can't be told apart.",
    "empty-generator": "A generator of a set has no rows.",
    "fixed-name": "The name in a template is the same for each row.",
    "set-too-large": "A set has more rows, or more text, than is read.",
}

_VALIDATION = {
    "unknown-api-version": "The `apiVersion` is not one that this version reads.",
    "unknown-kind": "The `kind` is not one of the kinds of resource.",
    "unknown-field": "A field that does not belong there.",
    "missing-field": "A required field is left out.",
    "exactly-one-of": "Of several fields, exactly one must stand.",
    "null-value": "A field has no value.",
    "wrong-type": "A value is of another type than belongs there.",
    "ambiguous-scalar": "A plain value that some YAML readers take for something other than text.",
    "unknown-value": "A value that is not one of the allowed ones.",
    "bad-format": "Text is not of the form that belongs there.",
    "too-short": "Text or a list is shorter than allowed.",
    "too-long": "Text is longer than allowed.",
    "out-of-range": "A number is too small or too large.",
    "reserved-gateway-id": "A gateway id that the server uses for something else.",
    "bad-gateway-id": "A gateway id is empty or too long, in spaces or quotes, or has invisible characters.",
    "duplicate-gateway": "A gateway appears twice in one list.",
    "duplicate-item": "A value appears twice in one list.",
    "duplicate-resource": "Two resources of one kind have one name.",
    "duplicate-campaign-name": "Two campaigns have one name on the server.",
    "dangling-reference": "A resource refers to one that does not exist.",
    "references-not-checked": "References may lead into a file, or to a resource, that could not be read.",
    "plain-secret": "A value in plain text under a key that smells of a secret.",
    "invisible-character": "Text holds a character that nobody sees, so that it looks like other text.",
    "more-findings": "A document has more findings than are listed.",
    "url-with-credentials": "A server URL holds a user name or a password.",
}

_PROJECT = {
    "empty-flag": "A flag was given an empty value.",
    "two-project-files": "A folder with two project files, such as `reconciler.yaml` and `reconciler.yml`.",
    "bad-project-file": "A project file that does not hold exactly one document.",
    "unknown-environment": "The environment that was asked for is not one of the project's.",
    "bad-setting": "A setting that this kind of server cannot use.",
    "missing-url": "No server is named where one has to be.",
    "bad-url": "The URL of a server or a state cannot be used.",
    "plain-http": "Credentials would travel over plain http to another machine.",
    "state-in-ci": "The state is a file, and CI is set: a runner forgets it.",
    "bad-trusted-host": "An entry of `RECONCILER_TRUSTED_HOSTS` isn't a host.",
    "untrusted-host": "A secret would go to a host that only the project file names.",
    "reserved-variable": "A secret is named that belongs to this tool, to CI or to another tool.",
    "untrusted-command": "A command would be run that only the project file names.",
    "untrusted-file": "A file outside of the project would be read that only the project file names.",
}

_RESOLVING = {
    "bad-path": "A path in a resource is absolute or has control characters.",
    "outside-project": "A path leads out of the project, perhaps behind a link.",
    "private-path": "A path leads into `.git` or `.reconciler`, perhaps behind a link.",
    "missing-file": "A file that is referred to does not exist.",
    "empty-package": "A package file is empty.",
    "wrong-sha256": "A package file does not have the pinned digest.",
    "package-too-large": "A package file is too large for the upload that was asked for.",
    "bad-file-name": "No gateway could get a file of that name from this kind of server.",
    "force-after": "`force: after` and the time from which on gateways have to update belong together.",
    "force-and-only": "What is only downloaded is never forced.",
    "bad-package-name": "A package name is blank, too long, or has control characters.",
    "duplicate-package": "A package appears twice in one set.",
    "package-conflict": "The same content is declared with another name, description or upload.",
    "bad-id-file": "A file of gateway ids is neither text nor CSV with a `gatewayId` column.",
    "gateway-spelling": "Two gateway ids differ in case, width or the like only: probably one device.",
    "odd-gateway-id": "A gateway id looks like several, or like what an editor or a spreadsheet made of one.",
    "unknown-timezone": "The time zone is not in the tz database.",
    "time-format": "A time is not ISO 8601, or has no time of day.",
    "time-range": "A time lies before 1970 or after 9999.",
    "time-without-zone": "A local time without an offset, in a schedule without a time zone.",
    "time-skipped": "A local time that a change of clocks skips.",
    "time-doubled": "A local time that happens twice at a change of clocks.",
    "end-before-begin": "A window does not end after it begins.",
    "phases-out-of-order": "A phase begins before the one that comes first.",
    "unsupported-field": "A field that this kind of server does not have.",
    "unknown-state": "A state of a gateway that is not known.",
    "missing-secret": "A secret is not set, or is empty.",
    "bad-secret": "A secret cannot be sent: control characters, or far too long.",
    "thing-outside-list": "Things are given for a gateway that is not in the list.",
    "no-things": "A campaign is to run on things, and its lists have none.",
    "override-overlap": "Two overrides give one gateway different packages.",
    "schedule-overlap": "Two schedules give one gateway the same phase.",
    "window-empty": "A daily window of a calendar begins and ends at the same time.",
    "never-open": "A calendar is never open, or never as long as a schedule wants it.",
    "calendar-without-windows": "A schedule names a calendar that has no windows, so there is no next one.",
    "freeze-backwards": "A freeze does not end after it begins.",
    "wave-name-twice": "Two waves of a policy have one name.",
    "wave-selector": "A wave says in two ways who is meant.",
    "wave-shrinks": "A wave takes no more than an earlier one of the same gateways.",
    "check-header": "A header of a check cannot be sent, or is not a policy's to set.",
    "check-kind": "A check asks neither Prometheus nor HTTP, or both.",
    "check-limits": "No number is within the limits of a check.",
    "check-name-twice": "Two checks of a policy have one name.",
    "wave-empty": "A wave has no gateways in a campaign.",
    "canary-not-members": "None of the gateways that a wave means is in the campaign.",
    "unknown-wave": "An approval names a wave that the policy does not have.",
    "unknown-column": "A policy names a column that no CSV file of the campaign has.",
    "rollback-of-nothing": "A campaign is the way back from one that has no rollout or is a way back itself.",
    "rollback-not-stopped": "A rollout that there is a way back from would not stop its campaign.",
    "rollback-twice": "Two campaigns are the way back from the same one.",
    "rollback-with-lists": "A campaign that is a way back says itself whose it is.",
    "rollback-stands-by": "A way back is not needed: the rollout that it is for is not aborted.",
    "rollback-waits": "A way back waits until the campaign that it is for has stopped.",
    "rollback-under-way": "A campaign waits while the way back from it is under way.",
    "pace-missing": "A rehearsal that was given is not of a campaign that has a rollout.",
    "pace-changed": "A rehearsal that was given is of other waves.",
    "clock-skew": "The clock of the server and that of this machine are far apart.",
    "rollout-without-lists": "A campaign has a rollout, but no lists of gateways.",
    "rollout-with-distribution-list": "A campaign has a rollout and a distribution list that adds gateways.",
    "rollout-pauses": "Each wave of a rollout would stop its campaign for those who join.",
    "rollout-partial": "The waves of a rollout leave gateways out.",
    "after-without-rollout": "A policy names a campaign that comes before, and that has no rollout.",
    "rollout-cycle": "Policies come after each other, so that none of their campaigns ever begins.",
    "timezone-missing": "A calendar is read in the zone of each gateway, and some have none.",
    "timezone-conflict": "A gateway is in lists of different time zones.",
    "gateway-outside": "An override, schedule or closed id is for a gateway outside the campaign's lists.",
}

_PLANNING = {
    "not-ours": "A live campaign of a declared name belongs to somebody else.",
    "ambiguous-name": "Several live campaigns have a declared name.",
    "name-taken": "A campaign is to be renamed to a name that another live one has.",
    "package-not-found": "The server has no package of that id or name.",
    "ambiguous-package": "Several live packages could be the one that is declared.",
    "not-allowed": "The server takes no such change of a campaign in its status.",
    "server-keeps-otherwise": "The server keeps something other than what was sent; it is not sent again.",
    "unknown-status": "A live campaign has a status that this version does not know.",
    "interval-needed": "A distribution list is to be set, and nothing says how often it is evaluated.",
    "fixed-field": "A field is to change that this kind of server never changes.",
    "still-busy": "The server is still at work on a campaign, and the next run sees what becomes of it.",
    "ended": "A campaign is to run that was stopped or denied for good.",
    "held": "Somebody stopped a campaign that was started by this project: it is left stopped.",
    "waiting-for-approval": "A campaign cannot start before somebody approves it.",
    "assumed": "A value that cannot be read is taken to be as declared.",
    "not-exported": "A live campaign can't be declared, so an export leaves it out.",
    "stale-export": "A file is from an earlier export, and no longer part of it.",
    "secret-not-compared": "Whether a secret changed can't be told without its value.",
    "may-lose-settings": "An edit could wipe settings that this project does not know.",
    "guard-tripped": "A plan is beyond a guard: `apply` sends nothing of it, unless the guard is waived.",
    "guard-waived": "A plan is beyond a guard, and somebody said why it may go on.",
    "waiver-not-needed": "A guard was waived that the plan does not trip.",
    "environment-without-project": "An environment is chosen, and there is no project file that has any.",
    WAIVER_OVER: "The time of a waiver in the project file is over: it waives nothing any more.",
    "waiver-for-nobody": "A waiver in the project file names a campaign that is not declared.",
    "cannot-undo": "Something is no longer declared, and the server cannot take it back.",
    "package-kept": "An uploaded package keeps its name and description: no server can change them.",
    "expired": "A window has ended, and is not sent.",
    "not-a-member": "A schedule is for gateways that are not in the campaign.",
    "override-kept": "Overrides are no longer managed, and stay.",
    "unknown-outcome": "An answer was unclear for something that must not be done twice.",
    "membership-by-distribution-list": "Undeclared gateways stay, because a distribution list decides.",
    "may-come-back": "A gateway leaves a campaign whose distribution list may add it again.",
    "not-declared": "Something of ours is no longer declared, and stays without `--prune`.",
    "earlier-revisions-left": "A campaign of ours is gone, and earlier revisions of it go on.",
    "not-answering": "A campaign of ours is listed, but the server does not answer for its id.",
    "possible-duplicate": "Something may have been made twice: somebody has to say which one stays.",
    "perhaps-ours": "What an interrupted call of ours may have made is there, and no longer declared.",
    "abandoned": "Something of ours is no longer declared, and is given up.",
    "upload-kept": "A package is no longer declared, and its PackageSet keeps it for a way back.",
    "package-in-use": "A package is no longer declared, and stays while it is used.",
    "prune-needs-whole-project": "Nothing is deleted while only a part of the project is given.",
    "unknown-target": "A target that is neither declared nor known to the state.",
    "empty-selection": "No campaign is chosen by the targets and selectors that were given.",
    "needs-target": "A targeted campaign cannot be changed without another one that is not targeted.",
    "stale-plan": "Something that a plan touches is not as it was when the plan was made.",
    "altered-plan": "A plan file was altered or cut off, or is none.",
    "foreign-plan": "A plan file is of another server, environment, state or version of the format.",
    "applied-plan": "A plan file was applied before, wholly or in part.",
    "rollout-aborted": "A rollout stands aborted: nobody else is released until a person says so.",
    "rollout-changed": "What a rollout gives its gateways was changed while some are in.",
    "rollout-paused": "A rollout is paused until a person goes on with it.",
    "run-failed": "A run ended with an error; the message says which.",
}

CODES: Mapping[str, str] = MappingProxyType(
    {**_LOADING, **_OVERLAYS, **_SETS, **_VALIDATION, **_PROJECT, **_RESOLVING, **_PLANNING}
)
"""Code → what it means."""


@dataclass(slots=True)
class Findings:
    """Gathers what a stage finds; nothing stops at the first. Sorted once, when all of it is there."""

    found: list[Finding] = field(default_factory=list)
    errors: int = 0
    """How many of them are errors."""

    @property
    def failed(self) -> bool:
        """Whether any of them is an error."""
        return self.errors > 0

    def add(self, found: Iterable[Finding]) -> None:
        """More findings, from somebody who has made them already."""
        for finding in found:
            self.found.append(finding)
            self.errors += finding.is_error

    def error(
        self,
        code: str,
        message: str,
        place: Place | None = None,
        hint: str | None = None,
        resource: ResourceId | None = None,
    ) -> None:
        """Something that has to be fixed."""
        self.add([Finding(code, message, place, hint, resource)])

    def warning(
        self,
        code: str,
        message: str,
        place: Place | None = None,
        hint: str | None = None,
        resource: ResourceId | None = None,
    ) -> None:
        """Something that is probably not meant."""
        self.add([Finding(code, message, place, hint, resource, Severity.WARNING)])

    def note(
        self,
        code: str,
        message: str,
        place: Place | None = None,
        hint: str | None = None,
        resource: ResourceId | None = None,
    ) -> None:
        """Something to know."""
        self.add([Finding(code, message, place, hint, resource, Severity.NOTE)])

    def sorted(self) -> tuple[Finding, ...]:
        """All of them, in the order of their places."""
        return tuple(sorted(self.found, key=Finding.sort_key))


MOST_SHOWN: Final = 1_000
"""How many findings a report lists."""


def once_a_set(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Of what differs in its rows only, the first one, which says how many more there are."""
    rows: dict[Finding, list[Finding]] = {}
    for finding in findings:
        if finding.place is None or not finding.place.rows:
            yield finding
        else:
            same = replace(finding, place=replace(finding.place, rows=()), resource=None)
            rows.setdefault(same, []).append(finding)
    for each in rows.values():
        first = min(each, key=Finding.sort_key)
        more = len(each) - 1
        said = f"{first.message}; so it is in {plural(more, 'more row')}"
        yield replace(first, message=said) if more else first


def first_of(findings: Iterable[Finding]) -> Sequence[Finding]:
    """The findings that a report lists, sorted by place: all, or `MOST_SHOWN` and how many more there are.

    Errors go before warnings, and those before notes: what is left out alone never stops a run. What is the
    same in many rows of a set is listed once.
    """
    found = sorted(once_a_set(findings), key=Finding.sort_key)
    if len(found) <= MOST_SHOWN:
        return found
    order = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
    kept = sorted(found, key=lambda each: order[each.severity])[:MOST_SHOWN]
    more = f"{len(found) - MOST_SHOWN:,} more findings are not listed"
    rest = Finding("more-findings", more, hint="fix these first", severity=Severity.NOTE)
    return [*sorted(kept, key=Finding.sort_key), rest]
