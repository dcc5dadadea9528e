"""``mixlab ensemble``: several runs and published weights as one."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from mixlab.errors import ConfigError

__all__ = ["ensemble"]


def ensemble(
    out: Path | None = None,
    member: list[str] | None = None,
    combine: Literal["calibrated", "ranks"] = "calibrated",
    catalog: Path | None = None,
    root: list[str] | None = None,
    val_size: int = 1000,
    test_size: int = 1000,
    eval_seed: int = 0,
    bootstrap: int = 1000,
    workers: int = 0,
    cache: Path | None = None,
    metrics: list[str] | None = None,
) -> int:
    """Put runs and published weights together: the mean of their calibrated scores, or of their ranks.

    What makes scores of members comparable is taken from the fixed validation mixes. A class that a member
    cannot say is left to the others; but of calibrated scores, an instrument of a family that it says counts
    with its probability of the family times the share in it that the others give the instrument.

    The result is a run folder, which 'mixlab tag', 'evaluate', 'evaluate-on' and 'compare' take; it names its
    members with their checksums and holds no copy of them.

    Args:
        out: Folder of the run, may be given as a bare word; by default runs/ and the time.
        member: A run's folder, or the name or file of published weights; give it twice or more.
        combine: calibrated takes probabilities, by a curve for each class and member; ranks asks nothing of
            scores but their order.
        catalog: Folder of the catalog whose mixes are scored; by default that of the first member that was
            trained on mixes, whose settings of the mixing are taken in any case.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
        val_size: Fixed validation mixes that reference and thresholds are taken from.
        test_size: Fixed test mixes that are scored.
        eval_seed: Seeds both; leave it, so that runs are scored on the same mixes.
        bootstrap: Resamples of songs for intervals; 0 leaves them out.
        workers: Processes that mix and score; 0 takes one per processor.
        cache: Folder where scores are kept; by default 'scores' beside the run.
        metrics: Metrics of one's own beside mixlab's, as package.module:name or names of entry points.

    Returns:
        Exit code: 0 when the ensemble is scored.
    """
    from mixlab.cli.commands.evaluate import print_evaluation
    from mixlab.cli.commands.options import check_each_alone, parse_pairs
    from mixlab.inference.ensemble import EnsembleConfig, build_ensemble

    if not member:
        raise ConfigError(
            "Of what? Give --member twice or more: run folders, or names that 'mixlab weights' lists.",
            code="missing-setting",
        )
    check_each_alone(member, "--member")
    folder = out or Path("runs") / datetime.now().strftime("ensemble-%Y%m%d-%H%M%S")
    run, evaluation = build_ensemble(
        member,
        folder,
        catalog=catalog,
        config=EnsembleConfig(
            combine=combine,
            val_size=val_size,
            test_size=test_size,
            eval_seed=eval_seed,
            bootstrap=bootstrap,
            workers=workers,
            metrics=tuple(metrics or ()),
        ),
        cache=cache,
        roots=parse_pairs(root, "--root"),
        report=lambda line: print(line, flush=True),
    )
    print_evaluation(run, evaluation, "test")
    return 0
