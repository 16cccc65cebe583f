"""A program's words: however they are cut into reads, the same lines come out, bounded and clean."""

import math

from hypothesis import given
from hypothesis import strategies as st

from grid.runtime.loglines import LINE_BYTES, LogLines


def read(data: bytes, cuts: list[int], most_bytes: int = 1 << 20):
    lines, messages, begin = LogLines(most_bytes), [], 0
    for end in [*sorted(cuts), len(data)]:
        messages += lines.feed(data[begin:end])
        begin = end
    messages += lines.end()
    text = "".join(message["text"] for message in messages if message["type"] == "log")
    return text, [message["fraction"] for message in messages if message["type"] == "progress"]


PIECES = st.sampled_from(
    [b"a", b"\n", b"::progress 0.5", b"::progress 2", b"\xff\xc3", "é".encode(), b"\0", b"\r\n", b"x" * 3000]
)
DATA = st.lists(PIECES, max_size=40).map(b"".join)


@given(data=DATA, cuts=st.lists(st.integers(0, 9000), max_size=8))
def test_where_reads_are_cut_does_not_matter(data, cuts):
    assert read(data, [min(cut, len(data)) for cut in cuts]) == read(data, [])


@given(st.binary(max_size=3 * LINE_BYTES))
def test_any_bytes_become_bounded_lines_of_text(data):
    text, _ = read(data, [])

    assert "\0" not in text
    assert all(len(line) <= LINE_BYTES for line in text.split("\n"))
    text.encode("utf-8")  # no lone surrogates


def test_progress_is_taken_out_and_never_falls():
    assert read(b"one\n::progress 0.5\n::progress 0.25\ntwo\n", []) == ("one\ntwo\n", [0.5])


def test_what_only_looks_like_progress_is_a_log_line():
    for line in (
        "::progress nan",
        "::progress -1",
        "::progress 1e3",
        "::progress",
        " ::progress 0.5",
        "::progress 0,5",
    ):
        assert read(f"{line}\n".encode(), []) == (f"{line}\n", [])


def test_progress_beyond_one_is_one():
    assert read(b"::progress 1.5\n", []) == ("", [1.0])


def test_progress_is_told_four_times_a_second_at_most():
    lines = LogLines(100)
    told = []
    for i in range(100):
        list(lines.feed(f"::progress {i / 100:.2f}\n".encode()))
        told += list(lines.tick(i * 0.01))

    assert 3 <= len(told) <= 5
    assert [message["fraction"] for message in lines.tick(math.inf)] == [0.99]


def test_a_line_without_an_end_is_not_lost():
    assert read(b"no end", []) == ("no end\n", [])


def test_the_cut_is_said_once():
    text, fractions = read(b"x" * 50 + b"\n" + b"y" * 60 + b"\nz\n::progress 1\n", [], most_bytes=100)

    assert text == "x" * 50 + "\n[the log is cut here: more than 100 bytes]\n"
    assert fractions == [1.0]
