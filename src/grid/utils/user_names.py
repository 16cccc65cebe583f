"""Who runs this process, for people."""

import getpass
import os


def find_user_name() -> str:
    """Return the name of the user; the number where nobody has that name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
