"""Files of a finished job, made in a slot child on request."""

import sys
import traceback
from pathlib import Path

from pydantic import ValidationError

from grid.core.errors import GridError, NotFoundError
from grid.runtime.collector import collect
from grid.runtime.messages import Render, RenderFinished
from grid.runtime.packs import read_record
from grid.runtime.preload import Registry
from grid.runtime.solving import parse_params
from grid.runtime.spool import ChildFiles
from grid.runtime.store import storage_errors
from grid.schemas.simulations import Simulation

GONE = "gone"


class RenderError(GridError):
    """The files cannot be made; the message is for the user."""

    code, title = "render-failed", "The files cannot be made"


class RenderGoneError(RenderError):
    """Another version of the numerics made the result, and this one does not give the same bytes."""

    code, title = GONE, "The full field of this result can no longer be made"

    def __init__(self, stored: str, present: str) -> None:
        super().__init__(stored, present)
        self.stored, self.present = stored, present

    def __str__(self) -> str:
        return f"It was computed by numerics version {self.stored}; this worker has {self.present}. Run the job again."


def render(message: Render, registry: Registry, spool: ChildFiles, *, output_bytes: int) -> RenderFinished:
    """Make the requested files and leave them in the spool; the answer gives the reason where that fails."""
    try:
        simulation = registry.get(message.simulation)
        with spool.staging("render") as staging, storage_errors():
            folder = Path(staging)
            _render(message, simulation, spool, folder)
            files = collect(folder, spool, message.key_prefix, most_bytes=output_bytes, names=set(message.names))
    except NotFoundError as error:
        return RenderFinished(message.render_id, failure=f"The stored result is not there: {error}", code=error.code)
    except GridError as error:
        return RenderFinished(message.render_id, failure=str(error) or error.title, code=error.code)
    except ValidationError:
        sentence = "The stored parameters are not valid for this version of the simulation."
        return RenderFinished(message.render_id, failure=sentence, code=GONE)
    except Exception as error:  # noqa: BLE001 - a simulation's writer may raise anything; the child goes on
        sys.stderr.write(traceback.format_exc())
        sentence = f"Making the files raised {type(error).__name__}."
        return RenderFinished(message.render_id, failure=sentence, code=RenderError.code)
    return RenderFinished(message.render_id, files)


def _render(message: Render, simulation: Simulation, spool: ChildFiles, folder: Path) -> None:
    """Write the files into `folder`, and prove what was computed again."""
    if not set(message.names) <= set(simulation.files):
        raise RenderError(f"{simulation.name} makes {', '.join(simulation.files)}, and no other files.")
    if "pack" not in message.manifest:
        raise RenderError("The result has no record to make files from.")
    record = read_record(spool, message.manifest["pack"])
    computed = simulation.render(message.names, parse_params(simulation, message.params), record, folder)
    expected = message.manifest.get("field_sha256")
    if computed is None or expected is None or computed == expected:
        return
    stored = message.manifest.get("numerics_version", "unknown")
    if stored != simulation.numerics_version:
        raise RenderGoneError(stored, simulation.numerics_version)
    raise RenderError("The field was computed again and its bytes differ from those of the run; nothing was stored.")
