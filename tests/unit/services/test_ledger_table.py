"""The table of states and events at the head of the ledger: it names every transition that there is, and real calls."""

import re

from grid.schemas.jobs import LEASED, TERMINAL, TRANSITIONS, JobStatus
from grid.services import ledger
from grid.services.reaper import reap
from grid.services.submission_store import store_submissions

CALLS = {"store_submissions": store_submissions, "reap": reap, **vars(ledger)}
STATES = {"held": LEASED, "any terminal state": TERMINAL, "(none)": ()}


def read_table() -> list[list[str]]:
    """Return the rows, each with its four cells; a line without a state goes on with the row before it."""
    rule, *lines = (ledger.__doc__ or "").split("\n=")[1:3]
    edges = [match.start() for match in re.finditer(r"=+", "=" + rule.splitlines()[0])]
    rows: list[list[str]] = []
    for line in "".join(lines).splitlines()[1:]:
        cells = [line[start:end].strip() for start, end in zip(edges, [*edges[1:], None], strict=True)]
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [f"{before} {more}".strip() for before, more in zip(rows[-1], cells, strict=True)]
    return rows


def find_states(text: str) -> set[JobStatus]:
    return {state for state in JobStatus if re.search(rf"\b{state.value}\b", text)}


def test_the_table_has_every_transition_and_no_other():
    moves = set()
    for states, _, _, following in read_table():
        before = STATES.get(states, find_states(states))
        if not following.startswith("the same"):
            path = following.partition(", through ")[2] or following
            moves |= {(one, other) for one in before for other in find_states(path)}
            if path != following:
                moves |= {(JobStatus(path), other) for other in find_states(following.partition(",")[0])}

    assert moves == {(one, other) for one, others in TRANSITIONS.items() for other in others}


def test_the_table_names_calls_that_exist():
    names = {name for _, _, call, _ in read_table() for name in re.findall(r"`(\w+)`", call)} - {"begun"}

    assert names <= set(CALLS)
    assert {"claim", "conclude", "renew", "cancel", "cancel_sweep", "reap", "store_submissions"} <= names
