import pytest

from grid.schemas.media_types import MEDIA_TYPES, OTHER_MEDIA_TYPE, find_media_type, require_harmless


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xml", "x.js", "x", "html", "x.png.html", "x.PDF"])
def test_what_a_browser_may_run_has_no_media_type(name):
    assert find_media_type(name) is None


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "", "text/csv", "text/csv; charset=utf-8\r\nX"])
def test_a_stored_type_that_is_not_of_the_list_is_plain_bytes(media_type):
    assert require_harmless(media_type) == OTHER_MEDIA_TYPE


def test_every_type_that_a_file_is_stored_with_is_served():
    for suffix in MEDIA_TYPES:
        media_type = find_media_type(f"field{suffix.upper()}")
        assert media_type == require_harmless(media_type) == MEDIA_TYPES[suffix]
