"""``mixlab evaluate-on``: score a run on a corpus that nothing here was trained on."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mixlab.errors import ConfigError
from mixlab.utils.files import make_folder, write_atomic

if TYPE_CHECKING:
    from mixlab.inference.benchmark import ExternalReport
    from mixlab.training.run import Run

__all__ = ["evaluate_on"]


def evaluate_on(
    benchmark: Literal["irmas", "openmic", "jamendo"],
    run: Path | None = None,
    root: Path | None = None,
    part: Literal["test", "train"] = "test",
    label_set: Path | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    num_workers: int = 0,
    resamples: int = 1000,
    metrics: list[str] | None = None,
) -> int:
    """Score a run on IRMAS, OpenMIC-2018 or MTG-Jamendo: what its outputs can say of their classes.

    Outputs are bound to classes by the instrument tree. Classes that only a family can score are reported
    apart, classes without any output are listed and never counted. Thresholds are the run's own.

    Args:
        benchmark: The corpus.
        run: Folder of the run whose model is scored.
        root: Where the corpus lies.
        part: Of the corpus's own split.
        label_set: YAML file of the run's label set, if neither mixlab nor the run has it.
        device: Where the model computes; auto takes a GPU where there is one.
        num_workers: Processes that decode.
        resamples: Bootstrap resamples of recordings or artists; 0 leaves the intervals out.
        metrics: Metrics of one's own beside mixlab's, as package.module:name or names of entry points; by
            default those of the run's settings.

    Returns:
        Exit code: 0 when all clips were scored, 1 when some could not be read.
    """
    from tqdm import tqdm

    from mixlab.corpora.clips.registry import load_benchmark
    from mixlab.inference.benchmark import evaluate_on as score
    from mixlab.inference.benchmark_text import format_text
    from mixlab.training.run import Run

    if run is None or root is None:
        raise ConfigError(
            f"Which model, on which files? Give mixlab evaluate-on {benchmark} --run RUN --root FOLDER.",
            code="missing-setting",
        )
    opened = Run.open(run)
    opened.check_writable()
    clips = load_benchmark(benchmark, root, part)
    with tqdm(total=len(clips), desc=benchmark, unit="clip", leave=False, disable=None) as bar:
        report = score(
            opened,
            clips,
            label_set=label_set,
            device=device,
            num_workers=num_workers,
            n_resamples=resamples,
            metrics=metrics,
            progress=bar.update,
        )
    outputs = [str(name) for name in opened.info["labels"]["outputs"]]
    print(f"\n{format_text(report, outputs)}\n")
    print(f"Written:  {_write(opened, report, outputs)}   (all values: {report.name}.json beside it)")
    return 1 if report.problems else 0


def _write(run: "Run", report: "ExternalReport", outputs: list[str]) -> Path:
    """Write the report below the run folder; return the Markdown file."""
    from mixlab.inference.benchmark_text import format_markdown
    from mixlab.utils.plain import plain

    folder = run.path / "external"
    make_folder(folder)
    contents = {
        ".json": json.dumps(plain(report.to_dict()), indent=2, allow_nan=False) + "\n",
        ".md": format_markdown(report, outputs),
    }
    for ending, content in contents.items():
        write_atomic(folder / f"{report.name}{ending}", content)
    return folder / f"{report.name}.md"
