"""One Zarr store that is filled chunk by chunk, each at once or not at all, and tells which are still missing.

A chunk of subjects is one file of every variable. ``status`` is written last and is -1 until then, so a chunk is there
when its statuses are. The group's attribute ``request`` says what the store is for.
"""

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import StoreError
from engine.locking import hold

if TYPE_CHECKING:
    import xarray as xr

MISSING = -1
"""Status of a subject whose chunk is not there yet."""
FORMAT = "trialtwin/stream/1"


@dataclass(frozen=True, slots=True)
class Store:
    """A store on disk, whole or not."""

    path: Path
    subjects: int
    chunk: int
    request: Mapping[str, str]

    def missing(self) -> list[range]:
        """Chunks that are not there yet."""
        status = _group(self.path)["status"][:]
        firsts = range(0, self.subjects, self.chunk)
        return [range(n, min(n + self.chunk, self.subjects)) for n in firsts if status[n] == MISSING]

    def has(self, subjects: range) -> bool:
        """Whether a chunk is there."""
        return bool(_group(self.path)["status"][subjects.start] != MISSING)

    def check(self, request: Mapping[str, str]) -> None:
        """Refuse to continue another request, naming what differs."""
        if differ := [name for name in request if request[name] != self.request.get(name)]:
            raise StoreError(
                f"to: {self.path} holds another request, with other {', '.join(differ)}; name another store, or remove "
                "this one"
            )

    def dataset(self) -> "xr.Dataset":
        """What is in it, read when it is used."""
        import xarray as xr

        found: xr.Dataset = xr.open_zarr(self.path)
        return found


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other processes from writing the same store; StoreError when one already does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = path.with_name(f".{path.name}.lock")
    file = hold(mark)
    if file is None:
        raise StoreError(f"to: another process is writing {path}; wait for it, or name another store")
    try:
        yield
    finally:
        file.close()
        mark.unlink(missing_ok=True)


def opened(path: Path) -> Store | None:
    """Store at a path; None when nothing is there, StoreError when something else is."""
    if not path.exists():
        return None
    import zarr

    try:
        attributes = zarr.open_group(path, mode="r").attrs.asdict()
        request = json.loads(str(attributes["request"]))
        if request.pop("format") == FORMAT:
            return Store(path, int(request.pop("subjects_in_all")), int(request.pop("chunk")), request)
    except (OSError, KeyError, ValueError):
        pass
    raise StoreError(f"to: {path} is there and is no store that engine.stream began; name another, it is left alone")


def create(path: Path, template: "xr.Dataset", names: Any, chunk: int, request: Mapping[str, str]) -> Store:
    """Begin a store, at once or not at all.

    Parameters
    ----------
    path
        Where; nothing may be there.
    template
        What a chunk looks like: variables, dimensions, units, attributes.
    names
        The subjects, (subject).
    chunk
        Subjects in a chunk.
    request
        Digests of what is asked for.
    """
    new = path.with_name(f".{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    about = {"format": FORMAT, "subjects_in_all": len(names), "chunk": chunk, **request}
    shared = template.drop_vars([name for name, values in template.variables.items() if "subject" in values.dims])
    head = shared.assign_coords(subject=names).assign_attrs(request=json.dumps(about))
    head.to_zarr(new, mode="w", consolidated=False, zarr_format=3)
    group = _group(new, "r+")
    for name, values in template.variables.items():
        if name != "subject" and "subject" in values.dims:
            _array(group, str(name), values, len(names), chunk)
    coordinates = " ".join(str(name) for name in template.coords if name not in template.dims)
    group.attrs.update({"coordinates": coordinates} if coordinates else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that other programs may not know consolidated metadata; they do without
        import zarr

        zarr.consolidate_metadata(new)
    new.rename(path)
    return Store(path, len(names), chunk, request)


def write(path: Path, subjects: range, found: "xr.Dataset") -> None:
    """Write a chunk; its statuses last."""
    group = _group(path, "r+")
    names = [str(name) for name, values in found.variables.items() if "subject" in values.dims and name != "subject"]
    for name in sorted(names, key=lambda name: name == "status"):
        group[name][subjects.start : subjects.stop] = found[name].to_numpy()


def _group(path: Path, mode: Any = "r") -> Any:
    import zarr

    return zarr.open_group(path, mode=mode)


def _array(group: Any, name: str, values: "xr.Variable", subjects: int, chunk: int) -> None:
    from zarr.codecs import BloscCodec

    sizes = [subjects if dim == "subject" else size for dim, size in values.sizes.items()]
    chunks = [min(chunk, subjects) if dim == "subject" else size for dim, size in values.sizes.items()]
    group.create_array(
        name,
        shape=sizes,
        chunks=chunks,
        dtype=values.dtype,
        fill_value=np.nan if values.dtype.kind == "f" else MISSING,
        dimension_names=[str(dim) for dim in values.dims],
        attributes=dict(values.attrs),
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"),
    )
