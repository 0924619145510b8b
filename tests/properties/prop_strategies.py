"""Random projects, and people who meddle: small on purpose, so that everything meets everything.

What is drawn here is what YAML could say: the rules across parts of a campaign (no gateway in two overrides,
no foreign gateways, …) are kept by `_consistent`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

from reconciler.model import (
    Assignment,
    Callback,
    CallbackEvent,
    Desired,
    DesiredCampaign,
    DesiredStatus,
    DistributionList,
    Joining,
    Kind,
    OnRemove,
    Override,
    PackageById,
    PackageByName,
    PackageFile,
    PackageRef,
    Place,
    ResourceId,
    SchedulePhase,
    Secret,
    Window,
    used_packages,
)
from reconciler.options import Options
from tests.world import NOW

HOUR = 3_600_000
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
"""All but the explanation of a counterexample, which takes longer than finding it."""


def examples(count: int) -> settings:
    """That many examples; `--hypothesis-profile dev` hunts with as many as the profile says."""
    hunting = settings.default is not None and settings.default.max_examples > 100
    return settings(max_examples=settings.default.max_examples if hunting else count, phases=PHASES)


NAMES = ("a", "b", "c")
GATEWAYS = tuple(f"g{n}" for n in range(1, 7))
CONTENTS = ("one", "two", "three")
VENDOR = "vendor-1"
"""The id of a package that was on the server before us; its name is `VENDOR_NAME`."""
VENDOR_NAME = "vendor.bin"
WINDOWS = {
    "ended": Window(NOW - 2 * HOUR, NOW - HOUR),
    "open": Window(NOW - HOUR, NOW + HOUR),
    "soon": Window(NOW + HOUR, NOW + 2 * HOUR),
    "later": Window(NOW + 3 * HOUR, NOW + 5 * HOUR),
}
PLACE = Place("project.yaml", 1, 1)


def file_of(content: str) -> PackageFile:
    """The package file that holds `content`, in the folder that the test runs in."""
    digest = sha256(content.encode()).hexdigest()
    resource = ResourceId(Kind.PACKAGE_SET, f"set-{content}")
    return PackageFile(digest, Path(f"{content}.bin"), f"{content}.bin", len(content), resource, place=PLACE)


FILES = tuple(map(file_of, CONTENTS))

gateways = st.integers(0, 2 ** len(GATEWAYS) - 1).map(
    lambda bits: frozenset(g for n, g in enumerate(GATEWAYS) if bits >> n & 1)
)
"""Any set of them, each as likely."""
refs: st.SearchStrategy[PackageRef] = st.sampled_from(
    [*FILES, *FILES, PackageById(VENDOR, PLACE), PackageByName(VENDOR_NAME, PLACE)]
)
packages = st.lists(refs, max_size=2, unique=True).map(tuple)
windows = st.sampled_from([*WINDOWS.values()])


@st.composite
def overrides(draw: st.DrawFn) -> tuple[Override, ...]:
    """Up to two, of gateways that are in one of them only."""
    first, second = draw(gateways), draw(gateways)
    found = (Override(first, draw(packages), PLACE), Override(second - first, draw(packages), PLACE))
    return found[: draw(st.sampled_from([2, 1, 2, 0]))]


@st.composite
def assignments(draw: st.DrawFn) -> tuple[Assignment, ...]:
    """One for every gateway, or up to two for gateways that are in one of them only."""
    per_phase = st.dictionaries(st.sampled_from(SchedulePhase), windows, min_size=1)
    if draw(st.booleans()):
        return (Assignment(draw(per_phase), None, PLACE),)
    first, second = draw(gateways), draw(gateways)
    found = (Assignment(draw(per_phase), first, PLACE), Assignment(draw(per_phase), second - first, PLACE))
    return found[: draw(st.sampled_from([2, 1, 2, 0]))]


@st.composite
def callbacks(draw: st.DrawFn) -> Mapping[CallbackEvent, Callback]:
    states = st.frozensets(st.sampled_from(["FAILED", "INSTANTIATED"]), min_size=1)
    return {
        event: Callback(
            draw(st.sampled_from(["d-1", "d-2"])),
            draw(states) if event is CallbackEvent.STATE_CHANGE else None,
        )
        for event in draw(st.frozensets(st.sampled_from(CallbackEvent), max_size=2))
    }


settings_of_campaigns = st.dictionaries(
    st.sampled_from(["K", "L"]),
    st.sampled_from(
        ["v1", "v2", Secret("environment variable S", "s1"), Secret("environment variable S", "s2")]
    ),
)
things = st.dictionaries(
    st.sampled_from(GATEWAYS), st.sampled_from([("t-1",), ("t-1", "t-2")]), min_size=1, max_size=3
)
distributions = st.builds(
    DistributionList, st.sampled_from(["dl-1", "dl-2"]), st.sampled_from([60, 3600, None])
)

FIELDS: Mapping[str, st.SearchStrategy[Any]] = {
    "description": st.sampled_from(["", "first", "second"]),
    "packages": packages,
    "settings": settings_of_campaigns,
    "gateways": gateways,
    "distribution": distributions,
    "overrides": overrides(),
    "schedules": assignments(),
    "callbacks": callbacks(),
    "closed": st.frozensets(st.sampled_from(GATEWAYS), max_size=2),
    "things": things,
    "approve": st.booleans(),
    "status": st.sampled_from(DesiredStatus),
    "joining": st.sampled_from(Joining),
    "on_remove": st.sampled_from(OnRemove),
}
OFTEN = {"gateways": 8, "status": 7, "packages": 6, "distribution": 3, "closed": 3}
"""In how many of ten campaigns a field is declared; 4 for all others."""
ABSENT = {"approve": False, "joining": Joining.PAUSE, "on_remove": OnRemove.DELETE}


def _consistent(campaign: DesiredCampaign) -> DesiredCampaign:
    """`campaign` as the rules across its parts allow it: nothing for gateways from outside its lists."""
    declared = campaign.gateways
    if campaign.things is not None:
        things = {g: t for g, t in campaign.things.items() if g in (declared or ())}
        campaign = replace(campaign, things=things)
    if declared is None or campaign.distribution is not None:
        return campaign
    if campaign.overrides is not None:
        overrides = tuple(replace(o, gateways=o.gateways & declared) for o in campaign.overrides)
        campaign = replace(campaign, overrides=overrides)
    if campaign.schedules is not None:
        schedules = tuple(
            s if s.gateways is None else replace(s, gateways=s.gateways & declared)
            for s in campaign.schedules
        )
        campaign = replace(campaign, schedules=schedules)
    if campaign.closed is not None:
        campaign = replace(campaign, closed=campaign.closed & declared)
    return campaign


tenth = st.integers(0, 9)


@st.composite
def campaigns(
    draw: st.DrawFn, resource: str, name: str, before: DesiredCampaign | None = None
) -> DesiredCampaign:
    """A campaign; of one that was there before, a few fields are drawn anew, or left out."""
    values: dict[str, Any] = {}
    for key, strategy in FIELDS.items():
        here = before is not None and draw(tenth) < 7
        if here:
            values[key] = getattr(before, key)
        else:
            declared = draw(tenth) < (8 if before else OFTEN.get(key, 4))
            values[key] = draw(strategy) if declared else ABSENT.get(key)
    return _consistent(DesiredCampaign(ResourceId(Kind.CAMPAIGN, resource), name, PLACE, **values))


@st.composite
def projects(draw: st.DrawFn, before: Desired | None = None) -> Desired:
    """Up to three campaigns and what PackageSets declare beside them."""
    known = {c.resource.name: c for c in before.campaigns} if before else {}
    resources = draw(st.sampled_from([("a", "b"), ("a",), ("a", "b", "c"), ("b", "c")]))
    if known and draw(tenth) < 7:
        resources = tuple(known)
    renamed = dict(zip(resources, draw(st.permutations(NAMES)), strict=False))
    names = renamed if draw(tenth) < 2 else {r: r for r in resources}
    found = tuple(draw(campaigns(r, names[r], known.get(r))) for r in sorted(resources))
    declared = dict.fromkeys((*used_packages(found), *draw(packages)))
    complete = before is None or draw(st.integers(0, 7)) > 0
    return Desired(found, tuple(declared), complete)


# --- people --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Deed:
    """Something that somebody does on the server behind our back.

    ``which``: of the live campaigns, the oldest first, counted around.
    """

    what: str
    which: int = 0
    gateway: str = GATEWAYS[0]
    value: Any = None

    def __repr__(self) -> str:
        return f"{self.what}({self.which}, {self.gateway}, {self.value})"


which = st.integers(0, 2)
_any_gateway = st.sampled_from(GATEWAYS)


def _deeds(what: str, value: st.SearchStrategy[Any] = st.none()) -> st.SearchStrategy[Deed]:  # noqa: B008
    return st.builds(Deed, st.just(what), which, _any_gateway, value)


deeds = st.one_of(
    _deeds("start"),
    _deeds("stop"),
    _deeds("approve"),
    _deeds("describe", st.sampled_from(["theirs", "first"])),
    _deeds("rename", st.sampled_from([*NAMES, "else"])),
    _deeds("add"),
    _deeds("remove"),
    _deeds("close"),
    _deeds("assign"),
    _deeds(
        "state",
        st.sampled_from(["DOWNLOAD_COMPLETE", "EXECUTION_COMPLETE", "FAILED", "WAITING_FOR_DOWNLOAD"]),
    ),
    _deeds("distribute", distributions.filter(lambda found: found.interval is not None)),
    _deeds("delete"),
    _deeds("foreign", st.sampled_from([*NAMES, "else"])),
    _deeds("lose state"),
    _deeds("lose packages"),
)
meddling: st.SearchStrategy[Sequence[Deed]] = st.lists(deeds, max_size=3)


@dataclass(frozen=True, slots=True, repr=False)
class Episode:
    """Git wants `before`, people meddle, Git wants `after`."""

    before: Desired
    after: Desired
    deeds: Sequence[Deed] = ()
    options: Options = field(default_factory=Options)
    now: int = NOW
    batch: int = 100
    approval: bool = False
    reapprove: bool = False

    def __repr__(self) -> str:
        """Only what isn't as it is by default: a counterexample is read by people."""
        asked = [name for name in Options.__slots__ if getattr(self.options, name)]
        switches = [name for name in ("approval", "reapprove") if getattr(self, name)]
        return "\n    ".join(
            [
                "Episode",
                *(f"before {line}" for line in _lines(self.before)),
                *(f"deed   {deed}" for deed in self.deeds),
                *(f"after  {line}" for line in _lines(self.after)),
                f"with   {asked} {switches} now+{(self.now - NOW) // HOUR}h batch {self.batch}",
            ]
        )


def _lines(desired: Desired) -> list[str]:
    """A line a campaign, and one for what is declared beside them."""
    lines = [_line(campaign) for campaign in desired.campaigns]
    beside = [ref for ref in desired.packages if ref not in used_packages(desired.campaigns)]
    return [*lines, f"packages {_short(beside)} complete {desired.complete}"]


def _line(campaign: DesiredCampaign) -> str:
    blank = DesiredCampaign(campaign.resource, campaign.name, PLACE)
    names = [name for name in FIELDS if getattr(campaign, name) != getattr(blank, name)]
    values = [f"{name}={_short(getattr(campaign, name))}" for name in names]
    return " ".join([campaign.resource.name, repr(campaign.name), *values])


def _short(value: Any) -> str:
    match value:
        case PackageFile(name=name) | PackageByName(name=name) | PackageById(id=name):
            return name
        case Window():
            return next(name for name, window in WINDOWS.items() if window == value)
        case Override() | Assignment():
            what = value.packages if isinstance(value, Override) else value.windows
            who = "all" if value.gateways is None else _short(value.gateways)
            return f"{who}:{_short(what)}"
        case dict():
            return "{" + ", ".join(f"{_short(k)}: {_short(v)}" for k, v in value.items()) + "}"
        case frozenset() | tuple() | list():
            return "[" + ", ".join(sorted(map(_short, value))) + "]"
        case Callback(destination=destination, states=states):
            return f"{destination}{_short(states or ())}"
        case _:
            return str(value)


@st.composite
def episodes(draw: st.DrawFn, *, meddle: bool = True, reassert: bool = True) -> Episode:
    before = draw(projects())
    after = draw(projects(before))
    options = Options(
        adopt=draw(st.booleans()),
        prune=draw(st.booleans()),
        resume=draw(st.booleans()),
        reassert=reassert and draw(st.integers(0, 3)) == 0,
    )
    approval = draw(st.integers(0, 2)) == 0
    return Episode(
        before,
        after,
        draw(meddling) if meddle else (),
        options,
        draw(st.sampled_from([NOW, NOW + 4 * HOUR])),
        draw(st.sampled_from([100, 1, 2])),
        approval,
        approval and draw(st.booleans()),
    )
