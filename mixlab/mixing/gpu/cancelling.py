"""What sources of a mix take from each other, for a batch on a device; see ``summing`` for one mix."""

from itertools import combinations

import torch
from torch import Tensor

from mixlab.audio._kernels.mix import FAINT, LEFT, MOST_FOR_TRIPLES
from mixlab.audio.io import hop_edges

__all__ = ["Hops"]


class Hops:
    """Hops of 100 ms: sums of squares of each, and in which of them sources cancel.

    Args:
        samples: Length of the mixes.
        sample_rate: In Hz.
        device: Where they lie.
    """

    def __init__(self, samples: int, sample_rate: int, device: torch.device) -> None:
        """Lay out the hops."""
        edges = torch.from_numpy(hop_edges(samples, sample_rate))
        lengths = torch.diff(edges, append=torch.tensor([samples]))
        place = edges[:, None] + torch.arange(int(lengths.max()))
        self.lengths = lengths.to(device)
        self._place = place.clamp(max=samples - 1).to(device)
        self._inside = (place < (edges + lengths)[:, None]).to(device)

    def cut(self, audio: Tensor) -> Tensor:
        """Return ``(..., samples)`` as float64 ``(..., hops, longest)``, each hop without its mean."""
        hops = audio[..., self._place].to(torch.float64) * self._inside
        mean = hops.sum(-1, keepdim=True) / self.lengths[:, None]
        return (hops - mean) * self._inside

    def powers(self, audio: Tensor) -> Tensor:
        """Return sums of squares ``(..., hops)`` of ``(..., channels, samples)``."""
        return self.cut(audio).square().sum((-3, -1))

    def find_cancelled(self, audio: Tensor, powers: Tensor, mixture: Tensor) -> Tensor:
        """Tell in which hops others take away what a source adds.

        Args:
            audio: ``(items, places, channels, samples)``.
            powers: Of the sources, ``(items, places, hops)``.
            mixture: Of the mixtures, ``(items, hops)``.

        Returns:
            bool ``(items, places, hops)``.
        """
        places = audio.shape[1]
        faint = FAINT * audio.shape[2] * self.lengths
        products = self._products(audio)
        out = torch.zeros_like(powers, dtype=torch.bool)
        for size in (2, 3) if places <= MOST_FOR_TRIPLES else (2,):
            for group in combinations(range(places), size):
                rows = list(group)
                left = products[:, :, rows][:, :, :, rows].sum((-2, -1))
                low = powers[:, rows].amin(1)
                found = (left <= LEFT * low) & (low > faint) & ~out[:, rows].any(1)
                out[:, rows] |= found[:, None]
        return out | ((powers > faint) & (LEFT * powers >= mixture[:, None]))

    def _products(self, audio: Tensor) -> Tensor:
        """Return products of all sources with each other, ``(items, hops, places, places)``."""
        total = torch.zeros((), dtype=torch.float64, device=audio.device)
        for channel in range(audio.shape[2]):
            hops = self.cut(audio[:, :, channel]).transpose(1, 2)
            total = total + hops @ hops.transpose(-1, -2)
        return total
