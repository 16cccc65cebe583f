#!/usr/bin/env python3
"""Write the colour tables of the web page, `ui/src/draw/luts.ts`, from Matplotlib, which makes the pictures of results.

python scripts/make_colour_tables.py            write the file
python scripts/make_colour_tables.py --check    say whether it is as Matplotlib has it
"""

import sys
from pathlib import Path

import matplotlib as mpl

FILE = Path(__file__).resolve().parent.parent / "ui" / "src" / "draw" / "luts.ts"
MAPS = ("cividis", "viridis", "PuOr")
ROW = 16  # colours in a line of the file
HEAD = """\
/** Colour tables of 256 entries, written by scripts/make_colour_tables.py from Matplotlib's; not to be edited. */

export type MapName = {names};

const HEX: Record<MapName, string> = {{
{tables}
}};

const made = new Map<MapName, Uint8Array>();

/** Return a table as 256 times red, green, blue. */
export function lutOf(name: MapName): Uint8Array {{
  let table = made.get(name);
  if (table === undefined) {{
    const hex = HEX[name];
    table = Uint8Array.from({{ length: 768 }}, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16));
    made.set(name, table);
  }}
  return table;
}}
"""


def hex_table(name: str) -> str:
    """The 256 colours of a map as hexadecimal digits."""
    colours = mpl.colormaps[name].resampled(256)(range(256), bytes=True)
    return "".join(f"{red:02x}{green:02x}{blue:02x}" for red, green, blue, _ in colours)


def file_text() -> str:
    """The whole file."""
    tables = []
    for name in MAPS:
        digits = hex_table(name)
        lines = [f'    "{digits[at : at + 6 * ROW]}"' for at in range(0, len(digits), 6 * ROW)]
        tables.append(f"  {name}:\n" + " +\n".join(lines) + ",")
    return HEAD.format(names=" | ".join(f'"{name}"' for name in MAPS), tables="\n".join(tables))


def main() -> int:
    if "--check" in sys.argv[1:]:
        is_same = FILE.exists() and FILE.read_text(encoding="utf-8") == file_text()
        print(f"{FILE.name} is {'as' if is_same else 'not as'} Matplotlib has it")
        return 0 if is_same else 1
    FILE.write_text(file_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
