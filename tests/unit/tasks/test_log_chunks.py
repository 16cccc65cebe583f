"""Log chunks: whole, in order, within their bounds."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from grid.schemas.jobs import Claim
from grid.tasks.log_chunks import CAP_LINE, CHUNK_BYTES, LogChunker


@given(st.lists(st.text(max_size=9000), max_size=12), st.integers(1, 60_000))
def test_a_log_is_whole_in_order_and_in_bounds(texts: list[str], cap: int):
    claim = Claim(uuid4(), 1)
    chunker = LogChunker(claim, cap_bytes=cap)

    chunks = [chunk for text in texts for chunk in chunker.chunks(text)]

    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert all(0 < len(chunk.text.encode()) <= CHUNK_BYTES and "\0" not in chunk.text for chunk in chunks)
    said = "".join(texts).replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    written = "".join(chunk.text for chunk in chunks)
    if len(said.encode()) <= cap:
        assert written == said
    else:
        assert written.endswith(CAP_LINE)
        assert said.startswith(written.removesuffix(CAP_LINE))
        assert written.count(CAP_LINE) == 1
