"""Images of a Docker engine, for the commands of an administrator: found by name or digest, and pulled by digest.

Pulling alone uses Docker's SDK, which knows credentials files and their helpers. No job ever gets here.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from grid.core.errors import ConfigurationError, NotFoundError, UnavailableError
from grid.runtime.container_spec import find_unfit
from grid.runtime.docker_api import Engine, EngineRefusedError
from grid.schemas.images import FoundImage, ImagePin

PULL_TIMEOUT_S = 600  # [s] without a word from the registry


class ImageUnfitError(ConfigurationError):
    """The image is there, and cannot run as a job."""

    code, title = "image-unfit", "The image cannot run as a job"


class PullError(UnavailableError):
    """The registry, or the engine, did not give the image."""

    code, title = "pull-failed", "The image could not be pulled"


def find_image(engine: Engine, pin: ImagePin) -> FoundImage | None:
    """Return an image as the engine has it; None where it has none of that name, or of that digest.

    Raises:
        ImageUnfitError: It cannot run as a job.
        EngineAwayError, EngineRefusedError: The engine does not answer, or refuses.
    """
    try:
        image: dict[str, Any] = engine.get(f"/images/{quote(pin.reference, safe='/:@')}/json")
    except EngineRefusedError as error:
        if error.status == 404:
            return None
        raise
    unfit = find_unfit(image)
    if unfit is not None:
        raise ImageUnfitError(unfit)
    digests = [one.partition("@")[2] for one in image.get("RepoDigests") or () if one.partition("@")[0] == pin.path]
    return FoundImage(str(image["Id"]), pin.digest or next(iter(digests), None), image.get("Size"))


def pull(host: str | None, pin: ImagePin, credentials: Path | None) -> None:
    """Bring an image from its registry to the engine, by its digest.

    Args:
        host: The engine, as in DOCKER_HOST.
        pin: What to pull.
        credentials: A file as `docker login` writes it; None: that of the user.

    Raises:
        NotFoundError: The image has no digest to pull by.
        PullError: It could not be pulled.
        ConfigurationError: Docker's SDK is not installed.
    """
    if pin.digest is None:
        raise NotFoundError("digest of the image: it was built here, and is pulled from nowhere")
    try:
        from docker.errors import DockerException

        import docker
    except ImportError as error:
        raise ConfigurationError("Pulling needs Docker's SDK: pip install 'grid-throughput[scale]'.") from error
    try:
        client = docker.APIClient(base_url=host, version="auto", timeout=PULL_TIMEOUT_S)
        if credentials is not None:
            client.reload_config(dockercfg_path=str(credentials))
        for line in client.pull(pin.path, tag=pin.digest, stream=True, decode=True):
            if "error" in line:
                raise PullError(str(line["error"])[:500])
    except DockerException as error:
        raise PullError(" ".join(str(error).split())[:500]) from error
