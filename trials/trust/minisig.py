"""Signature files of minisign: a signature of a message, and of the comment that goes with it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from trials.errors import TrialError
from trials.trust.keys import COMMENT, HASHED, PURE, PublicKey, SecretKey

TRUSTED = "trusted comment: "


@dataclass(frozen=True, slots=True)
class Minisig:
    """A signature as minisign writes it.

    Attributes
    ----------
    algorithm
        ``ED``, over the BLAKE2b-512 of the message, or ``Ed``, over the message itself.
    number
        Number of the key.
    signature
        64 bytes over the message.
    comment
        What the signature says, signed too.
    whole
        64 bytes over the signature and the comment.
    """

    algorithm: bytes
    number: bytes
    signature: bytes
    comment: str
    whole: bytes

    @property
    def file(self) -> bytes:
        """Its file."""
        head = base64.b64encode(self.algorithm + self.number + self.signature).decode()
        rows = (f"{COMMENT}signature of a package by trialtwin", head, f"{TRUSTED}{self.comment}")
        return "\n".join([*rows, base64.b64encode(self.whole).decode(), ""]).encode()

    def holds(self, message: bytes, key: PublicKey) -> bool:
        """Whether both signatures are of this key."""
        signed = hashlib.blake2b(message).digest() if self.algorithm == HASHED else message
        right = key.number == self.number and key.verifies(self.signature, signed)
        return right and key.verifies(self.whole, self.signature + self.comment.encode())


def sign(message: bytes, key: SecretKey, comment: str) -> Minisig:
    """Sign a message with a comment; letters beyond ASCII are written by their number, as in Python."""
    said = plain(comment)
    if not said.isprintable():
        raise TrialError(f"sign: wants printable letters, got {comment!r}")
    signature = key.sign(hashlib.blake2b(message).digest())
    return Minisig(HASHED, key.number, signature, said, key.sign(signature + said.encode()))


def plain(comment: str) -> str:
    """Write a comment with ASCII letters alone, as minisign asks."""
    return comment.encode("ascii", "backslashreplace").decode()


def read(content: bytes) -> Minisig:
    """Read a signature file.

    Raises
    ------
    TrialError
        When it is none.
    """
    try:
        head, body, comment, whole = content.decode().removesuffix("\n").split("\n")
        signed, last = base64.b64decode(body, validate=True), base64.b64decode(whole, validate=True)
    except (ValueError, binascii.Error):
        raise TrialError("signature: is no signature file of minisign") from None
    named = head.startswith(COMMENT) and comment.startswith(TRUSTED) and signed[:2] in (PURE, HASHED)
    if not named or (len(signed), len(last)) != (74, 64):
        raise TrialError("signature: is no signature file of minisign")
    return Minisig(signed[:2], signed[2:10], signed[10:], comment.removeprefix(TRUSTED), last)
