"""Short hashes of settings and other plain data."""

import json
from hashlib import sha256

__all__ = ["digest"]


def digest(data: object) -> str:
    """Return a short hash of plain data, whatever the order of keys: 16 hexadecimal digits."""
    return sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
