"""Short names for contents: of settings and other plain data, of texts, of files."""

import json
from hashlib import blake2b, sha256
from pathlib import Path

__all__ = ["digest", "file_digest", "ordered_digest", "text_digest"]

_BLOCK = 1 << 20


def digest(data: object) -> str:
    """Return a short hash of plain data, whatever the order of keys: 16 hexadecimal digits."""
    return sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def ordered_digest(data: object) -> str:
    """Return a short hash of plain data that changes with the order of keys, too: 16 hexadecimal digits."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:16]


def text_digest(text: str) -> str:
    """Return a short hash of a text: 16 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file: 64 hexadecimal digits, as other programs give them."""
    found = sha256()
    with file.open("rb") as handle:
        while block := handle.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
