"""Recipes: the plain data that fully determines a mix.

``sampler`` samples them by a configuration; ``rendering`` turns them into audio.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, get_args

from mixlab.errors import ConfigError, RecipeError, TaxonomyError
from mixlab.mixing.config import LABEL_RULES, Kind, MixConfig, RenderSettings
from mixlab.mixing.effects import Effect, Stage, decode_effect, encode_effect
from mixlab.mixing.noise_floor import NoiseFloor
from mixlab.taxonomy import is_shipped, load_label_set
from mixlab.utils.hashing import digest
from mixlab.utils.values import as_plain, is_later, later
from mixlab.utils.yaml import load_json

__all__ = ["RECIPE_VERSION", "MixRecipe", "SourceRecipe", "check_config"]

RECIPE_VERSION = 3
"""Grows with every change that alters what a seed samples, or what a recipe renders."""


def check_config(found: object) -> MixConfig:
    """Return a configuration as it is.

    Raises:
        ConfigError: it is none, but a dictionary, say: the values of one would go unchecked.
    """
    if not isinstance(found, MixConfig):
        raise ConfigError(
            f"config: expected a MixConfig, such as MixConfig(duration_s=4), found {found!r}.",
            code="wrong-type",
        )
    return found


@dataclass(frozen=True)
class SourceRecipe:
    """One source of a mix.

    Attributes:
        stem: Key of the stem in the catalog, ``corpus/song/stem``.
        start_s: Where the excerpt starts in the stem's file, in seconds. A multiple of 0.02 s, so that it
            falls on a sample at every usual rate, but for musical stems whose own offset is none.
        level_db: Gain that brings the stem to its level in the mix, in dB; effects come on top.
        effects: In the order of their application.
        snr_db: By how much the first source's level in the mix lies above this one's, in dB; None leaves
            this one at its own.
        digest: What names the stem's audio and labels (``mixlab.catalog.stem_digests``), by which it is known
            again in other catalogs; None where only the recipe's catalog will do. It is in no hash.
    """

    stem: str
    start_s: float
    level_db: float = 0.0
    effects: tuple[Effect, ...] = ()
    snr_db: float | None = later(None)
    digest: str | None = later(None, compare=False)


@dataclass(frozen=True)
class MixRecipe:
    """The plain data that fully determines a mix, given the catalog it names.

    Attributes:
        catalog_hash: Content hash of the catalog it was sampled from.
        seed: Seed, with ``epoch`` and ``index`` the address of the recipe in the stream.
        epoch: Epoch.
        index: Item within the epoch.
        attempt: 0, or how many recipes of this item could not be read before this one.
        split: Split that all sources come from.
        corpus: Corpus that was sampled (that of the first source with ``cross_corpus``).
        kind: ``musical``, ``non_musical`` or ``matched``.
        sources: At least one, unless there is ``noise``.
        render: How it is rendered and labelled.
        version: Recipe version, see ``RECIPE_VERSION``.
        effects: On the sum of the sources, in the order of their application.
        mixture_lufs: Loudness to which the mixture is brought, in LUFS, or None.
        noise: What is mixed in place of sources, or None.

    Example:
        >>> from mixlab import Catalog, MixConfig, MixRecipe, sample_recipe
        >>> recipe = sample_recipe(Catalog.open("my-catalog"), MixConfig(), seed=0, epoch=0, index=7)
        >>> recipe.kind in ("musical", "non_musical"), 1 <= len(recipe.sources) <= 5
        (True, True)
        >>> MixRecipe.from_json(recipe.to_json()) == recipe
        True
    """

    catalog_hash: str
    seed: int
    epoch: int
    index: int
    attempt: int
    split: str
    corpus: str
    kind: Kind
    sources: tuple[SourceRecipe, ...]
    render: RenderSettings
    version: int = RECIPE_VERSION
    effects: tuple[Effect, ...] = ()
    mixture_lufs: float | None = later(None)
    noise: NoiseFloor | None = later(None)

    def encode(self) -> dict[str, Any]:
        """Return the recipe as plain data for JSON."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["render"] = as_plain(self.render)
        data["effects"] = [encode_effect(effect) for effect in self.effects]
        if not self.effects:
            del data["effects"]
        if self.mixture_lufs is None:
            del data["mixture_lufs"]
        data["noise"] = self.noise and asdict(self.noise)
        if self.noise is None:
            del data["noise"]
        if not is_shipped(self.render.label_set):
            data["render"]["label_set"] = load_label_set(self.render.label_set).contents()
        data["sources"] = [
            {
                "stem": source.stem,
                "start_s": source.start_s,
                "level_db": source.level_db,
                "effects": [encode_effect(effect) for effect in source.effects],
                **({} if source.snr_db is None else {"snr_db": source.snr_db}),
                **({} if source.digest is None else {"digest": source.digest}),
            }
            for source in self.sources
        ]
        return data

    @classmethod
    def decode(cls, data: Mapping[str, Any]) -> "MixRecipe":
        """Return the recipe that ``encode`` wrote.

        Raises:
            RecipeError: another version, a missing or superfluous field, or a value of a wrong type.
        """
        if not isinstance(data, Mapping):
            raise RecipeError(
                f"A recipe is a JSON object, found {type(data).__name__}.", code="invalid-recipe"
            )
        version = data.get("version")
        if version != RECIPE_VERSION:
            raise RecipeError(
                f"This mixlab reads recipes of version {RECIPE_VERSION}, found {version!r}. "
                "Render it with the mixlab release that wrote it, or sample it again from its seed.",
                code="recipe-version",
            )
        data = {"effects": [], **data}
        _check_keys(data, cls, "recipe")
        for name, high in _ADDRESS.items():
            _check_number(data[name], "recipe", name, 0, high)
        render = _with_label_text(data["render"])
        _check_keys(render, RenderSettings, "recipe's 'render'")
        _check_label_set(data["render"]["label_set"])
        if data["kind"] not in get_args(Kind):
            raise RecipeError(
                f"The recipe's 'kind' must be one of {get_args(Kind)}, found {data['kind']!r}.",
                code="invalid-recipe",
            )
        sources = tuple(_decode_source(source) for source in _as_list(data["sources"], "sources"))
        noise = _decode_noise(data.get("noise"))
        if bool(sources) == (noise is not None):
            raise RecipeError(
                f"A recipe needs sources or, in their place, 'noise'; found {len(sources)} sources and "
                f"{noise or 'no noise'}.",
                code="invalid-recipe",
            )
        effects = _decode_effects(data["effects"], "mixture")
        if "mixture_lufs" in data:
            _check_number(data["mixture_lufs"], "recipe", "mixture_lufs", -70.0, 0.0)
        plain = {key: data[key] for key in data if key not in ("render", "sources", "effects", "noise")}
        try:
            settings = RenderSettings(**render)
            return cls(**plain, sources=sources, render=settings, effects=effects, noise=noise)
        except (ConfigError, TaxonomyError) as error:
            raise RecipeError(
                f"The recipe's 'render' holds a value that cannot be: {error}", code="invalid-recipe"
            ) from error

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the recipe as JSON text."""
        return json.dumps(self.encode(), indent=indent)

    @classmethod
    def from_json(cls, text: str) -> "MixRecipe":
        """Return the recipe that ``to_json`` wrote.

        Raises:
            RecipeError: the text is no JSON, or no recipe of this version.
        """
        try:
            data = load_json(text)
        except ValueError as error:
            raise RecipeError(
                f"A recipe is JSON text; it does not parse: {error}.", code="invalid-recipe"
            ) from error
        return cls.decode(data)

    def _encode_hashed(self) -> dict[str, Any]:
        """Return plain data without what the stems are, which may be known or not."""
        data = self.encode()
        for source in data["sources"]:
            source.pop("digest", None)
        return data

    @cached_property
    def mix_id(self) -> str:
        """16 hex digits that name the audio of the mix: equal ones give, of the same files, equal samples.

        What decides that is the catalog, the sources or the noise, the effects on the mixture, and how they
        are rendered. Which place of a stream the mix was sampled for, and by which rules it is labelled, is
        not in it.
        """
        data = self._encode_hashed()
        names = ("version", "catalog_hash", "sources", "effects", "mixture_lufs", "noise")
        kept = {name: data[name] for name in names if name in data}
        labels = (*LABEL_RULES, "label_set", "label_hash")
        return digest({**kept, "render": {k: v for k, v in data["render"].items() if k not in labels}})

    @property
    def content_hash(self) -> str:
        """16 hex digits that change with any value of the recipe; of its label set with the outputs."""
        data = self._encode_hashed()
        if not is_shipped(self.render.label_set):
            del data["render"]["label_set"]  # 'label_hash' says which outputs it has
        return digest(data)


def _with_label_text(render: Any) -> Any:  # noqa: ANN401 - checked afterwards
    """Turn the contents of a label set, which a recipe holds as an object, back into their text."""
    if isinstance(render, Mapping) and isinstance(render.get("label_set"), Mapping):
        return {**render, "label_set": json.dumps(render["label_set"])}
    return render


def _check_label_set(found: object) -> None:
    """Refuse the path of a file: a recipe holds its label set, and never says what else to read."""
    if isinstance(found, str) and not is_shipped(found):
        raise RecipeError(
            f"The recipe's 'label_set' must be the name of a shipped label set or hold one, found {found!r}.",
            code="invalid-recipe",
        )


def _as_list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise RecipeError(
            f"The recipe's {name!r} must be a list, found {type(value).__name__}.", code="invalid-recipe"
        )
    return value


_DIGEST = re.compile(r"[0-9a-f]{32}")

_ADDRESS = {"seed": 2**63 - 1, "epoch": 2**62 - 1, "index": 2**62 - 1, "attempt": 2**31 - 1}
"""The largest numbers of the address of a recipe in the stream; all begin with 0."""

_JSON_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}


def _check_keys(data: object, kind: type[Any], where: str) -> None:
    if not isinstance(data, Mapping):
        raise RecipeError(
            f"The {where} must be an object, found {type(data).__name__}.", code="invalid-recipe"
        )
    expected = {f.name: f.type for f in fields(kind)}
    missing = sorted(name for name in set(expected) - set(data) if not is_later(kind, name))
    extra = sorted(set(data) - set(expected))
    if missing or extra:
        raise RecipeError(f"The {where} lacks {missing} and has unknown {extra}.", code="invalid-recipe")
    for name, value in data.items():
        wanted = _JSON_TYPES.get(_type_name(expected[name]))
        if wanted is not None and (isinstance(value, bool) or not isinstance(value, wanted)):
            raise RecipeError(
                f"The {where} needs {_type_name(expected[name])} for {name!r}, found {value!r}.",
                code="invalid-recipe",
            )


def _type_name(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _decode_source(data: object) -> SourceRecipe:
    _check_keys(data, SourceRecipe, "source in the recipe")
    assert isinstance(data, Mapping)  # checked above; tells the type checker
    start_s, level_db = data["start_s"], data["level_db"]
    if not abs(start_s) < 1e6 or not abs(level_db) <= 200:
        raise RecipeError(
            f"A source needs a start_s below 1e6 s and a level_db within 200 dB, found {start_s}, "
            f"{level_db}.",
            code="recipe-out-of-range",
        )
    effects, snr_db = _decode_effects(data["effects"], "source"), data.get("snr_db")
    if snr_db is not None:
        _check_number(snr_db, "source", "snr_db", -200.0, 200.0)
    digest = data.get("digest")
    if digest is not None and not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        raise RecipeError(
            f"The digest of a stem is 32 hexadecimal digits, found {digest!r} of {data['stem']!r}.",
            code="invalid-recipe",
        )
    return SourceRecipe(data["stem"], float(start_s), float(level_db), effects, snr_db, digest)


def _decode_noise(data: object) -> NoiseFloor | None:
    if data is None:
        return None
    _check_keys(data, NoiseFloor, "recipe's 'noise'")
    assert isinstance(data, Mapping)  # checked above; tells the type checker
    for name, low, high in (("level_db", -200.0, 0.0), ("slope_db", -24.0, 24.0), ("seed", 0, 2**63)):
        _check_number(data[name], "recipe's 'noise'", name, low, high)
    return NoiseFloor(**data)


def _check_number(found: object, where: str, name: str, low: float, high: float) -> None:
    good = isinstance(found, int | float) and not isinstance(found, bool) and low <= found <= high
    if not good:
        raise RecipeError(
            f"The {where} needs a number from {low:g} to {high:g} for {name!r}, found {found!r}.",
            code="recipe-out-of-range",
        )


def _decode_effects(data: object, stage: Stage) -> tuple[Effect, ...]:
    return tuple(decode_effect(effect, stage) for effect in _as_list(data, "effects"))
