"""``trialtwin sign DIR --key FILE --name NAME --role ROLE --meaning MEANING``: sign a package; or make a key."""

from __future__ import annotations

import argparse
import sys
from getpass import getpass
from pathlib import Path

from trials.errors import TrialError

ABOUT = """Sign an evidence package, or make a key to sign with.

A designer signs 'authored', a statistician 'analysed', a reviewer 'reviewed' or 'rejected', a releaser 'released'; the
people of the package, their roles and keys are those of its answers. A release wants a review by somebody who did not
make the trial, and no draft. A signature shows that the package is unchanged since the holder of the key signed it; it
does not prove who that is, or when it was. It supports a procedure such as 21 CFR Part 11 asks for; it is none."""


def main(arguments: list[str]) -> int:
    """Sign, or make a key."""
    parser = argparse.ArgumentParser(
        "trialtwin sign", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", help="folder of the package")
    parser.add_argument("--key", help="file with your secret key")
    parser.add_argument("--name", help="your name, as the package has it")
    parser.add_argument("--role", help="designer, statistician, reviewer or releaser")
    parser.add_argument("--meaning", help="what the signature means: authored, analysed, reviewed, rejected, released")
    parser.add_argument("--reason", default="", help="why, for the log")
    parser.add_argument("--password-file", help="file whose first line is the password of the key; else you are asked")
    parser.add_argument("--new-key", metavar="FILE", help="make a key: FILE, and FILE.pub for everybody")
    parser.add_argument("--no-password", action="store_true", help="do not encrypt the new key")
    given = parser.parse_args(arguments)
    if given.new_key:
        return _new_key(given)
    for field in ("folder", "key", "name", "role", "meaning"):
        if not getattr(given, field):
            parser.error(
                f"wants --{field}" if field != "folder" else "wants the folder of a package, or --new-key FILE"
            )
    return _sign(given)


def _sign(given: argparse.Namespace) -> int:
    from trials.trust.keys import is_encrypted, read_key
    from trials.trust.signing import sign

    key = read_key(given.key, _password(given, again=False) if is_encrypted(given.key) else "")
    made = sign(given.folder, key, name=given.name, role=given.role, meaning=given.meaning, reason=given.reason)
    print(f"signed: {made}")
    return 0


def _new_key(given: argparse.Namespace) -> int:
    from trials.trust.keys import new_key

    password = "" if given.no_password else _password(given, again=True)
    if not (given.no_password or password):
        raise TrialError("key: wants a password, or --no-password")
    public = new_key(given.new_key, password)
    print(f"secret key: {given.new_key}    keep it to yourself\npublic key: {given.new_key}.pub\n  key: {public.text}")
    return 0


def _password(given: argparse.Namespace, *, again: bool) -> str:
    if given.password_file:
        try:
            lines = Path(given.password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TrialError(f"key: {given.password_file} cannot be read ({error})") from None
        return lines[0] if lines else ""
    if not sys.stdin.isatty():
        raise TrialError("key: nobody is here to ask for the password; give --password-file FILE")
    password = getpass("password of the key: ")
    if again and getpass("again: ") != password:
        raise TrialError("key: these were two passwords")
    return password
