"""Attestations: an in-toto Statement (version 1) in an envelope of DSSE (version 1).

Statement: https://github.com/in-toto/attestation, spec/v1; envelope: https://github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from trials.errors import TrialError
from trials.trust.audit import Detail, canonical
from trials.trust.keys import PublicKey, SecretKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:trialtwin:signature:1"


def statement(subject: Mapping[str, str], predicate: Mapping[str, Detail]) -> bytes:
    """State something about files: SHA-512 by name, and what is said of them; canonical JSON."""
    subjects: list[Detail] = [{"name": name, "digest": {"sha512": value}} for name, value in sorted(subject.items())]
    return canonical({"_type": STATEMENT, "subject": subjects, "predicateType": PREDICATE, "predicate": predicate})


def envelope(body: bytes, key: SecretKey) -> bytes:
    """Sign a statement; the envelope as canonical JSON with a line end."""
    signature = {"keyid": key.public.name, "sig": base64.b64encode(key.sign(encoded(body))).decode()}
    content: Detail = {
        "payload": base64.b64encode(body).decode(), "payloadType": PAYLOAD_TYPE, "signatures": [signature]
    }  # fmt: skip
    return canonical(content) + b"\n"


def opened(content: bytes, key: PublicKey) -> dict[str, Any]:
    """Open an envelope that this key signed; returns its statement.

    Raises
    ------
    TrialError
        When it is no such envelope, its signature does not hold, or its bytes are not those that `envelope` writes.
    """
    try:
        found = json.loads(content)
        body = base64.b64decode(found["payload"], validate=True)
        (signature,) = found["signatures"]
        signed = base64.b64decode(signature["sig"], validate=True)
        read: dict[str, Any] = json.loads(body)
        whole = canonical(found) + b"\n" == content and found["payloadType"] == PAYLOAD_TYPE
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise TrialError("attestation: is no DSSE envelope with one signature") from None
    if not whole or signature.get("keyid") != key.name or read.get("_type") != STATEMENT:
        raise TrialError("attestation: was changed: it is not as it was written")
    if not key.verifies(signed, encoded(body)):
        raise TrialError("attestation: its signature does not hold")
    return read


def encoded(body: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding of type and body."""
    kind = PAYLOAD_TYPE.encode()
    return b" ".join([b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(body), body])
