"""Frames of fields, as the service sends them for live runs and finished jobs. Importing this module loads NumPy."""

from grid.schemas.frames import Frame, FrameError, FrameFlag, FrameHeader, decode_frame, decode_frames

__all__ = ["Frame", "FrameError", "FrameFlag", "FrameHeader", "decode_frame", "decode_frames"]
