#!/usr/bin/env python3
"""Make the secrets of docker-compose.prod.yml: `python3 infra/docker/make_secrets.py [FOLDER]`, default `secrets`.

One file each. A file that is there already stays as it is, so that running it again makes only what is missing; to
rotate a secret, remove its file and those of the addresses that hold it (docs/how-to/compose.md). Nothing is printed.
The folder is 0700; files are 0444, because Compose mounts them as they are and each container has another user.
"""

import secrets
import sys
from pathlib import Path

# Whoever names no user may ping, which is what health checks and people in trouble do. Flower binds itself to events
# and reads them; no queue is among the keys that it may write.
USERS = (
    "user default on nopass resetkeys resetchannels -@all +ping\n"
    "user grid on >{redis_password} ~* &* +@all\n"
    "user flower on >{flower_redis_password} resetkeys %R~grid:* ~grid:_kombu.binding.celeryev "
    "~grid:_kombu.binding_permanent.celeryev ~grid:_kombu.binding_deadlines ~grid:celeryev* "
    "resetchannels &grid:/0.celeryev/* &grid:/0.celery.pidbox "
    "-@all +@connection +@pubsub +@read +@transaction +@set +@sortedset +del +time +info "
    "+eval +evalsha +script|load +script|exists\n"
)


def make(folder: Path) -> list[str]:
    """Make what is missing and return the names of it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []

    def keep(name: str, text: str) -> str:
        path = folder / name
        if not path.exists():
            path.write_text(text, encoding="utf-8")
            path.chmod(0o444)
            made.append(name)
        return path.read_text(encoding="utf-8").strip()

    def random() -> str:
        return secrets.token_urlsafe(32)

    postgres, redis = keep("postgres_password", random()), keep("redis_password", random())
    flower_redis = keep("flower_redis_password", random())
    keep("database_url", f"postgresql://postgres:{postgres}@db:5432/physics_sim")
    keep("redis_users", USERS.format(redis_password=redis, flower_redis_password=flower_redis))
    keep("redis_url", f"redis://grid:{redis}@redis:6379/0")
    keep("flower_redis_url", f"redis://flower:{flower_redis}@redis:6379/0")
    keep("flower_basic_auth", f"operator:{random()}")
    keep("grid_secret_key", random())
    return made


if __name__ == "__main__":
    make(Path(sys.argv[1] if len(sys.argv) > 1 else "secrets"))
