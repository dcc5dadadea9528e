"""Short hashes: what they are stays, as caches, catalogs and runs hold them."""

from hashlib import sha256
from pathlib import Path

from mixlab.utils.hashing import digest, file_digest, ordered_digest, text_digest


def test_values_stay() -> None:
    assert digest({"b": 1, "a": [2, "é"]}) == digest({"a": [2, "é"], "b": 1}) == "740a160e3ddab599"
    assert ordered_digest([["é", [1]]]) == "79b23f7f753f14de"
    assert text_digest("mixlab") == "43d5bd9a643b3815"


def test_order_counts_only_where_it_is_said() -> None:
    assert ordered_digest({"b": 1, "a": 2}) != ordered_digest({"a": 2, "b": 1})
    assert len({len(digest([])), len(ordered_digest([])), len(text_digest(""))}) == 1


def test_a_file_is_hashed_as_other_programs_do(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000  # more than one block
    (tmp_path / "file").write_bytes(data)
    assert file_digest(tmp_path / "file") == sha256(data).hexdigest()
