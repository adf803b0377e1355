"""Whose a file is."""

from __future__ import annotations


def user_name(uid: int) -> str:
    """The login name, or the number of a user that this machine does not know."""
    import pwd  # seldom needed

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
