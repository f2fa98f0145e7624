"""Ed25519 keys (RFC 8032) in the files of minisign, and signatures made with them. The only module that signs.

A key that its owner keeps proves that what was signed is unchanged, and that the same key signed it. It proves neither
who the owner is nor when it was signed: that takes an authority which vouches for the key, or a time stamp (RFC 3161).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from trials.errors import TrialError

PURE = b"Ed"
"""What is signed is the message."""
HASHED = b"ED"
"""What is signed is the BLAKE2b-512 of the message."""
CHECKSUM = b"B2"
SCRYPT, NO_KDF = b"Sc", b"\0\0"
OPERATIONS, MEMORY = 2**24, 2**27
"""Limits of scrypt for new keys, as libsodium counts: N = 2^17, r = 8, p = 4."""
SECRET_LENGTH = 158
COMMENT = "untrusted comment: "


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: the eight bytes that tell it from others, and the 32 bytes of its point."""

    number: bytes
    point: bytes

    @property
    def text(self) -> str:
        """The line that others keep: base64 of the algorithm, the number and the point."""
        return base64.b64encode(PURE + self.number + self.point).decode()

    @property
    def name(self) -> str:
        """Its number as minisign shows it."""
        return f"{int.from_bytes(self.number, 'little'):016X}"

    @property
    def file(self) -> bytes:
        """The file of minisign's ``-p``."""
        return f"{COMMENT}minisign public key {self.name}\n{self.text}\n".encode()

    @property
    def pem(self) -> bytes:
        """The file of ``openssl -inkey``."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return Ed25519PublicKey.from_public_bytes(self.point).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature of the message is this key's."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.point).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    @classmethod
    def read(cls, text: str) -> PublicKey:
        """Read the line that `text` gives, or minisign's file with it.

        Raises
        ------
        TrialError
            When it is something else.
        """
        content = _decoded(text.strip().splitlines()[-1] if text.strip() else "")
        if len(content) != 42 or not content.startswith(PURE):
            raise TrialError(f"key: wants a public key of minisign, RW and 54 more letters, got {text[:80]!r}")
        return cls(content[2:10], content[10:])


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A secret key: its number and its 32 secret bytes, which nothing shows."""

    number: bytes
    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """Its public key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return PublicKey(self.number, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Sign a message: 64 bytes, the same for the same message."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


def new_key(path: str | Path, password: str = "", *, operations: int = OPERATIONS, memory: int = MEMORY) -> PublicKey:
    """Make a key: the secret one as `path`, which only its owner can read, the public one beside it as ``.pub``.

    Parameters
    ----------
    path
        File to make; never overwritten.
    password
        What encrypts it; empty: nothing does.
    operations, memory
        Limits of the derivation of the key from the password, as libsodium counts them.

    Raises
    ------
    TrialError
        When one of the files exists already or cannot be made.
    """
    target = Path(path)
    public = target.with_name(f"{target.name}.pub")
    for file in (target, public):
        if file.exists() or file.is_symlink():
            raise TrialError(f"key: {file} exists already; keys are never overwritten")
    made = SecretKey(secrets.token_bytes(8), secrets.token_bytes(32))
    limits = (operations, memory) if password else (0, 0)
    for file, content, mode in (
        (target, _secret_file(made, password, *limits), 0o600),
        (public, made.public.file, 0o644),
    ):
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise TrialError(f"key: {file} cannot be made ({error.strerror})") from None
    return made.public


def is_encrypted(path: str | Path) -> bool:
    """Whether a secret key asks for a password; TrialError when the file is none."""
    return _secret(Path(path))[2:4] == SCRYPT


def read_key(path: str | Path, password: str = "") -> SecretKey:
    """Read a secret key, of minisign or of `new_key`.

    Raises
    ------
    TrialError
        When the file is none, or the password is not its own.
    """
    file = Path(path)
    content = _secret(file)
    salt, limits, hidden = content[6:38], content[38:54], content[54:]
    if content[2:4] == SCRYPT:
        operations, memory = (int.from_bytes(limits[i : i + 8], "little") for i in (0, 8))
        hidden = _mixed(hidden, _derived(password, salt, operations, memory))
    number, seed, point, checksum = hidden[:8], hidden[8:40], hidden[40:72], hidden[72:]
    if _checksum(number + seed + point) != checksum:
        raise TrialError(f"key: the password of {file} is another, or the file is damaged")
    return SecretKey(number, seed)


def _secret(file: Path) -> bytes:
    try:
        lines = file.read_text(encoding="ascii").strip().splitlines()
    except (OSError, ValueError) as error:
        raise TrialError(f"key: {file} cannot be read ({error})") from None
    content = _decoded(lines[-1]) if lines else b""
    known = content[:2] == PURE and content[2:4] in (SCRYPT, NO_KDF) and content[4:6] == CHECKSUM
    if len(content) != SECRET_LENGTH or not known:
        raise TrialError(f"key: {file} is no secret key of minisign; make one with `trialtwin sign --new-key FILE`")
    return content


def _secret_file(key: SecretKey, password: str, operations: int, memory: int) -> bytes:
    bare = key.number + key.seed + key.public.point
    bare += _checksum(bare)
    salt = secrets.token_bytes(32) if password else bytes(32)
    hidden = _mixed(bare, _derived(password, salt, operations, memory)) if password else bare
    limits = operations.to_bytes(8, "little") + memory.to_bytes(8, "little")
    content = PURE + (SCRYPT if password else NO_KDF) + CHECKSUM + salt + limits + hidden
    kind = "minisign encrypted secret key" if password else "minisign secret key"
    return f"{COMMENT}{kind}\n{base64.b64encode(content).decode()}\n".encode()


def _checksum(bare: bytes) -> bytes:
    return hashlib.blake2b(PURE + bare, digest_size=32).digest()


def _derived(password: str, salt: bytes, operations: int, memory: int) -> bytes:
    """104 bytes that hide a key, by scrypt (RFC 7914)."""
    n, p = _cost(operations, memory)
    if n > 2**20:
        raise TrialError(f"key: scrypt with N = {n} takes more memory than anything here may")
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=8, p=p, maxmem=256 * 8 * (n + p + 2), dklen=104)


def _cost(operations: int, memory: int) -> tuple[int, int]:
    """N and p of scrypt with r = 8 from the limits, as libsodium chooses them."""
    operations = max(operations, 2**15)
    largest = operations // 32 if operations < memory // 32 else memory // 1024
    exponent = max(1, largest.bit_length() - 1)
    p = 1 if operations < memory // 32 else min(2**30 - 1, operations // 4 >> exponent) // 8
    return 2**exponent, max(1, p)


def _mixed(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
