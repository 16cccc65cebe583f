"""The list of images: what is on it, what may change while jobs name it, and where an image runs."""

import pytest
from tests.support.ledgers import add_owner, claim, submit

from grid.core.errors import FieldError, NotFoundError
from grid.database.audit import AuditEntry
from grid.schemas.images import FoundImage, ImagePin, ListedImage
from grid.schemas.jobs import JobStatus, Reason
from grid.services import audit, images, ledger
from grid.services.images import ImageInUseError, ImageList

DIGEST, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
FOUND = FoundImage(OTHER, None, 1000)


def test_the_migration_puts_the_local_program_on_the_list(uow):
    (only,) = images.list_images(uow)

    assert (only.pin, only.pin.content) == (ImagePin("sim:local", None, None), None)
    assert ImageList(uow, "auto").find("sim:local") == ListedImage("sim:local", "program", None)


def test_an_image_is_added_by_digest_or_by_content_and_listed_by_name(uow):
    images.add_image(uow, f"registry.example/solver:1@{DIGEST}", None, by="ada")
    images.add_image(uow, "built:1", FOUND, by="ada")

    found = {one.name: one for one in images.list_images(uow)}
    assert list(found) == ["built:1", "registry.example/solver:1", "sim:local"]
    assert found["registry.example/solver:1"].pin == ImagePin("registry.example/solver:1", DIGEST, None)
    assert found["built:1"].pin == ImagePin("built:1", None, OTHER)
    assert (found["built:1"].size_bytes, found["built:1"].added_by) == (1000, "ada")
    assert ImageList(uow, "auto").find("built:1") == ListedImage("built:1", "docker", OTHER)
    assert ImageList(uow, "auto").find("stranger:1") is None


@pytest.mark.parametrize("reference", ["--rm", "built", "BUILT:1"])
def test_a_name_is_the_whole_name(uow, reference):
    images.add_image(uow, "built:1", FOUND, by="ada")

    assert ImageList(uow, "auto").find(reference) is None


def test_a_name_that_is_none_is_refused(uow):
    with pytest.raises(FieldError, match="image"):
        images.add_image(uow, "--privileged", None, by="ada")
    assert len(images.list_images(uow)) == 1


@pytest.mark.parametrize(
    ("setting", "local", "pinned", "sample"),
    [
        ("auto", "program", "docker", "docker"),
        ("local", "program", None, "program"),
        ("docker", None, "docker", "docker"),
    ],
)
def test_where_an_image_runs(uow, setting, local, pinned, sample):
    catalogue = ImageList(uow, setting)
    images.add_image(uow, "built:1", FOUND, by="ada")
    assert [catalogue.find(name).runner for name in ("sim:local", "built:1")] == [local, pinned]

    images.add_image(uow, "sim:local", FOUND, by="ada")
    assert catalogue.find("sim:local").runner == sample


def test_an_image_without_digest_that_is_no_local_program_runs_nowhere(uow):
    images.add_image(uow, "solver:1", None, by="ada")

    assert [ImageList(uow, setting).find("solver:1").runner for setting in ("auto", "local", "docker")] == [None] * 3


def test_neither_removal_nor_another_content_while_jobs_name_it(uow):
    owner = add_owner(uow)
    (job,) = submit(uow, owner, 1, simulation=None, slot="program", batch_key="program")
    for state in ("queued", "held"):
        if state == "held":
            claim(uow)
        with pytest.raises(ImageInUseError, match="1 jobs"):
            images.remove_image(uow, "sim:local", by="ada")
        with pytest.raises(ImageInUseError):
            images.add_image(uow, "sim:local", FOUND, by="ada")
        with pytest.raises(ImageInUseError):
            images.add_image(uow, f"sim:local@{DIGEST}", None, by="ada")
    images.add_image(uow, "sim:local", None, by="grace")  # the same content again

    with uow.read() as tx:
        found = tx.jobs.find(job)
    ended = ledger.Failed(ledger.ClaimedJob(found.id, found.epoch, {}, 1.0, found.deadline_at, 0, 0, 1).claim,
                          JobStatus.FAILED, Reason.OOM)  # fmt: skip
    ledger.conclude(uow, [ended])
    images.remove_image(uow, "sim:local", by="ada")
    assert images.list_images(uow) == []


def test_what_is_not_there_is_not_removed_or_pulled(uow):
    with pytest.raises(NotFoundError):
        images.remove_image(uow, "stranger:1", by="ada")
    with pytest.raises(NotFoundError):
        images.note_pulled(uow, "stranger:1", FOUND, by="ada")
    with pytest.raises(NotFoundError):
        images.get_image(uow, "stranger:1")


def test_a_pull_notes_the_content(uow):
    images.add_image(uow, f"registry.example/solver:1@{DIGEST}", None, by="ada")
    record = images.note_pulled(uow, "registry.example/solver:1", FoundImage(OTHER, DIGEST, 5), by="ada")

    assert record == images.get_image(uow, "registry.example/solver:1")
    assert (record.pin, record.size_bytes, record.pulled_at is not None) == (
        ImagePin("registry.example/solver:1", DIGEST, OTHER), 5, True,
    )  # fmt: skip


def test_every_change_is_in_the_audit_log(uow):
    images.add_image(uow, "built:1", FOUND, by="ada")
    images.note_pulled(uow, "built:1", FOUND, by="grace")
    images.remove_image(uow, "built:1", by="ada")

    with uow.read() as tx:
        found = tx.connection.execute(
            AuditEntry.__table__.select()
            .order_by(AuditEntry.id)
            .with_only_columns(AuditEntry.action, AuditEntry.subject)
        ).all()
    assert [tuple(row) for row in found] == [
        ("image.add", "image:built:1"), ("image.pull", "image:built:1"), ("image.remove", "image:built:1"),
    ]  # fmt: skip
    assert audit.verify(uow).is_intact


def test_a_claim_of_a_container_brings_the_content_along(uow):
    images.add_image(uow, "sim:local", FOUND, by="ada")
    submit(uow, add_owner(uow), 2, simulation=None, slot="docker", batch_key="docker")

    assert claim(uow, slots=("small", "large", "program")) is None  # a worker without an engine
    batch = claim(uow, slots=("small", "large", "program", "docker"))
    assert (batch.slot, batch.pin, len(batch.jobs)) == ("docker", ImagePin("sim:local", None, OTHER), 1)
