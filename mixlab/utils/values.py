"""Values of a configuration, brought to the types that its dataclass states, or refused by name.

What comes from a command line or a file has been checked on its way. What comes from a script has not: a text
for a number, a NaN or a dictionary for a part of the configuration would be noticed late, or never.
"""

import difflib
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, asdict, field, fields, is_dataclass
from functools import lru_cache
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from mixlab.errors import ConfigError

__all__ = [
    "LARGEST_SEED",
    "as_dataclass",
    "as_plain",
    "changed",
    "check_names",
    "check_seeds",
    "check_setting",
    "is_later",
    "later",
    "names_class",
    "refuse",
    "settle",
]

T = TypeVar("T")

LARGEST_SEED = (1 << 63) - 1
"""Seeds beyond would be no signed 64-bit numbers, as which tables and recipes hold them."""


def settle(values: Any, where: str) -> None:  # noqa: ANN401 - any dataclass
    """Bring every field of a dataclass that is being made to the type it states.

    Numbers of NumPy become Python's own, a whole number for a fraction and the other way round is
    converted where nothing is lost, lists become tuples, and mappings become the dataclass that stands
    there, with its defaults for what they leave out.

    Args:
        values: A dataclass, in its ``__post_init__``; may be frozen.
        where: What stands before the names of its fields in messages: ``mix``.

    Raises:
        ConfigError: a value is of another type, or not finite; the message names it.
    """
    for name, kind in _kinds(type(values)):  # type: ignore[arg-type]  # types can be hashed
        found = getattr(values, name)
        settled = _settled(kind, found, f"{where}.{name}")
        if settled is not found:
            object.__setattr__(values, name, settled)


def later(default: Any, *, compare: bool = True) -> Any:  # noqa: ANN401 - a field of any type
    """Return the field of a dataclass that older files do not have.

    While it has its default, ``as_plain`` leaves it out, so that the hashes of older settings stay.

    Args:
        default: Its default.
        compare: Whether two that differ in it are different.
    """
    metadata = {"later": default}
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata, compare=compare)
    return field(default=default, metadata=metadata, compare=compare)


def is_later(kind: Any, name: str) -> bool:  # noqa: ANN401 - any dataclass
    """Return whether a field of a dataclass was declared with ``later``."""
    return any(f.name == name and "later" in f.metadata for f in fields(kind))


def as_plain(values: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Return a dataclass as plain data, without what is ``later`` and has its default."""
    data = asdict(values)
    _leave_out(values, data)
    return data


def _leave_out(values: Any, data: dict[str, Any]) -> None:  # noqa: ANN401 - any dataclass
    for each in fields(values):
        found = getattr(values, each.name)
        if "later" in each.metadata and found == each.metadata["later"]:
            del data[each.name]
        elif is_dataclass(found):
            _leave_out(found, data[each.name])


def as_dataclass(kind: type[T], found: object, where: str) -> T:
    """Return a dataclass of settings: itself, or one with what a mapping holds and defaults for the rest.

    Args:
        kind: The dataclass.
        found: It, or a mapping from names of its fields.
        where: What it is called in messages: ``mix``.

    Raises:
        ConfigError: it is neither; a name is none of the fields, and the message has the nearest one; or a
            value is of another type or out of its range.
    """
    return cast(T, _dataclass(kind, found, where))


def changed(values: Any) -> str:  # noqa: ANN401 - any dataclass
    """Return a dataclass of settings as the call that makes it: with what differs from its defaults."""
    shown = []
    for each in fields(values):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        found = getattr(values, each.name)
        if found != default:
            shown.append(f"{each.name}={changed(found) if is_dataclass(found) else repr(found)}")
    return f"{type(values).__name__}({', '.join(shown)})"


def check_setting(section: str, good: bool, name: str, expected: str, found: object) -> None:
    """Refuse a setting that is not good.

    Raises:
        ConfigError: it is not; the message names it as ``section.name``.
    """
    if not good:
        raise refuse(f"{section}.{name}", expected, found)


def check_seeds(section: str, **seeds: int) -> None:
    """Refuse seeds that no stream takes and no run holds.

    Raises:
        ConfigError: one is not from 0 to 2**63 - 1; the message names it as ``section.name``.
    """
    for name, seed in seeds.items():
        check_setting(section, 0 <= seed <= LARGEST_SEED, name, "a number from 0 to 2**63 - 1", seed)


def check_names(where: str, found: Any, *, once: bool = True) -> None:  # noqa: ANN401 - whatever was given
    """Refuse what is no list of names, or one that has a name twice, unless that is no matter.

    Raises:
        ConfigError: it is one of these; the message says ``where``.
    """
    listed = isinstance(found, Collection) and not isinstance(found, str | bytes)
    if not listed or not all(isinstance(name, str) for name in found):
        raise refuse(where, "a list of names, such as ['package.module:NAME']", found)
    twice = [name for name, count in Counter(found).items() if count > 1]
    if once and twice:
        raise ConfigError(f"{where} has {twice[0]!r} twice; keep one.", code="repeated-option")


def names_class(data: Any) -> bool:  # noqa: ANN401 - whatever a file holds
    """Tell whether plain data names a class to build, which jsonargparse would import."""
    if isinstance(data, Mapping):
        return "class_path" in data or any(map(names_class, data.values()))
    return isinstance(data, list | tuple) and any(map(names_class, data))


def refuse(where: str, expected: str, found: object) -> ConfigError:
    """Return the error that says what was expected of a value, and what was found."""
    return ConfigError(f"{where}: expected {expected}, found {found!r}.", code="invalid-setting")


@lru_cache(maxsize=64)
def _kinds(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in fields(kind))


def _settled(kind: Any, found: object, where: str) -> object:  # noqa: ANN401 - any annotation
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if not isinstance(found, str) or found not in choices:
            raise refuse(where, f"one of {', '.join(choices)}", found)
        return found
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), found, where)
    if get_origin(kind) is dict:
        return _dict(get_args(kind)[1], found, where)
    if get_origin(kind) is list:
        return found  # of any plain data, which who holds it has checked
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, found, where)
    if kind not in _PLAIN:
        raise refuse(where, "a field of a number, a text, true or false, or a tuple of these", kind)
    return _PLAIN[kind](found, where)


def _bool(found: object, where: str) -> bool:
    if isinstance(found, bool) or type(found).__name__ in ("bool_", "bool"):  # NumPy's, without loading it
        return bool(found)
    raise refuse(where, "true or false", found)


def _float(found: object, where: str) -> float:
    if isinstance(found, bool) or not isinstance(found, Real):
        raise refuse(where, "a number", found)
    try:
        number = float(found)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refuse(where, "a finite number", found)
    return number


def _int(found: object, where: str) -> int:
    if not isinstance(found, bool) and isinstance(found, Integral):
        return int(found)
    number = _float(found, where)
    if number != int(number):
        raise refuse(where, "a whole number", found)
    return int(number)


def _str(found: object, where: str) -> str:
    if isinstance(found, PathLike):
        found = fspath(found)
    if not isinstance(found, str):
        raise refuse(where, "text", found)
    return str(found)


_PLAIN: dict[Any, Any] = {bool: _bool, float: _float, int: _int, str: _str}


def _tuple(kinds: tuple[Any, ...], found: object, where: str) -> tuple[Any, ...]:
    many = kinds[-1] is ...
    expected = f"a list of {'texts' if kinds[0] is str else f'{len(kinds)} numbers'}"
    if isinstance(found, str | bytes | Mapping | set | frozenset) or not isinstance(found, Iterable):
        raise refuse(where, expected, found)
    entries = tuple(found)
    if not many and len(entries) != len(kinds):
        raise refuse(where, expected, found)
    return tuple(_settled(kinds[0] if many else kinds[n], x, where) for n, x in enumerate(entries))


def _dict(kind: Any, found: object, where: str) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(found, Mapping):
        raise refuse(where, "a mapping from names to numbers", found)
    return {_str(key, f"{where}, a name"): _settled(kind, x, f"{where}.{key}") for key, x in found.items()}


def _dataclass(kind: type, found: object, where: str) -> object:
    if isinstance(found, kind):
        return found
    names = [name for name, _ in _kinds(kind)]
    if not isinstance(found, Mapping):
        raise refuse(where, f"{kind.__name__} or a mapping with {', '.join(names)}", found)
    for key in found:
        if key not in names:
            close = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}."
            raise ConfigError(f"{where}: there is no {key!r}; {hint}", code="unknown-setting")
    return kind(**found)
