"""What is done to batches while they are trained on, and the running mean of the weights.

None of it is of the mixing: recipes, validation and test know nothing of it. All random numbers come from
torch's global generator, which every step seeds anew, so that a training that goes on repeats them.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models.front_end import MelFrontEnd
from mixlab.training.config import AugmentConfig

__all__ = ["MapMasks", "WeightAverage", "mix_up", "set_masks"]


@dataclass(frozen=True)
class MapMasks:
    """Blanks stripes of maps ``(B, 1, bands, frames)``: they get the mean of the map, each item its own.

    Attributes:
        config: How many, and how wide.
    """

    config: AugmentConfig

    def __call__(self, maps: Tensor) -> Tensor:
        """Return the maps with their stripes."""
        settings, (items, _, bands, frames) = self.config, maps.shape
        blank = torch.zeros(items, 1, bands, frames, dtype=torch.bool, device=maps.device)
        for _ in range(settings.frequency_masks):
            blank |= _stripe(items, bands, settings.frequency_width).to(maps.device)[:, None, :, None]
        for _ in range(settings.time_masks):
            blank |= _stripe(items, frames, settings.time_width).to(maps.device)[:, None, None, :]
        return torch.where(blank, maps.mean(dim=(2, 3), keepdim=True), maps)


def _stripe(items: int, size: int, share: float) -> Tensor:
    """Return which of ``size`` places one stripe covers, ``(items, size)`` bool: widths uniform from 0."""
    width = torch.rand(items, 1) * share * size
    start = torch.rand(items, 1) * (size - width)
    place = torch.arange(size)[None] + 0.5
    return (place >= start) & (place < start + width)


def mix_up(batch: Mapping[str, Tensor], config: AugmentConfig) -> dict[str, Tensor]:
    """Add another mix of the batch to some of its mixes.

    Args:
        batch: ``audio`` ``(B, channels, T)``, ``target`` and ``mask`` ``(B, C)``, and whatever else.
        config: How often, and how loud.

    Returns:
        The batch with other ``audio``, ``target`` and ``mask``. A sum beyond full scale is scaled down to it.
    """
    audio, target, mask = batch["audio"], batch["target"], batch["mask"]
    items = len(audio)
    chosen = (torch.rand(items) < config.p_mixup).to(audio.device)
    gain_db = torch.empty(items).uniform_(*config.mixup_db).to(audio.device)
    partner = (torch.arange(items) + torch.randint(1, max(items, 2), (1,))) % items
    added = audio[partner] * (10 ** (gain_db / 20)).view(-1, 1, 1)
    both = audio + added
    peak = both.abs().amax(dim=(1, 2), keepdim=True)
    both = both / torch.where(peak > 1, peak, 1)
    present = (mask & (target > 0.5)) | (mask[partner] & (target[partner] > 0.5))
    known = present | (mask & mask[partner])
    rows = chosen[:, None]
    return {
        **batch,
        "audio": torch.where(chosen[:, None, None], both, audio),
        "target": torch.where(rows, present.to(target.dtype), target),
        "mask": torch.where(rows, known, mask),
    }


def set_masks(model: nn.Module, config: AugmentConfig) -> None:
    """Let the front end of a network blank stripes of its maps while it is trained, in place.

    Raises:
        ConfigError: the network has no map of mixlab's.
    """
    if not config.masks:
        return
    if not isinstance(model, MelFrontEnd):
        raise ConfigError(
            f"train.augment blanks stripes of mel maps, and {type(model).__name__} is on no front end of "
            "mixlab's: set frequency_masks and time_masks to 0.",
            code="conflicting-settings",
        )
    model.masks = MapMasks(config)


class WeightAverage(nn.Module):
    """The running mean of a network's weights and statistics: what is scored and kept in place of the last.

    After each step it goes 1 - d of the way to the network's weights. d rises to ``decay`` as
    ``(1 + n) / (10 + n)`` over the first steps n, so that the random start is soon forgotten.

    Args:
        model: The network, which is copied.
        decay: In (0, 1).

    Attributes:
        model: The copy that holds the mean; no gradient moves it.
        steps: How many steps it has seen.
    """

    steps: Tensor

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Go on by a step."""
        self.steps += 1
        n = int(self.steps)
        decay = min(self.decay, (1 + n) / (10 + n))
        own = cast("dict[str, Tensor]", self.model.state_dict())
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                own[name].lerp_(value, 1 - decay)
            else:
                own[name].copy_(value)
