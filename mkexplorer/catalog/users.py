"""Whose a file is."""

from __future__ import annotations

import os


def user_name(uid: int) -> str:
    """The login name, or the number of a user that this machine does not know."""
    import pwd  # seldom needed

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def foreign_owner(path: str) -> str | None:
    """The user to whom a place belongs; None if that is the one who runs mkexplorer, or the system's."""
    try:
        uid = os.stat(path).st_uid
    except OSError:
        return None
    return None if uid in (os.geteuid(), 0) else user_name(uid)
