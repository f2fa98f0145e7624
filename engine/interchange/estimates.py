"""Final estimates of a NONMEM run, from its table of iterations (the .ext file)."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from engine.errors import ModelError
from engine.interchange.streams import Covariances, Stream

_FINAL = -1000000000.0


def with_estimates(stream: Stream, path: str | Path) -> Stream:
    """Put the final estimates of the table's last problem in place of the initial ones."""
    found = _final(Path(path))
    thetas = tuple(
        replace(theta, value=_one(found, f"THETA{number}", path)) for number, theta in enumerate(stream.thetas, 1)
    )
    omega, sigma = (
        _matrix(found, part, name, path) for part, name in ((stream.omega, "OMEGA"), (stream.sigma, "SIGMA"))
    )
    return replace(stream, thetas=thetas, omega=omega, sigma=sigma)


def _final(path: Path) -> dict[str, float]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from None
    header: list[str] = []
    found: dict[str, float] = {}
    for line in lines:
        words = line.split()
        if words and words[0] == "ITERATION":
            header = words
        elif words and header and re.fullmatch(r"-?\d+(?:\.\d*)?(?:[EeDd][+-]?\d+)?", words[0]):
            values = [float(word.upper().replace("D", "E")) for word in words]
            if values[0] == _FINAL and len(values) == len(header):
                found = dict(zip(header, values, strict=True))
    if not found:
        raise ModelError(f"{path.name}: no final estimates (a line with ITERATION -1000000000) in it")
    return found


def _matrix(found: Mapping[str, float], part: Covariances, name: str, path: str | Path) -> Covariances:
    count = range(1, len(part.names) + 1)
    rows = tuple(tuple(_one(found, f"{name}({max(i, j)},{min(i, j)})", path) for j in count) for i in count)
    return replace(part, matrix=rows)


def _one(found: Mapping[str, float], name: str, path: str | Path) -> float:
    if name not in found:
        raise ModelError(f"{Path(path).name}: {name} is missing; is it of this control stream?")
    return found[name]
