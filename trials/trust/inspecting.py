"""Whether the logs and the signatures of a package hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha512
from pathlib import Path
from typing import Any

from trials.bag import AUDIT, SIGNATURES, SIGNED, TAGMANIFEST, digest, info, is_draft, signed
from trials.errors import TrialError
from trials.trust import attestation, minisig
from trials.trust.audit import Entry, Head, Log
from trials.trust.enclosure import HEAD
from trials.trust.finding import Finding
from trials.trust.keys import PublicKey
from trials.trust.releasing import refuse_addition
from trials.trust.roles import people_of
from trials.trust.signature import ACTION, SUFFIXES, Signature, authors, log_of

NEW = ["files", "key", "meaning", "name", "number", "role"]


def log_findings(package: Path) -> Iterator[Finding]:
    """Compare the packaged log of the run with its head in ``bag-info.txt``."""
    noted, log = info(package).get(HEAD), Log(package / AUDIT)
    if noted is None:
        if log.path.exists():
            yield Finding("bag-info.txt", f"lacks {HEAD}, the head of the audit log")
        return
    try:
        head = Head.read(noted)
    except TrialError as error:
        yield Finding("bag-info.txt", str(error))
        return
    yield from (Finding(f"data/audit/{each.path}", each.message) for each in log.check(head=head))


def signatures(package: Path) -> tuple[tuple[Signature, ...], tuple[Finding, ...]]:
    """Verify the signatures of a package: those that hold, and what is wrong."""
    try:
        log = log_of(package)
    except TrialError as error:
        return (), (Finding("bag-info.txt", str(error)),)
    present = signed(package)
    if not log.path.exists() and not present:
        return (), ()
    if not (package / TAGMANIFEST).is_file():
        return (), (Finding(TAGMANIFEST, "is missing, and the signatures are of it"),)
    if findings := log.check():
        return (), findings
    held: list[Signature] = []
    said: list[Signature] = []
    wrong: list[Finding] = []
    listed: set[str] = set()
    entries = [entry for entry in log.entries() if entry.action == ACTION]
    for number, entry in enumerate(entries, 1):
        made = _said(entry, number)
        listed |= {f"{SIGNED}{number}.{suffix}" for suffix in SUFFIXES}
        found = [Finding(f"{SIGNATURES} line with entry {entry.seq}", "is no record of a signature")]
        found = found if made is None else list(_findings(package, entry, made, said))
        said += [made] if made is not None else []
        held += [made] if made is not None and not found else []
        wrong += found
    strays = [path for path in present if path not in listed]
    if strays:
        wrong.append(Finding(SIGNATURES, f"has {len(entries)} signatures; there are files of others"))
    wrong += [Finding(path, f"belongs to no signature in {SIGNATURES}") for path in strays]
    return tuple(held), tuple(wrong)


def _said(entry: Entry, number: int) -> Signature | None:
    """Read a signature from its line; None when it is no record of one."""
    new: Any = entry.new
    if not isinstance(new, Mapping) or sorted(new) != NEW or new["number"] != number:
        return None
    words = [new[name] for name in ("name", "role", "meaning", "key")]
    if not all(isinstance(word, str) for word in words) or not isinstance(new["files"], Mapping):
        return None
    try:
        key = PublicKey.read(words[3])
    except TrialError:
        return None
    return Signature(number, words[0], words[1], words[2], time=entry.ts, key=key, head=Head(entry.seq - 1, entry.prev))


def _findings(package: Path, entry: Entry, made: Signature, before: Sequence[Signature]) -> Iterator[Finding]:
    """Say what is wrong with a signature that follows others, its files first."""
    new: Any = entry.new
    changed = list(_file_findings(package, made, new["files"]))
    yield from changed
    if not changed:
        yield from _wrong(package, made)
        yield from _attestation_findings(package, made)
        yield from _person_findings(package, made, before)


def _file_findings(package: Path, made: Signature, files: Mapping[str, str]) -> Iterator[Finding]:
    for path in (made.path(suffix) for suffix in SUFFIXES):
        if not (package / path).is_file() or (package / path).is_symlink():
            yield Finding(path, "is missing, and a signature needs it")
        elif f"sha512:{digest(package / path, 'sha512')}" != files.get(path):
            yield Finding(path, f"was changed: {SIGNATURES} has another digest of it")


def _wrong(package: Path, made: Signature) -> Iterator[Finding]:
    """Verify what minisign and openssl read."""
    message = (package / TAGMANIFEST).read_bytes()
    found = {suffix: (package / made.path(suffix)).read_bytes() for suffix in SUFFIXES}
    if found["pub"] != made.key.file or found["pem"] != made.key.pem:
        yield Finding(made.path("pub"), f"is not the key that {SIGNATURES} names")
    if not made.key.verifies(found["sig"], message):
        yield Finding(made.path("sig"), f"does not hold: it is not this key's signature of {TAGMANIFEST}")
    try:
        read = minisig.read(found["minisig"])
    except TrialError as error:
        yield Finding(made.path("minisig"), str(error))
        return
    if not read.holds(message, made.key):
        yield Finding(made.path("minisig"), f"does not hold: it is not this key's signature of {TAGMANIFEST}")
    elif read.comment != minisig.plain(made.comment):
        yield Finding(made.path("minisig"), f"says something other than {SIGNATURES}")


def _attestation_findings(package: Path, made: Signature) -> Iterator[Finding]:
    path, message = made.path("dsse.json"), (package / TAGMANIFEST).read_bytes()
    try:
        said = attestation.opened((package / path).read_bytes(), made.key)
    except TrialError as error:
        yield Finding(path, str(error))
        return
    if said.get("predicate") != made.predicate:
        yield Finding(path, f"says something other than {SIGNATURES}")
    if said.get("subject") != [{"name": TAGMANIFEST, "digest": {"sha512": sha512(message).hexdigest()}}]:
        yield Finding(TAGMANIFEST, f"is not the one that was signed: {path} is about another")


def _person_findings(package: Path, made: Signature, before: Sequence[Signature]) -> Iterator[Finding]:
    """Ask again whether the signer was allowed to."""
    try:
        people = people_of(package)
        people.signer(made.name, made.role, made.meaning, key=made.key, authors=authors(package))
        refuse_addition(before, people, name=made.name, meaning=made.meaning, draft=is_draft(package))
    except TrialError as error:
        yield Finding(f"{SIGNED}{made.number}", f"should not be there. {error}")
