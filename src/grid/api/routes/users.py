"""Users: your own account, and everybody's for administrators."""

from uuid import UUID

from fastapi import status

from grid.api.dependencies import FromDishka, Router
from grid.api.listing import ById
from grid.api.presenting import place_members
from grid.api.problems import problems
from grid.api.security import Administrator, CurrentUser, FreshUser
from grid.database.users import Role, UserRecord
from grid.schemas.identity import MeOut, PasswordChangeIn, UserCreateIn, UserOut, UserPage, UserPatchIn
from grid.services.users import UserService

router = Router(prefix="/users", tags=["users"], about="Who may do what")


@router.get("/me", responses=problems(401))
def get_me(user: CurrentUser) -> MeOut:
    """Show who is calling."""
    return MeOut(id=user.id, username=user.username, role=user.role.value, session_id=user.session_id)


@router.post("/me/password", status_code=status.HTTP_204_NO_CONTENT, responses=problems(401, 409, 422, 429))
def change_password(body: PasswordChangeIn, user: FreshUser, users: FromDishka[UserService]) -> None:
    """Change your password. All your sessions end, this one too: log in again."""
    current, new = body.current_password.get_secret_value(), body.new_password.get_secret_value()
    users.change_password(user, current=current, new=new)


@router.get("", responses=problems(401, 403, 422))
def list_users(_administrator: Administrator, users: FromDishka[UserService], window: ById) -> UserPage:
    """List the users, in the order of their making (administrator)."""
    found = users.list_users(window)
    return UserPage(items=[_user(record) for record in found.items], **place_members(found))


@router.post("", status_code=status.HTTP_201_CREATED, responses=problems(401, 403, 409, 422))
def add_user(body: UserCreateIn, administrator: Administrator, users: FromDishka[UserService]) -> UserOut:
    """Add a user (administrator)."""
    password = body.password.get_secret_value()
    return _user(users.add(actor_id=administrator.id, username=body.username, password=password, role=Role(body.role)))


@router.patch("/{user_id}", responses=problems(401, 403, 404, 409, 422))
def change_user(
    user_id: UUID, body: UserPatchIn, administrator: Administrator, users: FromDishka[UserService]
) -> UserOut:
    """Change the role of a user, or shut or open the account (administrator). The user's sessions end at once."""
    role = Role(body.role) if body.role is not None else None
    changed = users.change(actor_id=administrator.id, user_id=user_id, role=role, disabled=body.disabled)
    return _user(changed)


def _user(record: UserRecord) -> UserOut:
    return UserOut(
        id=record.id,
        username=record.username,
        role=record.role.value,
        disabled=record.is_disabled,
        created_at=record.created_at,
        password_changed_at=record.password_changed_at,
    )
