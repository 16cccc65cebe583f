"""Cooling of a rod: the 1D heat equation by explicit finite differences. Needs NumPy, and Matplotlib for the picture.

    python run_sim.py --length 1.0 --time_steps 100 --diffusivity 0.01

Solves dT/dt = diffusivity d2T/dx2 between two ends held at `boundary_temp`, from the start
boundary_temp + (initial_temp - boundary_temp) sin(pi x / length), and writes

    result.csv               mean, extremes and centre at `time_steps` + 1 equal times
    meta.json                parameters, units, what the scheme did, key results
    simulation_results.png   four panels for a report (left out with --no_plot)
    temperature_field.npy    every temperature [degC], float64, shape (time_steps + 1, spatial_steps)

Each interval between results is cut into the fewest equal sub-steps that keep the mesh Fourier number
diffusivity * step / spacing^2 at or below 1/2, where the scheme is stable and obeys the maximum principle: no choice of
`time_steps` is refused for stability. README.md beside this file holds the contract for containers.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

# Of each: type, default, lowest and highest value, unit, meaning.
PARAMETERS = {
    "length": (float, 1.0, 1e-6, 1e6, "m", "length of the rod"),
    "time_steps": (int, 100, 1, 1_000_000, "1", "equal intervals between results"),
    "spatial_steps": (int, 101, 3, 1_000_000, "1", "nodes along the rod, both ends included"),
    "diffusivity": (float, 0.01, 1e-12, 1e3, "m2/s", "thermal diffusivity"),
    "initial_temp": (float, 100.0, -273.15, 1e6, "degC", "temperature at the centre at the start"),
    "boundary_temp": (float, 0.0, -273.15, 1e6, "degC", "temperature of both ends, at all times"),
    "end_time": (float, 1.0, 1e-9, 1e12, "s", "simulated time"),
}
FOURIER_LIMIT = 0.5
FIELD_BYTES_LIMIT = 8 * 10**9
CELL_STEPS_LIMIT = 1e13
PARAMS_FILE_LIMIT = 65_536  # bytes
CSV_HEADER = "time_s,mean_temperature_degC,max_temperature_degC,min_temperature_degC,centre_temperature_degC"
EXIT_INVALID, EXIT_FAILED, EXIT_INTERRUPTED = 2, 1, 130


class InvalidError(ValueError):
    """One sentence that names the parameter and its limit."""


# --- parameters


def check(name, value):
    """Return the value of one parameter, or raise InvalidError. Text comes from flags, numbers from the file."""
    kind, _, low, high, unit, _ = PARAMETERS[name]
    article = "a whole number" if kind is int else "a number"
    limits = f"{name} must be {article} from {low:g} to {high:g}" + (f" {unit}." if unit != "1" else ".")
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InvalidError(limits)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise InvalidError(limits) from None
    if not low <= number <= high or (kind is int and number != int(number)):  # NaN fails the comparison
        raise InvalidError(limits)
    return kind(number)


def read_params_file(path):
    """Read parameters from a JSON object that holds any of the seven names and no other."""

    try:
        with Path(path).open("rb") as stream:
            text = stream.read(PARAMS_FILE_LIMIT + 1)
    except OSError as error:
        raise InvalidError(f"params: the file cannot be read ({error.strerror}).") from None
    if len(text) > PARAMS_FILE_LIMIT:
        raise InvalidError(f"params: the file must not be larger than {PARAMS_FILE_LIMIT} bytes.")
    try:
        document = json.loads(text.decode("utf-8"), object_pairs_hook=_refuse_twins)
    except InvalidError:
        raise
    except (ValueError, RecursionError):
        raise InvalidError("params: the file must hold one JSON object.") from None
    if not isinstance(document, dict):
        raise InvalidError("params: the file must hold one JSON object.")
    unknown = [name for name in document if name not in PARAMETERS]
    if unknown:
        raise InvalidError(f"params: unknown name in the file; known are {', '.join(PARAMETERS)}.")
    for name, value in document.items():
        if isinstance(value, str):
            raise InvalidError(f"{name} must be a number in the file, not text.")
    return {name: check(name, value) for name, value in document.items()}


def _refuse_twins(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise InvalidError("params: a name stands twice in the file.")
    return dict(pairs)


class Parser(argparse.ArgumentParser):
    """Refuses with one sentence on stderr and exit status 2."""

    def error(self, message):
        """Say what is wrong, without the usage."""
        self.exit(EXIT_INVALID, f"{message.rstrip('.')}.\n")


def parse_arguments(arguments):
    """Return (parameters, output folder, whether to plot); exits with status 2 on a bad value."""
    parser = Parser(prog="run_sim.py", description=__doc__.split("\n", 1)[0], allow_abbrev=False)
    for name, (_, default, low, high, unit, meaning) in PARAMETERS.items():
        shown = "" if unit == "1" else f" [{unit}]"
        parser.add_argument(
            f"--{name}", metavar="N", help=f"{meaning}{shown}, {low:g} to {high:g}, default {default:g}"
        )
    parser.add_argument("--params", metavar="FILE.json", help="parameters as a JSON object; flags win over it")
    parser.add_argument("--output_dir", default=".", help="folder for the outputs, made if missing; default: here")
    parser.add_argument("--no_plot", action="store_true", help="leave out simulation_results.png")
    options = parser.parse_args(_join_values(sys.argv[1:] if arguments is None else arguments))
    try:
        params = {name: default for name, (_, default, *_) in PARAMETERS.items()}
        if options.params is not None:
            params.update(read_params_file(options.params))
        for name in PARAMETERS:
            if getattr(options, name) is not None:
                params[name] = check(name, getattr(options, name))
        require_feasible(params)
    except InvalidError as error:
        parser.error(str(error))
    return params, Path(options.output_dir), not options.no_plot


def _join_values(arguments):
    """Join `--initial_temp -1e2` to `--initial_temp=-1e2`: argparse takes -1e2 for a flag."""
    joined, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        if word[2:] in PARAMETERS and word.startswith("--") and rest and not rest[0].startswith("--"):
            word = f"{word}={rest.pop(0)}"
        joined.append(word)
    return joined


def require_feasible(params):
    """Refuse a field or an amount of work that no machine should try."""
    field_bytes = 8 * (params["time_steps"] + 1) * params["spatial_steps"]
    if field_bytes > FIELD_BYTES_LIMIT:
        raise InvalidError(
            f"time_steps and spatial_steps: the field would take {field_bytes / 1e9:.3g} GB; "
            f"at most {FIELD_BYTES_LIMIT / 1e9:g} GB are allowed."
        )
    cell_steps = float(params["time_steps"]) * params["spatial_steps"] * find_sub_steps(params)[0]
    if cell_steps > CELL_STEPS_LIMIT:
        raise InvalidError(
            f"spatial_steps, diffusivity and end_time: {cell_steps:.3g} cell steps would be needed to stay stable; "
            f"at most {CELL_STEPS_LIMIT:g} are allowed."
        )


# --- numerics


def find_sub_steps(params):
    """Return (sub-steps of one interval, their mesh Fourier number <= 1/2)."""
    spacing = params["length"] / (params["spatial_steps"] - 1)
    whole = params["diffusivity"] * (params["end_time"] / params["time_steps"]) / (spacing * spacing)
    count = max(1, math.ceil(whole / FOURIER_LIMIT))
    return count, whole / count


def start_shape(nodes):
    """Return sin(pi i / (n - 1)), exactly symmetric and exactly zero at both ends."""
    half = [math.sin(math.pi * i / (nodes - 1)) for i in range((nodes + 1) // 2)]
    return np.array(half + half[: nodes // 2][::-1])


def advance(excess, mesh_fourier, work, sub_steps):
    """Advance the excess temperature in place; the ends stay as they are. `work` has the shape of the interior."""
    left, centre, right = excess[:-2], excess[1:-1], excess[2:]
    for _ in range(sub_steps):
        np.multiply(centre, 2.0, out=work)
        np.subtract(left, work, out=work)
        np.add(work, right, out=work)
        np.multiply(work, mesh_fourier, out=work)
        np.add(centre, work, out=centre)


def solve(params, take, tell=None):
    """Call `take(first, rows)` with all results in order: `rows` [degC] has shape (m, spatial_steps).

    What is stepped is the excess (T - boundary_temp) / (initial_temp - boundary_temp), in [0, 1], so that a small span
    on a high temperature loses no digits.
    """
    nodes, results = params["spatial_steps"], params["time_steps"] + 1
    boundary, span = params["boundary_temp"], params["initial_temp"] - params["boundary_temp"]
    count, mesh_fourier = find_sub_steps(params)
    excess, work = start_shape(nodes), np.empty(nodes - 2)
    rows = np.empty((max(1, min(results, (1 << 20) // (8 * nodes))), nodes))
    piece = max(1, 20_000_000 // nodes)  # sub-steps between two words about progress
    filled = 0
    for result in range(results):
        ahead = 0 if result else count
        while ahead < count:
            steps = min(piece, count - ahead)
            advance(excess, mesh_fourier, work, steps)
            ahead += steps
            if tell is not None:
                tell((result - 1 + ahead / count) / (results - 1))
        np.multiply(excess, span, out=rows[filled])
        rows[filled] += boundary
        filled += 1
        if filled == len(rows) or result == results - 1:
            take(result + 1 - filled, rows[:filled])
            filled = 0


# --- what is kept of the results


class Series:
    """Mean (trapezoidal rule), extremes, centre, and the largest difference from the exact solution, in time."""

    def __init__(self, params):
        """Make room for all results."""
        self.params = params
        self.time = np.linspace(0.0, params["end_time"], params["time_steps"] + 1)
        self.mean, self.highest, self.lowest, self.centre, self.error = np.empty((5, len(self.time)))
        self.shape = start_shape(params["spatial_steps"])
        rate = params["diffusivity"] * (math.pi / params["length"]) ** 2
        self.exact_excess = (params["initial_temp"] - params["boundary_temp"]) * np.exp(-rate * self.time)

    def take(self, first, rows):
        """Reduce rows."""
        nodes, part = rows.shape[1], slice(first, first + len(rows))
        self.mean[part] = (rows.sum(axis=1) - 0.5 * (rows[:, 0] + rows[:, -1])) / (nodes - 1)
        self.highest[part], self.lowest[part] = rows.max(axis=1), rows.min(axis=1)
        self.centre[part] = (rows[:, (nodes - 1) // 2] + rows[:, nodes // 2]) / 2
        exact = self.params["boundary_temp"] + self.exact_excess[part, None] * self.shape
        self.error[part] = np.abs(rows - exact).max(axis=1)

    def write_csv(self, path):
        """Write result.csv; each number reads back to the same double."""
        columns = (self.time, self.mean, self.highest, self.lowest, self.centre)
        with path.open("w", encoding="utf-8", newline="") as stream:
            stream.write(CSV_HEADER + "\n")
            for row in zip(*(column.tolist() for column in columns), strict=True):
                stream.write(",".join(map(repr, row)) + "\n")


class Sample:
    """As many results and nodes as a picture can show."""

    def __init__(self, params):
        """Choose them."""

        def spread(count):
            return np.unique(np.round(np.linspace(0, count - 1, min(count, 480))).astype(int))

        self.rows, self.nodes = spread(params["time_steps"] + 1), spread(params["spatial_steps"])
        self.field = np.empty((len(self.rows), len(self.nodes)))

    def take(self, first, rows):
        """Keep what the picture shows of these rows."""
        low, high = np.searchsorted(self.rows, (first, first + len(rows)))
        self.field[low:high] = rows[np.ix_(self.rows[low:high] - first, self.nodes)]


def make_meta(params, series, elapsed_s):
    """Return the contents of meta.json."""
    count, mesh_fourier = find_sub_steps(params)
    span = abs(params["initial_temp"] - params["boundary_temp"])
    return {
        "simulation": "run_sim",
        "equation": "dT/dt = diffusivity * d2T/dx2",
        "start": "boundary_temp + (initial_temp - boundary_temp) * sin(pi * x / length)",
        "parameters": params,
        "units": {name: entry[4] for name, entry in PARAMETERS.items()},
        "numerics": {
            "scheme": "explicit finite differences (FTCS) of the excess over boundary_temp",
            "sub_steps": count,
            "mesh_fourier": mesh_fourier,
            "mesh_fourier_limit": FOURIER_LIMIT,
            "spacing_m": params["length"] / (params["spatial_steps"] - 1),
            "sub_step_s": params["end_time"] / params["time_steps"] / count,
        },
        "results": {
            "centre_temperature_degC": float(series.centre[-1]),
            "mean_temperature_degC": float(series.mean[-1]),
            "max_temperature_degC": float(series.highest[-1]),
            "min_temperature_degC": float(series.lowest[-1]),
            "fourier_number": params["diffusivity"] * params["end_time"] / params["length"] ** 2,
            "largest_error": float(series.error[-1]) / (span or 1.0),
        },
        "versions": {"python": sys.version.split()[0], "numpy": np.__version__},
        "elapsed_s": elapsed_s,
    }


# --- the picture


def draw(path, params, series, sample):
    """Write simulation_results.png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    ink, end = "#333333", params["end_time"]
    figure = Figure(figsize=(11, 7.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    profiles, plane, history, errors = figure.subplots(2, 2).flat

    place = np.linspace(0.0, params["length"], params["spatial_steps"])[sample.nodes]
    scale = ScalarMappable(Normalize(0.0, end), "viridis_r")
    for row in np.unique(np.round(np.linspace(0, len(sample.field) - 1, 6)).astype(int)):
        colour = scale.to_rgba(series.time[sample.rows[row]])
        profiles.plot(place, sample.field[row], color=colour, linewidth=1.8)
    figure.colorbar(scale, ax=profiles, label="time [s]")
    profiles.set(title="Temperature along the rod", xlabel="place [m]", ylabel="temperature [°C]")

    extent = (0.0, end, 0.0, params["length"])
    image = plane.imshow(
        sample.field.T, origin="lower", aspect="auto", cmap="inferno", interpolation="bilinear", extent=extent
    )
    figure.colorbar(image, ax=plane, label="temperature [°C]")
    plane.set(title="Temperature in place and time", xlabel="time [s]", ylabel="place [m]")

    every = max(1, len(series.time) // 16)
    exact = (params["boundary_temp"] + series.exact_excess)[::every]
    history.plot(series.time, series.centre, color="#b2182b", linewidth=1.8, label="centre")
    history.plot(series.time, series.mean, color="#2166ac", linewidth=1.8, label="mean")
    history.plot(
        series.time[::every],
        exact,
        "o",
        markersize=5,
        markerfacecolor="none",
        color=ink,
        label="centre, exact solution",
    )
    history.set(title="Cooling", xlabel="time [s]", ylabel="temperature [°C]")
    history.legend(frameon=False)

    errors.plot(series.time, series.error, color="#4d4d4d", linewidth=1.8)
    errors.set(title="Largest difference from the exact solution", xlabel="time [s]", ylabel="difference [K]")
    errors.set_ylim(bottom=0.0)
    for axes in (profiles, history, errors):
        axes.margins(x=0)
        axes.grid(visible=True, color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(make_title(params), fontsize=11, color=ink)
    figure.savefig(path, format="png", metadata={"Software": None})


def make_title(params):
    """Return the two lines above the picture."""
    count, mesh_fourier = find_sub_steps(params)
    steps = "1 sub-step" if count == 1 else f"{count:,} sub-steps"
    return (
        f"Heat conduction in a rod: length {params['length']:g} m, diffusivity {params['diffusivity']:g} m²/s, "
        f"centre {params['initial_temp']:g} °C, ends {params['boundary_temp']:g} °C\n"
        f"{params['spatial_steps']:,} nodes, {params['time_steps']:,} intervals of {steps}, "
        f"mesh Fourier number {mesh_fourier:.3g}"
    )


# --- the program


def say(line):
    """Write a log line at once, also where stdout is a pipe."""
    print(line, flush=True)


class Progress:
    """Says `::progress F` at most five times a second, and always at the end."""

    def __init__(self):
        """Start silent."""
        self.said_at = time.monotonic()

    def tell(self, fraction):
        """Say how much is done."""
        now = time.monotonic()
        if now - self.said_at >= 0.2:
            self.said_at = now
            say(f"::progress {fraction:.4f}")


def run(params, folder, is_plotted):
    """Solve, and write the outputs into `folder`."""
    started = time.perf_counter()
    count, mesh_fourier = find_sub_steps(params)
    say(
        f"run_sim: {params['time_steps']} intervals, sub-steps in each: {count}, mesh Fourier number {mesh_fourier:.4g}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    series, sample = Series(params), Sample(params)
    with (folder / "temperature_field.npy").open("wb") as stream:
        shape = (params["time_steps"] + 1, params["spatial_steps"])
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})

        def take(first, rows):
            stream.write(rows.data)
            series.take(first, rows)
            sample.take(first, rows)

        solve(params, take, Progress().tell)
    series.write_csv(folder / "result.csv")
    meta = make_meta(params, series, round(time.perf_counter() - started, 6))
    (folder / "meta.json").write_text(json.dumps(meta, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if is_plotted:
        draw(folder / "simulation_results.png", params, series, sample)
    say(f"run_sim: centre at the end {series.centre[-1]:.6g} degC, mean {series.mean[-1]:.6g} degC")
    say("::progress 1.0")


def main(arguments=None):
    """Run the program; return its exit status."""
    params, folder, is_plotted = parse_arguments(arguments)
    try:
        run(params, folder, is_plotted)
    except OSError as error:
        print(f"output_dir: the outputs cannot be written ({error.strerror}).", file=sys.stderr)
        return EXIT_FAILED
    except MemoryError:
        print("The run needs more memory than there is; choose fewer time_steps or spatial_steps.", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
