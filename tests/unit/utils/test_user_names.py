import os
import pwd

from grid.utils.user_names import find_user_name


def test_a_user_without_a_name_has_a_number(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert find_user_name() == pwd.getpwuid(os.getuid()).pw_name

    def fail(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", fail)
    assert find_user_name() == f"uid {os.getuid()}"
