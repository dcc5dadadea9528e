"""Run folders as training leaves them, scored on real mixes of a catalog, but with made-up scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mixlab import Catalog, MixConfig, load_label_set, render_mix, sample_recipe
from mixlab.evaluation import METRICS, Metric
from mixlab.evaluation.predictions import Predictions
from mixlab.taxonomy import load_taxonomy
from mixlab.training.config import TrainConfig
from mixlab.training.reporting import score_predictions
from mixlab.training.run import Run

NOTE = "demo numbers: made on synthetic demo corpora, never results"
SPLITS = ("validation", "test")


def mixes(catalog: Catalog, config: MixConfig, n: int, seed: int) -> Predictions:
    """Sample and render the fixed mixes of validation and test; scores are 0 still."""
    parts = [
        render_mix(sample_recipe(catalog, config.for_evaluation(), seed, 0, index, split=split), catalog)
        for split in SPLITS
        for index in range(n)
    ]
    return Predictions(
        labels=load_label_set(config.label_set).names,
        split=np.array([split for split in SPLITS for _ in range(n)], dtype=object),
        index=np.array([*range(n), *range(n)]),
        group=np.array([mix.recipe.sources[0].stem.rpartition("/")[0] for mix in parts], dtype=object),
        scores=np.zeros((2 * n, len(parts[0].target)), np.float32),
        targets=np.stack([mix.target for mix in parts]),
        mask=np.stack([mix.mask for mix in parts]),
        mix_id=np.array([mix.recipe.mix_id for mix in parts], dtype=object),
        attempt=np.zeros(2 * n, np.int64),
        recipes=np.array([mix.recipe.to_json() for mix in parts], dtype=object),
    )


def write_scored(
    path: Path,
    catalog: Catalog,
    *,
    noise: float = 1.0,
    seed: int = 0,
    n: int = 30,
    mix: MixConfig | None = None,
    eval_seed: int = 0,
    sampled: Predictions | None = None,
) -> Run:
    """Write a run that hears through so much noise, with its report.

    Args:
        path: The folder.
        catalog: Where its mixes come from.
        noise: In logits; the truth is worth 3 of them.
        seed: Of the noise.
        n: Mixes of each split.
        mix: Settings of the mixing.
        eval_seed: Of its fixed mixes.
        sampled: Predictions of the same mixes, so that they need not be made again.
    """
    mix, config = mix or MixConfig(), TrainConfig(seed=seed, eval_seed=eval_seed, val_size=n, test_size=n)
    labels = load_label_set(mix.label_set)
    info = {
        "seed": seed,
        "eval_seed": eval_seed,
        "note": NOTE,
        "catalog": {"path": str(catalog.path), "content_hash": catalog.content_hash, "relative": None},
        "labels": {
            "name": labels.name,
            "content_hash": labels.content_hash,
            "outputs": labels.names,
            "parents": labels.parents(load_taxonomy()),
        },
    }
    run = Run.create(
        path, {"catalog": str(catalog.path), "out": str(path), "mix": mix, "train": config}, info
    )
    for epoch in (1, 2, 3):
        scores = {"validation_average_precision": 0.5 + 0.1 * epoch, "validation_roc_auc": 0.6 + 0.1 * epoch}
        losses = {"train_loss": 1 / epoch, "validation_loss": 1.1 / epoch}
        run.write_metrics({"epoch": epoch, "best": int(epoch == 3), **losses, **scores})
    sampled = sampled or mixes(catalog, mix, n, eval_seed)
    rng = np.random.default_rng([seed, 1])
    logits = 3 * sampled.targets - 1.5 + noise * rng.standard_normal(sampled.targets.shape)
    run.write_predictions(replace(sampled, scores=(1 / (1 + np.exp(-logits))).astype(np.float32)))
    write_report(run)
    return run


def write_report(run: Run, metrics: Sequence[Metric] = tuple(METRICS.values())) -> None:
    """Score the stored predictions and write the report, as ``mixlab evaluate`` does."""
    report = score_predictions(run, run.predictions(), metrics=metrics, n_resamples=1000, seed=0)
    run.write_report(report, "# report\n")
    run.update(status="evaluated")
