"""How much memory this process may still take, and a clear refusal of what would not fit."""

import sys
from pathlib import Path

from engine.errors import SizeError

_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def available() -> int | None:
    """Bytes that can still be had: free memory, the container's limit, the process's own; None when nothing tells."""
    found = [_free(), *(_left(*files) for files in _GROUPS), *_process_limits()]
    known = [value for value in found if value is not None]
    return max(0, min(known)) if known else None


def resident() -> int:
    """Bytes of memory this process holds; 0 when the system does not tell."""
    return _status("/proc/self/status", "VmRSS:") or 0


def refuse(needed: int, what: str) -> None:
    """Raise SizeError when so many bytes cannot be had; ``what`` says what needs them and what to do instead."""
    free = available()
    if free is not None and needed > free:
        raise SizeError(f"{what.format(size=text(needed))}; {text(free)} of memory can be had")


def text(size: float) -> str:
    """Size in bytes for people: three digits and a unit."""
    scaled, unit = float(size), 0
    while scaled >= 999.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{scaled:.3g} {_UNITS[unit]}"


def _free() -> int | None:
    return _status("/proc/meminfo", "MemAvailable:")


def _status(file: str, field: str) -> int | None:
    """Field in kB of a file of the system, in bytes."""
    try:
        lines = Path(file).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), None)


def _left(limit: str, used: str) -> int | None:
    try:
        return int(Path(limit).read_text(encoding="ascii")) - int(Path(used).read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return None


def _process_limits() -> list[int | None]:
    """What the process's own limits (``ulimit -v``, ``ulimit -d``) leave."""
    if sys.platform == "win32":
        return []
    import resource

    found: list[int | None] = []
    for kind, field in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
        limit, used = resource.getrlimit(kind)[0], _status("/proc/self/status", field)
        if limit != resource.RLIM_INFINITY and used is not None:
            found.append(limit - used)
    return found
