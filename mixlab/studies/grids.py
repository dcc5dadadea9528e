"""Grids over settings, and seeds, as a command line gives them."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mixlab.errors import ConfigError
from mixlab.studies.plan import Condition
from mixlab.utils.yaml import load_yaml

__all__ = ["grid_conditions", "parse_seeds", "parse_vary"]


def parse_vary(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Turn ``NAME=VALUE,VALUE,...`` options into values by name; values are read as YAML.

    A comma within brackets or quotation marks does not divide: ``mix.corpora=[slakh],[slakh,medleydb]``.

    Raises:
        ConfigError: no name, no value, a name or a value that comes twice.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, equals, listed = text.partition("=")
        name = name.strip()
        if not equals or not name or not listed.strip():
            raise ConfigError(
                f"--vary takes NAME=VALUE,VALUE such as mix.p_musical=0,0.4; found {text!r}.",
                code="malformed-option",
            )
        try:
            values = tuple(load_yaml(part) for part in _split_commas(listed))
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(
                f"--vary {name}: a value cannot be read: {error}", code="malformed-option"
            ) from error
        if name in found or len({repr(value) for value in values}) < len(values):
            raise ConfigError(
                f"--vary {name}: the same name or value is given twice in {text!r}.", code="repeated-option"
            )
        found[name] = values
    return found


def _split_commas(text: str) -> list[str]:
    parts, depth, quote = [""], 0, ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        else:
            depth += (c in "[{") - (c in "]}")
        if c == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def parse_seeds(seeds: str | int | Sequence[int]) -> tuple[int, ...]:
    """Turn ``0,1,2`` (or a number, or a list) into seeds.

    Raises:
        ConfigError: no whole numbers of 0 or more, or one that comes twice.
    """
    parts = seeds.split(",") if isinstance(seeds, str) else [seeds] if isinstance(seeds, int) else seeds
    try:
        found = tuple(int(str(part).strip()) for part in parts)
    except ValueError as error:
        raise ConfigError(
            f"--seeds takes whole numbers such as 0,1,2; found {seeds!r}.", code="malformed-option"
        ) from error
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise ConfigError(
            f"--seeds takes different whole numbers of 0 or more; found {seeds!r}.", code="malformed-option"
        )
    return found


def grid_conditions(vary: Mapping[str, Sequence[Any]]) -> tuple[Condition, ...]:
    """Return a condition for every combination of the values, the last name changing fastest.

    Raises:
        ConfigError: nothing varies.

    Example:
        >>> from mixlab.studies import grid_conditions
        >>> [condition.name for condition in grid_conditions({"mix.p_musical": [0.0, 0.4]})]
        ['p_musical-0', 'p_musical-0.4']
    """
    if not vary:
        raise ConfigError(
            "What is to vary? Give --vary NAME=VALUE,VALUE, such as mix.p_musical=0,0.4,1.",
            code="missing-setting",
        )
    conditions, names = [], set()
    for combination in itertools.product(*vary.values()):
        values = dict(zip(vary, combination, strict=True))
        label = ", ".join(f"{key}={_short(value)}" for key, value in values.items())
        name = _slug("_".join(f"{key.rpartition('.')[2]}-{_short(value)}" for key, value in values.items()))
        while name in names:
            name += "-again"
        names.add(name)
        conditions.append(Condition(name=name, label=label, overrides=values, values=values))
    return tuple(conditions)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def _slug(text: str) -> str:
    """Return a text as a file name of at most 100 plain characters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:100] or "condition"
