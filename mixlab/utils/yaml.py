"""YAML and JSON text to plain data, quickly and safely: what users and corpora hand us is not trusted.

A mapping that has one key twice says two things, of which parsers keep the last without a word; here that
is an error. So is a text that a few kilobytes blow up: nesting beyond reason, aliases of aliases ("billion
laughs"), numbers of thousands of digits. It is refused from the flat stream of its parts, before it is built.
"""

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import yaml

__all__ = [
    "ExcessError",
    "RepeatedKeyError",
    "dump_settings_yaml",
    "load_json",
    "load_settings_yaml",
    "load_yaml",
    "refuse_excess",
    "refuse_repeated_keys",
]

_MAX_DEPTH = 64
"""Collections within collections, those behind aliases included."""

_MAX_PARTS = 100_000
"""Parts (collections, scalars, 100 characters of a long one) that a text with aliases may stand for."""

_MAX_DIGITS = 400
"""Of a number; the largest float has 309 before its point. The time of some forms grows with their square."""


class ExcessError(yaml.YAMLError, ValueError):
    """A text stands for more than is read: too deep, too many parts behind aliases, too long a number."""


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

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:  # noqa: ANN401
        """Refuse numbers that take long to read."""
        if len(node.value) > _MAX_DIGITS and node.tag in _NUMBERS:
            raise ExcessError(
                f"line {node.start_mark.line + 1}: a number of {len(node.value)} digits; up to "
                f"{_MAX_DIGITS} are read"
            )
        return super().construct_scalar(node)


class _SettingsLoader(_Loader):
    """Takes 1e-3 for a number, which is a text in YAML 1.1: that wants 1.0e-3."""


class _SettingsDumper(yaml.SafeDumper):
    """Puts a text such as 1e-3 in quotes."""


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

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
        ExcessError: collections are nested too deep, aliases stand for too much, or a number is too long.
        ValueError: a value such as a date is impossible.
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
    refuse_excess(content)
    try:
        return yaml.load(content, Loader=loader)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        # What PyYAML lets through of an explicit tag: !!bool maybe, !!int '', !!timestamp soon.
        raise ValueError(f"a value cannot be read: {type(error).__name__}: {error}") from error


def refuse_excess(content: str) -> None:
    """Check a YAML text for what would take memory, time or the C stack beyond reason, without building it.

    Raises:
        ExcessError: collections are nested too deep, or aliases stand for too much or hold themselves.
        yaml.YAMLError: the text is not YAML, where it had to be looked at closely.
    """
    if _nesting_bound(content) > _MAX_DEPTH or ("*" in content and "&" in content):
        _measure(content)


def refuse_repeated_keys(content: str) -> None:
    """Check a YAML text that another loader is about to read; what else is wrong with it is left to that.

    Raises:
        RepeatedKeyError: a mapping has one key twice.
        ExcessError: the other loader had better not read it.
    """
    try:
        load_yaml(content)
    except (RepeatedKeyError, ExcessError):
        raise
    except (yaml.YAMLError, ValueError):
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
    if content.count("[") + content.count("{") > _MAX_DEPTH and _is_deep(data):
        raise ValueError(f"nested more than {_MAX_DEPTH} deep")
    if repeated:
        raise ValueError(
            f"an object has the key {repeated[0][:80]!r} twice (it stands in line "
            f"{', '.join(map(str, _lines_with_key(content, repeated[0])))}): keep one"
        )
    return data


def _is_deep(data: object) -> bool:
    """Tell whether collections are nested deeper than is read, without a call within a call."""
    level = [data]
    for _ in range(_MAX_DEPTH):
        within = [x for x in level if isinstance(x, dict | list)]
        level = [x for each in within for x in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return False
    return any(isinstance(x, dict | list) for x in level)


def _lines_with_key(content: str, key: str) -> list[int]:
    quoted = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:")
    return [n for n, line in enumerate(content.splitlines(), start=1) if quoted.search(line)][:9]


def _nesting_bound(content: str) -> int:
    """Return a quick upper bound of how deep the collections of a YAML text are nested."""
    flow = content.count("[") + content.count("{")
    block = max((len(line) - len(line.lstrip(" \t-?")) for line in content.splitlines()), default=0)
    return flow + block


def _measure(content: str) -> None:
    """Add up, from the flat stream of events, how deep and how large what a text stands for is.

    The stream itself is as long as the text; building it could overflow the C stack, and whoever walks
    what comes of it goes over what an alias stands for once for each time it is named.
    """
    open_parts: list[tuple[str | None, int, int]] = []  # anchor, parts before it, deepest before it
    anchors: dict[str, tuple[int, int]] = {}  # parts and depth of what an anchor stands for
    parts = deepest = 0
    for event in yaml.parse(content, Loader=_Loader):
        depth = len(open_parts)
        if isinstance(event, yaml.CollectionStartEvent):
            open_parts.append((event.anchor, parts, deepest))
            parts, deepest = 1, 0
            anchors.pop(event.anchor or "", None)  # until it ends, it stands for nothing
            if depth >= _MAX_DEPTH:
                raise ExcessError(_at(event, f"collections nested more than {_MAX_DEPTH} deep"))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before, deepest_before = open_parts.pop()
            if anchor:
                anchors[anchor] = parts, deepest + 1
            parts, deepest = parts + before, max(deepest + 1, deepest_before)
        elif isinstance(event, yaml.ScalarEvent):
            size = 1 + len(event.value) // 100
            if event.anchor:
                anchors[event.anchor] = size, 0
            parts += size
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in {anchor for anchor, _, _ in open_parts}:
                raise ExcessError(_at(event, f"*{event.anchor} stands within what it stands for"))
            size, inner = anchors.get(event.anchor or "", (1, 0))  # of an unknown one the loader speaks
            parts, deepest = parts + size, max(deepest, inner)
            if depth + inner > _MAX_DEPTH:
                raise ExcessError(_at(event, f"collections nested more than {_MAX_DEPTH} deep by aliases"))
            if size > 1 and parts + sum(before for _, before, _ in open_parts) > _MAX_PARTS:
                raise ExcessError(_at(event, f"aliases stand for more than {_MAX_PARTS} values"))


def _at(event: yaml.Event, what: str) -> str:
    mark = event.start_mark
    where = f"line {mark.line + 1}: " if mark else ""
    return f"{where}{what[:200]}; write it out, or shorten it"
