"""What a student learns from a teacher's scores of the mixes, beside its targets.

Distillation (Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network") for classes that
need not be known. The teacher scores the audio of every training mix without a gradient. Its own classes are
raised to those of the training through the instrument tree, as ``mixlab tag --weights`` does; classes that it
says nothing of are learnt from targets alone, and cells whose target is unknown from the teacher alone.
Validation and scores know nothing of it. ``mixlab.training.teacher`` finds the teacher that settings name.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixlab.models.front_end import LEAST_PEAK
from mixlab.training.clips.reading import side_by_side
from mixlab.training.embedding_cache import full_float32
from mixlab.training.losses import scores_of

__all__ = ["Teacher", "distillation_loss"]

_TINY = 1e-6  # probabilities are kept so far inside (0, 1) before a temperature softens them


def distillation_loss(logits: Tensor, probabilities: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the mean binary cross-entropy to a teacher's probabilities, as a scalar.

    A temperature above 1 softens both: logits are divided by it, and the loss is multiplied by its square, so
    that gradients keep their size (Hinton et al. 2015, section 2).

    Args:
        logits: ``(B, S)`` of the student, for the classes that the teacher can say.
        probabilities: ``(B, S)`` of the teacher.
        temperature: Above 0.
    """
    wanted = probabilities.float()
    if temperature != 1.0:
        wanted = torch.sigmoid(torch.logit(wanted, eps=_TINY) / temperature)
    loss = functional.binary_cross_entropy_with_logits(logits.float() / temperature, wanted)
    return loss * temperature**2


@dataclass
class Teacher:
    """A frozen tagger whose classes are raised to those of a training.

    It is no module, so that no checkpoint holds it, and nothing moves its weights.

    Attributes:
        model: Audio ``(B, channels, T)`` to logits, in evaluation mode.
        classes: Which classes of the training it can say, in their order.
        columns: For each of these, the columns of its own outputs of which the highest is the score.
        window: Longest audio that it takes at once, in samples: longer mixes are scored by windows that
            overlap by half, and the mean counts.
        channels: Of the audio that it takes.
        peak: Whether each mix is scaled to full scale first.
        weight: What its loss counts beside that of the targets.
        temperature: Of its loss.
    """

    model: nn.Module
    classes: tuple[int, ...]
    columns: tuple[tuple[int, ...], ...]
    window: int
    channels: int
    peak: bool
    weight: float
    temperature: float

    def probabilities(self, audio: Tensor) -> Tensor:
        """Return what it says of mixes ``(B, channels, T)``: ``(B, S)`` in float32, without a gradient."""
        self.model.to(audio.device)
        with torch.no_grad(), full_float32(), torch.autocast(audio.device.type, enabled=False):
            given = audio.float()
            if self.channels == 1:
                given = given.mean(dim=1, keepdim=True)
            if self.peak:
                given = given / given.abs().amax(dim=(1, 2), keepdim=True).clamp(min=LEAST_PEAK)
            starts = side_by_side(given.shape[-1], self.window, max(self.window // 2, 1))
            parts = [self._raised(given[..., start : start + self.window]) for start in starts]
            return torch.stack(parts).mean(dim=0)

    def _raised(self, audio: Tensor) -> Tensor:
        scores = scores_of(self.model(audio), "bce")
        return torch.stack([scores[:, list(columns)].amax(dim=1) for columns in self.columns], dim=1)

    def loss(self, logits: Tensor, audio: Tensor) -> Tensor:
        """Return what is added to the loss of the targets, as a scalar.

        Args:
            logits: ``(B, C)`` of the student.
            audio: ``(B, channels, T)`` of the mixes.
        """
        said = logits[:, list(self.classes)]
        return self.weight * distillation_loss(said, self.probabilities(audio), self.temperature)
