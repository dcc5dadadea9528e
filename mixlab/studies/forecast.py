"""How long a study will take, from the epochs that its trainings have behind them."""

from collections.abc import Mapping, Sequence

from mixlab.studies.commands import COMMANDS
from mixlab.studies.state import TrialState

__all__ = ["seconds_left"]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _in_epochs(state: TrialState) -> bool:
    return COMMANDS[state.kind].in_epochs


def _item_s(state: TrialState, states: Sequence[TrialState]) -> float | None:
    """Return the seconds per mix or clip of a training: its own, else its condition's, else those of all."""
    known = [s for s in states if s.epoch_s is not None and s.items]
    for group in (
        [s for s in known if s.name == state.name],
        [s for s in known if s.condition == state.condition],
        known,
    ):
        found = _mean([s.epoch_s / s.items for s in group if s.epoch_s is not None])
        if found is not None:
            return found
    return None


def _beside_epochs_s(states: Sequence[TrialState], walls: Mapping[str, float]) -> float:
    """Return what a training takes beside its epochs: to start, to mix validation, to be scored."""
    own = [s for s in states if s.name in walls and _in_epochs(s) and s.epoch_s is not None]
    return _mean([max(0.0, walls[s.name] - s.epochs_done * (s.epoch_s or 0.0)) for s in own]) or 0.0


def seconds_left(
    states: Sequence[TrialState],
    walls: Mapping[str, float],
    *,
    parallel: int = 1,
    since: Mapping[str, float] | None = None,
) -> float | None:
    """Estimate how long the trials take that are running or waiting; None before an epoch of any is done.

    A training is counted by the mixes or clips of the epochs it lacks, at the rate of its own epochs, or of
    its condition's, or of all; early stops make it shorter. A trial without epochs (a baseline) is counted as
    those of its kind that are done, before that as the mean of all others.

    Args:
        states: Of every trial; failed ones are not tried again by themselves.
        walls: Seconds that trials took which this call did from beginning to end.
        parallel: Jobs at a time.
        since: Seconds since running trials were started.
    """
    since, beside = since or {}, _beside_epochs_s(states, walls)
    open_ = [s for s in states if s.status in ("running", "interrupted", "missing")]
    known: dict[str, float] = {}
    for state in open_:
        item_s = _item_s(state, states)
        if _in_epochs(state) and item_s is not None:
            left = (state.epochs - state.epochs_done) * state.items * item_s
            # An epoch under way is done in part; never more than that epoch.
            known[state.name] = max(0.0, left - min(state.epoch_age_s, state.items * item_s)) + beside
    done = _mean([walls[s.name] for s in states if s.name in walls and not _in_epochs(s)])
    typical = _mean([*known.values(), *walls.values()]) if done is None else done
    if typical is None:
        return None
    rest = [max(0.0, typical - since.get(s.name, 0.0)) for s in open_ if s.name not in known]
    each = [*known.values(), *rest]
    # Not sooner than the longest of them, where fewer are left than may run beside each other.
    return max(sum(each) / parallel, max(each, default=0.0))
