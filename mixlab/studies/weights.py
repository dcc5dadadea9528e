"""Whether the weights that a study starts from are here, before anything is trained."""

from mixlab.models.pretrained import find_weights
from mixlab.studies.plan import Plan
from mixlab.training.baselines.config import RANDOM
from mixlab.training.config import PRETRAINED
from mixlab.training.transfer import check_pretrained

__all__ = ["check_weights"]


def check_weights(plan: Plan) -> None:
    """Refuse weights that are not here, or that a network cannot take; the study's own are made later.

    Raises:
        ConfigError: the network of a condition cannot take its weights.
        RunError: the weights are those of a run that holds no network.
        WeightsError: there are none where a condition says.
    """
    for condition in plan.trained:
        if condition.starts_from:
            continue
        settings = plan.settings(condition)
        if "baseline" not in settings:
            if settings["train"].transfer in PRETRAINED:
                check_pretrained(settings["train"])
        elif settings["baseline"].weights not in ("", RANDOM):
            find_weights(settings["baseline"].weights)
