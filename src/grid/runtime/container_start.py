"""The start of a container, step by step: each step that fails has its own reason, and nothing is left behind."""

import socket
from collections.abc import Callable, Mapping
from typing import Any

from grid.core.errors import GridError
from grid.runtime.container_spec import ContainerSpec, find_differences, find_unfit, make_body
from grid.runtime.docker_api import (
    Engine,
    EngineAwayError,
    EngineRefusedError,
    EngineUnsafeError,
    require_private_socket,
)

# Texts by which engines tell that the image's own command cannot be run, with the exit code of a shell for it.
_NO_COMMAND = (("executable file not found", 127), ("no such file or directory", 127), ("permission denied", 126))
UNSEEN = "The engine does not see the worker's data folder, which must have the same path for both."
REMOVE_S = 1.0  # [s] for the engine to remove what did not start


class CannotStartError(Exception):
    """The container does not run. `reason` is the job's: `infra` is tried again, every other one is final.

    Args:
        failure: One sentence.
        reason: A word of `grid.schemas.jobs.Reason`.
        exit_code: Where the image's own command is the cause.
        detail: What the engine said, for the worker's log: it may name folders of this machine.
    """

    def __init__(self, failure: str, reason: str = "infra", exit_code: int | None = None, detail: str = "") -> None:
        super().__init__(failure, reason, exit_code, detail)
        self.report = {"failure": failure, "reason": reason, "exit_code": exit_code, "detail": detail}


class ContainerStart:
    """One start.

    Args:
        engine: Where.
        config: Of the watchdog: `image` (id or name with digest), `digest` and `spec`.
        require_supervisor: Called between steps; raises where nobody waits any more.
    """

    def __init__(self, engine: Engine, config: Mapping[str, Any], require_supervisor: Callable[[], None]) -> None:
        self.engine, self.config, self.require_supervisor = engine, config, require_supervisor

    def run(self) -> tuple[str, str, socket.socket, int]:
        """Return the running container's id, its image's id, the stream of its output and its first process.

        Raises:
            CannotStartError: It does not run, and is not there any more unless the engine is away.
        """
        try:
            require_private_socket(self.engine)
            image = self._find_image()
            self.require_supervisor()
            spec = ContainerSpec(image_id=image["Id"], **self.config["spec"])
            body = make_body(spec, image.get("Config") or {})
            container, has_swap_limit = self._create(spec, body)
            return self._start(container, body, image, has_swap_limit=has_swap_limit)
        except EngineRefusedError as error:
            words = UNSEEN if "bind source path" in error.message else f"The engine refused ({error.status})."
            raise CannotStartError(f"The container could not be started. {words}", detail=str(error)) from error
        except EngineUnsafeError as error:
            raise CannotStartError("The worker's engine may not be used as it is.", detail=str(error)) from error
        except GridError as error:
            raise CannotStartError(str(error)) from error

    def _find_image(self) -> dict[str, Any]:
        """Return the image as the engine describes it: by its content, never by a name that may have moved."""
        reference, wanted = self.config["image"], self.config["image_id"]
        try:
            image: dict[str, Any] = self.engine.get(f"/images/{reference}/json")
        except EngineRefusedError as error:
            if error.status == 404:
                raise CannotStartError(
                    f"The image {reference} is not on this worker; `grid images pull` brings it.", "image_unavailable"
                ) from error
            raise
        if wanted is not None and image["Id"] != wanted:
            raise CannotStartError(f"The image {reference} is not the one that was listed.", "image_unavailable")
        unfit = find_unfit(image)
        if unfit is not None:
            raise CannotStartError(unfit, "image_unavailable")
        return image

    def _create(self, spec: ContainerSpec, body: dict[str, Any]) -> tuple[str, bool]:
        try:
            answer = self.engine.post("/containers/create", body, name=spec.name)
        except EngineRefusedError as error:
            if error.status == 404:
                raise CannotStartError("The image went away.", "image_unavailable") from error
            if error.status == 409:
                raise CannotStartError("A container of this attempt is there already.") from error
            raise
        except EngineAwayError:
            self.engine.remove(spec.name, within_s=REMOVE_S)  # it may be there all the same: the answer was lost
            raise
        warnings = " ".join(answer.get("Warnings") or ())
        return str(answer["Id"]), "swap" not in warnings.lower()

    def _start(
        self, container: str, body: dict[str, Any], image: Mapping[str, Any], *, has_swap_limit: bool
    ) -> tuple[str, str, socket.socket, int]:
        stream = None
        try:
            self._verify(container, body, image, has_swap_limit=has_swap_limit)
            stream = self.engine.attach(container)  # before the start: a short run's output would be gone
            self.require_supervisor()
            self._begin(container)
            inspected = self._verify(container, body, image, has_swap_limit=has_swap_limit)
            self.require_supervisor()
            return container, str(image["Id"]), stream, int(inspected["State"]["Pid"])
        except BaseException:
            if stream is not None:
                stream.close()
            self.engine.remove(container, within_s=REMOVE_S)  # else the reaper finds it by its labels
            raise

    def _verify(
        self, container: str, body: dict[str, Any], image: Mapping[str, Any], *, has_swap_limit: bool
    ) -> dict[str, Any]:
        """Return the container as the engine describes it; refuse one that is not as it was asked for."""
        inspected: dict[str, Any] = self.engine.get(f"/containers/{container}/json")
        wrong = find_differences(inspected, body, image.get("Config") or {}, has_swap_limit=has_swap_limit)
        if wrong:
            words = ", ".join(wrong)
            raise CannotStartError(
                f"The engine did not confine the container as asked: {words}.", "sandbox_unavailable"
            )
        return inspected

    def _begin(self, container: str) -> None:
        try:
            self.engine.post(f"/containers/{container}/start")
        except EngineRefusedError as error:
            text = error.message.lower()
            code = next((code for words, code in _NO_COMMAND if words in text and "exec" in text), None)
            if code is not None:
                raise CannotStartError(
                    "The image's command cannot be run: it is not there, or is no program.", "nonzero_exit", code
                ) from error
            raise
