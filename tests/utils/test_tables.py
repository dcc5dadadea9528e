"""Tables as text: columns stand under each other, and no line ends in blanks."""

from mixlab.utils.tables import align


def test_columns_stand_under_each_other() -> None:
    rows = [("name", "n", ""), ("a", 1, "x"), ("longer", 200, "")]
    assert align(rows, right={1}) == ["name      n", "a         1  x", "longer  200"]
    assert align(rows) == ["name    n", "a       1    x", "longer  200"]
    assert align([]) == []
