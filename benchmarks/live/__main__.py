"""Run the benchmarks of live runs and print their tables.

`python -m benchmarks.live [--only tick,pace,commands,kills,crowd] [--cells 512 1024] [--database sqlite]`
"""

import argparse
import os
import statistics
import sys

from benchmarks.databases import KINDS, open_databases
from benchmarks.live import commands, company, crowd, determinism, kills, pace, streams, tick, viewers
from benchmarks.live.commands import find_percentile
from benchmarks.runs import Run
from benchmarks.service import Service, running_service

PARTS = ("tick", "pace", "commands", "crowd", "viewers", "streams", "company", "determinism", "kills")
SHARES = {512: (30.0, 1.5), 1024: (10.0, 2.1)}  # ticks a second at most, and over the time of a tick by plain steps


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"comma-separated: {', '.join(PARTS)}")
    parser.add_argument("--cells", type=int, nargs="+", default=[512, 1024], help="along each side of the plate")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--no-peers", action="store_true", help="leave py-pde out")
    parser.add_argument("--seconds", type=float, default=60.0, help="for which a run at its pace is looked at")
    parser.add_argument("--crowd-seconds", type=float, default=300.0, help="for which 22 viewers are")
    parser.add_argument("--streams-seconds", type=float, default=600.0, help="for which 600 streams are")
    parser.add_argument("--kills", type=int, nargs=2, default=[100, 20], help="of children, and of workers")
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := [name for name in chosen if name not in PARTS]:
        parser.error(f"unknown: {', '.join(unknown)}")
    run = Run()
    if "tick" in chosen:
        for cells in options.cells:
            print_ticks(tick.measure(cells, options.repeats, with_pypde=cells <= 512 and not options.no_peers))
    if set(chosen) - {"tick"}:
        with (
            open_databases(options.database) as databases,
            running_service(databases, GRID_LIVE_RUNS_OF_USER="10") as service,
        ):
            run_service(service, chosen, options)
    print(f"\n{run.describe(f'{options.only}: {options.cells}')}; load {os.getloadavg()[0]:.2f}")
    return 0


def run_service(service: Service, chosen: list[str], options: argparse.Namespace) -> None:
    """What needs a service."""
    if "pace" in chosen:
        for cells in options.cells:
            most, share = SHARES[cells]
            found = pace.measure(service, cells=cells, most_rate=most, share=share, seconds=options.seconds)
            print_pace(cells, found)
    if "commands" in chosen:
        print_commands(commands.measure(service, cells=512, rate=30.0))
    if "crowd" in chosen:
        crowd.print_crowd(crowd.measure(service, seconds=options.crowd_seconds))
    if "viewers" in chosen:
        viewers.print_viewers(viewers.measure(service, seconds=options.seconds))
    if "streams" in chosen:
        streams.print_streams(streams.measure(service, seconds=options.streams_seconds))
    if "company" in chosen:
        plain = pace.time_plain(512, tick.find_tick(512))
        rate = min(30.0, 1.5 / plain)
        print_company("a sweep in every other slot", company.measure_beside_sweep(service, cells=512, rate=rate), rate)
        print_company("four of 128 x 128 and one without a pace", company.measure_four(service, seconds=20.0), 30.0)
        print_company("a storm of events", company.measure_storm(service, cells=512, rate=rate), rate)
    if "determinism" in chosen:
        hashes = determinism.measure(service)
        print(f"\n{len(set(hashes.values()))} hash of {len(hashes)} ways: {', '.join(hashes)}")
    if "kills" in chosen:
        children, workers = options.kills
        print_kills(kills.measure(service, children=children, workers=workers))


def print_pace(cells: int, found: pace.Paced) -> None:
    """Print how well a run kept its rate."""
    interval = 1.0 / found.rate
    physics = statistics.median(found.tick_s)
    print(f"\n{cells} x {cells} at {found.rate:.3g} ticks a second for {found.wall_s:.0f} s, one viewer:")
    print(f"- real-time ratio {found.ratio:.4f}, slips {found.slips:.0f}, jitter {found.jitter_s * 1e3:.2f} ms", end="")
    print(f" ({found.jitter_s / interval:.1%} of a tick)")
    print(f"- physics {physics * 1e3:.1f} ms a tick ({physics / interval:.0%} of it), whole process ", end="")
    print(f"{found.child_s * 1e3:.1f} ms; plain explicit steps {found.plain_s * 1e3:.1f} ms: ", end="")
    print(f"{found.plain_s / physics:.1f} times dearer")
    ages = sorted(found.ages_s) or [float("nan")]
    print(
        f"- {found.frames} frames of {found.bytes / 1e3:.0f} kB, decoded after {statistics.median(ages) * 1e3:.1f} ms",
        end="",
    )
    print(f" (95 %: {ages[int(0.95 * len(ages))] * 1e3:.1f} ms); memory grew by {found.growth_bytes / 1e6:.1f} MB")


def print_commands(found: commands.Commanded) -> None:
    """Print how commands fared."""
    bar, interval = max(0.05, 10.0 * found.commit_s), found.interval_s
    print(f"\n{found.sent} commands of {commands.CLIENTS} clients, {commands.REPEATED} sent twice:")
    print(f"- acknowledged 50 % {find_percentile(found.acknowledged_s, 0.5) * 1e3:.1f} ms, 95 % ", end="")
    print(f"{find_percentile(found.acknowledged_s, 0.95) * 1e3:.1f} ms (bar {bar * 1e3:.0f} ms)")
    print(f"- applied after it 50 % {find_percentile(found.applied_s, 0.5) * 1e3:.1f} ms, 95 % ", end="")
    print(f"{find_percentile(found.applied_s, 0.95) * 1e3:.1f} ms (bar {(2.0 * interval + 0.02) * 1e3:.0f} ms)")
    print(f"- {found.effects} effects, in the order of the log: {found.is_ordered}; ratio {found.ratio:.3f}, ", end="")
    print(f"jitter {(found.jitter_s or 0.0) * 1e3:.2f} ms, slips {found.slips:.0f}")


def print_kills(found: kills.Killed) -> None:
    """Print how kills fared."""
    start = statistics.median(found.starts_s)
    print(f"\n{len(found.child_s)} kills of children, {len(found.worker_s)} of workers; start {start:.2f} s:")
    for name, values in (("child", found.child_s), ("worker", found.worker_s)):
        if values:
            print(f"- {name}: on again after {statistics.median(values):.2f} s, at most {max(values):.2f} s")
    print(f"- {found.equal} of {found.runs} fields equal the replay; {found.lost} commands without an outcome")


def print_company(what: str, found: company.Together, rate: float) -> None:
    """Print how runs fared beside others."""
    print(f"\n{what}, {rate:.3g} ticks a second:")
    print(
        f"- real-time ratios {', '.join(f'{ratio:.3f}' for ratio in found.ratios)}; slips {sum(found.slips):.0f}; ",
        end="",
    )
    print(f"jitter {max(found.jitters_s) * 1e3:.1f} ms ({max(found.jitters_s) * rate:.0%} of a tick)")
    if found.calls_s:
        print(f"- requests 95 % {find_percentile(found.calls_s, 0.95) * 1e3:.1f} ms")
    if found.sweep_s:
        alone, beside = found.sweep_s
        print(f"- the sweep takes {alone:.1f} s alone on both cores, {beside:.1f} s beside the run")
    if found.answers:
        effects = found.answers.pop(0)
        print(f"- answers {dict(sorted(found.answers.items()))}; one event sent many times had {effects} effect")


def print_ticks(found: dict[str, object]) -> None:
    """Print the seconds of a tick by each side, and how much dearer each is than the whole tick."""
    seconds, methods = found["seconds"], found["methods"]
    assert isinstance(seconds, dict)
    assert isinstance(methods, dict)
    base = statistics.median(seconds["tick"])
    print(f"\n| a tick at {found['cells']} x {found['cells']} | processor time | spread | over the whole tick | |")
    print("|---|---|---|---|---|")
    for name, values in seconds.items():
        middle = statistics.median(values)
        spread = f"{min(values) * 1e3:.1f} .. {max(values) * 1e3:.1f} ms"
        print(f"| {name} | {middle * 1e3:.1f} ms | {spread} | {middle / base:.2f} | {methods.get(name, '')} |")


if __name__ == "__main__":
    sys.exit(main())
