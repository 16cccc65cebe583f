"""Scenes that were read last: commands to one run name the same scene again and again."""

import hashlib
import json
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

from grid.core.errors import FieldError
from grid.schemas.jobs import JsonObject

if TYPE_CHECKING:
    from grid.engine.live.scene import Scene

MOST_SCENES: Final = 8  # each of 5 MiB at most, of the masks of its regions


class SceneCache:
    """Reads scenes, and stores a few. Threads may share it."""

    def __init__(self) -> None:
        self._scenes: OrderedDict[bytes, Scene] = OrderedDict()
        self._lock = Lock()

    def read(self, raw: JsonObject) -> "Scene":
        """Return the scene of its JSON.

        Raises:
            FieldError, InvalidFieldsError: A field is missing, unknown or outside its limits.
            UnsupportedError: A feature of the case that this version does not have.
        """
        from grid.engine.live.scene import Scene

        try:
            key = hashlib.sha256(json.dumps(raw, sort_keys=True, allow_nan=False).encode()).digest()
        except ValueError:
            raise FieldError("scene", "must hold finite numbers only") from None
        with self._lock:
            known = self._scenes.get(key)
            if known is not None:
                self._scenes.move_to_end(key)
                return known
        scene = Scene.from_json(raw)
        with self._lock:
            self._scenes[key] = scene
            while len(self._scenes) > MOST_SCENES:
                self._scenes.popitem(last=False)
        return scene
