"""The networks of mixlab by what they hear: tests that speak of the mel map go through those on it."""

from mixlab.models import MODELS, TaggingModel

ON_MEL = sorted(name for name, network in MODELS.items() if issubclass(network, TaggingModel))
