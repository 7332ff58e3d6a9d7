"""common.py - what the nested machine's scripts share: the failure with a sentence, and hashes."""
import hashlib


class Failure(Exception):
    """Ends the program with one sentence for people: what, where, what to do."""


def sha256_bytes(data):
    return hashlib.sha256(data).hexdigest()


def sha256_file(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            h.update(block)
    return h.hexdigest()
