"""The stored record of a finished job, opened and proven, with the parameters that it belongs to."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from grid.core.errors import NotFoundError
from grid.core.logging import get_logger
from grid.database.jobs import JobRecord
from grid.runtime.packs import PackCorruptError
from grid.runtime.solving import parse_params
from grid.schemas.jobs import PackEntry
from grid.schemas.simulations import Simulation
from grid.services.artifacts import ResultGoneError
from grid.services.ports import ArtifactStore

if TYPE_CHECKING:  # the server loads NumPy with the first record that somebody asks for
    from grid.runtime.records import RecordReader

log = get_logger(__name__)


@contextmanager
def open_job_record(
    job: JobRecord, simulation: Simulation, entry: PackEntry, store: ArtifactStore
) -> "Iterator[tuple[BaseModel, RecordReader]]":
    """Open the record of a job.

    Raises:
        ResultGoneError: The record is not there, damaged, or of another version.
    """
    from grid.runtime.records import open_record

    try:
        params = parse_params(simulation, job.params)
    except ValidationError as error:
        raise ResultGoneError("The parameters are not valid for this version of the simulation.") from error
    with ExitStack() as stack:
        try:
            record = stack.enter_context(open_record(store, entry))
        except NotFoundError as error:
            raise ResultGoneError("The record of this result is not in the store any more.") from error
        except PackCorruptError as error:
            log.exception("pack_corrupt", key=error.key, index=error.index)
            raise ResultGoneError("The record of this result is damaged; run the job again.") from error
        yield params, record
