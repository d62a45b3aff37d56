"""A word that stands nowhere else, the disguises that it may be written in, and a search for it."""

import base64
import random
import re
import string
from collections.abc import Iterable
from math import ceil
from pathlib import Path


def new_word() -> str:
    """Small letters alone: what strips digits and signs from a text must not hide it."""
    return "qz" + "".join(random.SystemRandom().choices(string.ascii_lowercase, k=10))


def _base64(word: bytes) -> Iterable[bytes]:
    """The characters that are the same whatever stands around the word, at each alignment."""
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + word)
        yield text[ceil(shift * 8 / 6) : (shift + len(word)) * 8 // 6]


def disguises(word: str) -> dict[str, list[bytes]]:
    """What a word may look like in a file; all but base64 are compared without regard to case."""
    plain = word.encode()
    return {
        "plain": [plain],
        "base64": list(_base64(plain)),
        "percent": [b"".join(b"%%%02x" % letter for letter in plain)],
        "json": [b"".join(b"\\u%04x" % letter for letter in plain)],
        "hex": [plain.hex().encode()],
        "utf-16": [word.encode("utf-16-le")[:-1]],  # without its last NUL, the other order too
    }


def found_in(data: bytes, word: str) -> list[str]:
    """Each way in which the word is in the data, with what stands behind it where that is plain."""
    folded = data.lower()
    found = []
    for name, forms in disguises(word).items():
        place = data if name == "base64" else folded
        if any(form in place for form in forms):
            found.append(name)
    names = {match.group().decode() for match in re.finditer(word.encode() + rb"[a-z]*", folded)}
    return found + sorted(names)


def files_with(folder: Path, word: str) -> dict[str, list[str]]:
    """Files below a folder that have the word, and how; a file that has just gone has nothing."""
    found = {}
    for path in sorted(folder.rglob("*")):
        try:
            data = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue
        if ways := found_in(data + b"\n" + path.name.encode(), word):
            found[str(path.relative_to(folder))] = ways
    return found
