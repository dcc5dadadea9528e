"""The networks of mixlab by what they hear: tests that speak of the mel map go through those on it."""

from mixlab.models import MODELS, TaggingModel
from mixlab.models.image_networks import ImageNetwork

ON_PICTURES = sorted(name for name, network in MODELS.items() if issubclass(network, ImageNetwork))
ON_MEL = sorted(
    name for name, network in MODELS.items() if issubclass(network, TaggingModel) and name not in ON_PICTURES
)
