"""The list of images: what an administrator changes in it, and where a listed image runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from grid.core.errors import ConflictError, NotFoundError
from grid.database.images import ImageRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.runtime.programs import is_local_program
from grid.schemas.images import FoundImage, ListedImage, Runner, parse_reference
from grid.services import audit

RunnerChoice = Literal["auto", "local", "docker"]  # as the setting GRID_RUNNER says


class ImageInUseError(ConflictError):
    """Jobs that have not ended name the image: what they run must not change under them."""

    code, title = "image-in-use", "Jobs that have not ended name the image"

    def __init__(self, name: str, jobs: int) -> None:
        super().__init__(name, jobs)
        self.name, self.jobs = name, jobs

    def __str__(self) -> str:
        return f"{self.jobs} jobs that have not ended name {self.name}; cancel them, or wait for their end."


@dataclass(frozen=True)
class ImageList:
    """The table of images, as submissions ask it.

    Args:
        uow: Where it is.
        runner: As the setting GRID_RUNNER says.
    """

    uow: UnitOfWork
    runner: RunnerChoice

    def find(self, image: str) -> ListedImage | None:
        """Return a listed image; None where it is not on the list."""
        with self.uow.read() as tx:
            record = tx.images.find(image)
        return find_runner(record, self.runner) if record is not None else None


def choose_runner(record: ImageRecord, setting: RunnerChoice) -> Runner | None:
    """Return where an image runs: in a container where its content is known, the local program here otherwise."""
    if setting != "local" and record.pin.content is not None:
        return "docker"
    return "program" if setting != "docker" and is_local_program(record.name) else None


def find_runner(record: ImageRecord, setting: RunnerChoice) -> ListedImage:
    """Return a listed image with where it runs, and what."""
    runner = choose_runner(record, setting)
    return ListedImage(record.name, runner, record.pin.content if runner == "docker" else None)


def list_images(uow: UnitOfWork) -> Sequence[ImageRecord]:
    """Read the list, by name."""
    with uow.read() as tx:
        return tx.images.list_all()


def get_image(uow: UnitOfWork, name: str) -> ImageRecord:
    """Read one image.

    Raises:
        NotFoundError: It is not on the list.
    """
    with uow.read() as tx:
        return _get(tx, name)


def add_image(uow: UnitOfWork, reference: str, found: FoundImage | None, *, by: str) -> ImageRecord:
    """Put an image on the list, or another content in the place of one that is there.

    Args:
        uow: Where the list is.
        reference: A name, with `@sha256:...` where it comes from a registry.
        found: The image as this machine's engine has it; None where there is none of the name, or no engine.
        by: Who adds it, for the list and the audit log.

    Raises:
        FieldError: It is no name of an image.
        ImageInUseError: It is there with another content, and jobs that have not ended name it.
    """
    name, digest = parse_reference(reference)
    if found is not None and digest is None:
        digest = found.digest
    image_id = found.image_id if found is not None else None
    with uow.begin() as tx:
        known = tx.images.find(name, is_held=True)
        record = ImageRecord(
            name, digest, image_id, found.size_bytes if found else None, tx.now(), by, tx.now() if found else None
        )
        if known is None:
            tx.images.add(record)
        else:
            if known.pin != record.pin:
                _require_unused(tx, name)
            values = {field: value for field, value in vars(record).items() if field != "name"}
            tx.images.change(name, **values)
        _record(tx, "image.add", record, by)
    return record


def note_pulled(uow: UnitOfWork, name: str, found: FoundImage, *, by: str) -> ImageRecord:
    """Note the content of an image that was pulled by its digest.

    Raises:
        NotFoundError: It is not on the list any more.
        ImageInUseError: It is another content than before, and jobs that have not ended name it.
    """
    with uow.begin() as tx:
        known = _get(tx, name, is_held=True)
        digest = known.digest or found.digest
        record = replace(known, digest=digest, image_id=found.image_id, size_bytes=found.size_bytes, pulled_at=tx.now())
        if known.pin.content is not None and known.pin.content != record.pin.content:
            _require_unused(tx, name)
        tx.images.change(name, **{field: value for field, value in vars(record).items() if field != "name"})
        _record(tx, "image.pull", record, by)
    return record


def remove_image(uow: UnitOfWork, name: str, *, by: str) -> None:
    """Take an image off the list; what an engine has of it stays.

    Raises:
        NotFoundError: It is not on the list.
        ImageInUseError: Jobs that have not ended name it.
    """
    with uow.begin() as tx:
        record = _get(tx, name, is_held=True)
        _require_unused(tx, name)
        tx.images.remove(name)
        _record(tx, "image.remove", record, by)


def _get(tx: Transaction, name: str, *, is_held: bool = False) -> ImageRecord:
    record = tx.images.find(name, is_held=is_held)
    if record is None:
        raise NotFoundError("image on the list")
    return record


def _require_unused(tx: Transaction, name: str) -> None:
    jobs = tx.images.count_open_jobs(name)
    if jobs:
        raise ImageInUseError(name, jobs)


def _record(tx: Transaction, action: str, record: ImageRecord, by: str) -> None:
    details = {"by": by, "digest": record.digest, "image_id": record.image_id}
    audit.record(tx, actor_id=None, action=action, subject=f"image:{record.name}", details=details)
