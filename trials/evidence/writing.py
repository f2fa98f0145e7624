"""How the parts of a package write JSON, text and tables: bytes that depend on their content alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_OFFICE = "application/vnd.openxmlformats-officedocument"
MEDIA = {
    ".csv": "text/csv", ".css": "text/css", ".docx": f"{_OFFICE}.wordprocessingml.document",
    ".html": "text/html", ".json": "application/json", ".jsonl": "application/jsonl", ".lock": "text/plain",
    ".nc": "application/x-netcdf", ".parquet": "application/vnd.apache.parquet", ".pdf": "application/pdf",
    ".png": "image/png", ".py": "text/x-python", ".sh": "application/x-sh", ".svg": "image/svg+xml",
    ".tex": "application/x-tex", ".txt": "text/plain", ".xml": "application/xml", ".xpt": "application/x-sas-xport",
    ".xsl": "application/xslt+xml", ".yaml": "application/yaml", ".md": "text/markdown",
}  # fmt: skip


def media(path: str | Path) -> str:
    """Media type of a file by its name."""
    return MEDIA.get(Path(path).suffix, "application/octet-stream")


def write_text(path: Path, text: str) -> None:
    """Write a text file with one line feed at its end, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"{text.rstrip()}\n".encode())


def write_json(path: Path, value: object) -> None:
    """Write JSON for people: indented, in the order given; what is no number of JSON is refused."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with a head; what is None is left empty, numbers have all their digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    write_text(path, stream.getvalue())


def sparse(entries: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is None or empty."""
    return {name: value for name, value in entries.items() if value not in (None, "", [], {})}
