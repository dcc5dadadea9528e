"""Run folders on labelled clips as training leaves them, scored with made-up scores of real clips."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from mixlab.corpora.clips import ClipsConfig, open_clips
from mixlab.evaluation.predictions import Predictions
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.records import clip_info, clip_predictions
from mixlab.training.config import TrainConfig
from mixlab.training.run import Run
from tests.scored_run import SPLITS, write_report


def write_clip_run(
    path: Path, root: Path, *, noise: float = 1.0, seed: int = 0, single_label: bool = True
) -> Run:
    """Write a run that hears clips through so much noise, with its report.

    Args:
        path: The folder.
        root: Clips, a folder per class.
        noise: In logits; the truth is worth 3 of them.
        seed: Of the noise.
        single_label: Whether scores are a softmax and the highest decides; else each is a sigmoid.
    """
    config, loss = ClipsConfig("folder", str(root)), "softmax" if single_label else "bce"
    clips = open_clips(config)
    train = TrainConfig(loss=loss, seed=seed)
    info = clip_info("train-clips", config, clips, single_label=single_label, seed=seed, eval_seed=0)
    settings = {"out": str(path), "clips": asdict(config), "windows": WindowConfig(), "train": train}
    run = Run.create(path, settings, info)
    for epoch in (1, 2):
        row = {"epoch": epoch, "train_loss": 1 / epoch, "validation_loss": 1.1 / epoch}
        run.write_metrics({**row, "validation_accuracy": 0.4 + 0.1 * epoch, "best": int(epoch == 2)})
    rng, parts = np.random.default_rng([seed, 3]), []
    for split in SPLITS:
        part = clips.only(split)
        logits = 3 * part.targets + noise * rng.standard_normal(part.targets.shape)
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        if not single_label:
            scores = 1 / (1 + np.exp(1.5 - logits))
        rows = np.arange(len(part))
        parts.append(
            clip_predictions(part, split, rows, scores.astype(np.float32), single_label=single_label)
        )
    run.write_predictions(Predictions.join(parts))
    write_report(run)
    return run
