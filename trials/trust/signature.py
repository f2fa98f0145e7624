"""A signature of a package: what it says, and where its files and its line in the log are.

What is signed is ``tagmanifest-sha512.txt``, and with it every byte of the package. ``signatures.jsonl`` goes on from
the log of the run; each signature covers the head of the log before it. What is behind the last signature is held by
the chain alone, so that whoever needs the end to be safe signs again or keeps the head elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trials.bag import AUDIT, SIGNATURES, SIGNED, info
from trials.trust.audit import Detail, Head, Log
from trials.trust.enclosure import HEAD
from trials.trust.keys import PublicKey

ACTION = "signed"
REFUSED = "signature refused"
SUFFIXES = ("minisig", "pub", "sig", "pem", "dsse.json")
"""Files of a signature: of minisign with its key, of openssl with its key, and an attestation."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Somebody's signature.

    Attributes
    ----------
    number
        1 for the first.
    name, role, meaning
        Printed name, in which role, and what it means: 21 CFR 11.50(a).
    time
        UTC time by the signer's clock.
    key
        Public key.
    head
        Head of the log that it covers.
    """

    number: int
    name: str
    role: str
    meaning: str
    time: str
    key: PublicKey
    head: Head

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.number}. {self.name}, {self.role}: {self.meaning}, {self.time} (key {self.key.name})"

    @property
    def comment(self) -> str:
        """The trusted comment of its minisign file: ``name|UTC|meaning|head of the log``."""
        return f"{self.name}|{self.time}|{self.meaning}|{self.head.hash}"

    @property
    def predicate(self) -> dict[str, Detail]:
        """What its attestation says."""
        words: dict[str, Detail] = {"name": self.name, "role": self.role, "meaning": self.meaning}
        return {**words, "time": self.time, "auditHead": str(self.head)}

    def path(self, suffix: str) -> str:
        """Path of one of its files."""
        return f"{SIGNED}{self.number}.{suffix}"


def log_of(package: Path) -> Log:
    """The log of signatures of a package, which goes on from the head noted in ``bag-info.txt``.

    Raises
    ------
    TrialError
        When the note is no head.
    """
    noted = info(package).get(HEAD)
    return Log(package / SIGNATURES, Head() if noted is None else Head.read(noted))


def authors(package: Path) -> frozenset[str]:
    """Actors who ran the trial of a package, from its audit log; empty when it has none that can be read."""
    log = Log(package / AUDIT)
    if not log.path.is_file() or log.check():
        return frozenset()
    return frozenset(entry.actor for entry in log.entries() if entry.action.startswith("run "))
