"""The audit log: who did what, when and why, in lines that are chained by their hashes.

Each line of ``audit.jsonl`` is one JSON object in the canonical form of RFC 8785 with the fields of `Entry`; ``hash``
is the SHA-256 of the line without it, ``prev`` that of the line before. An edited, removed, added or moved line breaks
the chain. Lines cut off at the end do not: that takes a head that was kept elsewhere, as a package's ``bag-info.txt``
and every signature do. The log proves order and integrity; the time is that of the computer, and the actor is who the
computer says is at work (`whoami`): neither proves an identity.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from engine.locking import wait
from trials.errors import TrialError
from trials.trust.finding import Finding

type Detail = str | Mapping[str, Detail] | Sequence[Detail] | int | None
"""What a value was or is: text, whole numbers, and lists and mappings of them."""

LOG = "audit.jsonl"
START = "0" * 64
"""What stands before the first line."""
ACTOR = "TRIALTWIN_ACTOR"
"""Environment variable that names who is at work."""
FINISHED = "run finished"
"""Action of the line that ends a run; its ``new`` holds the digest of the manifest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log.

    Attributes
    ----------
    seq
        Number of the line, from 1.
    ts
        UTC time of the computer's clock, ISO 8601, to the millisecond.
    actor, action, object
        Who did what to what.
    old, new
        What was there before and is there after, or None.
    reason
        Why, in the actor's words; may be empty.
    prev, hash
        Hash of the line before and of this one.
    """

    seq: int
    ts: str
    actor: str
    action: str
    object: str
    old: Detail
    new: Detail
    reason: str
    prev: str
    hash: str = ""

    @property
    def digest(self) -> str:
        """What its hash should be."""
        return hashlib.sha256(canonical({k: v for k, v in asdict(self).items() if k != "hash"})).hexdigest()

    @property
    def line(self) -> bytes:
        """Its line."""
        return canonical(asdict(self)) + b"\n"


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of a log: its number and its hash."""

    seq: int = 0
    hash: str = START

    def __str__(self) -> str:
        """Write it as ``bag-info.txt`` holds it."""
        return f"{self.seq} sha256:{self.hash}"

    @classmethod
    def read(cls, text: str) -> Head:
        """Read what `str` wrote.

        Raises
        ------
        TrialError
            When it is something else.
        """
        seq, _, digest = text.partition(" sha256:")
        if not seq.isdecimal() or len(digest) != len(START) or set(digest) - set("0123456789abcdef"):
            raise TrialError(f"audit: {text!r} is no head of a log; it is written `17 sha256:<64 hexadecimal digits>`")
        return cls(int(seq), digest)


@dataclass(frozen=True, slots=True)
class Log:
    """A file of chained lines, which may go on from the head of another.

    Attributes
    ----------
    path
        The file.
    after
        Head of the log that it continues; the start for a log of its own.
    """

    path: Path
    after: Head = Head()

    def append(
        self,
        action: str,
        what: str,
        *,
        old: Detail = None,
        new: Detail = None,
        reason: str = "",
        actor: str | None = None,
        at: datetime | None = None,
    ) -> Entry:
        """Append one line and let the disk have it before returning; one process at a time.

        Raises
        ------
        TrialError
            When the log is damaged already: nothing may be appended to what cannot be trusted.
        """
        made_here = not self.path.exists()
        with self.path.open("ab+") as file:
            wait(file)
            file.seek(0)
            entries, findings = _read(self.path.name, file.read(), self.after)
            if findings:
                raise TrialError(f"audit: {self.path} is damaged, so nothing may be appended. {findings[0]}")
            last = Head(entries[-1].seq, entries[-1].hash) if entries else self.after
            bare = Entry(last.seq + 1, _utc(at), actor or whoami(), action, what, old, new, reason, last.hash)
            made = replace(bare, hash=bare.digest)
            _write(file, made.line)
        if made_here:
            _settle(self.path.parent)
        return made

    def entries(self) -> tuple[Entry, ...]:
        """Lines in order.

        Raises
        ------
        TrialError
            When the log is missing or damaged.
        """
        found, findings = self._content()
        if findings:
            raise TrialError(f"audit: {self.path} is damaged. {findings[0]}")
        return tuple(found)

    def head(self) -> Head:
        """Its last line; TrialError when the log is missing or damaged."""
        entries = self.entries()
        return Head(entries[-1].seq, entries[-1].hash) if entries else self.after

    def check(self, *, head: Head | None = None) -> tuple[Finding, ...]:
        """List what is wrong with the log; `head`, where it was kept elsewhere, is what it should end with."""
        entries, findings = self._content()
        if findings or head is None:
            return tuple(findings)
        last = Head(entries[-1].seq, entries[-1].hash) if entries else self.after
        return () if last == head else (Finding(self.path.name, f"ends with {last}, but its head was noted as {head}"),)

    def _content(self) -> tuple[list[Entry], list[Finding]]:
        if not self.path.is_file():
            return [], [Finding(self.path.name, "is missing: there is no audit log")]
        return _read(self.path.name, self.path.read_bytes(), self.after)


@dataclass(frozen=True, slots=True)
class Attribution:
    """What the log of a run says of how it came about.

    Attributes
    ----------
    actor
        Who runs it; None is `whoami`.
    reason
        Why, in their words.
    overrides
        What they changed of the shipped configuration, as they wrote it.
    """

    actor: str | None = None
    reason: str = ""
    overrides: tuple[str, ...] = ()


def append(
    folder: str | Path,
    action: str,
    what: str,
    *,
    old: Detail = None,
    new: Detail = None,
    reason: str = "",
    actor: str | None = None,
) -> Entry:
    """Append a line to the log of a folder; see `Log.append`."""
    return Log(Path(folder) / LOG).append(action, what, old=old, new=new, reason=reason, actor=actor)


def head(folder: str | Path) -> Head:
    """Last line of a folder's log; TrialError when it is missing or damaged."""
    return Log(Path(folder) / LOG).head()


def check(folder: str | Path, *, head: Head | None = None) -> tuple[Finding, ...]:
    """List what is wrong with a folder's log; `head` is what it should end with, where that was kept elsewhere."""
    return Log(Path(folder) / LOG).check(head=head)


def whoami() -> str:
    """Who is at work: what ``TRIALTWIN_ACTOR`` says, or else the login name (the user's number where it has none)."""
    stated = os.environ.get(ACTOR, "").strip()
    if stated:
        return stated
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"


def canonical(value: Detail) -> bytes:
    """JSON in the form of RFC 8785, for text, whole numbers below 2^53, None, and lists and mappings of them.

    Raises
    ------
    TrialError
        For anything else: RFC 8785 writes other numbers as ECMAScript does, which Python does not.
    """
    _refuse(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _refuse(value: object) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not (isinstance(key, str) and key.isascii()):
                raise TrialError(f"audit: wants names of ASCII letters, got {key!r}")
            _refuse(item)
    elif isinstance(value, list):
        for item in value:
            _refuse(item)
    elif isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise TrialError(f"audit: wants text, got half of a letter in {value!r}")
    elif value is not None and not (type(value) is int and abs(value) < 2**53):
        raise TrialError(f"audit: wants text or a whole number, got {value!r}")


def _read(name: str, content: bytes, after: Head) -> tuple[list[Entry], list[Finding]]:
    """Entries up to the first that is wrong, and what is wrong with it."""
    entries: list[Entry] = []
    last = after
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        wrong = list(_wrong(line, last))
        if wrong:
            return entries, [Finding(f"{name} line {number}", message) for message in wrong]
        entries.append(Entry(**json.loads(line)))
        last = Head(entries[-1].seq, entries[-1].hash)
    return entries, []


def _wrong(line: bytes, last: Head) -> Iterator[str]:
    """Say what is wrong with a line that follows `last`; nothing when all is well."""
    if not line.endswith(b"\n"):
        yield "is cut off: it has no end"
        return
    try:
        found = json.loads(line)
        entry = Entry(**found)
        whole = entry.line == line and type(entry.seq) is int
    except (ValueError, TypeError):
        yield "is no entry of a log"
        return
    if not whole or entry.hash != entry.digest:
        yield "was changed: its hash does not fit"
    elif entry.prev != last.hash or entry.seq != last.seq + 1:
        yield f"does not follow: it is entry {entry.seq}, where {last.seq + 1} belongs; lines were removed or moved"


def _utc(moment: datetime | None) -> str:
    return f"{(moment or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _write(file: IO[bytes], line: bytes) -> None:
    file.write(line)
    file.flush()
    os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    """Let the disk have the name of a new file too."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
