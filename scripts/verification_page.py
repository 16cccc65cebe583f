#!/usr/bin/env python3
"""Write docs/verification.md: every given case computed, beside what is expected, published and told by other codes.

.venv/bin/python scripts/verification_page.py            # all cases, some minutes
.venv/bin/python scripts/verification_page.py --check    # only whether ids and expected values are those of the cases
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests" / "validation" / "data" / "cases.json"
PAGE = ROOT / "docs" / "verification.md"
KINDS = {
    "diffusion": "Heat on a grid",
    "extension": "Phase change, contact, changing models",
    "lumped": "Lumped models and networks",
    "certificate": "The error of lumped models",
    "stress": "Thermal stress",
    "integrity": "Integrity",
    "fatigue": "Fatigue",
}
KNOWN = ("quantity", "value", "tolerance", "unit", "published", "pure_lumped_value", "note", "compare")
HEAD = """# Verification

Written by `scripts/verification_page.py` from `tests/validation/data/cases.json`; do not edit. The same table, fresh:

```bash
grid verify tests/validation/data/cases.json
```

*Expected* is the converged or closed-form value and *allowed* the error that passes. *Error* is in units of what is
allowed; *published* is the figure printed in the source, often rounded or read from a chart. *Error / plain* of a case
is its largest temperature error over that of an ordinary second-order scheme on the same grid
([case format](case-format.md), section 3): at most 1 is as good, below 0.5 better.
"""
COLUMNS = ("quantity", "where and when", "computed", "expected", "allowed", "error", "published", "")

Case = Mapping[str, Any]
Entry = Mapping[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare the page with the cases, compute nothing")
    arguments = parser.parse_args()
    cases = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    if arguments.check:
        missing = find_stale(PAGE.read_text(encoding="utf-8"), cases)
        print("\n".join(missing) or "in step", file=sys.stderr if missing else sys.stdout)
        return 1 if missing else 0
    rows = compute(cases)
    PAGE.write_text("\n".join(write_page(cases, rows)) + "\n", encoding="utf-8")
    failed = [row for case in cases for row in rows[case["id"]] if not row.passed]
    print(f"{PAGE.name}: {len(failed)} values fail")
    return 1 if failed else 0


def compute(cases: Sequence[Case]) -> dict[str, list[Any]]:
    """Rows of `grid verify` by the id of their case."""
    from grid.engine.verification.verification import read_cases, verify_case

    found = {}
    for case in read_cases({"schema_version": 2, "cases": list(cases)}):
        found[case["id"]] = verify_case(case)
        print(f"{case['id']}: {sum(row.passed for row in found[case['id']])} of {len(found[case['id']])}", flush=True)
    return found


def write_page(cases: Sequence[Case], rows: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """The lines of the page."""
    passed = sum(row.passed for case in cases for row in rows[case["id"]])
    total = sum(len(case["expected"]) for case in cases)
    plain = [rows[case["id"]][0].error_over_plain for case in cases]
    shares = [share for share in plain if share is not None]
    yield HEAD
    yield f"**{passed} of {total} values of {len(cases)} cases pass.**"
    below = sum(share <= 0.5 for share in shares)
    yield f"Of {len(shares)} cases for which a plain scheme's error is known, {below} are"
    yield f"below half of it, the worst is at {max(shares, default=0.0):.2f}."
    for kind, title in KINDS.items():
        yield f"\n## {title}"
        for case in cases:
            if case["kind"] == kind:
                yield from write_case(case, rows[case["id"]])


def write_case(case: Case, rows: Sequence[Any]) -> Iterator[str]:
    """The section of one case."""
    yield f"\n### {case['id']}: {case['title']}\n"
    yield f"Source: {case['source']}."
    told = [name for name in ("published", "pure_lumped_value") if any(name in entry for entry in case["expected"])]
    columns = [column for column in COLUMNS if column != "published" or told]
    yield f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
    for entry, row in zip(case["expected"], rows, strict=True):
        error = "-" if row.error_over_tolerance is None else f"{row.error_over_tolerance:.2g}"
        cells = [
            *write_expected(entry),
            error,
            write_published(entry),
            "pass" if row.passed else f"**FAIL** {row.message}",
        ]
        cells.insert(2, write_value(row.value))
        if not told:
            del cells[6]
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
    if rows[0].error_over_plain is not None:
        yield f"\nError / plain: {rows[0].error_over_plain:.2f}."
    if "other_codes" in case:
        yield f"\nOther codes: {write_others(case['other_codes'])}."


def write_expected(entry: Entry) -> list[str]:
    """Quantity, place, expected value and allowance: what does not depend on any computation."""
    where = ", ".join(
        f"{name} {write_value(value)}" if name != "at" else ", ".join(f"{a} = {x:.6g}" for a, x in value.items())
        for name, value in entry.items()
        if name not in KNOWN
    )
    unit = f" {entry['unit']}" if entry["unit"] != "1" else ""
    bound = {"at_least": "≥ ", "at_most": "≤ "}.get(entry.get("compare", "within"), "")
    allowed = "exact" if entry["tolerance"] is None else f"{entry['tolerance']:.2g}"
    return [entry["quantity"], where or "-", f"{bound}{write_value(entry['value'])}{unit}", allowed]


def write_published(entry: Entry) -> str:
    told = write_value(entry["published"]) if "published" in entry else "-"
    return f"{told} (lumped alone {write_value(entry['pure_lumped_value'])})" if "pure_lumped_value" in entry else told


def write_value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, (int, float)):
        return f"{value:.7g}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(write_value(part) for part in value) + "]"
    return str(value)


def write_others(others: object) -> str:
    if isinstance(others, Mapping):
        return "; ".join(f"{name}: {told}" for name, told in others.items())
    return str(others)


def find_stale(page: str, cases: Sequence[Case]) -> list[str]:
    """What the cases say and the page does not, and sections that no case has."""
    sections = {part.split(":", 1)[0]: part for part in page.split("\n### ")[1:]}
    stale = [f"{name}: no case has this id" for name in sections if name not in {case["id"] for case in cases}]
    for case in cases:
        section = sections.get(case["id"], "")
        written = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"
        ]
        lines = [[*cells[:2], *cells[3:5]] for cells in written[2:]]
        wanted = [[cell.replace("|", "/") for cell in write_expected(entry)] for entry in case["expected"]]
        if lines != wanted:
            stale.append(f"{case['id']}: the page shows other values than the case; run scripts/verification_page.py")
    return stale


if __name__ == "__main__":
    sys.exit(main())
