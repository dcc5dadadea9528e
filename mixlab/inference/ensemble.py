"""Several scorers as one: the mean of their calibrated scores, or of their ranks, as a run of its own kind.

Members are trained networks, fitted classifiers and published weights. What makes their scores comparable
is taken from validation: of calibrated scores a logistic curve for each class, of ranks the distribution of
each member's scores there. A class that a member cannot say is left to the others; but of calibrated scores,
an instrument of a family that it says follows what it says of that (``mean_scores``).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.catalog.catalog import Catalog
from mixlab.corpora.clips.base import ClipSet
from mixlab.errors import ConfigError, RunError
from mixlab.evaluation import find_metrics
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Report
from mixlab.inference.calibration import calibrate, curved_odds, mean_scores
from mixlab.inference.published import published_scorer
from mixlab.inference.scorer import Scorer, known_outputs, open_member, raised_to, scored_by_run, whole_scores
from mixlab.mixing.config import MixConfig
from mixlab.models.pretrained import find_weights
from mixlab.taxonomy import LabelSet, keep_label_set, load_label_set, load_taxonomy
from mixlab.training.baselines.features import Extract, Features, Mixes, compute_features
from mixlab.training.config import from_plain
from mixlab.training.locations import as_catalog, catalog_entry, open_catalog
from mixlab.training.provenance import Progress, demo_note, label_info, say
from mixlab.training.reporting import SPLITS, headings_of_mixes, report_text, score_predictions
from mixlab.training.run import Run
from mixlab.training.run_kinds import check_command
from mixlab.utils.files import check_writable
from mixlab.utils.hashing import digest, file_digest

__all__ = [
    "Combine",
    "EnsembleConfig",
    "build_ensemble",
    "ensemble_members",
    "evaluate_ensemble",
    "open_ensemble",
    "ranks",
]

Combine = Literal["calibrated", "ranks"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EnsembleConfig:
    """How members are put together, and on which mixes that is fitted and scored.

    Attributes:
        combine: ``calibrated``: the mean of probabilities, each member's scores brought there by a logistic
            curve per class; a class that validation has never or always keeps its scores. ``ranks``: the mean
            of where each member's score stands among its own on validation; it asks nothing of the scores but
            their order.
        val_size: Fixed musical mixes that the reference and the thresholds are taken from.
        test_size: Fixed musical mixes scored at the end; keep both as in the runs to compare with.
        eval_seed: Seeds both.
        bootstrap: Resamples of songs for intervals; 0 leaves them out.
        workers: Processes that mix and score; 0 takes one per processor.
        metrics: Metrics of one's own beside mixlab's.
    """

    combine: Combine = "calibrated"
    val_size: int = 1000
    test_size: int = 1000
    eval_seed: int = 0
    bootstrap: int = 1000
    workers: int = 0
    metrics: tuple[str, ...] = field(default=())


def ranks(scores: Floats, reference: Floats) -> Floats:
    """Return where scores stand among those of a reference, from 0 to 1, increasing with the score.

    Half-way up the step of each score of the reference, straight between these, and on to 0 and 1 at scores
    of 0 and 1: no two different scores have the same rank.

    Args:
        scores: ``(..., C)`` in [0, 1].
        reference: ``(N, C)`` in [0, 1], in any order.
    """
    n = len(reference)
    out = np.empty(scores.shape, np.float64)
    for c in range(reference.shape[1]):
        at, counts = np.unique(reference[:, c], return_counts=True)
        middles = (np.cumsum(counts) - counts / 2) / n
        low, high = [0.0] if at[0] > 0 else [], [1.0] if at[-1] < 1 else []
        out[..., c] = np.interp(scores[..., c], [*low, *at, *high], [*low, *middles, *high])
    return out


@dataclass(frozen=True)
class _Joint:
    """What puts the scores of members together.

    Attributes:
        combine: How.
        fitted: Of each member its reference ``(N, C_m)``, or its curves ``(C_m, 2)``.
        columns: Of each member, which classes of the ensemble its own are.
        parents: Of each class of the ensemble its nearest ancestor, which members that cannot say the class
            follow; None for all where nobody follows: of ranks, which say nothing of how probable a class is,
            and in runs that older versions made.
    """

    combine: Combine
    fitted: tuple[Floats, ...]
    columns: tuple[tuple[int, ...], ...]
    parents: tuple[int | None, ...]

    def __call__(self, parts: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return the mean ``(N, C)`` over the members that say a class, of their scores ``(N, C_m)``."""
        if self.combine == "calibrated":
            odds = [curved_odds(own, fitted) for own, fitted in zip(parts, self.fitted, strict=True)]
            return np.asarray(mean_scores(odds, self.columns, self.parents), np.float32)
        total, count = np.zeros((len(parts[0]), len(self.parents))), np.zeros(len(self.parents))
        for scores, fitted, columns in zip(parts, self.fitted, self.columns, strict=True):
            total[:, columns] += ranks(np.asarray(scores, np.float64), fitted)
            count[list(columns)] += 1
        return np.asarray(total / count, np.float32)


@dataclass(frozen=True)
class _Member:
    """One member: plain data that any process can open, and an ``Extractor`` of its scores of mixes.

    Attributes:
        name: A run folder, the name of published weights, or their file.
        label_set: Name or text of the label set that it is raised to.
        sha256: Of its weights.
        sample_rate: Of the mixes, in Hz.
    """

    name: str
    label_set: str
    sha256: str
    sample_rate: int

    @classmethod
    def of(cls, name: str, label_set: str, sample_rate: int) -> "_Member":
        run = Path(name) / "run.json"
        # The folder stays the same from wherever the ensemble is opened later.
        place = str(Path(name).absolute()) if run.is_file() or Path(name).is_file() else name
        return cls(place, label_set, _digest(name), sample_rate)

    @property
    def content_hash(self) -> str:
        """Changes with weights, label set and rate."""
        return digest(
            ["member 1", self.sha256, load_label_set(self.label_set).content_hash, self.sample_rate]
        )

    def open(self, device: str = "cpu") -> Scorer:
        """Return its scorer, raised to the label set."""
        if not (Path(self.name) / "run.json").is_file():
            return published_scorer(self.name, self.label_set, device=device)
        run = Run.open(self.name)
        scorer = known_outputs(open_member(run, device=device), run)
        return raised_to(scorer, load_label_set(self.label_set))

    def load(self) -> Extract:
        """Return the function that scores mixes ``(B, 1, T)``."""
        scorer = self.open()
        return lambda audio: whole_scores(scorer, audio, self.sample_rate)


def _digest(name: str) -> str:
    if (Path(name) / "run.json").is_file():
        return str(Run.open(name).card["sha256"])
    return file_digest(find_weights(name))


def build_ensemble(
    members: Sequence[str],
    out: str | Path,
    *,
    catalog: Catalog | str | Path | None = None,
    mix: MixConfig | None = None,
    config: EnsembleConfig | None = None,
    cache: str | Path | None = None,
    roots: Mapping[str, str | Path] | None = None,
    report: Progress | None = None,
) -> tuple[Run, Report]:
    """Put members together, on validation, and score them on the fixed test mixes of runs.

    Args:
        members: Run folders, and names or files of published weights; two or more.
        out: Folder of the run; new or empty.
        catalog: A catalog or its folder; None takes that of the first member that was trained on mixes.
        mix: Settings of the mixing, used as for evaluation, and the label set; None takes those of that
            member.
        config: How they are put together.
        cache: Folder where scores are kept; None takes ``scores`` beside ``out``.
        roots: Where corpora lie now, by corpus name, if they have moved; with a catalog's folder.
        report: Called with lines of progress; None says nothing and shows no progress bar.

    Returns:
        The run, with predictions and report, and its scores.

    Raises:
        ConfigError: there are fewer than two members, one twice, or none that says which mixes to take.
        RunError: a member cannot score audio, says nothing of the label set, or ``out`` is in use.
        MixlabError: a member cannot be opened, or mixes could not be made.
    """
    config, out = config or EnsembleConfig(), Path(out)
    if len(members) < 2 or len(set(members)) < len(members):
        raise ConfigError(
            f"An ensemble has two members or more, each once; found {', '.join(members) or 'none'}.",
            code="invalid-setting",
        )
    find_metrics(config.metrics)
    with Run(out).held():
        Run(out).check_empty()
        check_writable(out)
        opened, settings = _mixes_of(members, catalog, mix, roots)
        label_set = keep_label_set(settings.label_set)
        joined = [_Member.of(name, label_set, settings.sample_rate) for name in members]
        if len({member.sha256 for member in joined}) < len(joined):
            raise ConfigError(
                f"An ensemble has each member once; of {', '.join(members)} two hold the same weights.",
                code="invalid-setting",
            )
        scorers = [member.open() for member in joined]
        labels, columns = _classes(load_label_set(label_set), scorers)
        folder = Path(cache) if cache is not None else out.absolute().parent / "scores"
        streams = _streams(opened, settings, config)
        found: dict[str, list[Features]] = {split: [] for split in SPLITS}
        for member in joined:
            say(report, f"scoring {config.val_size} and {config.test_size} mixes: {member.name}")
            for split, mixes in streams.items():
                found[split].append(
                    compute_features(mixes, member, folder, workers=config.workers, show=report is not None)
                )
        known = load_label_set(label_set).names
        kept = [known.index(name) for name in labels.names]
        joint = _fit(config.combine, found["validation"], kept, columns, labels)
        run = Run.create(
            out,
            _settings(opened, out, settings, config, joined),
            _info(out, opened, settings, config, labels),
        )
        run.write_model(_tensors(joint), _card(run, settings, config, joined, scorers, columns, labels))
        run.write_predictions(
            Predictions.join(
                [_predict(streams[split], found[split], joint, kept, labels) for split in SPLITS]
            )
        )
        return run, evaluate_ensemble(run)


def _mixes_of(
    members: Sequence[str],
    catalog: Catalog | str | Path | None,
    mix: MixConfig | None,
    roots: Mapping[str, str | Path] | None,
) -> tuple[Catalog, MixConfig]:
    """Return the catalog and the settings of the mixes that members are put together on."""
    runs = [Run.open(name) for name in members if (Path(name) / "run.json").is_file()]
    trained = [run for run in runs if run.config.get("mix") and run.info.get("catalog")]
    if catalog is None and not trained:
        raise ConfigError(
            "No member was trained on mixes, so say which mixes to put them together on: --catalog FOLDER.",
            code="missing-setting",
        )
    settings = mix or (from_plain(MixConfig, trained[0].config["mix"]) if trained else MixConfig())
    if settings.channels != 1:
        raise ConfigError(
            f"Ensembles take mono mixes: set mix.channels to 1, found {settings.channels}.",
            code="mono-required",
        )
    found = open_catalog(trained[0], roots=roots) if catalog is None else as_catalog(catalog, roots)
    for run in trained:
        if run.info["catalog"].get("content_hash") != found.content_hash:
            raise ConfigError(
                f"{run.path} was trained on another catalog than {found.place}, or on other splits of it: "
                "songs of its training may be among those of validation and test here, and the scores would "
                "flatter it. Put runs together that were trained on one catalog.",
                code="training-overlap",
            )
    return found, settings.for_evaluation()


def _streams(catalog: Catalog, mix: MixConfig, config: EnsembleConfig) -> dict[str, Mixes]:
    roots = tuple((name, str(root)) for name, root in catalog.roots.items())
    sizes = {"validation": config.val_size, "test": config.test_size}
    return {
        split: Mixes(str(catalog.path), roots, mix, split, config.eval_seed, sizes[split]) for split in SPLITS
    }


def _classes(labels: LabelSet, scorers: Sequence[Scorer]) -> tuple[LabelSet, tuple[tuple[int, ...], ...]]:
    """Return the classes that any member says, and for each member which of them its own are."""
    said = {name for scorer in scorers for name in scorer.labels}
    outputs = tuple(output for output in labels.outputs if output.name in said)
    part = LabelSet(labels.name, labels.title, outputs, labels.content_hash)
    return part, tuple(tuple(part.names.index(name) for name in scorer.labels) for scorer in scorers)


def _fit(
    combine: Combine,
    parts: Sequence[Features],
    kept: Sequence[int],
    columns: tuple[tuple[int, ...], ...],
    labels: LabelSet,
) -> _Joint:
    """Take from validation what makes the members' scores comparable."""
    fitted = []
    for part, own in zip(parts, columns, strict=True):
        of = [kept[c] for c in own]
        scores = np.asarray(part.values, np.float64)
        fitted.append(
            scores if combine == "ranks" else calibrate(scores, part.targets[:, of], part.mask[:, of])
        )
    return _Joint(
        combine, tuple(fitted), columns, _followed(combine == "calibrated", labels.parents(load_taxonomy()))
    )


def _followed(follows: bool, parents: Sequence[int | None]) -> tuple[int | None, ...]:
    """Return the parents that members follow: those given, or None of each class where they do not."""
    return tuple(parents if follows else [None] * len(parents))


def _predict(
    mixes: Mixes, parts: Sequence[Any], joint: _Joint, kept: Sequence[int], labels: LabelSet
) -> Predictions:
    dataset, first = mixes.open(), parts[0]
    index = np.arange(len(first.attempt), dtype=np.int64)
    rows = Predictions.of_mixes(dataset, index, first.attempt, first.targets, first.targets, first.mask)
    return replace(
        rows,
        labels=labels.names,
        scores=joint([part.values for part in parts]),
        targets=first.targets[:, kept],
        mask=first.mask[:, kept],
    )


def _labels_entry(labels: LabelSet) -> dict[str, Any]:
    return {**label_info(labels), "nodes": [list(output.nodes) for output in labels.outputs]}


def _settings(
    catalog: Catalog, out: Path, mix: MixConfig, config: EnsembleConfig, members: Sequence[_Member]
) -> dict[str, Any]:
    places = {"catalog": catalog.place, "out": str(out.absolute())}
    ensemble = {**asdict(config), "members": [member.name for member in members]}
    return {**places, "mix": asdict(mix), "ensemble": ensemble}


def _info(
    out: Path, catalog: Catalog, mix: MixConfig, config: EnsembleConfig, labels: LabelSet
) -> dict[str, Any]:
    return {
        "command": "ensemble",
        "seed": config.eval_seed,
        "eval_seed": config.eval_seed,
        "catalog": catalog_entry(catalog, out),
        "note": demo_note(catalog.path, *catalog.roots.values()),
        "labels": _labels_entry(labels),
        "mix_hash": mix.content_hash,
    }


def _card(
    run: Run,
    mix: MixConfig,
    config: EnsembleConfig,
    members: Sequence[_Member],
    scorers: Sequence[Scorer],
    columns: Sequence[Sequence[int]],
    labels: LabelSet,
) -> dict[str, Any]:
    return {
        "labels": _labels_entry(labels),
        "input": {"sample_rate": mix.sample_rate, "duration_s": mix.duration_s, "channels": 1},
        "note": run.info["note"],
        "output": "the mean over the members that say a class, of "
        + (
            "ranks among their scores on validation"
            if config.combine == "ranks"
            else "calibrated scores; an instrument that one cannot say follows its family"
        ),
        "ensemble": {
            "combine": config.combine,
            "follows_families": config.combine == "calibrated",
            "label_set": members[0].label_set,
            "members": [
                {
                    "name": member.name,
                    "relative": _relative(member.name, run.path),
                    "kind": scorer.kind,
                    "sha256": member.sha256,
                    "note": scorer.note,
                    "columns": list(own),
                }
                for member, scorer, own in zip(members, scorers, columns, strict=True)
            ],
        },
    }


def _relative(name: str, folder: Path) -> str | None:
    """Return the way from the ensemble to a member, so that both can move together; None for a bare name."""
    path = Path(name)
    return Path(os.path.relpath(path, folder.absolute())).as_posix() if path.is_absolute() else None


def _tensors(joint: _Joint) -> dict[str, Any]:
    import torch

    return {
        f"member.{m}": torch.from_numpy(fitted.astype(np.float32)) for m, fitted in enumerate(joint.fitted)
    }


def open_ensemble(run: Run, device: str = "cpu") -> Scorer:
    """Return what an ensemble says: every member scores the window, in its own way.

    Raises:
        RunError: it is damaged, or a member is not where it was or another one than it was fitted with.
        MixlabError: a member cannot be opened.
    """
    check_command(run, "ensemble")
    tensors, card = run.read_model()
    try:
        entry = card["ensemble"]
        members = [_Member(place, entry["label_set"], sha256, 0) for place, sha256 in ensemble_members(run)]
        joint = _Joint(
            entry["combine"],
            tuple(tensors[f"member.{m}"].numpy().astype(np.float64) for m in range(len(members))),
            tuple(tuple(int(c) for c in of["columns"]) for of in entry["members"]),
            _followed(_follows_families(entry), card["labels"]["parents"]),
        )
        outputs = tuple(str(name) for name in card["labels"]["outputs"])
        nodes = tuple(tuple(str(node) for node in of) for of in card["labels"]["nodes"])
        rate, window_s = int(card["input"]["sample_rate"]), float(card["input"]["duration_s"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_ensemble(run, error) from error
    for member in members:
        _check_member(run, member)
    scorers = [member.open(device) for member in members]
    thresholds = card.get("consistent_thresholds") or card.get("thresholds") or {}

    def compute(audio: FloatArray) -> NDArray[np.float32]:
        return joint([whole_scores(scorer, audio, rate) for scorer in scorers])

    def refuse_seen(clips: ClipSet) -> None:
        for scorer in scorers:
            scorer.refuse_seen(clips)

    return Scorer(
        compute=compute,
        labels=outputs,
        parents=tuple(card["labels"]["parents"]),
        thresholds=np.array([float(thresholds.get(name, 0.5)) for name in outputs]),
        sample_rate=rate,
        window_s=window_s,
        source=str(run.path),
        fitted=bool(thresholds),
        thresholds_from="run" if thresholds else "none",
        note="; ".join(filter(None, [str(card.get("note", "")), _members_note(scorers)])),
        device=device,
        label_set=str(card["labels"].get("name", "")),
        nodes=nodes,
        unsaid=tuple(name for name in load_label_set(entry["label_set"]).names if name not in outputs),
        refuse_seen=refuse_seen,
        scored_by=(scored_by_run(run, card), *(by for scorer in scorers for by in scorer.scored_by)),
    )


def _follows_families(entry: Mapping[str, Any]) -> bool:
    """Tell whether members follow families; older versions made ensembles in which none does."""
    found = entry.get("follows_families", False)
    if not isinstance(found, bool):
        raise ValueError(f"follows_families is {found!r}, neither true nor false")
    return found


def _members_note(scorers: Sequence[Scorer]) -> str:
    return "an ensemble of " + " and ".join(scorer.source for scorer in scorers)


def ensemble_members(run: Run) -> list[tuple[str, str]]:
    """Return of each member of an ensemble where it lies now, and the SHA-256 of its weights.

    Raises:
        RunError: it is damaged.
    """
    try:
        members = run.card["ensemble"]["members"]
        return [(_located(run, member), str(member["sha256"])) for member in members]
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_ensemble(run, error) from error


def _no_ensemble(run: Run, error: Exception) -> RunError:
    return RunError(
        f"{run.path}/model.json does not describe an ensemble ({type(error).__name__}: {error}). Make it "
        "again with 'mixlab ensemble'.",
        code="run-damaged",
    )


def _located(run: Run, member: Mapping[str, Any]) -> str:
    """Return where a member lies now: where it was, or as far from the ensemble as it was."""
    name = str(member["name"])
    if Path(name).exists() or not member.get("relative"):
        return name
    beside = Path(os.path.normpath(run.path.absolute() / str(member["relative"])))
    return str(beside) if beside.exists() else name


def _check_member(run: Run, member: _Member) -> None:
    found = _digest(member.name)
    if found != member.sha256:
        raise RunError(
            f"{member.name} is not what {run.path} was fitted with: the SHA-256 of its weights begins with "
            f"{found[:16]}, expected {member.sha256[:16]}. Restore it, or make the ensemble again with "
            "'mixlab ensemble'.",
            code="run-damaged",
        )


def evaluate_ensemble(run: Run, *, metrics: Sequence[str] | None = None) -> Report:
    """Score an ensemble's stored predictions again, and write its report; nothing is mixed or fitted.

    Args:
        run: The run.
        metrics: Metrics of one's own; None takes the run's setting.

    Raises:
        ConfigError: a metric cannot be used.
        RunError: it is no ensemble, or holds no predictions.
    """
    check_command(run, "ensemble")
    run.check_writable()
    stored = {k: v for k, v in run.config["ensemble"].items() if k != "members"}
    config = from_plain(EnsembleConfig, stored)
    with run.held():
        report = score_predictions(
            run,
            run.predictions(),
            metrics=find_metrics(config.metrics if metrics is None else metrics),
            n_resamples=config.bootstrap,
            seed=config.eval_seed,
        )
        run.write_report(report, report_text(run.path.name, report, _facts(run), headings_of_mixes(report)))
        run.update(status="evaluated")
    return report


def _facts(run: Run) -> list[str]:
    """Return what a reader of the report must know of the ensemble."""
    info, entry = run.info, run.card["ensemble"]
    members = [f"{of['name']} `{of['sha256'][:16]}`" for of in entry["members"]]
    return [
        f"{run.card['output']}; members: {', '.join(members)}",
        f"catalog `{info['catalog']['content_hash']}`, label set {info['labels']['name']} "
        f"`{info['labels']['content_hash']}`, seed {info['eval_seed']}",
        "reference and thresholds from validation only, so its own P, R and F1 flatter the ensemble",
    ]
