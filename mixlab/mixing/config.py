"""Settings of the mixing, and the part of them that decides how a recipe is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from mixlab.audio.time_pitch import DEFAULT_ENGINE, get_engine
from mixlab.errors import ConfigError
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.taxonomy import keep_label_set, label_set_id, load_label_set, load_taxonomy
from mixlab.utils.files import write_atomic
from mixlab.utils.hashing import digest
from mixlab.utils.plain import plain
from mixlab.utils.settings import from_mapping, from_yaml, to_yaml
from mixlab.utils.values import as_plain, changed, check_setting, later, settle

__all__ = [
    "KINDS",
    "LABEL_RULES",
    "BleedPolicy",
    "Kind",
    "LabelRule",
    "LevelPolicy",
    "MatchingConfig",
    "MixConfig",
    "RenderSettings",
    "ShortSongs",
    "Uncertain",
    "label_hash",
]

Kind = Literal["musical", "non_musical", "matched"]
BleedPolicy = Literal["exclude", "musical_only", "allow"]
LevelPolicy = Literal["as_recorded", "loudness"]
LabelRule = Literal["present", "active", "audible"]
Uncertain = Literal["mask", "absent"]
ShortSongs = Literal["exclude", "allow"]

KINDS: tuple[Kind, ...] = get_args(Kind)

LABEL_RULES = ("label_rule", "min_active_s", "audible_db", "uncertain")
"""Settings that decide targets alone: neither the audio of a mix nor which stems are sampled."""


@dataclass(frozen=True)
class MatchingConfig:
    """Which songs fit, in matched mixes.

    Attributes:
        max_stretch: Most by which a source may be played faster or slower to reach the tempo of the first,
            or half or double of it: 0.15 allows rates from 1 / 1.15 to 1.15. From 0 to 0.4.
        max_semitones: Most by which a source may be transposed to reach the key of the first with a pitch,
            or its relative, in whole semitones from 0 to 6. What two songs differ in tuning comes on top.
        min_confidence: Least confidence of a song's beats, and of its key where that matters; 0 to 1.
    """

    max_stretch: float = 0.15
    max_semitones: int = 3
    min_confidence: float = 0.5

    def __post_init__(self) -> None:
        """Check every value, and bring it to its type.

        Raises:
            ConfigError: a value is of another type or out of its range; the message names it.
        """
        settle(self, "mix.matched")
        for name, high in (("max_stretch", 0.4), ("max_semitones", 6), ("min_confidence", 1.0)):
            found = getattr(self, name)
            check_setting("mix.matched", 0 <= found <= high, name, f"0 to {high:g}", found)


@dataclass(frozen=True, repr=False)
class MixConfig:
    """Every knob of the mixing; the defaults follow the paper (section 2.3) where it states a value.

    Attributes:
        p_musical: Probability that a mix is musical (stems of one song at one position) rather than
            non-musical (each stem of another song), 0 to 1. The paper found 0.4 best.
        strategies: Shares of the kinds of mixes, which add up to 1, such as ``{musical: 0.4,
            non_musical: 0.3, matched: 0.3}``; a kind that is left out has none. Matched mixes are of songs
            that fit in tempo and key, see ``matched``. Empty: ``p_musical`` decides, between musical and
            non-musical ones.
        matched: Which songs fit, in matched mixes.
        p_single_source: Probability of a mix of one source, 0 to 1.
        min_sources: Fewest sources of the other mixes, 1 or more; their number is uniform.
        max_sources: Most sources. A song with fewer parts, or a corpus with fewer songs, gives fewer.
        full: Musical mixes take every usable stem of the song, as its recording does, whatever
            the number of sources says.
        duration_s: Length of a mix in seconds.
        short_songs: Songs that end before a mix would: ``exclude`` never samples them, and what is left out
            is said, and plays no other so fast that it ends early; ``allow`` samples them, and the rest of
            the mix is silence.
        sample_rate: Of the mix, in Hz.
        channels: 1 for mono (the mean of a stereo stem), 2 for stereo.
        corpora: Names of the corpora to sample from; empty for all of the catalog.
        corpus_weights: Relative weight per corpus name; a corpus without one has weight 1, so that
            by default each corpus is equally likely, whatever its size.
        cross_corpus: Non-musical mixes sample the corpus anew for each source. The paper samples it
            once per mix.
        balance: 0 samples songs uniformly (the paper); 1 samples the class first, uniformly over the
            classes that the corpus holds, then a song that has it; between, with that probability.
            A stem counts for its most specific class only. In musical mixes the class decides the
            song and one of its parts.
        activity_db: A stem sounds in a 100 ms hop when its RMS reaches this level, in dBFS of the
            file itself, before any effect or gain, as the mix hears its channels, without offset and
            drift. Excerpts are sampled where stems sound in mono: what cancels there is not sampled into
            stereo mixes either.
        silence_db: Below this level a stem is certainly silent; between it and ``activity_db`` it is
            uncertain.
        bleed: Stems flagged as holding other instruments: ``exclude`` never samples them,
            ``musical_only`` (default) keeps them out of non-musical mixes, ``allow`` samples them.
        level: ``as_recorded`` keeps each stem's level (times the corpus's mixing coefficient);
            ``loudness`` brings each source to ``target_lufs`` by its stem's integrated loudness. That is
            measured on the mean of the stem's channels, as a mono mix hears it, so that it is no matter how
            many channels a corpus has; a stem under 0.4 s has none, and keeps its level.
        target_lufs: Target of ``level: loudness``, in LUFS (ITU-R BS.1770) of the source in the mix, before
            effects. With 2 channels a source reaches it that lies in the middle; a wide one is louder by
            what its sides add.
        max_gain_db: Most that ``level: loudness`` may raise a stem, so that bleed and noise are never
            blown up into an instrument.
        effects: The four effects and one's own, as ``EffectsConfig`` or as a mapping of what differs from its
            defaults.
        engine: Pitch and time engine: ``vocoder`` (ours, many times faster) or, of the extra ``effects``,
            ``rubberband`` (Rubber Band R2 in process), ``rubberband_fine`` (R3), ``pyrubberband`` (the
            reference, slowest).
        label_set: Name of a shipped label set, or the path of a YAML file. Of a file the contents are
            kept, as text: what was made with it can be read again wherever the file is.
        label_rule: When a sampled source counts as present: ``present`` always; ``active`` when its
            recording sounds for ``min_active_s`` in the excerpt; ``audible`` when it also comes within
            ``audible_db`` of the mixture's level. By any rule, a source that other sources cancel (of
            which 20 dB or more are lost) is uncertain.
        min_active_s: See ``label_rule``, in seconds; measured in hops of 0.1 s.
        audible_db: See ``label_rule``: lowest level of a source relative to the mixture, in dB (< 0).
        uncertain: Sources that are not silent, but fail the label rule: ``mask`` makes their classes
            unknown, ``absent`` counts them as absent. A silent source is absent in both.
        peak_limit: A mixture whose peak exceeds this is scaled down to it, all sources alike;
            0 switches this off.
        one_of_each: A mix has each class of ``label_set`` once, in their order, whatever the numbers of
            sources say. Non-musical: of each class a source of another song. Musical: of each class one
            part of a song that has most of them, unless ``full``. A class that a corpus lacks is said.
        snr_db: Lowest and highest signal-to-noise ratio of the first source to each further one, uniform in
            dB: at 6 the other lies 6 dB below it. It is that of the levels in the mix (RMS of the excerpts
            after all effects), so it replaces ``level``, gains and, in musical mixes, the recording's own
            balance. A source that does not sound in the excerpt keeps its level. Empty for none.
        mixture_lufs: Lowest and highest loudness of the mixture in LUFS (ITU-R BS.1770, all channels),
            uniform; all sources are scaled alike, after all effects. ``peak_limit`` may keep a mixture below
            it. Empty for none.
        p_negative: Probability of an item without any instrument, all of whose labels are known to be absent:
            silence or noise (``NoiseFloor``), as it is, without effects and other levels.
        negative_db: Lowest and highest level of such noise, uniform in dBFS; below -96 it is digital silence.
        min_duration_s: Length of the shortest mixes in seconds: each item's is uniform from this to
            ``duration_s``, in steps of 0.1 s. 0 gives all the same. Songs are as long as ``duration_s``.

    Example:
        >>> from mixlab import MixConfig
        >>> config = MixConfig(p_musical=0.3, duration_s=2.0)
        >>> config.p_musical, config.max_sources
        (0.3, 5)
    """

    p_musical: float = 0.4
    p_single_source: float = 0.1
    min_sources: int = 2
    max_sources: int = 5
    full: bool = False
    duration_s: float = 4.0
    short_songs: ShortSongs = "exclude"
    sample_rate: int = 16000
    channels: int = 1
    corpora: tuple[str, ...] = ()
    corpus_weights: dict[str, float] = field(default_factory=dict)
    cross_corpus: bool = False
    balance: float = 0.0
    activity_db: float = -50.0
    silence_db: float = -70.0
    bleed: BleedPolicy = "musical_only"
    level: LevelPolicy = "as_recorded"
    target_lufs: float = -23.0
    max_gain_db: float = 12.0
    effects: EffectsConfig = field(default_factory=EffectsConfig)
    engine: str = DEFAULT_ENGINE
    label_set: str = "mixtures15"
    label_rule: LabelRule = "active"
    min_active_s: float = 0.3
    audible_db: float = -30.0
    uncertain: Uncertain = "mask"
    peak_limit: float = 1.0
    one_of_each: bool = later(False)
    snr_db: tuple[float, ...] = later(())
    mixture_lufs: tuple[float, ...] = later(())
    p_negative: float = later(0.0)
    negative_db: tuple[float, float] = later((-120.0, -40.0))
    min_duration_s: float = later(0.0)
    strategies: dict[str, float] = later({})
    matched: MatchingConfig = later(MatchingConfig())

    def __post_init__(self) -> None:
        """Check every value, and bring it to its type; keep the contents of one's own label set.

        Raises:
            ConfigError: a value is of another type or out of its range; the message names it.
            TaxonomyError: the label set cannot be read.
        """
        settle(self, "mix")
        object.__setattr__(self, "label_set", keep_label_set(self.label_set))
        if self.strategies:
            _check_strategies(self.strategies, self.p_musical)
        for name in ("p_musical", "p_single_source", "balance", "p_negative"):
            _check(0.0 <= getattr(self, name) <= 1.0, name, "a number from 0 to 1", getattr(self, name))
        sources = (self.min_sources, self.max_sources)
        _check(
            1 <= sources[0] <= sources[1] <= 1000,
            "min_sources, max_sources",
            "1 <= min_sources <= max_sources <= 1000",
            sources,
        )
        weights = self.corpus_weights
        _check(
            all(0 <= w < float("inf") for w in weights.values()),
            "corpus_weights",
            "weights of 0 or more",
            weights,
        )
        _check(0 <= self.max_gain_db <= 60, "max_gain_db", "0 to 60 dB", self.max_gain_db)
        _check(-70 <= self.target_lufs <= 0, "target_lufs", "-70 to 0 LUFS", self.target_lufs)
        _check_range("snr_db", self.snr_db, -60.0, 60.0, "dB")
        _check_range("negative_db", self.negative_db, -200.0, 0.0, "dBFS")
        _check_range("mixture_lufs", self.mixture_lufs, -70.0, 0.0, "LUFS")
        _check_rendering(self)
        shortest_s = self.min_duration_s or self.duration_s
        fits = max(0.1, self.min_active_s) <= shortest_s <= self.duration_s
        _check(fits, "min_duration_s", "0, or min_active_s and 0.1 s to duration_s", self.min_duration_s)
        measured = not self.mixture_lufs or shortest_s >= 0.4
        _check(measured, "mixture_lufs", "mixes of 0.4 s or more, which can be measured", shortest_s)

    @cached_property
    def content_hash(self) -> str:
        """16 hex digits that change with any value; of a label set of one's own with its outputs alone."""
        return digest({**as_plain(self), "label_set": label_set_id(self.label_set)})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "MixConfig":
        """Return a configuration from plain data, as of ``to_dict``; what it leaves out has its default.

        Args:
            data: Settings by name, or all of a command's with these as its section ``mix`` (of a run, say:
                ``Run.open(...).config``).

        Raises:
            ConfigError: a name is no setting, and the message has the nearest one; a value is of another type
                or out of its range; or settings of the mixing stand beside that section.
            TaxonomyError: the label set cannot be read.
        """
        return from_mapping(cls, data, "mix")

    @classmethod
    def from_yaml(cls, path_or_text: str | PathLike[str]) -> "MixConfig":
        """Return a configuration from what ``to_yaml`` or ``mixlab mix --print_config`` wrote, or part of it.

        Args:
            path_or_text: A file, as a path or a text that ends in ``.yaml`` or ``.yml``; or YAML itself. It
                holds a section ``mix``, beside whatever else, or settings of the mixing alone.

        Raises:
            ConfigError: it cannot be read or is not YAML; or see ``from_dict``.
            TaxonomyError: the label set cannot be read.
        """
        return from_yaml(cls, path_or_text, "mix")

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as dicts, lists, numbers and texts."""
        return dict(plain(self))

    def to_yaml(self, path: str | PathLike[str] | None = None) -> str:
        """Return all settings as YAML with the section ``mix``, which every command's ``--config`` takes.

        Args:
            path: Also write them to this file.

        Raises:
            OutputError: the file cannot be written.
        """
        text = to_yaml(self, "mix")
        if path is not None:
            write_atomic(Path(path).expanduser(), text)
        return text

    def __repr__(self) -> str:
        """Say what differs from the defaults."""
        return changed(self)

    def for_evaluation(self) -> "MixConfig":
        """Return this configuration as validation and test use it.

        Musical mixes only (paper, section 2.3), no item without instruments, and no effects: the sources as
        they were recorded, at their own levels, and all of one length.
        """
        own: dict[str, Any] = {"snr_db": (), "p_negative": 0.0, "min_duration_s": 0.0}
        return replace(self, p_musical=1.0, strategies={}, balance=0.0, effects=EffectsConfig.none(), **own)

    @cached_property
    def shares(self) -> dict[Kind, float]:
        """The share of each kind of mix, by ``strategies`` or else by ``p_musical``."""
        if not self.strategies:
            return {"musical": self.p_musical, "non_musical": 1.0 - self.p_musical, "matched": 0.0}
        return {kind: self.strategies.get(kind, 0.0) for kind in KINDS}

    def choose_kind(self, number: float) -> Kind:
        """Return the kind that a number from 0 to 1 stands for.

        In the order musical, matched, non-musical: raising one share at the cost of the next changes no other
        item, and two shares are what ``p_musical`` is.
        """
        musical, matched = self.shares["musical"], self.shares["matched"]
        if number < musical:
            return "musical"
        return "matched" if number < musical + matched else "non_musical"

    def render_settings(self) -> "RenderSettings":
        """Return the part of the configuration that decides how a recipe is rendered.

        Raises:
            TaxonomyError: the label set cannot be read.
        """
        own = {f.name: getattr(self, f.name) for f in fields(RenderSettings) if f.name != "label_hash"}
        return RenderSettings(**own, label_hash=label_hash(self.label_set))


_check = partial(check_setting, "mix")


def _check_range(name: str, found: tuple[float, ...], low: float, high: float, unit: str) -> None:
    good = not found or (len(found) == 2 and low <= found[0] <= found[1] <= high)
    _check(good, name, f"nothing, or lowest and highest within {low:g} to {high:g} {unit}", found)


def _check_strategies(shares: dict[str, float], p_musical: float) -> None:
    unknown = sorted(set(shares) - set(KINDS))
    if unknown:
        raise ConfigError(
            f"mix.strategies: there is no kind of mix {unknown[0]!r}; there are {', '.join(KINDS)}.",
            code="unknown-setting",
        )
    _check(min(shares.values()) >= 0, "strategies", "shares of 0 or more", shares)
    _check(abs(sum(shares.values()) - 1.0) < 1e-6, "strategies", "shares that add up to 1", shares)
    if p_musical != MixConfig.p_musical and abs(p_musical - shares.get("musical", 0.0)) > 1e-9:
        raise ConfigError(
            f"mix.strategies has a share of musical mixes of {shares.get('musical', 0.0):g}, mix.p_musical "
            f"is {p_musical:g}: give one of the two.",
            code="conflicting-settings",
        )


def _check_rendering(values: "MixConfig | RenderSettings") -> None:
    """Check what decides how a recipe is rendered, whether it was configured or read from a file."""
    _check(0.1 <= values.duration_s <= 600, "duration_s", "0.1 to 600 seconds", values.duration_s)
    _check(4000 <= values.sample_rate <= 192000, "sample_rate", "4000 to 192000 Hz", values.sample_rate)
    _check(values.channels in (1, 2), "channels", "1 or 2", values.channels)
    _check(-100 <= values.activity_db <= 0, "activity_db", "a level from -100 to 0 dBFS", values.activity_db)
    quiet = values.silence_db
    _check(-120 <= quiet <= values.activity_db, "silence_db", "a level from -120 dBFS to activity_db", quiet)
    _check(values.min_active_s >= 0, "min_active_s", "0 or more seconds", values.min_active_s)
    _check(
        values.min_active_s <= values.duration_s, "min_active_s", "at most duration_s", values.min_active_s
    )
    _check(-200 <= values.audible_db < 0, "audible_db", "a level below 0 dB", values.audible_db)
    _check(0 <= values.peak_limit <= 1, "peak_limit", "0 (off) to 1", values.peak_limit)
    get_engine(values.engine)


def label_hash(label_set: str) -> str:
    """Return 16 hex digits that change with a label set or with the tree it is bound to."""
    return digest([load_label_set(label_set).content_hash, load_taxonomy().content_hash])


@dataclass(frozen=True)
class RenderSettings:
    """How a recipe is rendered and labelled; see the same names in ``MixConfig``.

    ``label_set`` is the name of a shipped label set, or all contents of one's own as text. ``label_hash``
    holds the label set and the tree fast, so that a replay gives the same labels or fails. Recipes leave out
    what was declared with ``later`` and has its default.
    """

    duration_s: float
    sample_rate: int
    channels: int
    engine: str
    activity_db: float
    silence_db: float
    label_set: str
    label_hash: str
    label_rule: LabelRule
    min_active_s: float
    audible_db: float
    uncertain: Uncertain
    peak_limit: float

    def __post_init__(self) -> None:
        """Check every value, and bring it to its type; keep the contents of one's own label set.

        Raises:
            ConfigError: a value is of another type or out of its range; the message names it.
            TaxonomyError: the label set cannot be read.
        """
        settle(self, "mix")
        object.__setattr__(self, "label_set", keep_label_set(self.label_set))
        _check_rendering(self)

    @property
    def samples(self) -> int:
        """Samples of a mix."""
        return round(self.duration_s * self.sample_rate)
