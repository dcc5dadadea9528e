"""Which command made a run, and what works with it."""

from mixlab.errors import RunError
from mixlab.training.run import Run

__all__ = ["BASELINES", "SCORING", "WITH_NETWORK", "check_command"]

_MADE_BY = {
    "train": "holds a network trained on mixes",
    "pretrain": "holds a network trained on tagged tracks",
    "train-clips": "holds a network trained on labelled clips",
    "baseline": "is a classical baseline and holds no network",
    "baseline-clips": "is a classical baseline on clips and holds no network",
    "ensemble": "is an ensemble of others and holds no network",
}

WITH_NETWORK = ("train", "pretrain", "train-clips")
"""Commands whose runs hold a network: for files, for external test sets, to start from."""

BASELINES = ("baseline", "baseline-clips")
"""Commands whose runs hold a fitted classifier."""

SCORING = (*WITH_NETWORK, *BASELINES, "ensemble")
"""Commands whose runs score audio: files, and external test sets."""


def check_command(run: Run, *wanted: str) -> None:
    """Refuse a run that another command made than those that are ``wanted``.

    Raises:
        RunError: the message says what the run is and what works with it.
    """
    made_by = str(run.info.get("command", "train"))
    if made_by in wanted:
        return
    works = "'mixlab evaluate' and 'mixlab compare' take it"
    if made_by in WITH_NETWORK:
        works += ", as do 'mixlab tag', 'mixlab evaluate-on' and train.pretrained"
    elif made_by in SCORING:
        works += ", as do 'mixlab tag' and 'mixlab evaluate-on'"
    raise RunError(
        f"{run.path} was made by 'mixlab {made_by}' and {_MADE_BY.get(made_by, 'is of another kind')}; this "
        f"takes a run of {' or '.join(f'mixlab {name}' for name in wanted)}. {works[0].upper()}{works[1:]}.",
        code="wrong-run-kind",
    )
