"""The convergence study behind the peers' settings: each setting once, with its time, steps and error."""

import time
from typing import Any

from benchmarks.engine.environments import OWN
from benchmarks.engineers.cases import ROWS, error_of


def study(row: str) -> None:
    """Print a table for each peer of a row; the cheapest setting within the stated error is marked."""
    for name, peer in ROWS[row].peers.items():
        if not peer.study or peer.environment != OWN:
            continue
        found = [(settings, *_run(row, peer.run, settings)) for settings in peer.study]
        good = [seconds for _, seconds, _, error in found if error <= ROWS[row].tolerance]
        print(f"\n{row} {name}: stated error {ROWS[row].tolerance:g}\n\n| settings | processor s | steps | error | |")
        print("|---|---|---|---|---|")
        for settings, seconds, steps, error in found:
            text = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                             for key, value in settings.items())  # fmt: skip
            mark = "cheapest" if good and seconds == min(good) else ""
            print(f"| {text} | {seconds:.3f} | {steps} | {error:.2e} | {mark} |", flush=True)


def _run(row: str, run: Any, settings: Any) -> tuple[float, int, float]:
    """Processor seconds, steps and error of the second of two runs where the first was short."""
    for _ in range(2):
        started = time.process_time()
        answer = run.func(*_fixed(run), **settings) if hasattr(run, "func") else run(**settings)
        seconds = time.process_time() - started
        if seconds > 2.0:
            break
    return seconds, answer.steps, error_of(row, answer.fields)


def _fixed(run: Any) -> tuple[Any, ...]:
    """Of the arguments of a peer those that are no settings: the plate of E5."""
    from benchmarks.engineers.laser import Plate

    return tuple(argument for argument in run.args if isinstance(argument, Plate))
