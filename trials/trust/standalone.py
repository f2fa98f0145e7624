#!/usr/bin/env python3
"""Verify an evidence package with Python 3.9 or later alone: `python3 verify.py [FOLDER]`; exit code 0: well, 1: not.

It checks every file, the log of the run, and every signature; HOW-TO-VERIFY.txt says what that proves.
"""

import base64
import hashlib
import json
import pathlib
import sys
from typing import Any

Point = tuple[int, int]
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE, TAGS = bytes([0x58] + [0x66] * 31), "tagmanifest-sha512.txt"
APART = {TAGS, "signatures.jsonl"}


def add(a: Point, b: Point) -> Point:
    """Add two points of the curve edwards25519."""
    t = D * a[0] * b[0] * a[1] * b[1]
    x, y = a[0] * b[1] + a[1] * b[0], a[1] * b[1] + a[0] * b[0]
    return x * pow(1 + t, -1, P) % P, y * pow(1 - t, -1, P) % P


def times(n: int, a: Point) -> Point:
    """Multiply a point."""
    r = (0, 1)
    for bit in f"{n:b}":
        r = add(add(r, r), a) if bit == "1" else add(r, r)
    return r


def point(b: bytes) -> Point:
    """Read a point; ValueError when it is none."""
    y = int.from_bytes(b, "little") % 2**255
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(xx, (P + 3) // 8, P)
    x = x if x * x % P == xx else x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != xx or len(b) != 32:
        raise ValueError("no point of the curve")
    return (x if x % 2 == b[31] >> 7 else P - x), y


def signed(key: bytes, message: bytes, s: bytes) -> bool:
    """Whether an Ed25519 signature (RFC 8032) holds."""
    n, h = int.from_bytes(s[32:], "little"), hashlib.sha512(s[:32] + key + message).digest()
    right = add(point(s[:32]), times(int.from_bytes(h, "little") % L, point(key)))
    return len(s) == 64 and n < L and times(n, point(BASE)) == right


def fixity(bag: pathlib.Path, name: str, inside: bool) -> list[str]:
    """Compare every file with a manifest."""
    rows = [line.split("  ", 1) for line in (bag / name).read_text("utf-8").split("\n")[:-1]]
    listed = {p.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%"): value for value, p in rows}
    there = {p.relative_to(bag).as_posix() for p in bag.rglob("*") if p.is_symlink() or not p.is_dir()}
    own = {p for p in there if p.startswith("data/") is inside and not p.startswith("signatures/")} - APART
    wrong = {p for p in own & set(listed) if (bag / p).is_symlink() or not (bag / p).is_file()}
    for p in (own & set(listed)) - wrong:
        wrong |= {p} if hashlib.sha512((bag / p).read_bytes()).hexdigest() != listed[p] else set()
    said = [f"{p!a}: not as {name} says" for p in sorted(wrong | (own ^ set(listed)))]
    return said + ([f"{name}: names a file twice"] if len(rows) != len(listed) else [])


def chain(path: pathlib.Path, last: str) -> list[dict[str, Any]]:
    """Read a log that follows the line with the hash `last`; ValueError where the chain breaks."""
    lines = path.read_bytes().decode().split("\n")
    entries = [json.loads(line) for line in lines[:-1]]
    for number, entry in enumerate(entries):
        bare = {k: v for k, v in entry.items() if k != "hash"}
        whole, text = (
            json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for one in (entry, bare)
        )
        right = lines[number] == whole and hashlib.sha256(text.encode()).hexdigest() == entry["hash"]
        if not right or entry["prev"] != last or lines[-1]:
            raise ValueError(f"{path.name}: the chain breaks at entry {entry['seq']}")
        last = entry["hash"]
    return entries


def signature(bag: pathlib.Path, entry: dict[str, Any]) -> list[str]:
    """Verify one signature against its line, the people of the package, and the tag manifest."""
    new, message, wrong = entry["new"], (bag / TAGS).read_bytes(), []
    key, n = base64.b64decode(new["key"])[10:], f"signatures/{new['number']}"
    envelope = json.loads((bag / f"{n}.dsse.json").read_text())
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    said = {k: new[k] for k in ("name", "role", "meaning")}
    said.update(time=entry["ts"], auditHead=f"{entry['seq'] - 1} sha256:{entry['prev']}")
    subject = [{"name": TAGS, "digest": {"sha512": hashlib.sha512(message).hexdigest()}}]
    people = {p["name"]: p for p in json.loads((bag / "data/audit/roles.json").read_text("utf-8"))}
    person = people.get(new["name"], {"roles": (), "key": None})
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    for p, value in new["files"].items():
        if "sha512:" + hashlib.sha512((bag / p).read_bytes()).hexdigest() != value:
            wrong.append(f"{p}: not as signatures.jsonl says")
    if not signed(key, message, (bag / f"{n}.sig").read_bytes()):
        wrong.append(f"{n}.sig: does not hold")
    if not signed(key, pae, base64.b64decode(envelope["signatures"][0]["sig"])):
        wrong.append(f"{n}.dsse.json: does not hold")
    pem = base64.b64decode("".join((bag / f"{n}.pem").read_text().split("\n")[1:-2]))
    if pem[-32:] != key or (bag / f"{n}.pub").read_text().split("\n")[1] != new["key"]:
        wrong.append(f"{n}.pub, {n}.pem: not the key that signatures.jsonl names")
    if json.loads(body)["predicate"] != said or json.loads(body)["subject"] != subject:
        wrong.append(f"{n}.dsse.json: says something else than signatures.jsonl")
    if new["role"] not in person["roles"] or person["key"] != new["key"]:
        wrong.append(f"{n}: {new['name']} is no {new['role']} of this package, or has another key")
    print(f"signed: {new['name']}, {new['role']}: {new['meaning']}, {entry['ts']}, key {new['key']}")
    return wrong


def main(bag: pathlib.Path) -> int:
    """Print what is wrong."""
    try:
        wrong = fixity(bag, TAGS, False) + fixity(bag, "manifest-sha512.txt", True)
        tags = (bag / TAGS).read_text("utf-8")
        for p in ("bagit.txt", "bag-info.txt", "manifest-sha512.txt"):
            wrong += [] if f"  {p}\n" in tags else [f"{p}: {TAGS} does not list it"]
        info = dict(line.split(": ", 1) for line in (bag / "bag-info.txt").read_text("utf-8").splitlines())
        head = chain(bag / "data/audit/audit.jsonl", "0" * 64)[-1]
        if info.get("Audit-Head") != f"{head['seq']} sha256:{head['hash']}":
            wrong.append("data/audit/audit.jsonl: does not end with the Audit-Head of bag-info.txt")
        made = chain(bag / "signatures.jsonl", head["hash"]) if (bag / "signatures.jsonl").exists() else []
        made = [entry for entry in made if entry["action"] == "signed"]
        files = {p.relative_to(bag).as_posix() for p in bag.glob("signatures/*")}
        wrong += [f"{p}: belongs to no signature" for p in files - {p for e in made for p in e["new"]["files"]}]
        wrong += [line for entry in made for line in signature(bag, entry)]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        made, wrong = [], [f"cannot be verified: {error!r}"]
    print("\n".join(wrong) or f"every file, the log and {len(made)} signature(s) are as they were left")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent))
