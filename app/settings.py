"""Settings of the mixing as a form and as a text in addresses; both are made from ``MixConfig`` itself.

An address holds what differs from the defaults as one line of JSON. ``p_musical`` and the preset of effects
have controls and parameters of their own, so they are not in it.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml
from docstring_parser import parse

from app.links import PAPER
from mixlab import MixConfig, load_label_set
from mixlab.audio.time_pitch import ENGINES
from mixlab.errors import ConfigError
from mixlab.mixing.effects import EFFECTS
from mixlab.taxonomy import is_shipped, label_set_names
from mixlab.utils.plain import plain
from mixlab.utils.yaml import dump_settings_yaml, load_json, load_settings_yaml

__all__ = [
    "GROUPS",
    "Field",
    "all_fields",
    "decode",
    "differences",
    "edited",
    "encode",
    "find_outsiders",
    "grouped",
    "python_lines",
    "say_value",
    "shown_value",
    "typed_value",
    "yaml_lines",
]

GROUPS: dict[str, tuple[str, ...]] = {
    "Kinds of mixes": ("p_musical", "strategies", "matched", "p_negative", "negative_db"),
    "Sources": (
        "p_single_source", "min_sources", "max_sources", "full", "one_of_each", "balance", "bleed", "corpora",
        "corpus_weights", "cross_corpus",
    ),
    "Effects": ("effects", "engine"),
    "Levels": ("level", "target_lufs", "max_gain_db", "snr_db", "mixture_lufs", "peak_limit"),
    "Labels": (
        "label_set", "label_rule", "min_active_s", "audible_db", "uncertain", "activity_db", "silence_db",
    ),
    "Length and format": ("duration_s", "min_duration_s", "short_songs", "sample_rate", "channels"),
}  # fmt: skip
"""Where the form shows a field of ``MixConfig``, with all fields within it; others stand at its end."""

_REST = "More"
_NAMED: dict[str, Callable[[], tuple[str, ...]]] = {
    "engine": lambda: tuple(ENGINES),
    "label_set": label_set_names,
}
"""Texts of which there is a list."""

Shape = Literal["switch", "choice", "whole", "number", "text", "list", "mapping", "entries"]


@dataclass(frozen=True)
class Field:
    """A setting, as the form shows it.

    Attributes:
        path: Names from ``MixConfig`` on, with dots between: ``effects.gain.p``.
        kind: Its type, as its dataclass states it.
        about: What its dataclass's docstring says of it.
        default: Its default.
    """

    path: str
    kind: Any
    about: str
    default: Any

    @property
    def shape(self) -> Shape:
        """Which kind of control it needs."""
        if self.kind is bool:
            return "switch"
        if self.choices:
            return "choice"
        if self.kind in (int, float):
            return "whole" if self.kind is int else "number"
        origin = get_origin(self.kind)
        return {tuple: "list", dict: "mapping", list: "entries"}.get(origin, "text")  # type: ignore[return-value]

    @property
    def choices(self) -> tuple[str, ...]:
        """What it may be, where there is a list."""
        if get_origin(self.kind) is Literal:
            return get_args(self.kind)
        return tuple(_NAMED[self.path]()) if self.path in _NAMED else ()

    @property
    def is_open(self) -> bool:
        """Whether it may be something else than its choices: a label set of one's own."""
        return self.path == "label_set"

    @property
    def group(self) -> str:
        """The part of the form that shows it."""
        first = self.path.partition(".")[0]
        return next((group for group, names in GROUPS.items() if first in names), _REST)

    def of(self, config: MixConfig) -> Any:  # noqa: ANN401 - of any field's type
        """Return its value."""
        value: Any = config
        for name in self.path.split("."):
            value = getattr(value, name)
        return value


@lru_cache(maxsize=1)
def all_fields() -> tuple[Field, ...]:
    """Return every setting of the mixing, those of its parts included, in their own order."""
    return tuple(_fields_of(MixConfig, ""))


def _fields_of(kind: type[Any], prefix: str) -> list[Field]:
    hints = get_type_hints(kind)
    said = {
        p.arg_name: " ".join((p.description or "").split()) for p in parse(inspect.getdoc(kind) or "").params
    }
    found: list[Field] = []
    for each in fields(kind):
        path, hint = prefix + each.name, hints[each.name]
        if is_dataclass(hint):
            found += _fields_of(hint, f"{path}.")  # type: ignore[arg-type]
            continue
        default = each.default if each.default_factory is MISSING else each.default_factory()
        found.append(Field(path, hint, said.get(each.name, ""), default))
    return found


def grouped(words: str = "") -> dict[str, tuple[Field, ...]]:
    """Return the fields by group; with words, those whose name or description holds each of them."""
    wanted = words.lower().replace("_", " ").split()

    def fits(field: Field) -> bool:
        text = f"{field.path} {field.about}".lower().replace("_", " ")
        return all(word in text for word in wanted)

    found = [field for field in all_fields() if fits(field)]
    groups = {group: tuple(f for f in found if f.group == group) for group in (*GROUPS, _REST)}
    return {group: shown for group, shown in groups.items() if shown}


# ---- values ----


def shown_value(field: Field, config: MixConfig) -> Any:  # noqa: ANN401 - what its control holds
    """Return a value as the control of its field holds it: texts for lists and mappings."""
    return _shown(field, field.of(config))


def _shown(field: Field, value: Any) -> Any:  # noqa: ANN401
    if field.shape == "list":
        return ", ".join(_plain_text(x) for x in value)
    if field.shape == "mapping":
        return ", ".join(f"{_plain_text(key)}: {_plain_text(x)}" for key, x in value.items())
    if field.shape == "entries":
        return dump_settings_yaml(plain(value)).strip() if value else ""
    return value


def _plain_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def say_value(field: Field, value: Any) -> str:  # noqa: ANN401
    """Return a value in a few words: the name of a label set, not its contents."""
    if field.path == "label_set" and not is_shipped(value):
        return f"{load_label_set(value).name} (your own)"
    shown = _shown(field, value)
    return str(shown) if shown != "" else "none"


def typed_value(field: Field, typed: Any) -> Any:  # noqa: ANN401
    """Return what the control of a field holds as plain data.

    Raises:
        ConfigError: it is a text that is no YAML.
    """
    if field.shape not in ("list", "mapping", "entries"):
        return typed
    text, ends = str(typed).strip(), {"list": "[]", "mapping": "{}"}.get(field.shape)
    if not text:
        return {} if field.shape == "mapping" else []
    if ends and not text.startswith(ends[0]):
        text = f"{ends[0]}{text}{ends[1]}"
    try:
        return load_settings_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"mix.{field.path} is no YAML: {error}.", code="invalid-syntax") from error


def edited(config: MixConfig, typed: Mapping[str, Any]) -> MixConfig:
    """Return a configuration with other values; effects that were changed are found and tried out.

    Args:
        config: What to begin with.
        typed: What the controls of some fields hold, by the fields' paths.

    Raises:
        ConfigError: a value is refused; the message names it.
        TaxonomyError: the label set cannot be read.
    """
    data, known = config.to_dict(), {field.path: field for field in all_fields()}
    for path, value in typed.items():
        *outer, name = path.split(".")
        within = data
        for part in outer:
            within = within[part]
        within[name] = typed_value(known[path], value)
    made = MixConfig.from_dict(data)
    if made.effects != config.effects:
        _ = made.effects.custom_effects
    return made


def differences(values: Any, default: Any = None) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Return what of a dataclass of settings differs from its defaults, as plain data by name."""
    default = type(values)() if default is None else default
    found = {}
    for each in fields(values):
        own, usual = getattr(values, each.name), getattr(default, each.name)
        if own != usual:
            found[each.name] = differences(own, usual) if is_dataclass(own) else plain(own)
    return found


# ---- as text ----


def encode(config: MixConfig) -> str:
    """Return what of a configuration stands in addresses; '' where all of it has its default."""
    found = differences(config)
    found.pop("p_musical", None)
    if "effects" in found:
        found["effects"].pop("preset", None)
        if not found["effects"]:
            del found["effects"]
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else ""


@lru_cache(maxsize=256)
def decode(text: str, p: float = MixConfig.p_musical, preset: str = PAPER) -> MixConfig:
    """Return the configuration that an address stands for.

    Args:
        text: As of ``encode``.
        p: ``p_musical``; without meaning where the text has shares of all kinds.
        preset: Of effects.

    Raises:
        ConfigError: it is no JSON, or holds what no configuration does.
        TaxonomyError: its label set cannot be read.
    """
    data = _parsed(text)
    if not data.get("strategies"):
        data["p_musical"] = p
    effects = data.get("effects", {})
    if isinstance(effects, Mapping):
        data["effects"] = {**effects, "preset": preset}
    return MixConfig.from_dict(data)


def _parsed(text: str) -> dict[str, Any]:
    try:
        data = load_json(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"The settings in the address are no JSON: {error}.", code="invalid-syntax"
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(
            f"The settings in the address: expected settings by name, found {data!r:.80}.",
            code="invalid-setting",
        )
    return data


def find_outsiders(text: str) -> list[str]:
    """Return what a text of settings names that is not mixlab's own: code, folders and files.

    An address may come from anybody: nothing of this is imported or read before the user says so.

    Raises:
        ConfigError: it is no JSON.
    """
    data, found = _parsed(text), []
    label_set = data.get("label_set", MixConfig.label_set)
    if not (isinstance(label_set, str) and (is_shipped(label_set) or label_set.lstrip().startswith("{"))):
        found.append(f"the label set {label_set!r:.80}")
    effects = data.get("effects")
    custom = effects.get("custom", []) if isinstance(effects, Mapping) else []
    for entry in custom if isinstance(custom, Sequence) and not isinstance(custom, str) else [custom]:
        name = entry.get("effect") if isinstance(entry, Mapping) else entry
        if name not in EFFECTS if isinstance(name, str) else True:
            found.append(f"the effect {name!r:.80}")
        elif isinstance(entry, Mapping) and entry.get("folder"):
            found.append(f"the folder {entry['folder']!r:.80}")
    return found


def yaml_lines(config: MixConfig) -> str:
    """Return what differs from the defaults as YAML that every command's ``--config`` takes."""
    return dump_settings_yaml({"mix": differences(config)})


def python_lines(config: MixConfig, catalog: Path, seed: int) -> str:
    """Return three lines of Python that open the stream of these settings."""
    found = differences(config)
    given = f"MixConfig.from_dict({found!r})" if found else "MixConfig()"
    return (
        "from mixlab import MixConfig, MixDataset\n"
        f"config = {given}\n"
        f"dataset = MixDataset({str(catalog)!r}, config, seed={seed})"
    )
