"""Whether the counts of a checkpoint are those of one training, before Lightning goes on with them.

Lightning adds to them whatever they are: with others it leaves out a validation, or repeats an epoch.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mixlab.utils.entries import is_whole

__all__ = ["check_counts"]

_STAGES = ("ready", "started", "processed", "completed")
"""What Lightning counts of each batch, step and epoch, in the order in which it does."""

_EPOCHS, _BATCHES = "epoch_progress", "epoch_loop.batch_progress"
_STEPS = "epoch_loop.automatic_optimization.optim_progress"
_VALIDATION = "epoch_loop.val_loop.batch_progress"
_LOOPS = (_EPOCHS, _BATCHES, "epoch_loop.scheduler_progress", _STEPS, _VALIDATION)


def check_counts(found: Mapping[str, Any]) -> None:
    """See to it that the counts of a checkpoint fit each other.

    It is saved within an epoch, after a batch that is not its last; or after an epoch and its validation.

    Args:
        found: What Lightning saved.

    Raises:
        ValueError: they do not.
        LookupError, TypeError: some are not there, or are no counts.
    """
    loops = found["loops"]["fit_loop"]
    epochs, batches = loops[_EPOCHS]["current"], loops[_BATCHES]
    ended = epochs["processed"] == epochs["ready"]
    for loop in _LOOPS:
        # What is counted as ready and not yet as completed: the epoch, and the batch, in which it is saved.
        open_ones = loop == _EPOCHS or (loop == _BATCHES and not ended)
        for part in _parts(loops[loop]):
            # Those of validation begin anew with every epoch, in all and in this one at other times.
            _check_part(loop, part, most_open=int(open_ones), nested=loop != _VALIDATION)
    steps = loops[_STEPS]["optimizer"]["step"]["total"]["completed"]
    _expect_same("epoch", found["epoch"], epochs["completed"])
    _expect_same("global_step", found["global_step"], steps)
    for schedule in found["lr_schedulers"]:
        _expect_same("last_epoch of the rates", schedule["last_epoch"], epochs["processed"])
    if ended:
        _expect_same("global_step", steps, epochs["processed"] * batches["current"]["processed"])
    if batches["is_last_batch"] is not ended:
        raise ValueError(f"is_last_batch is {batches['is_last_batch']!r} where the epochs say {ended}")
    stepped = loops["epoch_loop.state_dict"]["_batches_that_stepped"]
    if not is_whole(stepped):
        raise ValueError(f"_batches_that_stepped is {stepped!r}, no count")


def _parts(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what has counts of this epoch (``current``) and of all (``total``) in the state of a loop."""
    if "current" in state:
        yield state
        return
    for inner in state.values():
        yield from _parts(inner)


def _check_part(loop: str, part: Mapping[str, Any], *, most_open: int, nested: bool) -> None:
    current, total = part["current"], part["total"]
    if current.keys() != total.keys():
        raise ValueError(f"{loop} counts {list(current)} in this epoch, and {list(total)} in all")
    for found in (current, total):
        counts = [found[stage] for stage in _STAGES if stage in found]
        if not all(map(is_whole, counts)) or counts != sorted(counts, reverse=True):
            raise ValueError(f"{loop} holds {counts}, which are no counts in falling order")
        if found is current and counts[0] - counts[-1] > most_open:
            raise ValueError(f"{loop} holds {counts}, with more than {most_open} that is not completed")
    if not isinstance(last := part.get("is_last_batch", False), bool):
        raise ValueError(f"{loop} has {last!r} for is_last_batch, neither true nor false")
    if nested and any(current[stage] > total[stage] for stage in current):
        raise ValueError(f"{loop} holds {current} in this epoch, and {total} in all")


def _expect_same(name: str, found: object, expected: int) -> None:
    if not is_whole(found) or found != expected:
        raise ValueError(f"{name} is {found!r} where other counts say {expected}")
