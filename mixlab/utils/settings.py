"""Settings as plain data and YAML, as ``--print_config`` writes them and ``--config`` reads them."""

from collections.abc import Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mixlab.errors import ConfigError
from mixlab.utils.plain import plain
from mixlab.utils.values import as_dataclass, refuse
from mixlab.utils.yaml import dump_settings_yaml, load_settings_yaml

__all__ = ["from_mapping", "from_yaml", "to_yaml"]

T = TypeVar("T")

_ENDINGS = (".yaml", ".yml")


def from_mapping(kind: type[T], data: object, section: str, source: str = "") -> T:
    """Return a dataclass of settings from plain data.

    Args:
        kind: The dataclass; what the data leave out has its default.
        data: Its fields by name; or the settings of a command, of which these are one section.
        section: Name of that section: ``mix``.
        source: The file, for messages; '' for none.

    Raises:
        ConfigError: a name is none of the fields, which the message names with the nearest one; a value is
            of another type or out of its range; or nothing but fields stand beside their section.
    """
    where = f"{source}: {section}" if source else section
    if isinstance(data, Mapping) and section in data:
        beside = data.keys() - {section}
        if beside and beside <= {each.name for each in fields(kind)}:  # type: ignore[arg-type]
            raise ConfigError(
                f"{where}: {', '.join(sorted(beside))} beside the section {section!r} would not count; put "
                "it into the section.",
                code="conflicting-settings",
            )
        data = {} if data[section] is None else data[section]
    return as_dataclass(kind, data, where)


def from_yaml(kind: type[T], path_or_text: str | PathLike[str], section: str) -> T:
    """Return a dataclass of settings from YAML: see ``from_mapping``.

    Args:
        kind: The dataclass.
        path_or_text: A file, as a path or a text that ends in ``.yaml`` or ``.yml``; or YAML itself.
        section: Name of the section.

    Raises:
        ConfigError: the file cannot be read, or is not YAML; or see ``from_mapping``.
    """
    is_path = not isinstance(path_or_text, str) or _is_path(path_or_text)
    source = str(Path(path_or_text).expanduser()) if is_path else ""
    try:
        text = Path(source).read_text(encoding="utf-8") if is_path else str(path_or_text)
        data = load_settings_yaml(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} cannot be read: {error}.", code="unreadable-file") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source or section} is no YAML: {error}.", code="invalid-syntax") from error
    if not isinstance(data, Mapping):
        hint = "" if is_path else f" (the path of a file ends in {' or '.join(_ENDINGS)})"
        raise refuse(source or section, f"settings by name{hint}", data)
    return from_mapping(kind, data, section, source)


def _is_path(text: str) -> bool:
    """Tell a path from YAML, whose last value may be the path of a label set."""
    return text.endswith(_ENDINGS) and ": " not in text and "\n" not in text


def to_yaml(values: Any, section: str) -> str:  # noqa: ANN401 - any dataclass
    """Return all fields of a dataclass of settings as YAML, as one section, which ``from_yaml`` reads."""
    return dump_settings_yaml({section: plain(values)})
