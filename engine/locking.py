"""A file that one process at a time holds."""

import sys
from pathlib import Path
from typing import IO, Any


def hold(path: Path) -> IO[str] | None:
    """Hold a file until it is closed or its process ends, however that ends; None while another process has it."""
    file = path.open("w", encoding="utf-8")
    try:
        _take(file)
    except OSError:
        file.close()
        return None
    return file


def wait(file: IO[Any]) -> None:
    """Lock an open file until it is closed, once whoever has it lets go."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def _take(file: IO[str]) -> None:
    """Lock a file until it is closed; OSError when another process has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
