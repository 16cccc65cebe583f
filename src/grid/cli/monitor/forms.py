"""What each command asks for, and the sentence of what it will do."""

import math
from collections.abc import Callable, Sequence

from grid.cli.monitor.dialogs import Choice, FormField, Values
from grid.cli.monitor.source import Alert, Answer, Json, MonitorSource, Run
from grid.cli.monitor.texts import event_text, number, quantity, short
from grid.core.errors import FieldError

POLICIES = ("auto", "lumped", "diffusive")
RADIUS_SHARE = 0.05  # of the longest side of the body, where a burst is proposed
Reader = Callable[[Values], Json]


def read_number(values: Values, name: str) -> float:
    """A number as it was typed.

    Raises:
        FieldError: It is none, or not finite.
    """
    try:
        found = float(values.get(name, ""))
    except ValueError:
        raise FieldError(name, "a number") from None
    if not math.isfinite(found):
        raise FieldError(name, "a finite number")
    return found


def read_numbers(values: Values, name: str) -> list[float]:
    """Numbers with commas or blanks between them.

    Raises:
        FieldError: One is none.
    """
    parts = values.get(name, "").replace(",", " ").split()
    if not parts:
        raise FieldError(name, "numbers with commas between them")
    return [read_number({name: part}, name) for part in parts]


def make_injections(
    source: MonitorSource, run: Run, position: Sequence[float], tick: Callable[[], int]
) -> list[Choice]:
    """Events that can be injected.

    Args:
        source: Of the run.
        run: It.
        position: Where a burst is proposed [m]; empty where that is not known.
        tick: The newest tick that is known.
    """
    longest = max(run.size, default=1.0)
    at = FormField("position_m", "position [m]", ", ".join(short(round(part, 6)) for part in position))
    lasting = FormField("duration_s", "duration [s], simulated", short(max(1.0, 10.0 * run.tick_s)))
    burst = (at, FormField("radius_m", "radius [m], standard deviation of a Gaussian", short(RADIUS_SHARE * longest)),
             FormField("power_w", "power [W]", "1000"), lasting)  # fmt: skip
    flow = (FormField("face", "face: x_min, x_max, y_min ...", "x_min"),
            FormField("heat_flux_w_m2", "heat flux into the body [W/m²]", "10000"), lasting)  # fmt: skip
    overload = (FormField("power_w", "power over the whole body [W]", "1000"), lasting)
    loss = (FormField("faces", "faces, with commas between them", "x_min"),
            FormField("remaining", "share of the cooling that remains, 0 to 1", "0.5"), lasting)  # fmt: skip
    readers: list[tuple[str, tuple[FormField, ...], Reader]] = [
        ("burst", burst, _read_burst), ("flow", flow, _read_flow), ("overload", overload, _read_overload),
        ("cooling-loss", loss, _read_loss),
    ]  # fmt: skip
    return [_make_injection(source, name, fields, read, tick) for name, fields, read in readers]


def make_models(source: MonitorSource) -> list[Choice]:
    """Models that can be chosen."""
    told = {
        "auto": "Grid chooses the model at each tick by stress and certificate.",
        "lumped": "The body has one temperature from the next tick on, also beyond the certificate; that stays told.",
        "diffusive": "The field is computed from the next tick on.",
    }

    def choice(policy: str) -> Choice:
        async def send(_values: Values) -> Answer:
            return await source.choose_model(policy)

        return Choice(policy, (), lambda _values: told[policy], send)

    return [choice(policy) for policy in POLICIES]


def make_speed(source: MonitorSource, speed: float | None, rate: float) -> Choice:
    """Another speed."""

    def read(values: Values) -> float | None:
        return None if values.get("speed", "").lower() == "max" else read_number(values, "speed")

    def describe(values: Values) -> str:
        wanted = read(values)
        told = "as fast as it can" if wanted is None else f"at {short(wanted * rate)} ticks a second"
        return f"The run goes {told}. Its physics does not depend on it."

    async def send(values: Values) -> Answer:
        return await source.set_speed(read(values))

    field = FormField("speed", f"speed, 0.1 to 100 times {rate:g} ticks a second, or max", _speed(speed))
    return Choice("speed", (field,), describe, send)


def make_step(source: MonitorSource, tick: Callable[[], int]) -> Choice:
    """Ticks of a paused run."""

    def read(values: Values) -> int:
        found = read_number(values, "ticks")
        if found != int(found):
            raise FieldError("ticks", "a whole number")
        return int(found)

    def describe(values: Values) -> str:
        ticks = read(values)
        return f"The paused run takes {ticks:,} ticks, to tick {tick() + ticks:,}, and is paused again."

    async def send(values: Values) -> Answer:
        return await source.step(read(values))

    return Choice("step", (FormField("ticks", "ticks, 1 to 10,000", "1"),), describe, send)


def make_plain(name: str, sentence: str, action: Callable[[], object]) -> Choice:
    """A command without numbers; `action` returns what is awaited."""

    async def send(_values: Values) -> Answer:
        found: Answer = await action()  # type: ignore[misc]  # each is one of the source's commands
        return found

    return Choice(name, (), lambda _values: sentence, send)


def make_acknowledgement(source: MonitorSource, alert: Alert, value: float | None) -> Choice:
    """Somebody has seen an alert."""
    sentence = (
        f"{alert.severity.upper()} {alert.rule}: {alert.metric} {number(value)} {alert.op} {number(alert.threshold)} "
        f"since tick {alert.tick:,}. It stays in the list until it is over, marked as seen."
    )

    async def send(_values: Values) -> Answer:
        return await source.acknowledge(alert)

    return Choice("acknowledge", (), lambda _values: sentence, send)


def _make_injection(
    source: MonitorSource, name: str, fields: tuple[FormField, ...], read: Reader, tick: Callable[[], int]
) -> Choice:
    def describe(values: Values) -> str:
        event = read(values)
        energy = ""
        if "power_w" in event:
            energy = f", {quantity(event['power_w'] * event['duration_s'], 'J')} in all"
        return f"{event_text(event)}{energy}, from tick {tick() + 1:,} or soon after."

    async def send(values: Values) -> Answer:
        return await source.inject(read(values))

    return Choice(name, fields, describe, send)


def _read_burst(values: Values) -> Json:
    return {
        "kind": "burst",
        "position_m": read_numbers(values, "position_m"),
        **{name: read_number(values, name) for name in ("radius_m", "power_w", "duration_s")},
    }


def _read_flow(values: Values) -> Json:
    numbers = {name: read_number(values, name) for name in ("heat_flux_w_m2", "duration_s")}
    return {"kind": "flow", "face": values.get("face", ""), **numbers}


def _read_overload(values: Values) -> Json:
    return {"kind": "overload", **{name: read_number(values, name) for name in ("power_w", "duration_s")}}


def _read_loss(values: Values) -> Json:
    faces = values.get("faces", "").replace(",", " ").split()
    numbers = {name: read_number(values, name) for name in ("remaining", "duration_s")}
    return {"kind": "cooling-loss", "faces": faces, **numbers}


def _speed(speed: float | None) -> str:
    return "max" if speed is None else short(speed)
