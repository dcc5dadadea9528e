"""From a run's folder to what scores audio, whatever command made the run."""

from pathlib import Path

from mixlab.inference.scorer import Scorer, open_member, usable_device
from mixlab.training.run import Run

__all__ = ["open_run"]


def open_run(run: Run | str | Path, *, device: str = "auto") -> Scorer:
    """Return what a run says of audio.

    Args:
        run: The run or its folder.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.

    Raises:
        RunError: it holds nothing that scores audio, or is damaged; of an ensemble also a member.
        ConfigError: it cannot score files as they are.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if run.info.get("command", "train") == "ensemble":
        from mixlab.inference.ensemble import open_ensemble  # with all that fitting one takes

        return open_ensemble(run, usable_device(device))
    return open_member(run, device=device)
