"""The device's half: a batch of raw excerpts becomes mixtures, targets and masks."""

import torch
from torch import Tensor

from mixlab.audio.io import FLOOR_DB, HOP_S
from mixlab.errors import ConfigError
from mixlab.mixing.config import RenderSettings
from mixlab.mixing.gpu.cancelling import Hops
from mixlab.mixing.gpu.filters import cascade
from mixlab.mixing.gpu.raw import PRESENT, UNCERTAIN, RawBatch
from mixlab.mixing.gpu.shifting import shift

__all__ = ["render_batch"]

# Memory that the sources processed at a time may take: several copies of their sound, and filters' spectra.
_GROUP_BYTES = {"cpu": 256 << 20, "cuda": 4 << 30}
_BYTES_PER_SAMPLE = 64


@torch.no_grad()
def render_batch(
    raw: RawBatch,
    device: torch.device | str | None = None,
    *,
    sources: bool = False,
    frames: bool = False,
    max_sources: int | None = None,
) -> dict[str, Tensor]:
    """Render a batch of mixes.

    The same parameters as ``mixlab.render_mix`` and, within the tolerance that ``docs/device.md`` states, the
    same audio; targets and masks are the same. The same batch gives the same bytes on the same machine.

    Args:
        raw: From ``prepare_batch``, on the host.
        device: A CPU or CUDA device; by default the CUDA device where there is one.
        sources: Also return the sources.
        frames: Also return labels per 100 ms.
        max_sources: Places for sources, at least as many as the largest mix has; by default as many.

    Returns:
        On the device, as batches of ``MixDataset`` have them: ``audio`` float32 ``(items, channels,
        samples)``, ``target`` float32 and ``mask`` bool ``(items, classes)``, ``epoch``, ``index`` and
        ``attempt`` int64 ``(items,)``, which stay on the host, and besides ``scale_db`` float32
        ``(items,)``: what was taken off to keep the peak limit. With ``sources``: ``sources`` ``(items,
        max_sources, channels, samples)``, ``source_target`` and ``source_mask`` ``(items, max_sources,
        classes)``. With ``frames``: ``frame_target`` and ``frame_mask`` ``(items, classes, hops)``.

    Raises:
        ConfigError: the device is of another kind.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    if device.type not in _GROUP_BYTES:
        raise ConfigError(
            f"Mixes are rendered on {' or '.join(_GROUP_BYTES)} devices (frequencies need float64), found "
            f"{str(device)!r}. Render on the CPU and copy the batch.",
            code="unsupported-device",
        )
    batch = _Batch(raw, device, max_sources or 0)
    audio = batch.empty(raw.settings.channels, raw.settings.samples)
    _render_sources(batch, audio.flatten(0, 1))
    mixture, scale_db = _sum(audio, raw.settings.peak_limit)
    hops = Hops(audio.shape[-1], raw.settings.sample_rate, device)
    powers = hops.powers(audio), hops.powers(mixture)
    cancelled = hops.find_cancelled(audio, *powers) & batch.spread(raw.sounding)[:, :, 0]
    states = _judge(batch, powers, cancelled)
    made = {"audio": mixture, **_targets(batch, states)}
    # On the host, where loaders look at them: reading them back would wait for the device.
    made["epoch"], made["index"], made["attempt"] = raw.items.clone().unbind(1)
    made["scale_db"] = scale_db
    if frames:
        made |= _frame_targets(batch, cancelled)
    if sources:
        made |= {"sources": audio, **_source_targets(batch, states)}
    return made


class _Batch:
    """A batch, its place on the device, and where each source has its place among the items."""

    def __init__(self, raw: RawBatch, device: torch.device, max_sources: int) -> None:
        self.raw, self.device = raw, device
        self.settings: RenderSettings = raw.settings
        item, place = raw.column("item").to(torch.int64), raw.column("place").to(torch.int64)
        self.places = max(int(place.max()) + 1, max_sources)
        self.rows = (item * self.places + place).to(device, non_blocking=True)
        self.samples = raw.samples.to(device, non_blocking=True)

    def empty(self, *shape: int) -> Tensor:
        """Return zeros of ``(items, places, *shape)``."""
        return torch.zeros((len(self.raw), self.places, *shape), dtype=torch.float32, device=self.device)

    def spread(self, values: Tensor) -> Tensor:
        """Return values per source ``(sources, ...)`` as ``(items, places, ...)``, zero where none is."""
        out = values.new_zeros((len(self.raw) * self.places, *values.shape[1:]), device=self.device)
        out[self.rows] = values.to(self.device, non_blocking=True)
        return out.view(len(self.raw), self.places, *values.shape[1:])


# --- Sources ---------------------------------------------------------------------------------------------


def _render_sources(batch: _Batch, out: Tensor) -> None:
    """Write each source as it will stand in the mixture to its row of ``out``."""
    raw = batch.raw
    wet = raw.column("wet") > 0
    for chosen, process in ((~wet, _process_dry), (wet, _process_wet)):
        # Sources of similar lengths together, so that little is computed in vain.
        order = torch.nonzero(chosen).flatten()
        order = order[torch.argsort(raw.column("length")[order], stable=True)]
        for group in torch.split(order, _group(batch)) if len(order) else ():
            audio = process(_Group(batch, group), batch.settings)
            out.index_copy_(0, batch.rows[group.to(batch.device)], audio)


def _group(batch: _Batch) -> int:
    """Return how many sources are processed at a time."""
    _, channels, samples = batch.raw.samples.shape
    return max(_GROUP_BYTES[batch.device.type] // (_BYTES_PER_SAMPLE * channels * samples), 1)


class _Group:
    """Some sources of a batch: parameters on the host, samples on the device."""

    def __init__(self, batch: _Batch, rows: Tensor) -> None:
        self.device = batch.device
        self.raw, self.rows = batch.raw, rows
        self.lengths = self.column("length").to(torch.int64)
        samples = batch.samples[self.put(rows), :, : int(self.lengths.max())]
        scale = self.put(self.column("scale").to(torch.float32))
        self.audio = samples.to(torch.float32).mul_(scale[:, None, None])

    def column(self, name: str) -> Tensor:
        return self.raw.column(name)[self.rows]

    def put(self, values: Tensor) -> Tensor:
        return values.to(self.device, non_blocking=True)

    def filter(self, audio: Tensor, side: int) -> Tensor:
        """Apply the filters before (0) or after (1) the pass to the sources that have some."""
        rings = self.column(("before", "after")[side]).to(torch.int64)
        rows = torch.nonzero(rings).flatten()
        if len(rows) == 0:
            return audio
        sections = self.put(self.raw.sections[self.rows[rows], side])
        place = self.put(rows)
        return audio.index_copy(0, place, cascade(audio[place], sections, int(rings.max())))


def _process_dry(group: _Group, settings: RenderSettings) -> Tensor:
    return _cut(group.filter(group.audio, 0), group, group.lengths, settings.samples)


def _process_wet(group: _Group, settings: RenderSettings) -> Tensor:
    audio = group.filter(group.audio, 0)
    # Filters sound on after the end of an excerpt, which is over where its reading ends.
    audio = _silence_after(audio, group.put(group.lengths))
    semitones, rates = group.column("semitones"), group.column("rate")
    most = int(group.column("head").max()) + settings.samples
    audio = shift(audio, group.lengths, semitones, rates, settings.sample_rate, most)
    ends = torch.round(group.lengths / rates).to(torch.int64)
    return _cut(group.filter(audio, 1), group, ends, settings.samples)


def _silence_after(audio: Tensor, ends: Tensor) -> Tensor:
    number = torch.arange(audio.shape[-1], device=audio.device)
    return audio * (number < ends[:, None])[:, None]


def _cut(audio: Tensor, group: _Group, ends: Tensor, samples: int) -> Tensor:
    """Cut the context off: ``samples`` samples from each source's head on, silence after its end."""
    number = torch.arange(samples, device=group.device)
    place = group.put(group.column("head").to(torch.int64))[:, None] + number
    inside = place < group.put(ends)[:, None].clamp(max=audio.shape[-1])
    place = place.clamp_(max=audio.shape[-1] - 1)[:, None].expand(-1, audio.shape[1], -1)
    return audio.gather(-1, place) * inside[:, None]


# --- Mixture ---------------------------------------------------------------------------------------------


def _add_up(audio: Tensor) -> Tensor:
    """Return the sum of the sources, in their order."""
    total = audio[:, 0].clone()
    for place in range(1, audio.shape[1]):
        total += audio[:, place]
    return total


def _sum(audio: Tensor, peak_limit: float) -> tuple[Tensor, Tensor]:
    """Return the mixtures and by how much they were scaled, in dB; scales the sources in place."""
    mixture = _add_up(audio)
    if peak_limit <= 0.0:
        return mixture, mixture.new_zeros(len(mixture))
    peak = mixture.abs().amax((1, 2)).double()
    # A hair below the limit, so that rounding in the sum cannot carry it over.
    scale = torch.where(peak > peak_limit, peak_limit / peak * (1.0 - 1e-6), 1.0).float()
    audio *= scale[:, None, None, None]
    return _add_up(audio), 20.0 * scale.log10()


# --- Labels ----------------------------------------------------------------------------------------------


def _judge(batch: _Batch, powers: tuple[Tensor, Tensor], cancelled: Tensor) -> Tensor:
    """Return the states of the sources, int64 ``(items, places)``; see ``mixlab.mixing.gpu.raw.STATES``.

    ``powers`` are sums of squares per hop of the sources and of the mixtures, ``cancelled`` tells in which
    hops a source that sounds is cancelled, bool ``(items, places, hops)``.
    """
    settings, states = batch.settings, batch.spread(batch.raw.states)
    audible = (batch.spread(batch.raw.sounding)[:, :, 0] & ~cancelled).sum(-1)
    least = 0.0 if settings.label_rule == "present" else settings.min_active_s - 1e-9
    lost = cancelled.any(-1) & ((audible == 0) | (audible * HOP_S < least))
    doubted = (states == PRESENT) & lost
    if settings.label_rule == "audible":
        relative_db = _level_db(batch, powers[0]) - _level_db(batch, powers[1])[:, None]
        doubted |= (states == PRESENT) & (relative_db < settings.audible_db)
    return torch.where(doubted, UNCERTAIN, states)


def _level_db(batch: _Batch, powers: Tensor) -> Tensor:
    power = powers.sum(-1) / (batch.settings.channels * batch.settings.samples)
    return 10.0 * power.clamp(min=10.0 ** (FLOOR_DB / 10.0)).log10()


def _verdicts(batch: _Batch, states: Tensor) -> tuple[Tensor, Tensor]:
    """Return which classes each source makes present and unknown, bool ``(items, places, classes)``."""
    present, unknown, doubted = batch.spread(batch.raw.votes).unbind(2)
    certain = (states == PRESENT)[..., None]
    masked = (states == UNCERTAIN)[..., None] & (batch.settings.uncertain == "mask")
    return certain & present, (certain & unknown) | (masked & doubted)


def _targets(batch: _Batch, states: Tensor) -> dict[str, Tensor]:
    present, unknown = (votes.any(1) for votes in _verdicts(batch, states))
    unknown |= batch.raw.never_known.to(batch.device)
    return {"target": present.to(torch.float32), "mask": present | ~unknown}


def _source_targets(batch: _Batch, states: Tensor) -> dict[str, Tensor]:
    present, unknown = _verdicts(batch, states)
    unknown |= batch.raw.never_known.to(batch.device)
    there = batch.spread(torch.ones(len(batch.raw.states), 1, dtype=torch.bool))
    return {"source_target": present.to(torch.float32), "source_mask": there & ~unknown}


def _frame_targets(batch: _Batch, cancelled: Tensor) -> dict[str, Tensor]:
    """Return targets and mask per hop; see ``mixlab.mixing.rendering.Mix.frames``."""
    votes, sounding = batch.spread(batch.raw.votes), batch.spread(batch.raw.sounding)
    classes, hops = votes.shape[-1], sounding.shape[-1]
    present = torch.zeros((len(batch.raw), classes, hops), dtype=torch.bool, device=batch.device)
    unknown = torch.zeros_like(present)
    for place in range(batch.places):
        certain, doubt = (votes[:, place, n, :, None] for n in (0, 1))
        active, silent = (sounding[:, place, n, None] for n in (0, 1))
        active = active & ~cancelled[:, place, None]
        present |= certain & active
        unknown |= (certain | doubt) & ~silent
    known = (present | ~unknown) & ~batch.raw.never_known.to(batch.device)[:, None]
    return {"frame_target": present.to(torch.float32), "frame_mask": known}
