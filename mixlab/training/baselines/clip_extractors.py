"""What computes the features of clips, and how it hears them, as a baseline's settings say."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from mixlab.corpora.clips import ClipSet
from mixlab.errors import AudioError
from mixlab.models import ModelConfig
from mixlab.training.baselines.clip_config import ClipBaselineConfig
from mixlab.training.baselines.clip_features import ClipFeatures, Hearing
from mixlab.training.baselines.embeddings import (
    BATCH,
    CALIBRATION_ITEMS,
    Calibration,
    Embeddings,
    NetworkChoice,
    block_columns,
    find_network,
)
from mixlab.training.baselines.features import Extractor
from mixlab.training.baselines.plain_features import plain_extractor
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.reading import fill, load_windows

__all__ = ["chosen_blocks", "find_extractor"]


def find_extractor(
    config: ClipBaselineConfig, clips: ClipSet, windows: WindowConfig, cache: Path
) -> tuple[Extractor, Hearing]:
    """Return what computes features, and how it hears clips.

    Args:
        config: Settings.
        clips: All clips; the statistics of random weights are measured on those of training.
        windows: Windows of a clip, and its level.
        cache: Where random weights are kept, so that every process has the same.

    Raises:
        WeightsError: there are no weights where ``config.weights`` says.
        ConfigError: they do not fit the network, or windows are too short for it.
    """
    if not config.needs_network:
        rate = config.model.sample_rate
        return plain_extractor(config.features, rate), Hearing(windows, rate)
    choice = NetworkChoice(
        config.weights,
        config.model,
        config.pretrained_stream,
        config.features == "convnet",
        "as_mixed",  # the level of clips is that of their windows
        config.seed,
    )
    training = clips.only("train")
    calibration = _clips_to_measure(training, windows)
    n_samples = round(windows.duration_s * config.model.sample_rate)
    found = find_network(choice, calibration, cache, n_samples)
    least = found.min_samples if windows.whole else 0
    return found, Hearing(windows, found.model.sample_rate, found.channels, least)


def _clips_to_measure(clips: ClipSet, windows: WindowConfig) -> Calibration:
    """Return the first windows of some training clips, all as long as that of the first clip."""
    chosen = clips.clips[:: max(1, len(clips) // CALIBRATION_ITEMS)][:CALIBRATION_ITEMS]

    def audio(model: ModelConfig, channels: int, least: int) -> Iterator[Tensor]:
        held: list[Tensor] = []
        samples = 0
        for clip in chosen:
            try:
                window = load_windows(clip, model.sample_rate, channels, windows)[0]
            except AudioError:
                continue  # named where its features are computed
            samples = samples or max(window.shape[1], least)
            held.append(torch.from_numpy(fill(window, samples, windows.padding)))
            # Two are kept back: batch norm cannot measure a last batch of one.
            if len(held) == BATCH + 2:
                yield torch.stack(held[:BATCH])
                held = held[BATCH:]
        if held:
            yield torch.stack(held)

    return Calibration(("clips 1", clips.content_hash, asdict(windows)), audio)


def chosen_blocks(found: ClipFeatures, extractor: Extractor, config: ClipBaselineConfig) -> ClipFeatures:
    """Leave the values of the blocks that are wanted."""
    if not isinstance(extractor, Embeddings) or not extractor.blocks:
        return found
    return replace(found, values=found.values[:, block_columns(extractor.widths, config.layers)])
