"""Tables as plain text."""

from collections.abc import Container, Iterable, Sequence

__all__ = ["align"]


def align(rows: Iterable[Sequence[object]], right: Container[int] = ()) -> list[str]:
    """Return a line for each row, with cells in columns and two blanks between them.

    Args:
        rows: All of one length.
        right: Numbers of the columns whose cells stand to the right, counted from 0.
    """
    table = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if k in right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
