"""Signing a package: who may, under which conditions, and what is written either way."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha512
from pathlib import Path

from trials.bag import AUDIT, BAGIT, SIGNED, TAGMANIFEST, is_draft
from trials.errors import TrialError
from trials.trust import attestation, minisig
from trials.trust.audit import Detail
from trials.trust.inspecting import signatures
from trials.trust.keys import SecretKey
from trials.trust.releasing import RELEASED, refuse_addition
from trials.trust.roles import people_of
from trials.trust.signature import ACTION, REFUSED, Signature, authors, log_of


def sign(package: str | Path, key: SecretKey, *, name: str, role: str, meaning: str, reason: str = "") -> Signature:
    """Sign a package in a role that its people have; a refusal is noted in its log.

    What may follow what is told by `trials.trust.releasing.refuse_addition`. A release, whose meaning is ``released``,
    wants moreover a package that verifies and has the audit log of its run.

    Parameters
    ----------
    package
        Its folder.
    key
        The signer's own.
    name, role, meaning
        Printed name, role, and what the signature means: see `trials.trust.roles.MEANINGS`.
    reason
        Why, for the log.

    Raises
    ------
    TrialError
        When the signer may not, or the package is not as it was made.
    """
    bag = Path(package)
    if not (bag / BAGIT).is_file():
        raise TrialError(f"sign: {bag} is no package of a run (it has no {BAGIT})")
    log = log_of(bag)
    said: dict[str, Detail] = {"name": name, "role": role, "meaning": meaning, "key": key.public.text}
    try:
        people = people_of(bag)
        people.signer(name, role, meaning, key=key.public, authors=authors(bag))
        _refuse_changed(bag)
        refuse_addition(signatures(bag)[0], people, name=name, meaning=meaning, draft=is_draft(bag))
        if meaning == RELEASED:
            _refuse_release(bag)
    except TrialError as error:
        log.append(REFUSED, TAGMANIFEST, new=said, reason=str(error))
        raise
    return _add(bag, key, name=name, role=role, meaning=meaning, reason=reason)


def _add(bag: Path, key: SecretKey, *, name: str, role: str, meaning: str, reason: str) -> Signature:
    """Write the files of a signature and its line in the log, or nothing."""
    log, now = log_of(bag), datetime.now(UTC)
    entries = log.entries() if log.path.exists() else ()
    number = sum(entry.action == ACTION for entry in entries) + 1
    head = log.head() if entries else log.after
    time = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
    made = Signature(number, name, role, meaning, time=time, key=key.public, head=head)
    contents = _contents(made, key, (bag / TAGMANIFEST).read_bytes())
    new: dict[str, Detail] = {
        "number": number, "name": name, "role": role, "meaning": meaning, "key": key.public.text,
        "files": {path: f"sha512:{sha512(content).hexdigest()}" for path, content in contents.items()},
    }  # fmt: skip
    (bag / SIGNED).mkdir(exist_ok=True)
    written: list[Path] = []
    try:
        for path, content in contents.items():
            with (bag / path).open("xb") as file:
                written.append(bag / path)
                file.write(content)
        log.append(ACTION, TAGMANIFEST, new=new, reason=reason, at=now)
    except BaseException as error:
        for each in written:
            each.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise TrialError(f"sign: {error.filename} exists already, though no signature has that number") from None
        raise
    return made


def _contents(made: Signature, key: SecretKey, message: bytes) -> dict[str, bytes]:
    """Files of a signature by path."""
    statement = attestation.statement({TAGMANIFEST: sha512(message).hexdigest()}, made.predicate)
    return {
        made.path("minisig"): minisig.sign(message, key, made.comment).file,
        made.path("pub"): key.public.file,
        made.path("sig"): key.sign(message),
        made.path("pem"): key.public.pem,
        made.path("dsse.json"): attestation.envelope(statement, key),
    }


def _refuse_changed(bag: Path) -> None:
    from trials.verification import fixity

    if findings := fixity(bag):
        raise TrialError(f"sign: {bag.name} is not as it was made: {findings[0]}")


def _refuse_release(bag: Path) -> None:
    from trials.verification import verify

    if not (bag / AUDIT).is_file():
        raise TrialError("sign: a package without the audit log of its run is not released; run the trial again")
    report = verify(bag)
    if not report.ok:
        raise TrialError(f"sign: a package that does not verify is not released: {report.findings[0]}")
