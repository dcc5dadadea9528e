"""How much mixes sound like recorded music to published taggers that were trained on it.

The taggers score the fixed musical mixes of a catalog, and are held against their labels. They have never
been trained on them, and the labels are right: what they cannot find there does not sound as it does on
records. Several find more together than each alone, on recordings as in mixes: the mean of their log odds
counts, of the classes that all of them can say.
The measure is the macro average precision over the families that they speak of. Its chance level is the
prevalence, which differs from catalog to catalog: compare measures with their chance levels beside them.
Full mixes, with all stems of a song, stand beside those of the stream: on records everything plays together.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.audio.io import FloatArray
from mixlab.catalog.catalog import Catalog
from mixlab.corpora.clips.base import ClipSet
from mixlab.errors import ConfigError, MixlabError, RecipeError, RunError, WeightsError
from mixlab.evaluation import (
    CLIPS,
    METRICS,
    MIXES,
    SplitScores,
    Thresholds,
    Units,
    average_precision_at,
    class_prevalence,
    score_split,
)
from mixlab.inference.calibration import log_odds, probabilities
from mixlab.inference.class_mapping import match_classes
from mixlab.inference.clip_scores import kept_scores
from mixlab.inference.joint import check_once
from mixlab.inference.published import published_scorer
from mixlab.inference.realism_result import AtPrevalence, Realism, TaggerAlone, measure_of
from mixlab.inference.scorer import Scorer, whole_scores
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.models.pretrained import find_weights
from mixlab.models.shipped_model import SHIPPED
from mixlab.taxonomy import LabelSet, load_label_set, load_taxonomy
from mixlab.training.baselines.features import Extract, Features, Mixes, compute_features
from mixlab.training.locations import as_catalog
from mixlab.training.provenance import demo_note
from mixlab.utils.hashing import digest, file_digest

__all__ = [
    "TAGGERS",
    "judge_scores",
    "measure_realism",
    "realism_of_sounds",
]

TAGGERS = ("jamendo_musicnn", "mtat_musicnn")
"""Who measures, unless others are named."""

_METRICS = ("average_precision", "roc_auc")


@dataclass(frozen=True)
class _Tags:
    """Raised scores of published weights as an ``Extractor``, so that they are cached and spread as features.

    Attributes:
        path: The file of the weights.
        label_set: Name, path or text of the label set.
        sha256: Of the file.
        sample_rate: Of the mixes, in Hz.
    """

    path: str
    label_set: str
    sha256: str
    sample_rate: int

    @property
    def content_hash(self) -> str:
        """Changes with whatever changes a score."""
        labels, taxonomy = load_label_set(self.label_set), load_taxonomy()
        return digest(
            ["raised tags 1", self.sha256, labels.content_hash, taxonomy.content_hash, self.sample_rate]
        )

    def load(self) -> Extract:
        """Return the function that scores mixes ``(B, 1, T)``."""
        scorer = published_scorer(self.path, self.label_set, device="cpu")
        return lambda audio: whole_scores(scorer, audio, self.sample_rate)


def measure_realism(
    catalog: Catalog | str | Path,
    weights: str | Path | None = None,
    *,
    also: Sequence[str | Path] = (),
    cache: str | Path,
    mix: MixConfig | None = None,
    split: str = "test",
    n_mixes: int = 384,
    n_full: int = 128,
    full_seconds: float = 10.0,
    effects: bool = False,
    seed: int = 0,
    recordings: ClipSet | None = None,
    roots: Mapping[str, str | Path] | None = None,
    n_resamples: int = 1000,
    workers: int = 1,
    show: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Realism:
    """Measure how much a catalog's mixes sound like recorded music to published taggers.

    Args:
        catalog: A catalog or its folder.
        weights: A name that ``mixlab weights`` lists, or a file of one of these; None takes both of
            ``TAGGERS``.
        also: Other published weights that score beside these: the mean of all log odds counts, of the
            classes that all of them can say.
        cache: Folder where scores are kept, by the content of catalog, settings and weights: what was scored
            once is read the second time, and after a stop the same call goes on.
        mix: Settings of the mixing, used as for evaluation: musical mixes without effects. What they ask for
            beyond that is left out, and the result says so. Their label set is the one that tags are raised
            to.
        split: Whose songs are mixed.
        n_mixes: So many mixes.
        n_full: So many full mixes, of all stems of a song; 0 leaves them out. They are left out, too, where
            the settings make full mixes already and where no song is so long.
        full_seconds: Length of a full mix.
        effects: Whether mixes have the effects of the settings, such as those of a preset.
        seed: Of the mixes.
        recordings: Labelled clips to judge the taggers by, as any reader of clips gives them.
        roots: Where corpora lie now, by corpus name, if they have moved; with a catalog's folder.
        n_resamples: Bootstrap resamples of songs; 0 leaves intervals out.
        workers: Processes that mix and score; 0 takes one per processor, 1 stays in this one.
        show: Whether to show a progress bar on a terminal.
        progress: Called with the number of recordings that are done, by each tagger.

    Raises:
        TypeError: ``also`` is one name, not a list of names.
        WeightsError: there are no such weights, or they say nothing of sound.
        RunError: no tag says anything of the label set, or the taggers have no class of it in common.
        ConfigError: weights are given twice, or were trained on composed songs; the mixes are not mono; no
            recording could be read.
        MixlabError: mixes could not be made, and those that could are kept; or the taggers were given
            different ones.
    """
    settings = mix or MixConfig()
    if settings.channels != 1 or n_mixes < 1 or n_full < 0:
        raise ConfigError(
            f"The measure takes one mono mix at least, and 0 full mixes or more: found mix.channels "
            f"{settings.channels}, {n_mixes} mixes and {n_full} full mixes.",
            code="mono-required" if settings.channels != 1 else "invalid-setting",
        )
    if isinstance(also, str | Path):
        raise TypeError(f"also takes a list of names, such as [{str(also)!r}]")
    opened, label_set = as_catalog(catalog, roots), settings.label_set
    names = (*(TAGGERS if weights is None else (weights,)), *also)
    # What cannot be used is found before the work.
    taggers = [_open_tagger(name, label_set) for name in names]
    check_once(taggers)
    common, columns = _common(taggers, load_label_set(label_set))
    stream = tuple((name, str(root)) for name, root in opened.roots.items())
    files = [find_weights(str(name)) for name in names]
    tags = [_Tags(str(file), label_set, file_digest(file), settings.sample_rate) for file in files]
    used = settings.for_evaluation()
    used = replace(used, effects=settings.effects) if effects else used
    mixes = Mixes(str(opened.path), stream, used, split, seed, n_mixes, effects)
    asked = {"mixes": mixes}
    if n_full and not settings.full:
        asked["full"] = replace(mixes, mix=replace(used, full=True, duration_s=full_seconds), n_items=n_full)
    too_short = "full" in asked and _too_short(asked["full"])
    if too_short:
        del asked["full"]
    parts, replaced = {}, 0
    for name, of in asked.items():
        features = [compute_features(of, each, Path(cache), workers=workers, show=show) for each in tags]
        parts[name] = _score_mixes(of, features, columns, common, Path(cache))
        replaced += int((features[0].attempt > 0).sum())
    if recordings is not None:
        folders = [Path(cache) / f"recordings-{each.content_hash}" for each in tags]
        parts["recordings"] = _score_recordings(taggers, common, columns, recordings, folders, progress)
    judged = {name: part.judge(common, n_resamples) for name, part in parts.items()}
    at_prevalence = None
    if recordings is not None:
        held = parts["mixes"]
        at_prevalence = _at_prevalence(common, judged["recordings"], held.together, held.targets, held.mask)
    alone = {name: part.alone(common) for name, part in parts.items()} if len(taggers) > 1 else {}
    return Realism(
        weights=common.source,
        label_set=load_label_set(label_set).name,
        catalog=opened.content_hash,
        split=split,
        seed=seed,
        mix_hash=mixes.mix.content_hash,
        mixes=judged["mixes"],
        unsaid=common.unsaid,
        replaced=replaced,
        left_out=_left_out(settings, used),
        note=demo_note(opened.path, *opened.roots.values()),
        full=judged.get("full"),
        full_seconds=full_seconds,
        too_short=too_short,
        recordings=judged.get("recordings"),
        recordings_source="" if recordings is None else recordings.source,
        at_prevalence=at_prevalence,
        alone=tuple(
            TaggerAlone(tagger.source, **{name: found[k] for name, found in alone.items()})
            for k, tagger in enumerate(taggers)
            if alone
        ),
    )


def _open_tagger(weights: str | Path, label_set: str) -> Scorer:
    """Return published weights that were trained on recorded music."""
    if (Path(weights) / "run.json").is_file():
        raise WeightsError(
            f"{weights} is a run. Mixes are judged by published taggers, which were trained on recorded "
            "music: 'mixlab weights' lists them.",
            code="unknown-weights",
        )
    tagger = published_scorer(weights, label_set, device="cpu")
    if any(each.name == SHIPPED for each in tagger.scored_by):
        raise ConfigError(
            f"{SHIPPED} was trained on composed songs: what it finds in mixes does not say whether they "
            "sound like recorded music. Take published weights that were trained on that, such as "
            "jamendo_musicnn.",
            code="training-overlap",
        )
    return tagger


def _score_mixes(
    mixes: Mixes,
    features: Sequence[Features],
    columns: Sequence[Sequence[int]],
    common: Scorer,
    cache: Path,
) -> "_Scored":
    """Return what the taggers say of mixes, with their labels."""
    _check_same(features, cache)
    dataset, found = mixes.open(), features[0]
    classes = [dataset.labels.names.index(name) for name in common.labels]
    return _Scored(
        [each.values[:, list(of)] for each, of in zip(features, columns, strict=True)],
        found.targets[:, classes],
        found.mask[:, classes],
        _songs(dataset, found.attempt),
        mixes.split,
        MIXES,
    )


def _left_out(asked: MixConfig, used: MixConfig) -> tuple[str, ...]:
    """Return the settings that somebody asked for and that the mixes do not have."""
    usual = MixConfig()
    names = [each.name for each in fields(MixConfig) if each.init]
    return tuple(
        name for name in names if getattr(asked, name) not in (getattr(usual, name), getattr(used, name))
    )


def _too_short(mixes: Mixes) -> bool:
    """Return whether no song of the split fills one of these mixes."""
    try:
        mixes.open()
    except RecipeError as error:
        if error.code != "songs-too-short":
            raise
        return True
    return False


def _check_same(features: Sequence[Features], cache: Path) -> None:
    """See to it that all taggers were given the same mixes, as others replace those that cannot be read."""
    first = features[0]
    for each in features[1:]:
        same = [
            np.array_equal(getattr(first, name), getattr(each, name))
            for name in ("attempt", "targets", "mask")
        ]
        if not all(same):
            raise MixlabError(
                "The taggers were not given the same mixes, as files could not be read when one of them "
                f"scored. Remove {cache}, where scores are kept, and start again.",
                code="items-failed",
            )


def _common(taggers: Sequence[Scorer], labels: LabelSet) -> tuple[Scorer, list[list[int]]]:
    """Return the taggers as one that says what all can say, and which of the classes of each these are."""
    first = taggers[0]
    said = tuple(each for each in labels.outputs if all(each.name in tagger.labels for tagger in taggers))
    source = " and ".join(tagger.source for tagger in taggers)
    if not said:
        raise RunError(
            f"Label set {labels.name} has no class that all of {source} can say. Leave one of them out.",
            code="label-set-mismatch",
        )
    columns = [[tagger.labels.index(each.name) for each in said] for tagger in taggers]
    if len(taggers) == 1:
        return first, columns
    part = LabelSet(labels.name, labels.title, said, "")

    def compute(audio: FloatArray) -> NDArray[np.float32]:
        scores = [whole_scores(tagger, audio, first.sample_rate) for tagger in taggers]
        return _mean_odds([each[:, of] for each, of in zip(scores, columns, strict=True)])

    together = replace(
        first,
        compute=compute,
        labels=part.names,
        parents=part.parents(load_taxonomy()),
        thresholds=first.thresholds[columns[0]],
        nodes=tuple(each.nodes for each in said),
        unsaid=tuple(name for name in labels.names if name not in part.names),
        source=source,
        curves=None,
        curves_by=None,
    )
    return together, columns


def _mean_odds(scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the probabilities ``(N, C)`` of the mean of log odds; of one tagger its scores as they are."""
    if len(scores) == 1:
        return scores[0]
    return probabilities(np.mean([log_odds(each) for each in scores], axis=0)).astype(np.float32)


@dataclass(frozen=True)
class _Scored:
    """What taggers say of the same N items, and what is true of these.

    Attributes:
        scores: Of each tagger ``(N, C)``, of the classes that all can say.
        targets: ``(N, C)`` 1 present, 0 absent.
        mask: ``(N, C)`` True where that is known.
        groups: N songs or recordings.
        part: Name of the items.
        units: What items and groups are called.
    """

    scores: Sequence[NDArray[np.float32]]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    groups: Sequence[str]
    part: str
    units: Units

    @property
    def together(self) -> NDArray[np.float32]:
        """What they say together ``(N, C)``."""
        return _mean_odds(self.scores)

    def judge(self, scorer: Scorer, n_resamples: int) -> SplitScores:
        """Hold what all of them say together against what is true."""
        return self._judge(scorer, self.together, n_resamples)

    def alone(self, scorer: Scorer) -> list[float]:
        """Return the measure of each tagger by itself."""
        return [measure_of(self._judge(scorer, each, 0)).value for each in self.scores]

    def _judge(self, scorer: Scorer, scores: NDArray[np.float32], n_resamples: int) -> SplitScores:
        return judge_scores(
            scorer,
            scores,
            self.targets,
            self.mask,
            self.groups,
            part=self.part,
            n_resamples=n_resamples,
            units=self.units,
        )


def judge_scores(
    scorer: Scorer,
    scores: ArrayLike,
    targets: ArrayLike,
    mask: ArrayLike,
    groups: Sequence[str],
    *,
    part: str = "test",
    n_resamples: int = 1000,
    units: Units = MIXES,
) -> SplitScores:
    """Hold what a scorer said against what is true: average precision and ROC-AUC beside the prevalence.

    Args:
        scorer: What scored; its classes are the columns.
        scores: ``(N, C)``.
        targets: ``(N, C)`` 1 present, 0 absent.
        mask: ``(N, C)`` True where that is known.
        groups: N songs or recordings; intervals are over these.
        part: Name of what was scored, for the report.
        n_resamples: Bootstrap resamples; 0 leaves intervals out.
        units: What items and groups are called.
    """
    return score_split(
        part,
        scorer.labels,
        scores,
        targets,
        mask,
        thresholds=Thresholds(scorer.thresholds, np.full(len(scorer.labels), scorer.fitted)),
        prevalence=class_prevalence(np.asarray(targets), np.asarray(mask)),
        groups=groups,
        parents=scorer.parents,
        metrics=[METRICS[name] for name in _METRICS],
        n_resamples=n_resamples,
        units=units,
    )


def realism_of_sounds(
    sounds: Iterable[tuple[FloatArray, int]],
    weights: str | Path = TAGGERS[0],
    label_set: str = "mixtures15",
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Return what a published tagger says of single sounds, to judge a synthesizer or sampler by its patches.

    Args:
        sounds: Each is audio ``(channels, samples)`` float32 and its rate in Hz.
        weights: As ``measure_realism`` takes them.
        label_set: Whose classes its tags are raised to.

    Returns:
        The classes that it can say, and a row of their scores for each sound.

    Raises:
        WeightsError: there are no such weights, or they say nothing of sound.
    """
    scorer = published_scorer(weights, label_set, device="cpu")
    rows = [whole_scores(scorer, audio[None], rate)[0] for audio, rate in sounds]
    return scorer.labels, np.array(rows, np.float32).reshape(len(rows), len(scorer.labels))


def _at_prevalence(
    scorer: Scorer, recordings: SplitScores, scores: ArrayLike, targets: ArrayLike, mask: ArrayLike
) -> AtPrevalence:
    """Hold the scores of mixes ``(N, C)`` against recordings, at the prevalence of the latter."""
    values, truth, known = np.asarray(scores), np.asarray(targets), np.asarray(mask)
    found = {}
    for c, (of, rows) in enumerate(zip(recordings.classes, known.T, strict=True)):
        prevalence = of.support / of.known if of.known else 0.0
        found[of.name] = average_precision_at(prevalence, values[rows, c], truth[rows, c])
    own = {of.name: of.scores["average_precision"].value for of in recordings.classes}
    families = [
        name
        for name, above in zip(scorer.labels, scorer.parents, strict=True)
        if above is None and math.isfinite(found[name]) and math.isfinite(own[name])
    ]
    means = [fmean(of[name] for name in families) if families else math.nan for of in (found, own)]
    return AtPrevalence(found, *means)


def _songs(dataset: MixDataset, attempts: NDArray[np.int64]) -> list[str]:
    """Return the song of each mix; a mix without sources is of none."""
    recipes = [dataset.recipe(index, attempt=attempt) for index, attempt in enumerate(attempts.tolist())]
    return [recipe.sources[0].stem.rpartition("/")[0] if recipe.sources else "" for recipe in recipes]


def _score_recordings(
    taggers: Sequence[Scorer],
    common: Scorer,
    columns: Sequence[Sequence[int]],
    clips: ClipSet,
    folders: Sequence[Path],
    progress: Callable[[int], object] | None,
) -> _Scored:
    """Score the same classes of recordings; those that their labels do not speak of stay unknown."""
    if clips.label_set is None:
        raise ConfigError(
            f"Expected recordings whose classes are instruments, found those of {clips.corpus} "
            f"({clips.task}).",
            code="unknown-benchmark",
        )
    scores: list[NDArray[np.float32]] = []
    problems: dict[int, str] = {}
    for tagger, of, folder in zip(taggers, columns, folders, strict=True):
        values, unread = kept_scores(clips, tagger, folder, progress=progress)
        scores.append(values[:, list(of)])
        problems.update(unread)
    kept = [row for row in range(len(clips)) if row not in problems]
    if not kept:
        raise ConfigError(
            f"None of the {len(clips)} recordings could be read; the first says: "
            f"{next(iter(problems.values()))}",
            code="unreadable-audio",
        )
    targets = np.zeros(scores[0].shape, np.float32)
    mask = np.zeros(scores[0].shape, np.bool_)
    wanted = LabelSet("said", "said", common.outputs, "")
    for c, match in enumerate(match_classes(wanted, clips.label_set.outputs)):
        # Where labels speak of some instruments of a class alone, nobody knows when it is absent.
        if match.kind == "exact":
            targets[:, c], mask[:, c] = clips.targets[:, match.outputs[0]], clips.mask[:, match.outputs[0]]
    return _Scored(
        [each[kept] for each in scores],
        targets[kept],
        mask[kept],
        [clips.clips[row].group for row in kept],
        "recordings",
        CLIPS,
    )
