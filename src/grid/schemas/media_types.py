"""Media types of stored files, by suffix: none that a browser would run, so neither HTML nor SVG nor scripts."""

from collections.abc import Mapping
from pathlib import PurePosixPath

MEDIA_TYPES: Mapping[str, str] = {
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".log": "text/plain; charset=utf-8",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
    ".vti": "application/x-vti",
}
FRAMES_MEDIA_TYPE = "application/vnd.grid.frames"  # of answers, never of files
OTHER_MEDIA_TYPE = "application/octet-stream"


def find_media_type(name: str) -> str | None:
    """Find the media type of a file by its suffix; None where files of that suffix are not stored."""
    return MEDIA_TYPES.get(PurePosixPath(name).suffix.lower())


def require_harmless(media_type: str) -> str:
    """Return a stored media type if it is one of these, else that of plain bytes, whatever wrote it down."""
    return media_type if media_type in MEDIA_TYPES.values() else OTHER_MEDIA_TYPE
