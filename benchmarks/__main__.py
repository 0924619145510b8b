"""`make bench`: every figure as a ratio to a floor or a peer that was measured in the same run.

python -m benchmarks [--only NAME] [--times N] [--write docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks.canned import GATEWAY
from benchmarks.floor import PAGE
from benchmarks.measure import ROOT, Figure, canned, in_turn, once, python, seen
from benchmarks.projects import (
    RECONCILER,
    WAVES,
    fleet,
    k8s_like,
    list_of_ids,
    owned,
    project,
    settled,
    zone_of,
)
from benchmarks.rows import Row, said
from reconciler.model import RolloutRecord

CSAFE = "import sys, yaml; [None for _ in yaml.load_all(open(sys.argv[1], 'rb'), yaml.CSafeLoader)]"


def no_op_large(work: Path, times: int) -> Iterator[Row]:
    """100 campaigns with 10,000 gateways each, and nothing to do."""
    with canned(100, 10_000) as url:
        project(work, url, "aiohttp")
        fleet(work, 100, 10_000)
        put = settled(work, owned(work, url, 100))
        found = in_turn(
            {
                "floor": python("-m", "benchmarks.floor", "members", url, str(work / "resources"), "100"),
                "ours": python(*RECONCILER, "plan", "--detailed-exitcode", cwd=work, before=put),
            },
            times,
        )
        project(work, url, "httpx")
        slow = once(python(*RECONCILER, "plan", "--detailed-exitcode", cwd=work, before=put))
    ours, floor = found["ours"], found["floor"]
    yield Row("no-op plan, 100 × 10,000: wall ÷ floor", ours.wall / floor.wall, "<1.5", said(ours, floor))
    yield Row("… CPU ÷ floor", ours.cpu / floor.cpu)
    yield Row("… with the engine httpx: wall ÷ floor", slow.wall / floor.wall, "", said(slow, floor))


def no_op_many(work: Path, times: int) -> Iterator[Row]:
    """10,000 campaigns with 10 gateways each, and nothing to do."""
    with canned(10_000, 10) as url:
        project(work, url, "aiohttp")
        fleet(work, 10_000, 10)
        put = settled(work, owned(work, url, 10_000))
        plan = python(*RECONCILER, "plan", "--detailed-exitcode", cwd=work, before=put)
        before = seen(url)
        once(plan)
        requests = seen(url) - before
        found = in_turn(
            {"floor": python("-m", "benchmarks.floor", "campaigns", url, "10000", "10"), "ours": plan}, times
        )
    ours, floor = found["ours"], found["floor"]
    # The version, the list that tells what is there twice, and of each campaign itself and its members.
    least = 1 + 10_000 // PAGE + 2 * 10_000
    yield Row(
        "no-op plan, 10,000 × 10: requests ÷ least", requests / least, "<1", f"{requests:,} / {least:,}"
    )
    yield Row("… wall ÷ floor", ours.wall / floor.wall, "<1.5", said(ours, floor))


def apply_schedules(work: Path, times: int) -> Iterator[Row]:
    """30,000 windows."""
    with canned(1, 10_000) as url:
        project(work, url, "aiohttp")
        fleet(work, 1, 10_000, scheduled=True)
        put = owned(work, url, 1)
        found = in_turn(
            {
                "floor": python("-m", "benchmarks.floor", "writes", url, "30000"),
                "ours": python(*RECONCILER, "apply", "--auto-approve", cwd=work, before=put),
            },
            times,
        )
    ours, floor = found["ours"], found["floor"]
    yield Row(
        "apply of 30,000 schedules: calls/s ÷ raw client's",
        floor.wall / ours.wall,
        ">0.5",
        f"{30_000 / ours.wall:,.0f} / {30_000 / floor.wall:,.0f} a second, {ours.peak:.0f} MB",
    )


def validate_large(work: Path, times: int) -> Iterator[Row]:
    """10 MB as people write it, and one list of a million ids."""
    for what, name, write in (
        ("10 MB of campaigns", "many.yaml", lambda path: k8s_like(path, 10)),
        ("1,000,000 ids", "ids.yaml", lambda path: list_of_ids(path, 1_000_000)),
    ):
        path = work / name
        write(path)
        schema = ROOT / "schemas" / "resource.json"
        found = in_turn(
            {
                "bare": python("-c", CSAFE, str(path)),
                "ours": python(*RECONCILER, "validate", str(path), cwd=work),
            },
            times,
        )
        ours, bare = found["ours"], found["bare"]
        yield Row(f"validate {what}: wall ÷ CSafeLoader", ours.wall / bare.wall, "<2.5", said(ours, bare))
    # A tenth of it: the peer takes minutes for all.
    path = work / "fewer.yaml"
    list_of_ids(path, 100_000)
    schema = ROOT / "schemas" / "GatewayList.json"
    found = in_turn(
        {
            "peer": python("-m", "check_jsonschema", "--schemafile", str(schema), str(path)),
            "ours": python(*RECONCILER, "validate", str(path), cwd=work),
        },
        1,
    )
    ours, peer = found["ours"], found["peer"]
    times_as_fast = peer.wall / ours.wall
    yield Row(
        "validate 100,000 ids: times as fast as check-jsonschema", times_as_fast, ">10", said(ours, peer)
    )


def start_up(work: Path, times: int) -> Iterator[Row]:
    """What a person waits for first."""
    (work / "small.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: GatewayList\nmetadata: {name: x}\nspec: {gateways: [gw-1]}\n"
    )
    found = in_turn(
        {
            "click": python("-c", "import click"),
            "help": python(*RECONCILER, "--help"),
            "validate": python(*RECONCILER, "validate", "small.yaml", cwd=work),
        },
        5 * times,
    )
    click = found["click"]
    yield Row(
        "--help: wall ÷ `import click`", found["help"].wall / click.wall, "<2", said(found["help"], click)
    )
    validate = found["validate"]
    yield Row(
        "validate, one small file: wall ÷ `import click`",
        validate.wall / click.wall,
        "",
        said(validate, click),
    )


def growth(work: Path, _: int) -> Iterator[Row]:
    """One campaign of 10,000, 100,000 and 1,000,000 gateways with three windows each, and nothing to do."""
    walls: list[float] = []
    peak = 0.0
    for size in (10_000, 100_000, 1_000_000):
        with canned(1, size) as url:
            project(work, url, "aiohttp")
            fleet(work, 1, size, scheduled=True)
            had = owned(work, url, 1, windows=(GATEWAY.format(0, n) for n in range(size)))
            put = settled(work, had)
            ours = in_turn(
                {"ours": python(*RECONCILER, "plan", "--detailed-exitcode", cwd=work, before=put)}, 1
            )["ours"]
        walls.append(ours.wall)
        peak = ours.peak
        yield Row(
            f"no-op plan, {size:,} gateways with three windows: seconds", ours.wall, "", f"{ours.peak:.0f} MB"
        )
    yield Row("… from 100,000 to 1,000,000: times as long", walls[2] / walls[1], "<11")
    yield Row("… peak at 1,000,000 in MB", peak, "<400")


def peers(work: Path, _: int) -> Iterator[Row]:
    """Other tools that plan, where they are installed: as many records as gateways, and nothing to do."""
    if find_spec("octodns") is None:
        print("octoDNS is not installed, so it is left out: pip install octodns", file=sys.stderr)
        return
    size = 10_000
    with canned(1, size) as url:
        project(work, url, "aiohttp")
        fleet(work, 1, size)
        put = settled(work, owned(work, url, 1))
        config = zone_of(work, size)
        found = in_turn(
            {
                "peer": python("-m", "octodns.cmds.sync", "--config-file", str(config), cwd=work),
                "ours": python(*RECONCILER, "plan", "--detailed-exitcode", cwd=work, before=put),
            },
            1,
        )
    ours, peer = found["ours"], found["peer"]
    title = f"no-op plan, {size:,} gateways: times as fast as octoDNS, as many records"
    yield Row(title, peer.cpu / ours.cpu, "", said(ours, peer))


def tofu(work: Path, times: int) -> Iterator[Row]:
    """OpenTofu with the provider `restapi`, where both are on the PATH."""
    from benchmarks.tofu import PROVIDER, provider_folder, rows

    provider = provider_folder()
    if provider is None:
        print(f"tofu or {PROVIDER} is not on the PATH, so OpenTofu is left out", file=sys.stderr)
        return
    yield from rows(work, times, provider)


def rollout(work: Path, times: int) -> Iterator[Row]:
    """A look that waits, beside a no-op plan of the same fleet without waves: half of it is in, or all.

    Of those who are in most are done, some idle, and a few failed.
    """
    from reconciler.model import Share, Wave
    from reconciler.model.waves import assigned

    size = 1_000_000
    ids = [GATEWAY.format(0, n) for n in range(size)]
    shares = (Share(count=100), *(Share(thousandths=each) for each in (1_000, 10_000, 50_000, 100_000)))
    waves = assigned(frozenset(ids), [Wave(str(n), share) for n, share in enumerate(shares)], "bench")
    for what, open_now in (("half of it in", 4), ("all of it in", 5)):
        there = work / "ids.txt"
        there.write_text("\n".join(sorted(frozenset().union(*waves[:open_now]))))
        plain, paced = work / "plain", work / "paced"
        record = RolloutRecord(wave=open_now, since=int(time.time() * 1000))
        with (
            canned(1, size, "--mixed") as url,
            canned(1, size, "--mixed", "--status", "STARTED", "--ids", str(there)) as waved,
        ):
            for folder, server in ((plain, url), (paced, waved)):
                folder.mkdir(exist_ok=True)
                project(folder, server, "aiohttp")
                fleet(folder, 1, size, waves=server == waved)
            plan = (*RECONCILER, "plan", "--detailed-exitcode")
            looks = {
                "plain": python(*plan, cwd=plain, before=settled(plain, owned(plain, url, 1))),
                "look": python(
                    *plan, cwd=paced, before=settled(paced, owned(paced, waved, 1, rollout=record))
                ),
            }
            requests = {}
            for name, server in (("plain", url), ("look", waved)):
                before = seen(server)
                once(looks[name])
                requests[name] = seen(server) - before
            found = in_turn(looks, times)
        look, bare = found["look"], found["plain"]
        title = f"a look that waits, 1,000,000 in {WAVES} waves, {what}"
        yield Row(f"{title}: CPU ÷ no-op plan", look.cpu / bare.cpu, "<1.3", said(look, bare))
        yield Row("… requests ÷ its", requests["look"] / requests["plain"], "<1")


def workers(work: Path, _: int) -> Iterator[Row]:
    """What two workers take off the process of a run: reading three million ids, and sending windows."""
    if find_spec("distributed") is None:
        print("distributed is not installed, so workers are left out: the extra dask", file=sys.stderr)
        return
    for campaigns, title, command in (
        (300, "no-op plan, 300 × 10,000", ("plan", "--detailed-exitcode")),
        (1, "apply of 30,000 schedules", ("apply", "--auto-approve")),
    ):
        folder = work / str(campaigns)
        folder.mkdir()
        found: dict[str, tuple[Figure, int]] = {}
        with canned(campaigns, 10_000) as url:
            project(folder, url, "aiohttp")
            fleet(folder, campaigns, 10_000, scheduled=campaigns == 1)
            put = owned(folder, url, campaigns)
            put = put if campaigns == 1 else settled(folder, put)
            for name, more in (("alone", ()), ("workers", ("--workers", "local:2"))):
                before = seen(url)
                figure = once(python(*RECONCILER, *command, *more, cwd=folder, before=put))
                found[name] = figure, seen(url) - before
        (ours, asked), (alone, least) = found["workers"], found["alone"]
        said = f"{ours.own:.2f} s / {alone.own:.2f} s, {ours.peak:.0f} MB / {alone.peak:.0f} MB"
        yield Row(f"{title}, two workers: CPU of the run's process ÷ alone", ours.own / alone.own, "<1", said)
        yield Row("… requests ÷ alone", asked / least, "<1.01", f"{asked:,} / {least:,}")


def codec(_: Path, times: int) -> Iterator[Row]:
    """What we write and read, beside JSON itself."""
    from benchmarks.codecs import ratios

    for what, (ours, floor) in ratios(times).items():
        yield Row(f"{what}: CPU ÷ json's", ours / floor, "<5", f"{ours:.2f} s / {floor:.2f} s CPU")


CASES: dict[str, Callable[[Path, int], Iterator[Row]]] = {
    "start-up": start_up,
    "validate": validate_large,
    "no-op-large": no_op_large,
    "no-op-many": no_op_many,
    "apply": apply_schedules,
    "growth": growth,
    "rollout": rollout,
    "workers": workers,
    "peers": peers,
    "tofu": tofu,
    "codec": codec,
}


def main() -> None:
    """Measure, print, and keep the table when that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", choices=CASES, action="append")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    began = time.monotonic()
    lines = ["| what | figure | goal | met | |", "|---|---:|---|---|---|"]
    print(*lines, sep="\n", flush=True)
    for name in asked.only or CASES:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            for row in CASES[name](Path(folder), asked.times):
                goal = row.goal.replace("<", "≤ ").replace(">", "≥ ")
                lines.append(f"| {row.what} | {row.value:.2f} | {goal} | {row.met} | {row.detail} |")
                print(lines[-1], flush=True)
    seconds, version = time.monotonic() - began, platform.python_version()
    took = f"{seconds:.0f} s in all, Python {version}, medians of {asked.times}."
    print(f"\n{took}")
    if asked.write:
        asked.write.write_text("\n".join([_HEAD, *lines, "", took, ""]), encoding="utf-8")


_HEAD = """\
# Benchmarks

`make bench` measures and writes this page. Seconds mean little on another machine, so each figure is a ratio
to a floor or a peer that was measured alternately with it. The *floor* is the fastest raw client that fetches
the same pages, parses them and compares sets (aiohttp on uvloop, orjson). The server sends canned answers
from a process of its own.

**How to measure.** Run `make bench` on an otherwise idle machine, with `--times 5` where a figure is close to
its goal. `.venv/bin/python -m benchmarks --only apply` measures one case (`--help` lists them), and writes
nothing. Ratios of wall times assume a core for each side; if the two share one, compare CPU times. No change
may make a figure miss its goal. To find where the time went, run `python -m cProfile -o FILE -m reconciler`.
Tests count requests and operations, because no test is timed. octoDNS is measured where it is installed, and
OpenTofu where `tofu` and its provider `terraform-provider-restapi` (Mastercard/restapi, version 3) are on the
PATH under these names. Nothing is downloaded: `dev_overrides` name the provider's folder. Each side does the
same work on an embedded server of its own, over TCP, which counts its calls. Memory is that of `tofu` with
its provider; goals of CPU are for 4,000 of each.

**Where an apply spends its time.** An apply of 30,000 windows spends a quarter of its CPU on starting and
planning. Of what a call takes then, half is to send it, a tenth to interpret its answer, and the rest, in
equal parts, for order and retries, and for the state and the audit log. What is
recorded of steps that begin or end at the same moment is written together: before such a step is sent, and
before any step that needs it starts. What sends is made of aiohttp's connections and parser without its
session, which the raw client uses: that alone takes twice the CPU.

**Where a look at a rollout spends its time.** Sizes of waves follow from their shares. While all gateways
stand alike (all are in and idle, say), nobody has to know who is in which wave: it costs as much as a plan.
Otherwise the first look hashes each one, about 0.6 µs, sorts those near the end of a wave, and keeps between
whom the waves end in its record, with a digest of all that decides it. As long as that is the same, only
those are hashed who stand otherwise than most; the rest of each wave is what its size leaves. Here 90 % are
done, 8 % idle, and 2 % failed, as in the middle of a rollout.

**Where a plan spends its time.** Of few large campaigns: half to read, a seventh to check a million ids in
files, and a fifth for imports, half of it to create dataclasses. Of 10,000 small ones: four tenths to read, a
third from the files (20,000 resources, 10,000 lists of ids) to what they ask for, an eighth to compare, and
the rest for imports, the state and the collection of garbage.

**Why some goals are missed.** Many small campaigns: the floor reads no files. Ours reads as many as there are
campaigns, checks them by the schemas and rules, and compares each campaign; that alone takes about one and a
half times what the whole floor does, without a request.

**Why we send more calls than OpenTofu.** For each campaign it sends one call, and knows of no other campaign.
We also ask for the version, and for the list of campaigns: it tells which names are taken, or taken twice.
What was created is read once, because a server may keep something else than it was sent, and the next plan
must find nothing to do. What gateways have is read before they get packages of their own, so that plans show
it.
"""

if __name__ == "__main__":
    main()
