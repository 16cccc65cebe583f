"""Images: what jobs may name. `grid images` changes the list, on the worker's machine."""

from grid.api.dependencies import FromDishka, Router
from grid.api.security import CurrentUser
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.schemas.wire.images import ImageOut, ImagesOut
from grid.services import images

router = Router(prefix="/images", tags=["images"], about="Container images that jobs may name")


@router.get("")
def list_images(_user: CurrentUser, uow: FromDishka[UnitOfWork], settings: FromDishka[Settings]) -> ImagesOut:
    """List the images that jobs may name, and where each runs."""
    found = [images.find_runner(record, settings.grid_runner) for record in images.list_images(uow)]
    return ImagesOut(items=[ImageOut(name=one.name, runner=one.runner, digest=one.content) for one in found])
