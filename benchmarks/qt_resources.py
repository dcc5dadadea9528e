"""Qt resource files (``.rcc``) as dictionaries: what programs such as GCompris keep their sounds in.

The format is that of Qt's ``rcc --binary``: a header, a tree of nodes, names in UTF-16 and blocks of data,
all big-endian. Versions 1 to 3 differ in what a node and the header hold at their ends.
"""

import struct
import zlib
from collections.abc import Iterator

__all__ = ["read_resources"]

_MAGIC = b"qres"
_COMPRESSED, _FOLDER, _ZSTD = 1, 2, 4
_MOST_BYTES = 1 << 28
"""Largest file that is unpacked: a damaged size would ask for all memory."""


def read_resources(data: bytes) -> dict[str, bytes]:
    """Return the files of a Qt resource by path.

    Args:
        data: Contents of an ``.rcc`` file.

    Raises:
        ValueError: they are none, are damaged, or hold a file that is compressed with Zstandard.
    """
    if data[:4] != _MAGIC:
        raise ValueError(f"expected a Qt resource, which begins with {_MAGIC!r}, found {data[:4]!r}")
    try:
        version, tree, blocks, names = struct.unpack_from(">4I", data, 4)
        if version not in (1, 2, 3):
            raise ValueError(f"expected a Qt resource of version 1 to 3, found {version}")
        return dict(_Reader(data, tree, blocks, names, 14 if version == 1 else 22).files())
    except (struct.error, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"the Qt resource is damaged: {error}") from error


class _Reader:
    """Where the parts of a resource lie.

    Args:
        data: The file.
        tree: Place of the first node, the root.
        blocks: Place of the data.
        names: Place of the names.
        node_size: Bytes of a node.
    """

    def __init__(self, data: bytes, tree: int, blocks: int, names: int, node_size: int) -> None:
        self.data, self.tree, self.blocks, self.names = data, tree, blocks, names
        self.node_size = node_size
        self.most_nodes = len(data) // node_size

    def files(self) -> Iterator[tuple[str, bytes]]:
        waiting, seen = [(0, "")], 0
        while waiting:
            number, path = waiting.pop()
            seen += 1
            if seen > self.most_nodes:
                raise ValueError("the Qt resource is damaged: a folder holds itself")
            place = self.tree + number * self.node_size
            name_at, flags, count, first = struct.unpack_from(">IHII", self.data, place)
            inner = f"{path}/{self._name(name_at)}".strip("/") if number else ""
            if flags & _FOLDER:
                waiting += [(first + k, inner) for k in range(min(count, self.most_nodes))]
            else:
                yield inner, self._contents(struct.unpack_from(">I", self.data, place + 10)[0], flags, inner)

    def _name(self, at: int) -> str:
        (length,) = struct.unpack_from(">H", self.data, self.names + at)
        start = self.names + at + 6  # a hash of four bytes stands between
        return self.data[start : start + 2 * length].decode("utf-16-be")

    def _contents(self, at: int, flags: int, name: str) -> bytes:
        (size,) = struct.unpack_from(">I", self.data, self.blocks + at)
        start = self.blocks + at + 4
        held = self.data[start : start + size]
        if len(held) < size:
            raise ValueError(f"the Qt resource is damaged: it ends within {name}")
        if flags & _ZSTD:
            raise ValueError(f"{name} is compressed with Zstandard, which is not read here")
        if not flags & _COMPRESSED:
            return held
        # Qt puts the size of what comes out in front.
        return zlib.decompressobj().decompress(held[4:], min(struct.unpack_from(">I", held)[0], _MOST_BYTES))
