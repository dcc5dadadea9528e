"""Make the model that comes with mixlab, from the notes that its songs are played by to the file it lies in.

    make notes NOTES=notes
    python -m benchmarks.shipped_model data work --notes notes --soundfont FluidR3_GM.sf2 \
        --only recorded,later,records
    python -m benchmarks.shipped_model table work --recordings recordings --only notes_solos_128 \
        --seeds 0,1,2,3,4
    python -m benchmarks.shipped_model ship work --recordings recordings --seeds 0,1,2,3,4

``data`` composes songs in four parts, three of them played by recorded notes and one by a SoundFont, and
makes packed catalogs of each and of those that go together; what is shipped takes three parts. ``table``
changes one thing at a time against one configuration, with three seeds, and scores every training on real
recordings (``benchmarks/real_recordings.py``); ``summary`` writes what it found into this repository.
``ship`` puts the trainings of one condition side by side into one network, fits its thresholds, and writes it
into the package, with its card. Every step goes on where it was stopped.

Drum kits whose licence is not a Creative Commons one are left out, and no published weights teach what is
shipped: what goes in is on the card.
"""

import argparse
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.shipped_songs import COMMITS, LICENCES, TODAY, make_data
from mixlab.corpora.clips.base import MIX, SOLO, ClipSet
from mixlab.corpora.clips.recordings import read_recordings
from mixlab.inference.scorer import Scorer
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig, PitchRange, StretchRange
from mixlab.models import ModelConfig
from mixlab.synthesis.made_here import NOT_KNOWN
from mixlab.taxonomy import load_taxonomy
from mixlab.training.config import AugmentConfig, TeacherConfig, TrainConfig
from mixlab.training.run import Run
from mixlab.utils.files import write_atomic

__all__ = ["CONDITIONS", "Condition", "average_precision", "interval", "scores_on_recordings", "summary"]

RESULTS = Path("benchmarks/results/shipped_model.json")
BASELINE = "baseline"
SEEDS = (0, 1, 2)
FAMILIES = tuple(load_taxonomy().nodes[family].name for family in load_taxonomy().families)
UNTAGGED = ("woodwind", "brass")
"""Families that the tags of MTG-Jamendo do not speak of."""

MIX_SETTINGS = MixConfig(
    p_musical=0.4,
    balance=0.5,
    effects=EffectsConfig(pitch_shift=PitchRange(p=0.2), time_stretch=StretchRange(p=0.1)),
)
QUICK = ModelConfig(n_mels=64, hop=512, width=32, dropout=0.2)
TRAIN_SETTINGS = TrainConfig(
    model=QUICK,
    lr_head=0.003,
    schedule="cosine",
    epochs=5,
    epoch_size=1600,
    batch_size=32,
    val_size=200,
    test_size=300,
    patience=0,
    precision="bf16",
    threads=1,
    tensorboard=False,
    bootstrap=0,
)


@dataclass(frozen=True)
class Condition:
    """One row of the table: what differs from the baseline.

    Attributes:
        title: What it is, in words.
        data: Name of the catalog.
        mix: Settings of the mixing that differ.
        train: Settings of the training that differ.
        model: Settings of the network that differ.
    """

    title: str
    data: str = "both"
    mix: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, seed: int) -> tuple[MixConfig, TrainConfig]:
        """Return its settings for a seed."""
        model = replace(TRAIN_SETTINGS.model, **self.model)
        train = replace(TRAIN_SETTINGS, **{"model": model, "seed": seed, **self.train})
        return replace(MIX_SETTINGS, **self.mix), train


_EFFICIENT = ModelConfig(architecture="efficientnet_lite0", n_mels=64, hop=512, dropout=0.2)
_SLOWER = {"lr_head": 0.001}
_FROM_IMAGES: dict[str, Any] = {
    "model": _EFFICIENT,
    "transfer": "finetune",
    "pretrained": "imagenet_efficientnet_lite0",
    "lr_backbone": 0.001,
    **_SLOWER,
}

CONDITIONS: dict[str, Condition] = {
    BASELINE: Condition("baseline: composed by recorded notes and by a SoundFont, p_musical 0.4"),
    "recorded": Condition("data: recorded notes alone", data="recorded"),
    "soundfont": Condition("data: composed songs by the SoundFont alone", data="soundfont"),
    "demo": Condition("data: demo corpora, as many songs", data="demo"),
    "p_musical_1": Condition("p_musical 1", mix={"p_musical": 1.0}),
    "p_musical_0": Condition("p_musical 0", mix={"p_musical": 0.0}),
    "no_effects": Condition("no effects", mix={"effects": EffectsConfig.none()}),
    "studio": Condition(
        "effects: preset studio", mix={"effects": replace(MIX_SETTINGS.effects, preset="studio")}
    ),
    "wild": Condition("effects: preset wild", mix={"effects": replace(MIX_SETTINGS.effects, preset="wild")}),
    "masks": Condition(
        "SpecAugment: two stripes of bands, two of time",
        train={"augment": AugmentConfig(frequency_masks=2, time_masks=2)},
    ),
    "mixup": Condition("mixup of mixes, half of them", train={"augment": AugmentConfig(p_mixup=0.5)}),
    "random_level": Condition("random level, -45 to -10 LUFS", mix={"mixture_lufs": (-45.0, -10.0)}),
    "peak": Condition("every window to full scale", model={"level": "peak"}),
    "standardise": Condition("every map to mean 0, deviation 1", model={"standardise": True}),
    "ema": Condition("mean of weights, decay 0.99", train={"ema": 0.99}),
    "window_2": Condition("windows of 2 s", mix={"duration_s": 2.1}),
    "window_8": Condition("windows of 8 s", mix={"duration_s": 8.0}),
    "mels_128": Condition("128 bands, hop 256", model={"n_mels": 128, "hop": 256}),
    "fft_1024": Condition("Hann windows of 1024", model={"n_fft": 1024}),
    "wider": Condition("64 to 256 channels", model={"width": 64}),
    "longer": Condition("three times as many mixes", train={"epoch_size": 4800}),
    "matched": Condition(
        "songs that fit in tempo and key in place of non-musical mixes",
        mix={"strategies": {"musical": 0.4, "matched": 0.6}},
    ),
    "singles": Condition("30 % solos", mix={"p_single_source": 0.3}),
    "no_balance": Condition("songs uniformly, not classes", mix={"balance": 0.0}),
    "imagenet": Condition(
        "EfficientNet-Lite0 from ImageNet's weights",
        train=_FROM_IMAGES,
    ),
    "peak_all": Condition(
        "full scale, and 80 songs more, lined up and mixed more as records are",
        data="all",
        model={"level": "peak"},
    ),
    "imagenet_peak": Condition(
        "EfficientNet-Lite0 from ImageNet's weights, full scale, the same songs, 6,000 mixes",
        data="all",
        train={**_FROM_IMAGES, "epoch_size": 1200, "model": replace(_EFFICIENT, level="peak")},
    ),
    "recorded_peak": Condition("recorded notes alone, full scale", data="recorded", model={"level": "peak"}),
    "recorded_solos": Condition(
        "recorded notes alone, full scale, 30 % solos",
        data="recorded",
        mix={"p_single_source": 0.3},
        model={"level": "peak"},
    ),
    "notes_solos": Condition(
        "all songs of recorded notes, full scale, 30 % solos",
        data="notes",
        mix={"p_single_source": 0.3},
        model={"level": "peak"},
    ),
    "notes_solos_128": Condition(
        "the same, 128 bands, hop 256",
        data="notes",
        mix={"p_single_source": 0.3},
        model={"level": "peak", "n_mels": 128, "hop": 256},
    ),
    "notes_solos_longer": Condition(
        "all songs of recorded notes, full scale, 30 % solos, three times as many mixes",
        data="notes",
        mix={"p_single_source": 0.3},
        train={"epoch_size": 4800},
        model={"level": "peak"},
    ),
    "notes_solos_wide": Condition(
        "all songs of recorded notes, full scale, 30 % solos, 64 to 256 channels, twice as many mixes",
        data="notes",
        mix={"p_single_source": 0.3},
        train={"epoch_size": 3200},
        model={"level": "peak", "width": 64},
    ),
    "recorded_solos_more": Condition(
        "recorded notes alone, full scale, half solos",
        data="recorded",
        mix={"p_single_source": 0.5},
        model={"level": "peak"},
    ),
    "recorded_solos_8": Condition(
        "recorded notes alone, full scale, 30 % solos, windows of 8 s",
        data="recorded",
        mix={"p_single_source": 0.3, "duration_s": 8.0},
        model={"level": "peak"},
    ),
    "recorded_wide": Condition(
        "recorded notes alone, full scale, 64 to 256 channels",
        data="recorded",
        model={"level": "peak", "width": 64},
    ),
    "notes_peak": Condition("all songs of recorded notes, full scale", data="notes", model={"level": "peak"}),
    "records": Condition("data: recorded notes alone, line-ups as frequent as on records", data="records"),
    "notes": Condition("data: all songs of recorded notes", data="notes"),
    "imagenet_recorded": Condition(
        "EfficientNet-Lite0 from ImageNet's weights, full scale, recorded notes alone",
        data="recorded",
        train={**_FROM_IMAGES, "model": replace(_EFFICIENT, level="peak")},
    ),
    "imagenet_notes": Condition(
        "EfficientNet-Lite0 from ImageNet's weights, full scale, all songs of recorded notes",
        data="notes",
        train={**_FROM_IMAGES, "model": replace(_EFFICIENT, level="peak")},
    ),
    "imagenet_solos": Condition(
        "EfficientNet-Lite0 from ImageNet's weights, full scale, all songs of recorded notes, 30 % solos",
        data="notes",
        mix={"p_single_source": 0.3},
        train={**_FROM_IMAGES, "model": replace(_EFFICIENT, level="peak")},
    ),
    "efficientnet": Condition(
        "EfficientNet-Lite0 from random weights", train={"model": _EFFICIENT, **_SLOWER}
    ),
    "taught": Condition(
        "taught by jamendo_musicnn (not for what is shipped)",
        train={"teacher": TeacherConfig("jamendo_musicnn", 1.0)},
    ),
}
"""By the name of their folders, in the order in which they are trained."""


# ---- the table ----


def average_precision(scores: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Return the average precision of scores ``(N,)``, ties taken together; NaN where nothing is present."""
    if not truth.any() or not np.isfinite(scores).all():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order])
    last = np.append(ranked[1:] != ranked[:-1], True)
    found, at = hits[last], np.flatnonzero(last) + 1
    return float(np.sum(np.diff(found, prepend=0) * found / at) / hits[-1])


def family_scores(scorer: Scorer, clips: ClipSet) -> NDArray[np.float64]:
    """Return what is said of the eight families in clips, ``(N, 8)``; NaN of those that are not said."""
    from mixlab.inference.clip_scores import score_clips

    scores, problems = score_clips(clips, scorer)
    if problems:
        raise SystemExit(f"clips cannot be read: {problems}")
    said = [family for family in FAMILIES if family in scorer.labels]
    found = np.full((len(clips), len(FAMILIES)), np.nan)
    found[:, [FAMILIES.index(f) for f in said]] = scores[:, [scorer.labels.index(f) for f in said]]
    return found


def by_family(scores: NDArray[Any], clips: ClipSet, rows: NDArray[Any]) -> dict[str, float]:
    """Return the average precision of each family that is known to sound in some of the clips."""
    found = {}
    for k, family in enumerate(FAMILIES):
        c = clips.classes.index(family)
        known = rows[clips.mask[rows, c]]
        value = average_precision(scores[known, k], clips.targets[known, c] > 0.5)
        if np.isfinite(value):
            found[family] = value
    return found


def means(values: Mapping[str, float]) -> dict[str, float]:
    """Return the mean over all families, and over those that published tags speak of."""
    tagged = [value for family, value in values.items() if family not in UNTAGGED]
    return {"8": float(np.mean([*values.values()])), "6": float(np.mean(tagged))}


def scores_on_recordings(scores: NDArray[Any], clips: ClipSet) -> dict[str, Any]:
    """Return macro AP over 8 and 6 families, on all clips, solos and mixes, and each family's."""
    kinds = np.array(clips.kinds)
    all_rows = np.arange(len(clips))
    parts = {"all": all_rows, "solos": all_rows[kinds == SOLO], "mixes": all_rows[kinds == MIX]}
    values = {part: by_family(scores, clips, rows) for part, rows in parts.items()}
    return {**{part: means(found) for part, found in values.items()}, "families": values["all"]}


def interval(
    ours: Sequence[NDArray[Any]], theirs: Sequence[NDArray[Any]], clips: ClipSet, resamples: int = 300
) -> dict[str, list[float]]:
    """Return the 95 % interval, over groups of clips, of the difference of two means over seeds.

    Groups are resampled with replacement; a mean is over the families that a resample holds. Without
    ``theirs`` it is that of the mean itself.
    """
    groups = np.array([clip.group for clip in clips.clips])
    rows_of = [np.flatnonzero(groups == group) for group in dict.fromkeys(groups)]
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {"8": [], "6": []}
    for _ in range(resamples):
        rows = np.concatenate([rows_of[k] for k in rng.integers(len(rows_of), size=len(rows_of))])
        for name in found:
            own = [means(by_family(scores, clips, rows))[name] for scores in ours]
            other = [means(by_family(scores, clips, rows))[name] for scores in theirs]
            found[name].append(float(np.mean(own) - (np.mean(other) if other else 0.0)))
    return {name: [float(np.percentile(v, q)) for q in (2.5, 97.5)] for name, v in found.items()}


def run_trial(work: Path, recordings: Path, name: str, seed: int) -> dict[str, Any]:
    """Train one condition with one seed, or go on with it, and score it; what is done is read back."""
    from mixlab.inference import open_run
    from mixlab.training import train

    place = work / "runs" / f"{name}-seed{seed}"
    done = place.with_suffix(".json")
    if done.is_file():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    condition = CONDITIONS[name]
    mix, config = condition.settings(seed)
    resume = (place / "run.json").is_file()
    if not resume:
        shutil.rmtree(place, ignore_errors=True)
    catalog = work / "catalogs" / condition.data / "catalog"
    run, report = train(catalog, place, mix, config, resume=resume)
    if report is None:
        raise SystemExit(f"{place} was interrupted")
    clips = read_recordings(recordings)
    scores = family_scores(open_run(place, device="cpu"), clips)
    np.save(place.with_suffix(".npy"), scores)
    families = [row for row in report.test.classes if row.name in FAMILIES]
    result = {
        "condition": name,
        "seed": seed,
        "minutes": round(sum(row["seconds"] for row in run.metrics()) / 60, 1),
        "parameters": run.info["parameters"],
        "test": float(np.nanmean([row.scores["average_precision"].value for row in families])),
        "recordings": scores_on_recordings(scores, clips),
    }
    write_atomic(done, json.dumps(result, indent=1) + "\n")
    return result


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def make_table(
    work: Path, recordings: Path, names: Sequence[str], seeds: Iterable[int], parallel: int
) -> None:
    """Train all conditions, seed after seed, and write the table of ``work``."""
    trials = [(name, seed) for seed in seeds for name in names]
    with ProcessPoolExecutor(parallel, get_context("spawn"), initializer=_one_thread) as pool:
        waiting = {pool.submit(run_trial, work, recordings, *trial): trial for trial in trials}
        for future in as_completed(waiting):
            name, seed = waiting[future]
            if error := future.exception():
                print(f"{name} seed {seed} FAILED: {error}", flush=True)
                continue
            result = future.result()
            on = result["recordings"]
            print(
                f"{name} seed {seed}: 8 {on['all']['8']:.3f}  6 {on['all']['6']:.3f}  "
                f"solos {on['solos']['6']:.3f}  mixes {on['mixes']['6']:.3f}  test {result['test']:.3f}  "
                f"{result['minutes']} min",
                flush=True,
            )
    write_atomic(work / RESULTS.name, json.dumps(summary(work, recordings), indent=1) + "\n")


def summary(work: Path, recordings: Path) -> dict[str, Any]:
    """Return the table of what was trained so far, with paired differences to the baseline."""
    clips = read_recordings(recordings)
    found: dict[str, Any] = {}
    kept: dict[str, dict[int, NDArray[Any]]] = {}
    for name, condition in CONDITIONS.items():
        files = sorted((work / "runs").glob(f"{name}-seed*.json"))
        trials = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        trials = [trial for trial in trials if trial["condition"] == name]
        if not trials:
            continue
        kept[name] = {t["seed"]: np.load(work / "runs" / f"{name}-seed{t['seed']}.npy") for t in trials}
        for trial in trials:
            trial["recordings"] = scores_on_recordings(kept[name][trial["seed"]], clips)
        found[name] = {"title": condition.title, "trials": trials}
        shared = [seed for seed in kept[name] if seed in kept.get(BASELINE, {})]
        if name != BASELINE and shared:
            first = {t["seed"]: t for t in found[BASELINE]["trials"]}
            differences = {
                size: [
                    t["recordings"]["all"][size] - first[t["seed"]]["recordings"]["all"][size]
                    for t in trials
                    if t["seed"] in shared
                ]
                for size in ("8", "6")
            }
            found[name]["difference"] = {
                size: {"mean": float(np.mean(values)), "by_seed": values}
                for size, values in differences.items()
            }
            found[name]["interval"] = interval(
                [kept[name][s] for s in shared], [kept[BASELINE][s] for s in shared], clips
            )
    return {"clips": len(clips), "conditions": found}


# ---- what is shipped ----

CHOSEN = "notes_solos_128-joined"
"""What is shipped: the trainings of one condition, side by side in one network."""

WEAKNESSES = (
    "it is five networks together; alone they gave .547 to .665 over eight families",
    "voice, of one singer in these clips, is found half (AP .58), better together with published weights",
    "of the clips most families have a handful, so that its scores are known roughly",
    "bowed strings and woodwind are hardly found on recordings (AP .30, .27)",
)


def join(work: Path, name: str, seeds: Sequence[int]) -> Run:
    """Put the trainings of one condition side by side into one network, and fit thresholds for it.

    The network is a run of its own, scored on the same validation and test mixes as each of them.
    """
    from dataclasses import asdict

    from mixlab.models import plain_settings
    from mixlab.models.short_chunk import ensemble_weights
    from mixlab.training import evaluate_run

    place = work / "runs" / f"{name}-joined"
    if (place / "report.json").is_file():
        return Run.open(place)
    shutil.rmtree(place, ignore_errors=True)
    runs = [Run.open(work / "runs" / f"{name}-seed{seed}") for seed in seeds]
    states, card = [run.read_model()[0] for run in runs], runs[0].card
    alone = CONDITIONS[name].settings(0)[1].model
    model = replace(alone, architecture="short_chunk_ensemble", parameters={"members": len(runs)})
    config = runs[0].config
    info = {**runs[0].info, "parameters": sum(run.info["parameters"] for run in runs)}
    train = {**config["train"], "model": asdict(model)}
    joined = Run.create(place, {**config, "out": str(place), "train": train}, info)
    weights = ensemble_weights(states)
    joined.write_model(
        weights,
        {
            **card,
            "config": plain_settings(model),
            "parameters": info["parameters"],
            "trained": {**card["trained"], "seeds": list(seeds)},
        },
    )
    shutil.copy(runs[0].path / "metrics.csv", place)
    evaluate_run(joined)
    return joined


def reference_sound(sample_rate: int, seconds: float) -> NDArray[np.float32]:
    """Return four windows of sound that is the same everywhere, ``(4, 1, T)``: what a card's scores are of.

    A chord, a beat of noise, both, and silence.
    """
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    beat = t % 0.5
    chord = sum(np.sin(2 * np.pi * f * k * t) / k for f in (220.0, 261.63, 329.63) for k in (1, 2, 3))
    # A noise that needs no generator: the fractional part of a fast sine.
    noise = np.modf(np.sin(np.arange(len(t)) * 12.9898) * 43758.5453)[0]
    parts = [0.1 * chord * np.exp(-4 * beat), 0.5 * noise * np.exp(-60 * beat)]
    return np.stack([*parts, parts[0] + parts[1], 0 * t])[:, None].astype(np.float32)


def licences(work: Path) -> list[dict[str, str]]:
    """Return the libraries that the songs were played by, each once, with their licences."""
    # Earlier composers gave some libraries other names, and did not read the licences of all kits.
    known = json.loads((work / LICENCES).read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for record in sorted((work / "composed").glob("*/composed.json")):
        settings = json.loads(record.read_text(encoding="utf-8"))["settings"]
        for library in settings["libraries"]:
            found[library["name"]] = known.get(library["name"], library["licence"])
        found |= {font["file"]: FONTS.get(font["file"], "") for font in settings["soundfonts"]}
    if unknown := [name for name, said in found.items() if not said or said.startswith(NOT_KNOWN)]:
        raise SystemExit(f"the licences of {unknown} are not known; they must not go into what is shipped")
    return [{"name": name, "licence": licence} for name, licence in sorted(found.items())]


FONTS = {"FluidR3_GM.sf2": "MIT, Copyright (c) 2000-2002, 2008 Frank Wen"}


def ship(work: Path, recordings: Path, chosen: str) -> None:
    """Write weights and card into the package, and say what to enter in ``checkpoint_list``."""
    from safetensors.torch import save

    from mixlab.models.shipped_model import SHIPPED, shipped_card, shipped_file
    from mixlab.utils.hashing import file_digest

    run = Run.open(work / "runs" / chosen)
    name, joined = chosen.removesuffix("-joined"), chosen.endswith("-joined")
    seeds = run.card["trained"]["seeds"] if joined else [run.config["train"]["seed"]]
    members = [Run.open(work / "runs" / f"{name}-seed{seed}") for seed in seeds] if joined else [run]
    state, card = run.read_model()
    kept = {
        # What a front end computes from its settings need not be carried.
        name: value.half() if value.ndim > 1 and value.is_floating_point() else value
        for name, value in state.items()
        if not name.startswith("spec.")
    }
    shipped_file().parent.mkdir(exist_ok=True)
    write_atomic(shipped_file(), save({name: value.contiguous() for name, value in kept.items()}))
    report, clips = run.report(), read_recordings(recordings)
    scores = shipped_scores(run, clips)
    started, config = card["pretrained_file"], run.config
    content = {
        "name": SHIPPED,
        "sha256": file_digest(shipped_file()),
        "size": shipped_file().stat().st_size,
        "classes": card["labels"]["outputs"],
        "label_set": card["labels"]["name"],
        "input": card["input"],
        "network": card["config"],
        "parameters": card["parameters"],
        "started_from": started
        and {
            name: started[name] for name in ("known_as", "sha256", "licence_weights", "trained_on", "project")
        },
        "thresholds": card["consistent_thresholds"],
        "trained": {
            **card["trained"],
            "seeds": seeds,
            "mixes": sum(config["train"]["batch_size"] * int(one.metrics()[-1]["step"]) for one in members),
            "minutes": round(sum(row["seconds"] for one in members for row in one.metrics()) / 60, 1),
            "versions": card["versions"],
            "commands": [
                " ".join(line.split()) for line in str(__doc__).splitlines() if line.startswith("    ")
            ],
            "settings": {name: config[name] for name in ("mix", "train")},
        },
        "sound": {
            "what": "songs composed by mixlab; voices and synthesizers are computed by mixlab, all else is "
            "played by these libraries",
            "libraries": licences(work),
        },
        "scores": {
            "measure": "macro average precision",
            "composed_test": {
                row.name: round(row.scores["average_precision"].value, 4)
                for row in report.test.classes
                if row.support
            },
            "recordings": {
                **scores_on_recordings(scores, clips),
                "interval_over_groups": interval([scores], [], clips, 1000),
                "note": f"{len(clips)} clips of benchmarks/real_recordings.py, by which the settings of this "
                "model were chosen: they flatter it",
            },
        },
        "weaknesses": list(WEAKNESSES),
        "reference": reference_scores(card),
    }
    write_atomic(shipped_card(), json.dumps(content, indent=1) + "\n")
    print(f"sha256={content['sha256']!r}, size={content['size']}, model={card['config']}")


def _shipped_network(card: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a scorer, loaded where it is used
    """Return a scorer of the file as it lies in the package, whatever ``checkpoint_list`` says of it."""
    from mixlab.inference.scorer import network_scores
    from mixlab.models import build_model, load_weights, read_weights
    from mixlab.models.shipped_model import shipped_file
    from mixlab.training.config import from_plain

    model = build_model(from_plain(ModelConfig, card["config"]), len(card["labels"]["outputs"]))
    load_weights(model, read_weights(shipped_file()))
    return network_scores(model.eval())


def shipped_scores(run: Run, clips: ClipSet) -> NDArray[np.float64]:
    """Return what the shipped file says of the families in clips, ``(N, 8)``."""
    from mixlab.inference import open_run

    scorer = replace(open_run(run, device="cpu"), compute=_shipped_network(run.card))
    return family_scores(scorer, clips)


def reference_scores(card: Mapping[str, Any]) -> list[list[float]]:
    """Return what the shipped file says of ``reference_sound``."""
    sound = reference_sound(card["input"]["sample_rate"], card["input"]["duration_s"])
    return [[round(float(value), 5) for value in row] for row in _shipped_network(card)(sound)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", choices=("data", "table", "summary", "ship"))
    parser.add_argument("work", type=Path)
    parser.add_argument("--notes", type=Path)
    parser.add_argument("--soundfont", type=Path)
    parser.add_argument("--songs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--composer",
        type=int,
        choices=(TODAY, *COMMITS),
        help="version of the composer that writes all songs, 0 for that of the code as it is; by default "
        "each part is written by the one that wrote it when the model was made",
    )
    parser.add_argument("--recordings", type=Path)
    parser.add_argument("--only", default="", help="parts of the data, or conditions, with commas between")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--run", default=CHOSEN, help="which training of the table is shipped")
    given = parser.parse_args()
    only = [name for name in given.only.split(",") if name]
    if given.step == "data":
        sizes = (given.songs, given.seconds, given.workers)
        make_data(given.work, given.notes, given.soundfont, *sizes, only, given.composer)
    elif given.step == "table":
        seeds = [int(seed) for seed in given.seeds.split(",")]
        make_table(given.work, given.recordings, only or [*CONDITIONS], seeds, given.parallel)
    elif given.step == "ship":
        if given.run.endswith("-joined"):
            join(
                given.work, given.run.removesuffix("-joined"), [int(seed) for seed in given.seeds.split(",")]
            )
        ship(given.work, given.recordings, given.run)
    else:
        write_atomic(RESULTS, json.dumps(summary(given.work, given.recordings), indent=1) + "\n")


if __name__ == "__main__":
    main()
