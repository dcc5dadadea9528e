"""A run that was never trained, for tests of what is done with runs: made in no time, and always the same."""

from dataclasses import asdict
from pathlib import Path

from mixlab.evaluation.results import ClassScores, Provenance, Report, SplitScores
from mixlab.training.run import Run

LABELS = ("voice", "key", "singer", "piano")
PARENTS = (None, None, 0, 1)
RATE = 8000
WINDOW_S = 2.0
# Its scores lie near a half, so these are heard everywhere, or nowhere.
THRESHOLDS = {"voice": 0.01, "singer": 0.02, "key": 0.98, "piano": 0.99}


def write_run(folder: Path, *, seed: int = 0, thresholds: bool = True, note: str = "demo numbers") -> Run:
    """Write a run with a small random model of four classes that hears two seconds at 8 kHz.

    Args:
        folder: Where to; made if need be.
        seed: Of the weights.
        thresholds: Whether it was scored and has thresholds, ``THRESHOLDS``.
        note: What is said beside its numbers.
    """
    import torch

    from mixlab.models import ModelConfig
    from mixlab.models.registry import build_model

    config = ModelConfig(sample_rate=RATE, f_max=RATE / 2, n_fft=256, hop=128, n_mels=16, width=4)
    info = {"seed": seed, "note": note, "labels": {"name": "tiny", "outputs": LABELS, "parents": PARENTS}}
    run = Run.create(folder, {"catalog": "", "out": str(folder), "train": {"epochs": 1}}, info)
    torch.manual_seed(seed)
    model = build_model(config, len(LABELS)).eval()
    card = {
        "schema": 1,
        "config": asdict(config),
        "labels": info["labels"],
        "input": {"sample_rate": RATE, "duration_s": WINDOW_S, "channels": 1},
        "note": note,
    }
    if thresholds:
        card |= {"thresholds": THRESHOLDS, "consistent_thresholds": THRESHOLDS}
    run.write_model(model.state_dict(), card)
    if thresholds:
        run.write_report(_report(note), "")
    return run


def _report(note: str) -> Report:
    """A report of four mixes; none of them held a singer."""
    held = {"voice": 3, "singer": 0, "key": 3, "piano": 3}
    classes = tuple(
        ClassScores(name, 4, support, 1, 3, THRESHOLDS[name], support > 0, 0.5, 0.5, 1.0, {})
        for name, support in held.items()
    )
    splits = {split: SplitScores(split, 4, 1, 0, (), classes, {}) for split in ("validation", "test")}
    who = Provenance("train", 0, 0, "c" * 16, "tiny", "l" * 16, {})
    return Report(splits, note, dict.fromkeys(splits, 0), THRESHOLDS, THRESHOLDS, who)
