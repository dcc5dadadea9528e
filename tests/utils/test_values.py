from dataclasses import dataclass, field

from mixlab.utils.values import as_plain, is_later, later


@dataclass(frozen=True)
class Inner:
    a: int = 1
    b: list[int] = later([])


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    c: float = 0.5
    d: str = later("off")


def test_what_is_later_is_left_out_while_it_has_its_default() -> None:
    assert as_plain(Outer()) == {"inner": {"a": 1}, "c": 0.5}
    changed = Outer(Inner(b=[2]), d="on")
    assert as_plain(changed) == {"inner": {"a": 1, "b": [2]}, "c": 0.5, "d": "on"}
    assert is_later(Outer, "d")
    assert not is_later(Outer, "c")


def test_defaults_that_can_change_are_not_shared() -> None:
    assert Inner().b is not Inner().b
