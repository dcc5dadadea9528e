"""Files of plain data read back as the dataclasses they were written from; every fault named by its place."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mixlab.errors import RunError
from mixlab.utils.yaml import load_json

__all__ = ["Source", "later", "read_json"]

T = TypeVar("T")

_LATER = "later"


def later(default: T) -> T:
    """Return a dataclass field that came after files without it were written: they have its default.

    Every other field must be in a file, so that one that lost some cannot be taken for whole.
    """
    made: T = field(default=default, metadata={_LATER: True})
    return made


@dataclass(frozen=True)
class Source:
    """Where plain data is from.

    Attributes:
        name: The file, for messages.
        written_by: The command that wrote it, which makes it anew.
    """

    name: str
    written_by: str

    def decode(self, kind: type[T], data: object) -> T:
        """Return plain data as a dataclass; None stands for NaN where a number is expected.

        Args:
            kind: The dataclass; its fields are numbers, texts, tuples, mappings, dataclasses, ``X | None``.
            data: What ``asdict`` gave, as JSON keeps it.

        Raises:
            RunError: a key is missing or unknown, or a value is of another type; the message names it.
        """
        value: T = _decode(kind, data, "", self)
        return value

    def decode_file(self, kind: type[T], data: Mapping[str, Any], schema: int) -> T:
        """Return what a file holds as a dataclass, whose own key ``schema`` says how it is written.

        Args:
            kind: The dataclass; it may have a field ``schema``.
            data: The file's object.
            schema: The one that this mixlab reads.

        Raises:
            RunError: the schema is another one, or ``decode`` refuses the rest.
        """
        if data.get("schema") != schema:
            raise self.refuse("schema", f"should be {schema}, found {data.get('schema')!r}")
        own = "schema" in get_type_hints(kind)
        rest = {name: value for name, value in data.items() if name != "schema" or own}
        return self.decode(kind, rest)

    def refuse(self, key: str, what: str) -> RunError:
        """Return the error that says what is wrong with a key, and what to do."""
        place = f" {key!r}" if key else " its content"
        return RunError(
            f"{self.name} does not hold what '{self.written_by}' of this mixlab writes:{place} {what}. Make "
            f"it again with '{self.written_by}', or read it with the release that wrote it.",
            code="run-damaged",
        )


def read_json(file: Path, written_by: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        file: The file.
        written_by: The command that writes it.

    Raises:
        RunError: it is missing, damaged, or holds no object.
    """
    try:
        data = load_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            f"{file} is missing: expected what '{written_by}' writes.", code="run-incomplete"
        ) from error
    except (OSError, ValueError) as error:
        raise RunError(
            f"{file} is damaged: {error}. Make it again with '{written_by}'.", code="run-damaged"
        ) from error
    if not isinstance(data, dict):
        raise RunError(
            f"{file} is damaged: expected a JSON object. Make it again with '{written_by}'.",
            code="run-damaged",
        )
    return data


@lru_cache(maxsize=128)
def _kinds(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _decode(kind: Any, found: object, key: str, source: Source) -> Any:  # noqa: ANN401 - any annotation
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return found
    if origin in (Union, UnionType):
        (other,) = (one for one in inside if one is not NoneType)
        return None if found is None else _decode(other, found, key, source)
    if origin is Literal:
        if found not in inside:
            raise source.refuse(key, f"should be one of {', '.join(map(repr, inside))}, found {found!r}")
        return found
    if origin is tuple:
        return _tuple(inside, found, key, source)
    if origin is not None and issubclass(origin, Mapping):
        entries = _expect(Mapping, "an object", found, key, source)
        return {
            name: _decode(inside[1], x, f"{key}.{name}".strip("."), source) for name, x in entries.items()
        }
    if is_dataclass(kind):
        return _dataclass(kind, found, key, source)
    return _plain(kind, found, key, source)


def _expect(kind: Any, named: str, found: object, key: str, source: Source) -> Any:  # noqa: ANN401
    if not isinstance(found, kind):
        raise source.refuse(key, f"should be {named}, found {found!r}")
    return found


def _tuple(kinds: tuple[Any, ...], found: object, key: str, source: Source) -> tuple[Any, ...]:
    entries = _expect(list, "a list", found, key, source)
    if kinds[-1] is ...:
        kinds = (kinds[0],) * len(entries)
    if len(kinds) != len(entries):
        raise source.refuse(key, f"should hold {len(kinds)} entries, found {len(entries)}")
    return tuple(
        _decode(kind, x, f"{key}[{n}]", source)
        for n, (kind, x) in enumerate(zip(kinds, entries, strict=True))
    )


def _dataclass(kind: Any, found: object, key: str, source: Source) -> Any:  # noqa: ANN401
    entries, kinds = _expect(Mapping, "an object", found, key, source), _kinds(kind)
    for name in kinds.keys() - entries.keys() - _came_later(kind):
        raise source.refuse(f"{key}.{name}".strip("."), "is missing")
    for name in entries.keys() - kinds.keys():
        raise source.refuse(f"{key}.{name}".strip("."), "is unknown")
    return kind(
        **{name: _decode(kinds[name], x, f"{key}.{name}".strip("."), source) for name, x in entries.items()}
    )


@lru_cache(maxsize=128)
def _came_later(kind: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind) if field.metadata.get(_LATER))


_LARGEST = {float: sys.float_info.max, int: (1 << 63) - 1, bool: 1}
_NAMES = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}


def _plain(kind: Any, found: object, key: str, source: Source) -> Any:  # noqa: ANN401
    if kind is float and found is None:
        return math.nan
    allowed = (int, float) if kind is float else kind
    if not isinstance(found, allowed) or (isinstance(found, bool) and kind is not bool):
        raise source.refuse(key, f"should be {_NAMES[kind]}, found {found!r}")
    if isinstance(found, int) and abs(found) > _LARGEST[kind]:
        raise source.refuse(key, f"should be {_NAMES[kind]} that a computer holds, found {str(found)[:40]}")
    return kind(found)
