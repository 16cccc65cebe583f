"""Frames as pictures: reduction without losing the hottest cell, colours, marks, and runs of one look."""

import matplotlib as mpl
import numpy as np
import pytest
from tests.doubles.monitor_sources import HOT, make_field, make_frame

from grid.cli.monitor.palette import MAPS, OUTSIDE, STEPS, find_luminance, mark_style, to_grey
from grid.cli.monitor.picture import BASE, CURSOR, ISO, MARKS, WORST, Key, View, draw, find_runs, fit, resample
from grid.client.frames import decode_frame
from grid.runtime.live.frames import Stamp, encode_frame


def draw_field(values, view, name="temperature"):
    return draw(decode_frame(encode_frame(values, Stamp(7, 0.7), name=name)), view)


def find_marks(picture, mark):
    return np.argwhere(picture.keys // (BASE * BASE) == mark)


@pytest.mark.parametrize("name", ["cividis", "viridis"])
def test_the_colours_are_those_of_matplotlib_and_grow_lighter(name):
    table = mpl.colormaps[name].resampled(STEPS)
    wanted = [mpl.colors.to_hex(table(at))[1:] for at in range(STEPS)]

    assert list(MAPS[name]) == wanted
    lights = [find_luminance(colour) for colour in MAPS[name]]
    assert lights == sorted(lights)
    greys = [find_luminance(to_grey(colour)) for colour in MAPS[name]]
    assert np.allclose(greys, lights, atol=6e-3)  # half a step of 255 at the light end


@pytest.mark.parametrize("code", range(STEPS))
def test_a_mark_is_read_on_every_colour(code):
    style = mark_style("cividis", code)
    light, dark = sorted((find_luminance(style.color.name[1:]), find_luminance(style.bgcolor.name[1:])), reverse=True)

    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.2, text


@pytest.mark.parametrize("places", [(8, 6), (7, 5), (64, 40), (100, 90)])
def test_means_and_maxima_are_those_of_the_blocks(places):
    values = np.random.default_rng(3).normal(size=(64, 40))
    columns, rows = places
    blocks = [
        [
            values[
                i * 64 // columns : max(i * 64 // columns + 1, (i + 1) * 64 // columns),
                j * 40 // rows : max(j * 40 // rows + 1, (j + 1) * 40 // rows),
            ]
            for j in range(rows)
        ]
        for i in range(columns)
    ]

    assert np.allclose(resample(values, columns, rows, "mean"), [[b.mean() for b in row] for row in blocks])
    assert np.array_equal(resample(values, columns, rows, "largest"), [[b.max() for b in row] for row in blocks])
    magnitudes = [[b.flat[np.abs(b).argmax()] for b in row] for row in blocks]
    assert np.array_equal(resample(values, columns, rows, "magnitude"), magnitudes)


def test_cells_without_a_value_count_for_nothing():
    values = np.array([[1.0, np.nan, 3.0, 5.0], [np.nan, np.nan, 5.0, -7.0]]).T

    assert np.array_equal(resample(values, 2, 2, "mean"), [[1.0, np.nan], [4.0, -1.0]], equal_nan=True)
    assert np.array_equal(resample(values, 2, 2, "largest"), [[1.0, np.nan], [5.0, 5.0]], equal_nan=True)
    assert np.array_equal(resample(values, 2, 2, "magnitude"), [[1.0, np.nan], [5.0, -7.0]], equal_nan=True)


def test_a_single_hot_cell_is_seen_from_any_distance():
    values = np.zeros((200, 200))
    values[150, 20] = 1.0
    picture = draw_field(values, View(10, 5), name="damage")

    assert [Key.of(int(key)).mark for key in picture.keys.reshape(-1)].count(WORST) == 1
    assert max(max(Key.of(int(key))[1:]) for key in picture.keys.reshape(-1)) == STEPS - 1
    assert picture.worst[0] == pytest.approx(1.0, abs=1e-3)


def test_the_body_keeps_its_shape_and_the_worst_cell_has_its_place():
    picture = draw(decode_frame(make_frame()), View(100, 40, (1.0, 1.0), (0.0, 0.0)))
    (row, column), *others = find_marks(picture, WORST)

    assert others == []
    left = (100 - 80) // 2
    assert column - left == pytest.approx((HOT[0] + 0.5) / 64 * 80, abs=1)
    assert row == pytest.approx((1.0 - (HOT[1] + 0.5) / 64) * 40, abs=1)  # the second axis runs upwards
    assert picture.worst[1] == pytest.approx(((HOT[0] + 0.5) / 64, (HOT[1] + 0.5) / 64))
    assert Key.of(int(picture.keys[0, 0])) == (0, OUTSIDE, OUTSIDE)


@pytest.mark.parametrize(
    ("size", "columns", "rows", "wanted"),
    [((1.0, 1.0), 100, 60, (60, 60)), ((2.0, 1.0), 100, 60, (100, 50)), ((9.0, 1.0), 100, 60, (100, 60))],
)
def test_bodies_fill_the_place_unless_they_would_be_distorted(size, columns, rows, wanted):
    assert fit((8, 8), size, columns, rows) == wanted


def test_the_iso_line_runs_around_what_is_above_the_threshold():
    view = View(64, 32, (1.0, 1.0), threshold=420.0)
    picture = draw(decode_frame(make_frame()), view)
    line = {tuple(place) for place in find_marks(picture, ISO)}
    pairs = make_field().T[::-1].reshape(32, 2, 64).max(axis=1) >= 420.0

    assert line
    assert all(pairs[place] for place in line)
    assert all(not pairs[r - 1 : r + 2, c - 1 : c + 2].all() for r, c in line)
    assert not find_marks(draw(decode_frame(make_frame()), View(64, 32, (1.0, 1.0), threshold=999.0)), ISO).size


def test_an_even_field_has_one_colour_and_says_so():
    picture = draw_field(np.full((16, 16), 20.0), View(16, 8))

    assert picture.is_even
    assert {Key.of(int(key)).upper for key in picture.keys.reshape(-1)} == {STEPS // 2}


def test_the_cursor_reads_the_field():
    picture = draw(decode_frame(make_frame()), View(64, 32, (1.0, 1.0), (0.0, 0.0), cursor=(0.25, 0.75)))
    value, place = picture.probed

    assert place == pytest.approx((16.5 / 64, 48.5 / 64))
    assert value == pytest.approx(make_field()[16, 48], abs=0.05)
    assert len(find_marks(picture, CURSOR)) == 1
    assert MARKS[CURSOR] == "┼"


def test_a_thin_plate_shows_its_plane_and_a_solid_the_plane_of_its_worst_cell():
    plate = draw_field(np.arange(48.0).reshape(1, 8, 6), View(16, 6))
    solid_values = np.zeros((4, 5, 6))
    solid_values[1, 2, 3] = 1.0
    solid = draw_field(solid_values, View(16, 6), name="damage")

    assert plate.note == ""
    assert len(plate.worst[1]) == 3
    assert solid.note == "plane z 4 of 6"
    codes = {code for key in solid.keys.reshape(-1) for code in Key.of(int(key))[1:]}
    assert codes - {OUTSIDE} >= {STEPS - 1}


def test_a_rod_is_a_band():
    picture = draw_field(np.linspace(0.0, 1.0, 20), View(20, 4))
    rows = picture.keys % (BASE * BASE)

    assert (rows == rows[0]).all()
    assert len(find_runs(picture.keys[0])) > 15


def test_neighbours_of_one_look_are_one_run():
    line = np.array([5, 5, 5, 7, 5, 5], np.int32)

    assert find_runs(line) == [(5, 3), (7, 1), (5, 2)]
    assert find_runs(np.zeros(0, np.int32)) == []
