"""Features that librosa computes, and what runs say of all kinds of features."""

from collections.abc import Sequence
from typing import Any

from mixlab.training.baselines.features import Descriptors, Extractor
from mixlab.training.baselines.mfcc import MfccStatistics

__all__ = ["feature_title", "network_facts", "plain_extractor", "sample_rate_of"]


def plain_extractor(features: str, sample_rate: int) -> Extractor:
    """Return the extractor of features that need no network."""
    return MfccStatistics(sample_rate) if features == "mfcc" else Descriptors(sample_rate)


def sample_rate_of(extractor: Extractor) -> int:
    """Return the rate of the audio that an extractor takes, in Hz: its own, or its network's."""
    return int(getattr(getattr(extractor, "model", extractor), "sample_rate"))  # noqa: B009


def feature_title(features: str, layers: Sequence[int], extractor: Extractor) -> str:
    """Say what features are, for reports."""
    if features == "descriptors":
        return "MFCC with deltas and spectral statistics (librosa)"
    if features == "mfcc":
        return "means and deviations of MFCC and their differences (librosa)"
    network = getattr(extractor, "title", "a network")
    if features == "embeddings":
        return f"frozen embeddings of {network}"
    blocks = f"blocks {', '.join(map(str, sorted(layers)))}" if layers else "all blocks"
    return f"mean activations of {blocks} of {network}"


def network_facts(extractor: Extractor) -> dict[str, Any]:
    """Return what ``run.json`` holds of the frozen network behind features; {} where there is none."""
    names = {"parameters": "parameters", "weights_sha256": "sha256"}
    return {name: getattr(extractor, own) for name, own in names.items() if hasattr(extractor, own)}
