#!/usr/local/bin/python3 -I
"""Start a process of Grid in a container: secrets from files, folders with their owner, then the command.

    entrypoint.py COMMAND...            run COMMAND
    entrypoint.py --prepare COMMAND...  as root: make the folders of GRID_FOLDERS, become the service's user, run it
    grid|alembic|celery WORDS...        by a link of that name: run that program of the environment

The links are for `docker-compose exec web alembic upgrade head`: what is started in a running container knows no secret
but by its files.

A variable `NAME_FILE` of the list below names a file, a mounted secret, whose text becomes `NAME`. Where an address has
`{password}`, the password takes its place, escaped as an address needs it: DATABASE_PASSWORD in DATABASE_URL and
REDIS_PASSWORD in REDIS_URL.
"""

import os
import sys
from pathlib import Path
from urllib.parse import quote

USER = 10001  # and group, of the image
PROGRAMS = Path("/opt/grid/bin")  # of the image's environment
LINKS = {"alembic", "celery", "grid"}
PASSWORDS = {"DATABASE_URL": "DATABASE_PASSWORD", "REDIS_URL": "REDIS_PASSWORD"}
PLACE = "{password}"
SECRETS = (*PASSWORDS, *PASSWORDS.values(), "GRID_SECRET_KEY", "GRID_WEBHOOK_SECRET", "FLOWER_BASIC_AUTH")


def main(arguments: list[str]) -> int:
    """Become the command; return an exit code only where that cannot be."""
    is_preparing = arguments[:1] == ["--prepare"]
    command = arguments[1:] if is_preparing else arguments
    try:
        read_secrets()
        fill_in_passwords()
        if is_preparing:
            prepare([Path(name) for name in os.environ.get("GRID_FOLDERS", "").split(":") if name])
        require_password(command)
        os.execvp(command[0], command)  # noqa: S606 - it is the container's own command
    except (OSError, ValueError, IndexError) as error:
        print(f"entrypoint: {error or 'a command is missing'}", file=sys.stderr)  # noqa: T201 - before any log
    return 1


def read_secrets() -> None:
    """Take secrets from their files; an empty variable is none, and one that is set both ways is refused."""
    for name in SECRETS:
        if os.environ.get(name) == "":
            del os.environ[name]
        place = os.environ.pop(f"{name}_FILE", "")
        if not place:
            continue
        if os.environ.get(name):
            raise ValueError(f"{name} and {name}_FILE are both set")
        os.environ[name] = Path(place).read_text(encoding="utf-8").strip()


def fill_in_passwords() -> None:
    """Put passwords into the addresses that have a place for them, and keep no copy beside."""
    for address, name in PASSWORDS.items():
        password = os.environ.pop(name, "")
        if PLACE not in os.environ.get(address, ""):
            continue
        if not password:
            raise ValueError(f"{address} has a place for a password, and {name} is not set")
        os.environ[address] = os.environ[address].replace(PLACE, quote(password, safe=""))


def prepare(folders: list[Path]) -> None:
    """Make folders that only the service's user may enter, and become that user."""
    if os.geteuid() != 0:
        raise ValueError("--prepare needs root; it drops to the service's user itself")
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, USER, USER)
        folder.chmod(0o700)
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def require_password(command: list[str]) -> None:
    """Refuse Flower without a password: it shows tasks to whoever reaches it, and takes orders."""
    if "flower" in command and ":" not in os.environ.get("FLOWER_BASIC_AUTH", ""):
        raise ValueError("set FLOWER_BASIC_AUTH to user:password")


def name_program(arguments: list[str]) -> list[str]:
    """Return the command that a call asks for, where it came by the link of a program."""
    name = Path(arguments[0]).name
    return [str(PROGRAMS / name), *arguments[1:]] if name in LINKS else arguments[1:]


if __name__ == "__main__":
    raise SystemExit(main(name_program(sys.argv)))
