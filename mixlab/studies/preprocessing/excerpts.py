"""What a network hears of training excerpts: histograms of magnitudes, and average spectra.

Choi's thesis (2018, chapter 5) shows both: Fig. 5.6 and Fig. 5.4. They are measured on the audio that a study
trains on, once, and kept in its folder, where reports find them when the audio is no longer there.
"""

import json
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixlab.catalog.catalog import Catalog
from mixlab.corpora.clips.config import ClipsConfig
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.models import ModelConfig, TaggingModel, build_model
from mixlab.models.config import FrequencyWeighting, Magnitude
from mixlab.models.front_end import standardise_excerpts
from mixlab.studies.folder import StudyFolder
from mixlab.studies.preprocessing.grid import WEIGHTINGS
from mixlab.studies.state import StudyState
from mixlab.training.clips.config import WindowConfig
from mixlab.training.config import from_plain
from mixlab.utils.decode import Source, read_json
from mixlab.utils.files import write_atomic
from mixlab.utils.hashing import digest

__all__ = ["BINS", "Excerpts", "Histogram", "Spectrum", "measure_excerpts", "training_audio"]

FILE = "excerpts.json"

HISTOGRAM_EXCERPTS = 100
"""Excerpts behind the histograms, as in the thesis's Fig. 5.6."""

SPECTRUM_EXCERPTS = 200
"""Excerpts behind the average spectra, as in its Fig. 5.4."""

BINS = 100

_AT_A_TIME = 16
"""Excerpts whose spectrograms are computed together."""


@dataclass(frozen=True)
class Histogram:
    """How often magnitudes have which value, after each excerpt was standardised.

    Attributes:
        magnitude: ``decibel`` or ``linear``.
        edges: Of the ``BINS`` bins, from the lowest value to the highest, equally wide.
        shares: Of all values, per bin; their sum is 1.
        skewness: Third standardised moment; 0 for a normal distribution.
        kurtosis: Fourth standardised moment minus 3; 0 for a normal distribution.
    """

    magnitude: Magnitude
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    skewness: float
    kurtosis: float


@dataclass(frozen=True)
class Spectrum:
    """Mean over excerpts and frames of every band, in decibels, after each excerpt was standardised.

    Attributes:
        weighting: Of frequencies.
        values: One per band, ascending.
    """

    weighting: FrequencyWeighting
    values: tuple[float, ...]


@dataclass(frozen=True)
class Excerpts:
    """What was measured on training excerpts.

    Attributes:
        key: Changes with audio and front end.
        n_histogram: Excerpts behind the histograms.
        n_spectrum: Excerpts behind the spectra.
        centres_hz: Centres of the bands.
        histograms: Of decibels and of power.
        spectra: One per weighting.
    """

    key: str
    n_histogram: int
    n_spectrum: int
    centres_hz: tuple[float, ...]
    histograms: tuple[Histogram, ...]
    spectra: tuple[Spectrum, ...]


def measure_excerpts(folder: StudyFolder) -> Excerpts:
    """Return what was measured on the training excerpts of a study; measure it where that is not done yet.

    Raises:
        MixlabError: it is not, and the audio cannot be read.
        ConfigError: the network is not on mixlab's mel front end.
    """
    state, file = folder.read_state(), folder.path / FILE
    key = digest([state.catalog.content_hash, state.base])
    if file.is_file():
        kept = Source(str(file), "mixlab study").decode(Excerpts, read_json(file, "mixlab study"))
        if kept.key == key:
            return kept
    audio = torch.from_numpy(training_audio(state, SPECTRUM_EXCERPTS))
    found = measure(audio, from_plain(ModelConfig, state.base["train"]["model"]), key)
    write_atomic(file, (json.dumps(asdict(found), indent=1) + "\n").encode(), sync=False)
    return found


def training_audio(state: StudyState, most: int) -> NDArray[np.float32]:
    """Return the audio ``(N, 1, T)`` of the first training excerpts of a study, at most so many.

    Of clips these are windows of as many clips, at random places, if there are so many.

    Raises:
        MixlabError: the audio is not there.
    """
    task = state.conditions[0].task
    if not task:
        mix = from_plain(MixConfig, state.base["mix"])
        mixes = MixDataset(
            Catalog.open(state.catalog.path), mix, seed=0, epoch_size=most, rank=0, world_size=1
        )
        items = [mixes.item(index)["audio"].numpy() for index in range(most)]
        return np.asarray(np.stack(items).mean(axis=1, keepdims=True), np.float32)
    from mixlab.corpora.clips import open_clips
    from mixlab.training.clips.batches import ClipStream, Cut, window_samples

    rate = int(state.base["train"]["model"]["sample_rate"])
    windows = from_plain(WindowConfig, state.base["windows"])
    clips = open_clips(from_plain(ClipsConfig, state.base["tasks"][task]))
    cut = Cut(windows, rate, 1, window_samples(clips, windows, rate))
    stream = ClipStream(clips.only("train"), cut, seed=0, batch_size=1)
    return np.stack([stream.item(index)["audio"].numpy() for index in range(min(most, len(stream.units)))])


def measure(audio: Tensor, config: ModelConfig, key: str = "") -> Excerpts:
    """Measure magnitudes and spectra of audio ``(N, 1, T)``.

    Args:
        audio: Training excerpts; histograms are of the first ``HISTOGRAM_EXCERPTS``.
        config: The network, whose bands are used.
        key: Kept with the result.

    Raises:
        ConfigError: the network is not on mixlab's mel front end.
    """
    decibels = _magnitudes(audio, config, "decibel")
    few = audio[:HISTOGRAM_EXCERPTS]
    histograms = (
        _histogram("decibel", standardise_excerpts(decibels[: len(few)])),
        _histogram("linear", standardise_excerpts(_magnitudes(few, config, "linear"))),
    )
    spectra = tuple(Spectrum(weighting, _spectrum(decibels, config, weighting)) for weighting in WEIGHTINGS)
    centres = tuple(_network(config, "decibel", "bypass").centres_hz.tolist())
    return Excerpts(key, len(few), len(audio), centres, histograms, spectra)


def _network(config: ModelConfig, magnitude: Magnitude, weighting: FrequencyWeighting) -> TaggingModel:
    changed = replace(config, magnitude=magnitude, frequency_weighting=weighting, standardise=True, scale=1.0)
    network = build_model(changed, 1)
    # Networks of other makes have no such settings, so that they were refused.
    assert isinstance(network, TaggingModel)
    return network


@torch.no_grad()
def _magnitudes(audio: Tensor, config: ModelConfig, magnitude: Magnitude) -> Tensor:
    """Return maps ``(N, 1, bands, frames)``."""
    network = _network(config, magnitude, "bypass").eval()
    return torch.cat([network.magnitudes(part) for part in torch.split(audio, _AT_A_TIME)])


@torch.no_grad()
def _spectrum(decibels: Tensor, config: ModelConfig, weighting: FrequencyWeighting) -> tuple[float, ...]:
    # In training mode all excerpts are one batch, over which bands are standardised.
    network = _network(config, "decibel", weighting).train()
    maps = standardise_excerpts(network.weighted(decibels))
    return tuple(maps.mean(dim=(0, 1, 3)).tolist())


def _histogram(magnitude: Magnitude, maps: Tensor) -> Histogram:
    values = maps.double().flatten().numpy()
    counts, edges = np.histogram(values, bins=BINS)
    apart = (values - values.mean()) / max(float(values.std()), np.finfo(np.float64).tiny)
    return Histogram(
        magnitude,
        tuple(edges.tolist()),
        tuple((counts / counts.sum()).tolist()),
        float((apart**3).mean()),
        float((apart**4).mean() - 3),
    )
