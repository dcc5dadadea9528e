"""What the outputs of a run are in the instrument tree."""

from pathlib import Path

from mixlab.corpora.clips.mtg_jamendo import jamendo_labels
from mixlab.errors import RunError
from mixlab.taxonomy import LabelSet, Output, is_shipped, label_set_names, load_label_set
from mixlab.training.run import Run

__all__ = ["run_outputs"]


def run_outputs(run: Run, label_set: str | Path | None = None) -> tuple[Output, ...]:
    """Return a run's outputs with their nodes.

    Args:
        run: A run with a model.
        label_set: YAML file of a label set that is not shipped; by default what the run keeps of it.

    Raises:
        RunError: the label set is not known here, or has other outputs than the run.
    """
    info = run.info["labels"]
    name, names = str(info["name"]), tuple(str(output) for output in info["outputs"])
    kept = str(run.config.get("mix", {}).get("label_set", ""))
    labels: LabelSet | None = None
    if label_set is not None:
        labels = load_label_set(str(label_set))
        if labels.names == names and labels.content_hash != info.get("content_hash", labels.content_hash):
            raise RunError(
                f"{label_set} binds the outputs of {run.path} to other nodes than it was trained with. Give "
                "the file as it was then, or none: a run keeps its label set.",
                code="label-set-mismatch",
            )
    elif "nodes" in info:
        return tuple(Output(name, tuple(nodes)) for name, nodes in zip(names, info["nodes"], strict=True))
    elif kept and not is_shipped(kept):
        labels = load_label_set(kept)
    elif name in label_set_names():
        labels = load_label_set(name)
    elif name.startswith("jamendo-"):
        labels = jamendo_labels(name.removeprefix("jamendo-"), names)
    if labels is None or labels.names != names:
        raise RunError(
            f"{run.path} has the outputs of label set {name!r}, which is not known here as such. Give its "
            "YAML file (--label_set FILE).",
            code="unknown-label-set",
        )
    return labels.outputs
