"""Sets of positions that are joined two by two (union-find)."""

from collections import defaultdict

__all__ = ["DisjointSets"]


class DisjointSets:
    """Positions 0 to ``count - 1``, each in a set of its own until it is joined.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, i: int) -> int:
        """Return the position that stands for the set of ``i``: the least of it."""
        parent = self._parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(self, i: int, k: int) -> None:
        """Make one set of those of ``i`` and ``k``."""
        i, k = self.root(i), self.root(k)
        self._parent[max(i, k)] = min(i, k)

    def sets(self) -> list[tuple[int, ...]]:
        """Return all sets, each ascending, by their first positions."""
        members: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self._parent)):
            members[self.root(i)].append(i)
        return [tuple(found) for found in members.values()]
