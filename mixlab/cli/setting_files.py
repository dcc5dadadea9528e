"""Files of settings looked at before jsonargparse reads them, so that a fault is told with its file."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from mixlab.errors import ConfigError
from mixlab.utils.values import names_class
from mixlab.utils.yaml import load_settings_yaml

__all__ = ["check_setting_file"]

_MOST_FILES = 20
"""Files that one may lead to; each section of settings may be a file of its own."""


def check_setting_file(file: str, sections: Collection[str]) -> None:
    """See to it that a file given as ``--config`` holds settings, also those of sections in other files.

    A text that is no file's path is passed over: it may be the settings themselves, or a misspelt path, of
    which jsonargparse speaks.

    Args:
        file: The path as it was typed.
        sections: Names of the settings that may be read from a file: ``mix``, ``effects``.

    Raises:
        ConfigError: a file cannot be read, is not UTF-8 or no YAML, stands for more than is read, holds no
            settings by name, or names a class in place of values, which jsonargparse would import.
    """
    todo, seen = [Path(file)], 0
    while todo and seen < _MOST_FILES:
        path, seen = todo.pop(), seen + 1
        if not _is_file(path):
            continue
        data = _read(path)
        if not isinstance(data, Mapping):
            raise ConfigError(
                f"{path}: expected settings by name, such as 'mix: {{p_musical: 0.5}}', found "
                f"{'nothing' if data is None else type(data).__name__}. Write 'name: value' lines, or give "
                "another file.",
                code="invalid-setting",
            )
        if names_class(data):
            raise ConfigError(
                f"{path}: expected the values of settings, found 'class_path', which would import what it "
                "names. Write the values themselves; a part of your own is named package.module:Class.",
                code="unknown-setting",
            )
        todo += [path.parent / found for found in _files(data, sections)]


def _read(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return load_settings_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: expected settings as UTF-8 text, found other bytes ({error}). Save it as UTF-8.",
            code="unreadable-file",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}. Check its permissions.", code="unreadable-file"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(
            f"{path}: expected settings as YAML, found a fault: {error}. Correct it there.",
            code="invalid-syntax",
        ) from error


def _files(data: Mapping[Any, Any], sections: Collection[str]) -> list[str]:
    """Return what stands in place of a section: the path of its file."""
    found = []
    for name, value in data.items():
        if isinstance(value, Mapping):
            found += _files(value, sections)
        elif name in sections and isinstance(value, str):
            found.append(value)
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a path, or a NUL in it
        return False
