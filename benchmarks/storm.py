"""A storm: jobs on slots and in containers while workers, watchdogs, server, Redis and PostgreSQL are killed.

    python -m benchmarks.storm [--jobs 10000] [--containers 1000] [--kills 60] [--seed 1] [--calm]

The same jobs run twice, first in peace and then in the storm, on two workers, PostgreSQL and Redis of the run's own and
this machine's Docker engine. Printed are broken promises (lost, doubled, stuck, containers that are left), the seconds
from the last fault until every job had ended, and the goodput of the storm beside that of the run in peace. Ends with 1
where a promise was broken. `--calm` leaves the storm out.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random

from tests.support.docker_storm import WORKERS, ContainerReport, container_service, run_container_storm
from tests.support.faults.service import Kernels
from tests.support.faults.storm import Victim
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.redis import RedisServer, start_redis

from benchmarks.runs import Run

ONCE: tuple[Victim, ...] = ("redis", "redis", "redis", "postgres", "postgres", "server", "server")
LEAST_GOODPUT = 0.6  # of the run in peace
SETTLED_S = 60.0  # [s] from the last fault until every job has ended
PATIENCE_S = 1800.0


def choose_victims(kills: int, seed: int) -> list[Victim]:
    """Return Redis three times, PostgreSQL and the server twice; of the rest two thirds workers, one third others."""
    random, rest = Random(seed), max(0, kills - len(ONCE))
    others: tuple[Victim, ...] = ("watchdog", "slot")
    chosen = [random.choice(WORKERS if place % 3 else others) for place in range(rest)]
    return [*ONCE[:kills], *chosen]  # type: ignore[list-item]


@contextmanager
def started() -> Iterator[tuple[PostgresServer, RedisServer]]:
    """Lend a PostgreSQL and a Redis."""
    postgres, redis = start_postgres(), start_redis()
    try:
        yield postgres, redis
    finally:
        redis.stop()
        postgres.stop()


def run_once(folder: Path, kernels: Kernels, options: argparse.Namespace, victims: list[Victim]) -> ContainerReport:
    """Run the jobs on a service of its own."""
    folder.mkdir()
    with started() as (postgres, redis), container_service(folder, postgres, redis, kernels) as service:
        return run_container_storm(
            service, postgres, redis, folder, jobs=options.jobs, containers=options.containers, victims=victims,
            seed=options.seed, patience_s=PATIENCE_S,
        )  # fmt: skip


def describe(peace: ContainerReport, storm: ContainerReport | None) -> str:
    """Return the figures, a line each."""
    lines = [f"in peace: {peace.storm.jobs} jobs, {peace.containers} in containers, in {peace.storm.took_s:.0f} s"]
    if storm is not None:
        one = storm.storm
        goodput = peace.storm.took_s / one.took_s
        lines += [
            f"in the storm: in {one.took_s:.0f} s, {one.kills} kills, one every {one.took_s / max(1, one.kills):.1f} s",
            f"goodput: {goodput:.0%} of that in peace (wanted: at least {LEAST_GOODPUT:.0%})",
            f"from the last fault until every job had ended: {one.settled_s:.1f} s (wanted: at most {SETTLED_S:.0f} s)",
            f"claims that ended with their worker: {one.losses}, {storm.container_losses} of them in containers",
            f"unanswered requests: {one.unknown}; back after a kill: within {max(one.recovery_s, default=0.0)} s",
            f"containers left: {storm.orphans}, the last was gone {storm.gone_s:.1f} s after the end",
        ]
    broken = [*peace.problems, *(storm.problems if storm else ())]
    return "\n".join([*lines, f"broken promises: {len(broken)}", *broken[:20]])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--containers", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--json", type=Path, help="write the reports there")
    options = parser.parse_args()
    run, storm = Run(), None
    with tempfile.TemporaryDirectory(prefix="grid-storm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # users of containers go through it
        kernels = Kernels(folder / "kernels")
        peace = run_once(folder / "peace", kernels, options, [])
        if not options.calm:
            storm = run_once(folder / "storm", kernels, options, choose_victims(options.kills, options.seed))
    print(f"{describe(peace, storm)}\n\n{run.describe('storm')}")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in (peace, storm) if one], indent=1), encoding="utf-8")
    return 1 if peace.problems or (storm is not None and storm.problems) else 0


if __name__ == "__main__":
    raise SystemExit(main())
