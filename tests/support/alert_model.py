"""Alert rules a second time, from the whole history: an independent model, random histories, and their comparison.

The machine under test goes from state to state. The model holds none: it takes a finished history, writes down which
samples were beyond which threshold and how much time without gaps lay between them, and looks for the stretches of
samples that raise and clear an alert.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from grid.engine.live.rules import ActiveRule, Rule, RuleInput, RuleState, activate, advance_rule, start_rule

TICK_S = 0.1
LETTERS = "CcNrB"  # beyond clear, at it, between, at raise (which is no breach), beyond raise
VALUE = {"C": 80.0, "c": 90.0, "N": 95.0, "r": 100.0, "B": 120.0}


class Told(NamedTuple):
    """An input of a history, and the rule in force from then on."""

    active: ActiveRule
    given: RuleInput


class Change(NamedTuple):
    """A transition: at which input, between which states, and of which alert."""

    index: int
    before: str
    after: str
    alert: int


class Item(NamedTuple):
    """A weighed sample, or lack of data with an effect: X lets fire, O resolves."""

    index: int
    letter: str
    time: int  # of the rule's clock, without gaps for samples
    count: int  # of samples
    active: ActiveRule


def judge(history: Sequence[Told]) -> list[Change]:
    """All transitions of a history."""
    ends = [index for index, told in enumerate(history) if told.given.kind == "ended"]
    living = history[: ends[0]] if ends else history
    covers = [find_cover(living, index) for index in range(-1, len(living))]
    values = find_value_changes(list_items(living))
    changes: list[Change] = []
    value, alert = "ok", 0
    for index in range(len(living)):
        before, after = covers[index], covers[index + 1]
        if before != after:
            changes.append(Change(index, before or value, after or value, alert))
        for change in values.get(index, ()):
            changes.append(change)
            value, alert = change.after, change.alert
    if ends:
        changes.append(Change(ends[0], covers[-1] or value, "closed", alert))
    return changes


def is_sample(told: Told) -> bool:
    return told.given.kind == "sample" and told.given.value is not None


def is_lost(told: Told) -> bool:
    return told.given.kind == "no_data" or (told.given.kind == "sample" and told.given.value is None)


def is_suspended(history: Sequence[Told], index: int) -> bool:
    """True where the last word on pauses until an input, itself included, is that the run pauses."""
    last = [told.given.kind for told in history[: index + 1] if told.given.kind in ("paused", "resumed")]
    return bool(last) and last[-1] == "paused"


def find_lack(history: Sequence[Told], index: int) -> str | None:
    """What has been said of missing samples, outside pauses, since the last one."""
    samples = [at for at in range(index + 1) if is_sample(history[at])]
    since = [at for at in range(samples[-1] + 1 if samples else 0, index + 1) if not is_suspended(history, at)]
    if any(is_lost(history[at]) for at in since):
        return "no_data"
    return "stale" if any(history[at].given.kind == "stale" for at in since) else None


def find_cover(history: Sequence[Told], index: int) -> str | None:
    return "suspended" if is_suspended(history, index) else find_lack(history, index)


def find_letter(rule: Rule, value: float) -> str:
    sign = 1.0 if rule.op == ">" else -1.0
    beyond_raise, beyond_clear = sign * (value - rule.raise_at), sign * (value - rule.clear_at)
    return "B" if beyond_raise > 0.0 else "C" if beyond_clear <= 0.0 else "N"


def list_items(history: Sequence[Told]) -> list[Item]:
    """Samples, versions that weigh the last one again, and lack of data where it has an effect."""
    items: list[Item] = []
    last: int | None = None  # index of the last sample
    time = 0
    for index, (active, given) in enumerate(history):
        if is_sample(history[index]):
            if last is not None:
                time += count_time(history, last, index)
            items.append(Item(index, find_letter(active.rule, given.value), time, 1, active))
            last = index
        elif is_lost(history[index]) and not is_suspended(history, index) and active.rule.no_data != "keep":
            items.append(Item(index, "X" if active.rule.no_data == "fire" else "O", given.clock, 0, active))
        elif given.kind == "revised" and last is not None:
            keys = {told.active.rule.key for told in history[last : index + 1]}
            fires = find_lack(history, index) == "no_data" and active.rule.no_data == "fire"
            if len(keys) == 1 and not fires:
                items.append(Item(index, find_letter(active.rule, history[last].given.value), time, 0, active))
    return items


def count_time(history: Sequence[Told], last: int, index: int) -> int:
    """Time between two samples in a row that timers may count: one tick in simulation time, whatever is missing."""
    if history[index].active.rule.clock == "sim":
        return 1
    between = {told.given.kind for told in history[last + 1 : index]}  # the end of a pause alone is no gap
    has_gap = bool(between - {"revised", "resumed"}) or is_suspended(history, last)
    return 0 if has_gap else history[index].given.clock - history[last].given.clock


def find_value_changes(items: Sequence[Item]) -> dict[int, list[Change]]:
    changes: list[Change] = []
    start, alert = 0, 0
    while start < len(items):
        fire = next((at for at in range(start, len(items)) if does_fire(items, start, at)), None)
        stop = len(items) if fire is None else fire + 1
        changes += list_pending(items, start, stop, fire, alert)
        if fire is None:
            break
        alert += 1
        resolve = next((at for at in range(fire + 1, len(items)) if does_resolve(items, fire, at)), None)
        changes += list_holding(items, fire, resolve, alert)
        start = len(items) if resolve is None else resolve + 1
    found: dict[int, list[Change]] = {}
    for change in changes:
        found.setdefault(change.index, []).append(change)
    return found


def find_run(items: Sequence[Item], start: int, at: int, letters: str) -> int:
    """First place of the longest stretch of letters that ends at a place."""
    while at > start and items[at - 1].letter in letters:
        at -= 1
    return at


def does_fire(items: Sequence[Item], start: int, at: int) -> bool:
    item = items[at]
    if item.letter not in "BX":
        return False
    first = find_run(items, start, at, item.letter)
    is_long = item.time - items[first].time >= item.active.hold
    samples = 1 + sum(each.count for each in items[first + 1 : at + 1])
    return is_long and (item.letter == "X" or samples >= item.active.rule.min_samples)


def list_pending(items: Sequence[Item], start: int, stop: int, fire: int | None, alert: int) -> Iterator[Change]:
    for at in range(start, stop):
        was = at > start and items[at - 1].letter in "BX"
        before = "pending" if was else "ok"
        if at == fire:
            yield Change(items[at].index, before, "firing", alert + 1)
        elif was != (items[at].letter in "BX"):
            yield Change(items[at].index, before, "ok" if was else "pending", alert)


def find_hold(items: Sequence[Item], fire: int, at: int) -> int | None:
    """Where the hold began that lasts before a place; None where the alert fires there."""
    calm = find_run(items, fire + 1, at, "NC")
    cleared = [place for place in range(calm, at) if items[place].letter == "C"]
    return max((place for place in range(cleared[0], at) if place == cleared[0] or items[place].letter == "N"),
               default=None) if cleared else None  # fmt: skip


def does_resolve(items: Sequence[Item], fire: int, at: int) -> bool:
    item = items[at]
    if item.letter == "O":
        return True
    if item.letter != "C":
        return False
    hold = find_hold(items, fire, at)
    keep = item.active.keep_firing_for
    return keep == 0 if hold is None else item.time - items[hold].time >= keep


def list_holding(items: Sequence[Item], fire: int, resolve: int | None, alert: int) -> Iterator[Change]:
    for at in range(fire + 1, len(items) if resolve is None else resolve + 1):
        before = "firing" if find_hold(items, fire, at) is None else "holding"
        if at == resolve:
            yield Change(items[at].index, before, "ok", alert)
        elif before == "firing" and items[at].letter == "C":
            yield Change(items[at].index, "firing", "holding", alert)
        elif before == "holding" and items[at].letter in "BX":
            yield Change(items[at].index, "holding", "firing", alert)


# --- histories


@dataclass(frozen=True)
class Terms:
    """Numbers of a rule of a history, times in counts of its clock."""

    op: str = ">"
    hold: int = 0
    min_samples: int = 1
    keep: int = 0
    no_data: str = "keep"
    clock: str = "sim"
    shift: int = 0  # of both thresholds, in steps of 10
    metric: str = "highest"

    def activate(self, version: int) -> ActiveRule:
        sign = 1.0 if self.op == ">" else -1.0
        unit = TICK_S if self.clock == "sim" else 1e-3
        rule = Rule(
            "hot",
            self.metric,
            self.op,
            raise_at=sign * (100.0 + 10.0 * self.shift),
            clear_at=sign * (90.0 + 10.0 * self.shift),
            hold=self.hold * unit,
            min_samples=self.min_samples,
            keep_firing_for=self.keep * unit,
            clock=self.clock,
            no_data=self.no_data,
            version=version,
        )
        return activate(rule, TICK_S)


def build_history(terms: Terms, steps: Sequence[tuple[str, int, Terms | None]]) -> list[Told]:
    """Inputs of steps: a letter of a sample or a word, the time since the one before, and terms for a new version."""
    told: list[Told] = []
    active, tick, now = terms.activate(1), 0, 0
    for word, pause, revision in steps:
        now += pause
        if word in LETTERS or word == "null":
            tick += 1 + pause // 1500  # now and then ticks are missing
        if word == "revised" and revision is not None:
            terms = replace(revision, clock=terms.clock)
            active = terms.activate(active.rule.version + 1)
        sign = 1.0 if terms.op == ">" else -1.0
        value = sign * VALUE[word] if word in VALUE else None
        kind = "sample" if word in LETTERS or word == "null" else word
        clock = now if terms.clock == "wall" else None
        told.append(Told(active, RuleInput(kind, tick, tick * TICK_S, value, clock)))
    return told


def draw_terms(source: random.Random) -> Terms:
    clock = source.choice(["sim", "sim", "wall"])
    unit = 1 if clock == "sim" else 1000
    return Terms(
        op=source.choice("><"),
        hold=source.choice([0, 0, 1, 2, 4]) * unit,
        min_samples=source.choice([1, 1, 2, 3]),
        keep=source.choice([0, 0, 1, 3]) * unit,
        no_data=source.choice(["keep", "fire", "ok"]),
        clock=clock,
        shift=source.choice([0, 0, 0, 1, 2]),
        metric=source.choice(["highest"] * 5 + ["mean"]),
    )


WORDS = ["sample"] * 40 + [
    "null",
    "no_data",
    "stale",
    "stale",
    "stale",
    "paused",
    "resumed",
    "resumed",
    "revised",
    "revised",
]


def draw_history(source: random.Random, length: int) -> list[Told]:
    """A random history: samples that often stay where they were, and all that may come between."""
    letter, steps = "C", []
    while len(steps) < length:
        word = source.choice(WORDS) if len(steps) < length - 2 else source.choice(["sample", "ended"])
        if word == "sample":
            letter = letter if source.random() < 0.55 else source.choice(LETTERS + "BBC")
            word = letter
        elif word in ("stale", "no_data", "null") and source.random() < 0.5:  # stays so, and may get worse
            steps += [(word, source.randrange(200, 2000), None)] * source.randrange(1, 3)
            steps += [
                (after, 1000, None) for after in source.choice([["no_data"]] * 4 + [["paused", "resumed"], ["paused"]])
            ]
            continue
        steps.append((word, source.randrange(200, 2000), draw_terms(source) if word == "revised" else None))
    return build_history(draw_terms(source), steps[:length])


# --- comparison


@dataclass
class AlertCheck:
    """What a comparison of machine and model has found."""

    histories: int = 0
    inputs: int = 0
    restarts: int = 0
    divergences: int = 0
    rows: Counter[str] = field(default_factory=Counter)


def run_machine(
    history: Sequence[Told], restarts: frozenset[int] = frozenset()
) -> tuple[list[Change], list[RuleState]]:
    """Transitions of the machine, and its state before each input; packed and unpacked as JSON before some of them."""
    state = start_rule(history[0].active)
    changes, states = [], []
    for index, (active, given) in enumerate(history):
        if index in restarts:
            state = RuleState.unpack(json.loads(json.dumps(state.pack())))
        states.append(state)
        state, transitions = advance_rule(active, state, given)
        changes += [Change(index, each.before, each.after, each.alert) for each in transitions]
    return changes, states


def name_rows(told: Told, state: RuleState, changes: Sequence[Change]) -> Iterator[str]:
    """Rows of the table that an input went through: state, input, and what it led to."""
    active, given = told
    after = changes[-1].after if changes else state.shown
    if state.cover == "closed":
        return
    if is_sample(told):
        letter = find_letter(active.rule, given.value)
        values = [change.after for change in changes if change.after in ("ok", "pending", "firing", "holding")]
        if state.cover in ("stale", "no_data"):
            yield f"{state.cover}: sample from {state.value}"
        yield f"{state.value}: {letter} to {values[-1] if values else state.value}"
    elif is_lost(told):
        yield f"{state.cover or 'value'}: X, {active.rule.no_data}"
        if len(changes) and changes[-1].after == "firing" and state.value != "holding":
            yield "no_data: fires"
    elif given.kind == "revised":
        yield f"revised: {state.value} to {changes[-1].after if changes else state.value}"
    else:
        yield f"{given.kind}: {state.shown} to {after}"


def check_alerts(histories: int = 2_000, inputs: int = 50, restarts: int = 500, seed: int = 0) -> AlertCheck:
    """Compare the machine with the model on random histories; so many restarts fall on random inputs of them."""
    source = random.Random(seed)
    found = AlertCheck()
    places = Counter(source.randrange(histories) for _ in range(restarts))
    for number in range(histories):
        history = draw_history(source, inputs)
        points = frozenset(source.sample(range(inputs), min(inputs, places[number])))
        changes, states = run_machine(history, points)
        found.histories += 1
        found.inputs += len(history)
        found.restarts += len(points)
        found.divergences += changes != judge(history)
        for index, (told, state) in enumerate(zip(history, states, strict=True)):
            found.rows.update(name_rows(told, state, [change for change in changes if change.index == index]))
    return found
