"""Figures of the web page: samples of one quantity, what they have to keep on this machine, and the table of them."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

CALM_LOAD = 2.0


@dataclass(frozen=True)
class Figure:
    """One line: what was measured, its samples, and what it has to keep on this machine.

    Args:
        most: None where nothing is promised.
        scale: By which `most` is larger here than on the machine for which the bars are: that of the bare page.
        is_worst: Whether the largest sample is held to the bar; else the median.
    """

    what: str
    unit: str
    samples: list[float]
    most: float | None = None
    scale: float = 1.0
    is_worst: bool = False

    def line(self) -> str:
        """Return it as a row of the table."""
        values = f"{median(self.samples):9.3g} ({min(self.samples):.3g} to {max(self.samples):.3g})"
        bar = ""
        if self.most is not None:
            scaled = f" x {self.scale:.2f}" if self.scale != 1.0 else ""
            bar = f"at most {self.most:.3g}{scaled}: {'kept' if self.is_kept else 'MISSED'}"
        return f"{self.what:<66} {values:>30} {self.unit:<4} {bar}"

    @property
    def is_kept(self) -> bool:
        """Tell whether the bar is kept, where there is one."""
        value = max(self.samples) if self.is_worst else median(self.samples)
        return self.most is None or value <= self.most * self.scale


def report(machine: str, figures: Sequence[Figure], notes: Sequence[str], file: Path | None) -> None:
    """Print the figures and what could not be measured, and write them into a file where one is named."""
    for figure in figures:
        print(figure.line())
    print("".join(f"\n{note}" for note in notes) + f"\n\n{machine}")
    if os.getloadavg()[0] > CALM_LOAD:
        print("The machine was busy: wall times of this run are no measurement.")
    if file is not None:
        records = {"machine": machine, "records": [asdict(figure) for figure in figures], "notes": list(notes)}
        file.write_text(json.dumps(records), encoding="utf-8")
