"""Places and colours of the monitor's parts, and the texts of its help."""

from typing import Final

from grid.cli.monitor.picture import CURSOR, ISO, MARKS, WORST

CSS: Final = """
Screen { background: #14171a; color: #e4e7ea; layers: base; }
ModalScreen { background: #14171a 55%; }
#main { height: 1fr; }
#picture { width: 1fr; height: 1fr; border: round #78828c; border-title-color: #98a1aa; }
#picture.held { border: dashed #ffa657; border-title-color: #ffa657; border-title-style: bold; }
#picture.offline { border: dashed #ff7a6e; border-title-color: #ff7a6e; border-title-style: bold; }
#side { width: 38%; min-width: 42; max-width: 64; height: 1fr; }
.list { border: round #78828c; border-title-color: #98a1aa; border-subtitle-color: #d9a7e6; }
#alerts { height: 8; }
#timeline { height: 1fr; }
#compact { display: none; height: 1fr; }
.small #main, .small #trends { display: none; }
.small #header { display: none; }
.small #compact { display: block; }
"""

HELP_KEYS: Final = (
    ("i", "inject an event at the cursor, else where the last burst was or in the middle"),
    ("m", "choose the model: auto, lumped, diffusive"),
    ("space", "hold the picture alone; the run goes on, the frame says NOT LIVE"),
    ("p", "pause or resume the run"),
    (".", "let a paused run take some ticks"),
    ("s", "change the speed"),
    ("a", "acknowledge the worst alert that nobody has seen"),
    ("f", "next field: temperature, stress, utilisation, damage, state"),
    ("b", "branch at the present tick"),
    ("r", "replay the log and compare the bytes"),
    ("arrows", "move a cursor that reads the field, shift: by ten; Esc: remove it"),
    ("q", "quit; a run of the service goes on"),
)
HELP_SIGNS: Final = (
    (MARKS[WORST], "the worst cell"),
    (MARKS[ISO], "iso-line of the lowest threshold of an alert rule"),
    (MARKS[CURSOR], "the cursor"),
    ("■! ▲ ◆ ●", "critical, high, medium, low"),
    ("◌ ~", "pending, stale or suspended; silenced or inhibited"),
)
