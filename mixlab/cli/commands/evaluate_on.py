"""``mixlab evaluate-on``: score a run or published weights on a corpus that nothing here was trained on."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mixlab.cli.commands.options import check_one_model
from mixlab.errors import ConfigError, RunError
from mixlab.utils.files import check_writable, make_folder, write_atomic

if TYPE_CHECKING:
    from mixlab.inference.benchmark import ExternalReport
    from mixlab.inference.scorer import Scorer
    from mixlab.training.run import Run

__all__ = ["evaluate_on"]


def evaluate_on(
    benchmark: Literal["irmas", "openmic", "jamendo", "folder"],
    run: Path | None = None,
    weights: str = "",
    also: list[str] | None = None,
    root: Path | None = None,
    labels: Path | None = None,
    part: Literal["test", "train"] = "test",
    label_set: Path | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    num_workers: int = 0,
    resamples: int = 1000,
    metrics: list[str] | None = None,
    out: Path | None = None,
) -> int:
    """Score a run or published weights on an external test set: what they can say of its classes.

    Outputs are bound to classes by the instrument tree. Classes that only a family can score are reported
    apart, classes without any output are listed and never counted. Thresholds are the run's own, or those of
    the model that comes with mixlab; other published weights have none, and are decided at 0.2, and models
    that score together (--also) at 0.5 of what they say together.

    Args:
        benchmark: The corpus; folder stands for recordings of one's own and a table of what sounds in them.
        run: Folder of the run whose model is scored.
        weights: Published weights that are scored in place of a run: a name that 'mixlab weights' lists, or a
            file of one of these; mixlab_tagger comes with mixlab.
        also: With --weights, others (or the folder of a run) that score beside them, so that the mean counts;
            may be given several times: --also A --also B.
        root: Where the corpus lies.
        labels: Of a folder, the table: columns file, present, unknown, group, and optionally start, end, kind
            (solo, mix), key. Several instruments, groups or families have | or ; between. By default
            clips.csv in the folder.
        part: Of the corpus's own split; a folder has none.
        label_set: YAML file of the run's label set, if neither mixlab nor the run has it. With --weights, the
            classes that their tags are raised to (mixtures15).
        device: Where the model computes; auto takes a GPU where there is one.
        num_workers: Processes that decode.
        resamples: Bootstrap resamples of recordings or artists; 0 leaves the intervals out.
        metrics: Metrics of one's own beside mixlab's, as package.module:name or names of entry points; by
            default those of the run's settings.
        out: With --weights, the folder where the report is written; that of a run lies in its folder.

    Returns:
        Exit code: 0 when all clips that have a file were scored, 1 when some could not be read.
    """
    from tqdm import tqdm

    from mixlab.corpora.clips.recordings import read_recordings
    from mixlab.corpora.clips.registry import load_benchmark
    from mixlab.inference.benchmark import FOLDER, report_name
    from mixlab.inference.benchmark import evaluate_on as score
    from mixlab.inference.benchmark_text import format_text
    from mixlab.training.run import Run

    check_one_model(run, weights)
    if root is None:
        raise ConfigError(
            f"On which files? Give mixlab evaluate-on {benchmark} --root FOLDER.", code="missing-setting"
        )
    _check_labels(benchmark, labels, part)
    model, folder = _open(run, weights, also, label_set, device, out)
    clips = read_recordings(root, labels) if benchmark == FOLDER else load_benchmark(benchmark, root, part)
    if folder is not None and not isinstance(model, Run):
        _check_replaced(folder / f"{report_name(clips)}.json", model.source)
    with tqdm(total=len(clips), desc=benchmark, unit="clip", leave=False, disable=None) as bar:
        report = score(
            model,
            clips,
            label_set=label_set,
            device=device,
            num_workers=num_workers,
            n_resamples=resamples,
            metrics=metrics,
            progress=bar.update,
        )
    outputs = _output_names(model)
    print(f"\n{format_text(report, outputs)}\n")
    if folder is None:
        print("Nothing is written: give --out FOLDER for that.")
    else:
        print(f"Written:  {_write(folder, report, outputs)}   (all values: {report.name}.json beside it)")
        print(f"Explorer: mixlab app --runs {shlex.quote(str(folder if run is None else run))}")
    if report.missing:
        print(_warning(report, folder))
    return 1 if report.problems else 0


def _warning(report: "ExternalReport", folder: Path | None) -> str:
    """Return what is said at the end of clips without a file."""
    from mixlab.inference.benchmark_text import SHOWN_MISSING

    n, shown = len(report.missing), SHOWN_MISSING
    head = f"{n} of {report.n_clips + len(report.problems) + n} clips "
    lines = [head + ("has no file and is left out:" if n == 1 else "have no file and are left out:")]
    lines += [f"  {key}" for key in report.missing[:shown]]
    if n > shown:
        listed = f"in {folder / report.name}.json" if folder else "in the JSON that --out FOLDER writes"
        lines.append(f"  and {n - shown} more, all under 'missing' {listed}")
    return "\n" + "\n".join([*lines, "Correct their paths, or --root, or fetch the files."])


def _check_labels(benchmark: str, labels: Path | None, part: str) -> None:
    """Refuse options that would say nothing.

    Raises:
        ConfigError: a table of labels for a corpus that has its own, or a part of a folder.
    """
    if labels is not None and benchmark != "folder":
        raise ConfigError(
            f"--labels is the table of 'mixlab evaluate-on folder'; {benchmark} has labels of its own.",
            code="conflicting-settings",
        )
    if part != "test" and benchmark == "folder":
        raise ConfigError("A folder has no parts: leave --part out.", code="conflicting-settings")


def _open(
    run: Path | None,
    weights: str,
    also: list[str] | None,
    label_set: Path | None,
    device: str,
    out: Path | None,
) -> "tuple[Run | Scorer, Path | None]":
    """Return what is scored, and the folder for its report; None where nothing is written."""
    from mixlab.cli.commands.options import choose_scorer
    from mixlab.inference.published import DEFAULT_LABEL_SET
    from mixlab.training.run import Run

    if run is None:
        if out is not None:
            check_writable(out)
        return choose_scorer(None, weights, str(label_set or DEFAULT_LABEL_SET), device, also), out
    if also:
        raise ConfigError(
            "--also goes with --weights: put a run together with other models by 'mixlab ensemble'.",
            code="conflicting-settings",
        )
    if out is not None:
        raise ConfigError(
            f"--out goes with --weights: the report of a run lies in its folder ({run}/external).",
            code="conflicting-settings",
        )
    opened = Run.open(run)
    opened.check_writable()
    return opened, opened.path / "external"


def _check_replaced(file: Path, model: str) -> None:
    """Refuse to replace the report of another model; one of the same model is made anew.

    Raises:
        RunError: the file is such a report.
    """
    from mixlab.inference.benchmark import ExternalReport

    if not file.exists():
        return
    try:
        stored = ExternalReport.load(file).model
    except RunError:  # nobody can read it: it may be replaced
        return
    if stored and stored != model:
        raise RunError(
            f"{file} is the report of {stored}, and {model} would replace it. Give another folder "
            "with --out, or move that report away.",
            code="report-exists",
        )


def _output_names(model: "Run | Scorer") -> list[str]:
    from mixlab.training.run import Run

    return [str(n) for n in model.info["labels"]["outputs"]] if isinstance(model, Run) else [*model.labels]


def _write(folder: Path, report: "ExternalReport", outputs: list[str]) -> Path:
    """Write the report into a folder; return the Markdown file."""
    from mixlab.inference.benchmark_text import format_markdown
    from mixlab.utils.plain import plain

    make_folder(folder)
    contents = {
        ".json": json.dumps(plain(report.to_dict()), indent=2, allow_nan=False) + "\n",
        ".md": format_markdown(report, outputs),
    }
    for ending, content in contents.items():
        write_atomic(folder / f"{report.name}{ending}", content)
    return folder / f"{report.name}.md"
