"""YAML and JSON text to plain data, quickly and safely: what users and corpora hand us is not trusted.

A mapping that has one key twice says two things, of which parsers keep the last without a word; here that
is an error.
"""

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import yaml

__all__ = [
    "RepeatedKeyError",
    "dump_settings_yaml",
    "load_json",
    "load_settings_yaml",
    "load_yaml",
    "refuse_repeated_keys",
]

_MAX_DEPTH = 64


class RepeatedKeyError(yaml.constructor.ConstructorError):
    """A mapping has one key twice; ``problem`` names it, and ``problem_mark`` has its second line."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Never a loader that builds objects; the one in C where there is one, since it is ten times as fast."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._checked: dict[int, yaml.MappingNode] = {}

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse repeated keys before ``<<`` adds those of other mappings, which may be overruled."""
        if id(node) not in self._checked:
            # Once: afterwards the node holds the added keys as well.
            self._checked[id(node)] = node
            _refuse_repeated(node, [self._key(key) for key, _ in node.value])
        super().flatten_mapping(node)

    def _key(self, node: yaml.Node) -> object:
        special = node.tag in ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
        return node.value if special else self.construct_object(node, deep=True)


class _SettingsLoader(_Loader):
    """Takes 1e-3 for a number, which is a text in YAML 1.1: that wants 1.0e-3."""


class _SettingsDumper(yaml.SafeDumper):
    """Puts a text such as 1e-3 in quotes."""


_EXPONENT = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")
for _each in (_SettingsLoader, _SettingsDumper):
    _each.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))

_BREAKS = frozenset("\x85\u2028\u2029")
"""Line breaks of YAML that PyYAML writes as they are and reads as blanks: only their escapes come back."""


def _refuse_repeated(node: yaml.MappingNode, keys: Iterable[Any]) -> None:
    first: dict[Hashable, yaml.Mark] = {}
    for (key_node, _), key in zip(node.value, keys, strict=True):
        if not isinstance(key, Hashable):
            continue  # PyYAML refuses these itself
        mark = first.setdefault(key, key_node.start_mark)
        if mark is not key_node.start_mark:
            line = key_node.start_mark.line + 1
            problem = (
                f"the key {str(key)[:80]!r} is in line {mark.line + 1} and again in line {line}: keep one"
            )
            raise RepeatedKeyError(problem=problem, problem_mark=key_node.start_mark)


def load_yaml(content: str) -> Any:  # noqa: ANN401 - the document is whatever the text holds
    """Parse one YAML document into dictionaries, lists, texts and numbers.

    Raises:
        RepeatedKeyError: a mapping has one key twice.
        yaml.YAMLError: the text is not YAML; its ``problem_mark`` has the line.
        ValueError: collections are nested beyond reason, or a value such as a date is impossible.
    """
    return _load(content, _Loader)


def load_settings_yaml(content: str) -> Any:  # noqa: ANN401
    """Parse settings as the command line does, where 1e-3 is a number; else as ``load_yaml``."""
    return _load(content, _SettingsLoader)


def dump_settings_yaml(data: Any) -> str:  # noqa: ANN401
    """Return settings as YAML that ``load_settings_yaml`` and the command line read as they were."""
    text = str(yaml.dump(data, Dumper=_SettingsDumper, sort_keys=False, allow_unicode=True, width=100))
    if _BREAKS.isdisjoint(text):
        return text
    return str(yaml.dump(data, Dumper=_SettingsDumper, sort_keys=False, width=100))


def _load(content: str, loader: type[_Loader]) -> Any:  # noqa: ANN401
    if _nesting_bound(content) > _MAX_DEPTH:
        _check_depth(content)
    return yaml.load(content, Loader=loader)


def refuse_repeated_keys(content: str) -> None:
    """Check a YAML text that another loader is about to read; what else is wrong with it is left to that.

    Raises:
        RepeatedKeyError: a mapping has one key twice.
    """
    try:
        load_yaml(content)
    except RepeatedKeyError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return


def load_json(content: str) -> Any:  # noqa: ANN401
    """Parse JSON text.

    Raises:
        ValueError: the text is not JSON, nested beyond reason, or an object has one key twice.
    """
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend(name for name, count in counts.items() if count > 1)
        return found

    try:
        data = json.loads(content, object_pairs_hook=unique)
    except RecursionError as error:
        raise ValueError("nested beyond reason") from error
    if repeated:
        raise ValueError(
            f"an object has the key {repeated[0][:80]!r} twice (it stands in line "
            f"{', '.join(map(str, _lines_with_key(content, repeated[0])))}): keep one"
        )
    return data


def _lines_with_key(content: str, key: str) -> list[int]:
    quoted = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:")
    return [n for n, line in enumerate(content.splitlines(), start=1) if quoted.search(line)][:9]


def _nesting_bound(content: str) -> int:
    """Return a quick upper bound of how deep the collections of a YAML text are nested."""
    flow = content.count("[") + content.count("{")
    block = max((len(line) - len(line.lstrip(" \t-?")) for line in content.splitlines()), default=0)
    return flow + block


def _check_depth(content: str) -> None:
    """Refuse deep nesting from the flat stream of events: building it would overflow the C stack."""
    depth = 0
    for event in yaml.parse(content, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise ValueError(f"collections nested more than {_MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
