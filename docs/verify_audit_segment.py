#!/usr/bin/env python3
"""Verifies a sealed segment of an audit log: verify_audit_segment.py KEY.pem SEGMENT.jsonl [SEGMENT.jsonl ...]

Several segments are given in the order of their chain. The format: audit-chain.md. Needs the package `cryptography`.
"""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def verify(key, text, behind):
    *entries, last = text.decode("utf-8").rstrip("\n").split("\n")
    signed = json.loads(last)
    key.verify(base64.b64decode(signed["signature"]), signed["checkpoint"].encode("utf-8"), ec.ECDSA(hashes.SHA256()))
    checkpoint = json.loads(signed["checkpoint"])
    assert checkpoint["format"] == "organization-portal/audit-checkpoint/1", "it is no checkpoint"
    assert behind in (None, checkpoint["prev"]), "it does not follow the segment before"
    seq, prev = checkpoint["first"], checkpoint["prev"]
    for line in entries:
        entry = json.loads(line)
        assert entry["prev"] == prev and entry["seq"] == seq, f"entry {seq} is not what comes next"
        assert entry["event"]["organization"] == checkpoint["organization"], f"entry {seq} is another organization's"
        seq, prev = seq + 1, hashlib.sha256(line.encode("utf-8")).hexdigest()
    assert seq == checkpoint["last"] + 1 and len(entries) == checkpoint["count"], "entries are missing, or too many"
    assert prev == checkpoint["head"], "the last entry is not what was signed"
    return checkpoint


def main():
    with open(sys.argv[1], "rb") as file:
        key = serialization.load_pem_public_key(file.read())
    behind = None
    for name in sys.argv[2:]:
        with open(name, "rb") as file:
            checkpoint = verify(key, file.read(), behind)
        behind = checkpoint["head"]
        print("{organization} {day}: {count} entries, {first} to {last}, head {head}".format(**checkpoint))


if __name__ == "__main__":
    try:
        main()
    except InvalidSignature:
        sys.exit("the signature is not this key's")
    except (AssertionError, KeyError, ValueError) as error:
        sys.exit(f"it does not verify: {error}")
