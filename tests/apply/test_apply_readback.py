"""A server that keeps something other than it is sent: said once, not sent again, and compared anew later."""

import asyncio
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.apply import apply_plan
from reconciler.apply.readback import KeptReader
from reconciler.model import (
    AssignPackages,
    Callback,
    CallbackEvent,
    CampaignFields,
    DesiredCampaign,
    DesiredStatus,
    DistributionList,
    Finding,
    LiveCampaign,
    LivePackage,
    Override,
    PackageById,
    Phase,
    Secret,
    SetDistributionList,
    Severity,
    Step,
    Verb,
)
from reconciler.providers.base import Bindings, Facts, Result
from reconciler.state.base import State
from tests.actions import action
from tests.fakes import MemorySession, Project, campaign, desired, file, rid
from tests.memory_provider import FACTS, MemoryServer, plain

LINE = rid("line")
STARTED = DesiredStatus.STARTED
Text = Callable[[str], str]


@dataclass
class Habits:
    """What a server makes of what it is sent."""

    text: Text = str
    interval: Callable[[int | None], int | None] = lambda seconds: seconds
    ids: Text = str
    assigned: Text = str
    settings: Callable[[Mapping[str, str]], Mapping[str, str]] = dict
    callback: Callable[[Callback], Callback] = lambda callback: callback


class Normalising(MemoryServer):
    """It keeps what its habits make of things."""

    habits = Habits()
    reads_late = 0
    """So many looks at a campaign still show nothing of it."""

    def _write(self, campaign: Any, fields: CampaignFields, bindings: Bindings, **more: Any) -> None:
        habits = self.habits
        settings = fields.settings and habits.settings({k: plain(v) for k, v in fields.settings.items()})
        text = None if fields.description is None else habits.text(fields.description)
        made = replace(fields, name=habits.text(fields.name), description=text, settings=settings)
        super()._write(campaign, made, bindings, **more)
        campaign.packages = tuple(map(habits.ids, campaign.packages))

    def _change(self, campaign: Any, step: Step, bindings: Bindings) -> Result:
        result = super()._change(campaign, step, bindings)
        if isinstance(step.action, SetDistributionList):
            there = step.action.distribution
            campaign.distribution = DistributionList(there.id, self.habits.interval(there.interval))
        for event, callback in campaign.callbacks.items():
            campaign.callbacks[event] = self.habits.callback(callback)
        if isinstance(step.action, AssignPackages):
            campaign.overrides |= {
                gateway: tuple(map(self.habits.assigned, campaign.overrides[gateway]))
                for gateway in step.gateways
            }
        return result

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        found = await super().campaign(campaign_id)
        if self.reads_late and found:
            self.reads_late -= 1
            return replace(found, description="late")
        return found


@dataclass
class Run:
    """A project on such a server."""

    habits: Habits
    facts: Facts | None = None
    project: Project = field(default_factory=Project)
    reads: bool = True
    packages: tuple[str, ...] = ("P-1", "p-1")

    def __post_init__(self) -> None:
        stored = [LivePackage(each, f"package {each}") for each in self.packages]
        server = Normalising(packages=stored, facts=self.facts)
        server.habits = self.habits
        self.project = Project(server)

    def apply(self, **fields: Any) -> tuple[list[str], list[Finding]]:
        """The operations that were sent, and what was found about what is kept."""
        wanted = desired(DesiredCampaign(LINE, **{"name": "line", "place": campaign().place, **fields}))
        plan = self.project.make_plan(wanted)
        session = MemorySession(self.project.state)

        async def run() -> Any:
            return await apply_plan(
                plan,
                self.project.server,
                session,
                delay=lambda attempts, after, waited: 0.0,
                parallelism=2,
                source=self.project.server if self.reads else None,
            )

        applied = asyncio.run(run())
        assert not applied.failed, applied
        self.project.state = session.state
        said = [
            found for found in (*plan.findings, *applied.findings) if found.code == "server-keeps-otherwise"
        ]
        return [step.operation.name for step in plan.steps()], said

    @property
    def state(self) -> State:
        return self.project.state

    def by_hand(self, **values: Any) -> None:
        """Somebody changes it on the server."""
        [there] = self.project.server.by_id.values()
        for name, value in values.items():
            setattr(there, name, value)


TEXTS: dict[str, tuple[Text, str]] = {
    "trimmed": (str.strip, "  Spring update\n"),
    "composed": (lambda text: unicodedata.normalize("NFC", text), "Fru\u0308hling"),
    "line ends": (lambda text: text.replace("\r\n", "\n"), "one\r\ntwo"),
    "escaped": (lambda text: text.replace("&", "&amp;"), "A & B"),
    "lower case": (str.lower, "Spring"),
    "cut": (lambda text: text[:5], "Spring update"),
    "completed": (lambda text: text or "(none)", ""),
    "long": (lambda text: text.rstrip("x"), "S" * 2_000 + "x"),
}


@pytest.mark.parametrize("how", TEXTS)
def test_a_text_is_sent_once(how: str) -> None:
    text, sent = TEXTS[how]
    run = Run(Habits(text))
    _, [said] = run.apply(description=sent, status=STARTED)
    assert said.resource == LINE
    assert "description" in said.message
    assert not said.is_error
    assert run.apply(description=sent, status=STARTED) == ([], [])
    # Git's value changes: it is compared anew, and the new pair is learnt.
    operations, _ = run.apply(description="other" + sent, status=STARTED)
    assert operations == ["stop-campaign", "edit-campaign", "start-campaign"]
    assert run.apply(description="other" + sent, status=STARTED) == ([], [])
    # The live value changes: it is put right, once.
    run.by_hand(description="somebody's")
    operations, _ = run.apply(description="other" + sent, status=STARTED)
    assert operations == ["stop-campaign", "edit-campaign", "start-campaign"]
    assert run.apply(description="other" + sent, status=STARTED) == ([], [])


def test_a_name_is_sent_once_and_taken_from_nobody() -> None:
    run = Run(Habits(str.strip))
    run.apply(name="Line 3 ", gateways=frozenset("a"))
    run.project.server.log.clear()
    assert run.apply(name="Line 3 ", gateways=frozenset("a")) == ([], [])
    assert run.apply(name="Line 3 ", description="x", gateways=frozenset("a"))[0] == ["edit-campaign"]
    assert run.apply(name="Line 3 ", description="x", gateways=frozenset("a")) == ([], [])


def test_ids_of_packages_that_are_folded() -> None:
    run = Run(Habits(ids=str.lower))
    _, [said] = run.apply(packages=(PackageById("P-1"),))
    assert "P-1" in said.message
    assert "p-1" in said.message
    assert run.apply(packages=(PackageById("P-1"),)) == ([], [])


def test_a_number_that_is_clamped() -> None:
    run = Run(Habits(interval=lambda seconds: max(300, seconds or 0)))
    _, [said] = run.apply(distribution=DistributionList("dl", 60))
    assert "60" in said.message
    assert "300" in said.message
    assert run.apply(distribution=DistributionList("dl", 60)) == ([], [])
    operations, [said] = run.apply(distribution=DistributionList("dl", 120))
    assert operations == ["set-distribution-list"]
    assert run.apply(distribution=DistributionList("dl", 120)) == ([], [])
    assert run.apply(distribution=DistributionList("dl", 600))[0] == ["set-distribution-list"]
    assert run.apply(distribution=DistributionList("dl", 600)) == ([], [])


def test_settings_that_can_be_read() -> None:
    def kept(settings: Mapping[str, str]) -> Mapping[str, str]:
        return {key: value.strip() for key, value in settings.items()} | {"retries": "3"}

    run = Run(Habits(settings=kept), FACTS)
    settings = {"level": " debug", "key": Secret("env", " hunter2 ")}
    _, [said] = run.apply(settings=settings)
    assert "hunter2" not in said.message
    assert "hunter2" not in repr(run.state)
    assert run.apply(settings=settings) == ([], [])
    assert run.apply(settings={**settings, "level": "info"})[0] == ["change-rollout"]
    assert run.apply(settings={**settings, "level": "info"}) == ([], [])
    run.by_hand(settings={"level": "info", "key": "stolen", "retries": "3"})
    assert run.apply(settings={**settings, "level": "info"})[0] == ["change-rollout"]
    run.by_hand(settings={"level": "info", "key": "hunter2", "retries": "9"})
    assert run.apply(settings={**settings, "level": "info"})[0] == ["change-rollout"]


def test_callbacks_that_can_be_read() -> None:
    run = Run(Habits(callback=lambda found: replace(found, destination=found.destination.lower())), FACTS)
    callbacks = {CallbackEvent.COMPLETED: Callback("ND-7")}
    _, [said] = run.apply(callbacks=callbacks)
    assert "callbackSet.completed" in said.message
    assert run.apply(callbacks=callbacks) == ([], [])
    assert run.apply(callbacks={CallbackEvent.COMPLETED: Callback("ND-8")})[0] == ["set-hook"]


def test_an_answer_that_lags_is_looked_at_again() -> None:
    run = Run(Habits())
    run.project.server.reads_late = 1
    assert run.apply(description="text") == (["create-campaign"], [])
    assert run.state.campaigns[LINE].kept == {}


def test_what_nobody_read_back_is_sent_once_more_and_then_known() -> None:
    """As after a crash right behind the call."""
    run = Run(Habits(str.strip), reads=False)
    run.apply(description=" text")
    run.reads = True
    assert run.apply(description=" text")[0] == ["edit-campaign"]
    assert run.apply(description=" text") == ([], [])


def test_what_the_server_keeps_by_now_is_no_pair_any_more() -> None:
    run = Run(Habits(str.strip))
    run.apply(description=" text")
    run.by_hand(description=" text")
    assert run.apply(description=" text") == ([], [])
    assert run.state.campaigns[LINE].kept == {}
    run.by_hand(description="text")
    assert run.apply(description=" text")[0] == ["edit-campaign"], "somebody did that"


def test_it_costs_one_call_for_a_campaign_and_nothing_where_nothing_is_written() -> None:
    run = Run(Habits())
    run.apply(description="text", gateways=frozenset("ab"))
    run.project.server.log.clear()
    run.apply(description="other", gateways=frozenset("ab"))
    assert run.project.server.log.count("campaign c-1") <= 2, "one to plan, one to read back"
    run.project.server.log.clear()
    run.apply(description="other", gateways=frozenset("abc"))
    assert len([read for read in run.project.server.log if read.startswith("campaign ")]) == 1


def test_an_upload_of_this_run_is_known_by_its_id() -> None:
    run = Run(Habits())
    firmware = file("v1")
    assert run.apply(packages=(firmware,))[1] == []
    [there] = run.project.server.by_id.values()
    assert run.state.campaigns[LINE].declared["packages"] == list(there.packages)
    assert run.apply(packages=(firmware,)) == ([], [])


def overriding(*overrides: tuple[str, str], members: str = "abc") -> dict[str, Any]:
    """Fields of a campaign with `members`, of whom some get a package of their own."""
    given = tuple(
        Override(frozenset(who), (PackageById(package),), campaign().place) for who, package in overrides
    )
    return {"gateways": frozenset(members), "packages": (PackageById("own"),), "overrides": given}


def test_packages_of_single_gateways_that_are_folded_are_sent_once() -> None:
    run = Run(Habits(assigned=str.lower), packages=("own", "P-1", "p-1", "P-2", "p-2"))
    operations, [said] = run.apply(**overriding(("ab", "P-1")))
    assert operations.count("assign-gateway-packages") == 2
    assert "P-1" in said.message
    assert "p-1" in said.message
    assert run.apply(**overriding(("ab", "P-1"))) == ([], [])
    # Another set is learnt beside it, and a newcomer gets what it makes of the first without a word.
    operations, [said] = run.apply(**overriding(("a", "P-1"), ("b", "P-2")))
    assert operations == ["assign-gateway-packages"]
    assert "P-2" in said.message
    assert run.apply(**overriding(("a", "P-1"), ("b", "P-2"))) == ([], [])
    operations, said_again = run.apply(**overriding(("ac", "P-1"), ("b", "P-2")))
    assert (operations, said_again) == (["assign-gateway-packages"], [])
    assert run.apply(**overriding(("ac", "P-1"), ("b", "P-2"))) == ([], [])
    # What somebody else did is put right, once.
    run.by_hand(overrides={"a": ("p-1",), "b": ("own",), "c": ("p-1",)})
    assert run.apply(**overriding(("ac", "P-1"), ("b", "P-2")))[0] == ["assign-gateway-packages"]
    assert run.apply(**overriding(("ac", "P-1"), ("b", "P-2"))) == ([], [])


def test_packages_that_a_gateway_never_got_are_not_what_the_server_makes_of_them() -> None:
    run = Run(Habits(assigned=lambda package: "own"), packages=("own", "P-1"))
    assert run.apply(**overriding(("a", "P-1")))[1] == []
    assert run.apply(**overriding(("a", "P-1")))[0] == ["assign-gateway-packages"]


def test_one_gateway_is_asked_for_all_that_got_the_same() -> None:
    run = Run(Habits(), packages=("own", "P-1"))
    run.apply(**overriding(("abc", "P-1")))
    asked = [read for read in run.project.server.log if read.startswith("override ")]
    assert len(asked) == 1, asked


@pytest.mark.parametrize(
    ("text", "sent", "kept"),
    [
        (lambda text: unicodedata.normalize("NFC", text), '"Fru\\u0308hling"', '"Fr\\u00fchling"'),
        (lambda text: unicodedata.normalize("NFC", text).upper(), '"Fru\u0308hling"', '"FRÜHLING"'),
        (lambda _: "", '"Fru\u0308hling"', "nothing"),
    ],
)
def test_texts_that_look_the_same_are_told_apart_by_their_characters(
    text: Text, sent: str, kept: str
) -> None:
    _, found = Run(Habits(text=text)).apply(description="Fru\u0308hling")
    [finding] = (each for each in found if each.message.startswith("as description"))
    there = "" if kept == "nothing" else kept
    assert f"as description {sent} was sent, and the server keeps {there}" in finding.message
    assert finding.hint == "declare what the server keeps, if that is meant"
    assert (finding.resource, finding.severity) == (LINE, Severity.NOTE)


# --- how often it is looked -------------------------------------------------------------------------


@dataclass
class Lagging:
    """Shows another description for so many looks."""

    late: int
    error: Exception | None = None
    looks: int = 0

    async def campaign(self, campaign_id: str) -> LiveCampaign | None:
        assert campaign_id == "c-1"
        self.looks += 1
        if self.error:
            raise self.error
        return LiveCampaign(
            "c-1", "line", "DRAFTED", Phase.READY, "late" if self.looks <= self.late else "new"
        )


@pytest.mark.parametrize(
    ("late", "gives_up", "looks", "asked", "kept"),
    [
        (0, 9, 1, [2], []),
        (1, 9, 2, [2, 3], []),
        (2, 9, 3, [2, 3], []),
        (3, 9, 3, [2, 3], ["description"]),
        (9, 9, 3, [2, 3], ["description"]),
        (9, 3, 2, [2, 3], ["description"]),
        (9, 2, 1, [2], ["description"]),
    ],
)
def test_what_differs_is_looked_at_three_times_at_most(
    late: int, gives_up: int, looks: int, asked: list[int], kept: list[str]
) -> None:
    reads, waits, slept = Lagging(late), list[tuple[int, float | None, float]](), list[float]()

    def delay(attempts: int, after: float | None, waited: float) -> float | None:
        waits.append((attempts, after, waited))
        return attempts / 4 if attempts < gives_up else None

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    reader = KeptReader(reads, FACTS, "5a17", delay, sleep)  # type: ignore[arg-type]
    edit = action(Verb.EDIT, fields=CampaignFields("line", "new"))
    found = asyncio.run(reader.kept("c-1", iter([edit]), {}))
    assert [each.name for each in found] == kept
    assert reads.looks == looks
    assert waits == [(number, None, 0.0) for number in asked]
    assert slept == [number / 4 for number in asked[: looks - 1]]


def test_what_can_not_be_read_is_nothing_that_is_kept() -> None:
    reads = Lagging(9, ValueError("odd"))
    reader = KeptReader(reads, FACTS, "5a17", lambda *_: 0.0)  # type: ignore[arg-type]
    edit = action(Verb.EDIT, fields=CampaignFields("line", "new"))
    assert asyncio.run(reader.kept("c-1", [edit], {})) == []
    assert reads.looks == 1
    # Without a word about its fields nothing is asked at all.
    assert asyncio.run(reader.kept("c-1", [action(Verb.ADD, gateways=("a",))], {})) == []
    assert reads.looks == 1
