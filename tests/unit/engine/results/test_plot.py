"""Pictures: what is drawn is the solution's, without a window or global state."""

import subprocess
import sys

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import Domain, solve
from grid.engine.results.plot import SAFE, plot_field, save
from grid.engine.structural.plot import plot_stress

HELD = {"x_min": {"type": "temperature", "value": 10.0}, "x_max": {"type": "temperature", "value": 0.0}}


def test_a_rod_shows_its_profiles_with_their_surfaces(make_problem):
    solution = solve(make_problem(1, boundaries=HELD), times=[0.05, 0.1])
    lines = solution.plot().axes[0].lines

    assert len(lines) == 3
    assert lines[-1].get_xdata()[0] == 0.0
    assert lines[-1].get_ydata()[0] == pytest.approx(10.0)
    np.testing.assert_array_equal(lines[-1].get_ydata()[1:-1], solution.final)


def test_a_plate_shows_its_field_at_the_asked_time(make_problem):
    solution = solve(make_problem(2, boundaries=HELD), times=[0.05, 0.1])
    axes = solution.plot(0.05).axes[0]

    np.testing.assert_array_equal(axes.images[0].get_array(), solution.fields[1].T)
    assert "0.05 s" in axes.get_title(loc="left")
    with pytest.raises(FieldError, match="time"):
        solution.plot(0.07)


def test_a_block_shows_three_sections_through_its_hottest_cell(make_problem):
    start = {"expression": "20*exp(-8*((x - 0.3)**2 + (y - 0.6)**2 + (z - 0.9)**2))"}
    solution = solve(make_problem(3, boundaries=HELD, initial=start), times=[1e-3])
    x, y, z = np.unravel_index(int(solution.final.argmax()), solution.final.shape)
    sections = [axes for axes in solution.plot().axes if axes.images]

    assert len(sections) == 3
    np.testing.assert_array_equal(sections[0].images[0].get_array(), solution.final[:, :, z].T)
    np.testing.assert_array_equal(sections[1].images[0].get_array(), solution.final[:, y].T)
    np.testing.assert_array_equal(sections[2].images[0].get_array(), solution.final[x].T)


def test_a_wheel_a_bar_with_a_mask_and_a_uniform_plate_can_be_drawn(make_problem):
    joined = {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}
    masked = {"size": [1.0], "active": {"expression": "x < 0.5"}}
    pictures = [
        solve(make_problem(1, boundaries=joined)).plot(),
        solve(make_problem(1, domain=masked)).plot(),
        solve(make_problem(1, steady=True, boundaries=HELD)).plot(),
        solve(make_problem(2)).plot(),
        solve(make_problem(2, boundaries=HELD)).plot_history(),
    ]

    assert all(picture._repr_png_().startswith(b"\x89PNG") for picture in pictures)


def test_stress_stands_beside_the_safety_factor(tmp_path):
    domain = Domain((2.0, 1.0), (4, 2))
    stress = np.full((4, 2), 50e6)
    stress[0, 0], stress[1, 1] = 0.0, np.nan
    picture = plot_stress(domain, stress, yield_stress=100e6)

    factor = np.ma.filled(picture.axes[1].images[0].get_array(), np.nan)
    assert factor[0, 0] == SAFE
    assert factor[0, 1] == 2.0
    assert np.isnan(factor[1, 1])
    assert save(picture, tmp_path / "stress.png").read_bytes().startswith(b"\x89PNG")
    assert plot_stress(Domain((1.0,), (3,)), np.ones(3)).axes[0].lines


def test_a_field_of_another_shape_is_refused():
    with pytest.raises(FieldError, match="values"):
        plot_field(Domain((1.0, 1.0), (4, 2)), np.zeros((2, 4)), label="K")


def test_drawing_opens_no_window_system():
    code = "import sys, grid.engine.results.plot; print('matplotlib.pyplot' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "False"


def test_sections_go_through_the_least_safety_factor_which_the_title_names():
    """The largest stress is in the strong material; the weak one is nearer to yielding, elsewhere."""
    domain = Domain((0.4, 0.3, 0.2), (4, 3, 2))
    stress = np.full(domain.cells, 10e6)
    yield_stress = np.full(domain.cells, 400e6)
    stress[0, 0, 0] = 100e6
    stress[3, 1, 0], yield_stress[3, 1, 0] = 80e6, 120e6

    picture = plot_stress(domain, stress, yield_stress=yield_stress)

    assert picture.get_suptitle() == "Least safety factor: 1.5 at x = 0.35 m, y = 0.15 m, z = 0.05 m"
    assert picture.axes[0].get_title(loc="left").endswith("z = 0.05 m")
    assert "x = 0.35 m" in picture.axes[2].get_title(loc="left")


def test_without_a_yield_stress_the_largest_stress_is_named():
    stress = np.array([[1e6, 2e6], [3e6, 1e6]])

    assert plot_stress(Domain((2.0, 2.0), (2, 2)), stress).get_suptitle() == (
        "Largest von Mises stress [Pa]: 3e+06 at x = 1.5 m, y = 0.5 m"
    )
