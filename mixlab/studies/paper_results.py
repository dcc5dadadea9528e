"""What the core paper states about its own experiments, to stand beside ours.

Transfer learning using musical / non-musical mixtures for multi-instrument classification (published by
Bradl, Huber and Pernkopf, ITG Speech Communication 2023). Its numbers are of MedleyDB, Mixing Secrets and
Slakh2100, split at random by song, after pretraining on MTG-Jamendo; it gives no intervals. Only what its
text and tables state is here: curves and bars that are printed as figures alone have no numbers.
"""

from dataclasses import dataclass

__all__ = ["FIG_2", "FIG_3", "SECTION_2_2", "TABLE_1", "WEAK", "PaperRow"]

CITATION = "the paper (MedleyDB, Mixing Secrets and Slakh2100, random splits)"


@dataclass(frozen=True)
class PaperRow:
    """One row of the paper's Table 1."""

    label: str
    roc_auc: float
    average_precision: float
    loss: float


TABLE_1 = {
    "scratch": PaperRow("From Scratch", 0.8488, 0.6812, 0.4459),
    "frozen": PaperRow("Frozen Backbone", 0.8908, 0.7623, 0.4160),
    "finetune": PaperRow("Fine-tuned", 0.9429, 0.8334, 0.3618),
}
"""Table 1, section 3.1: ROC-AUC, PR-AUC and test loss by transfer mode, one value each."""

FIG_2 = (
    "The paper's Fig. 2 (section 3.2, means over four seeds, no intervals) has its optimum at p_musical = "
    "0.4, inside the range; its text gives no values of the curves."
)

FIG_3 = (
    "The paper's Fig. 3 (section 3.3) has an F1 of 0 for brass and above 0.95 for some classes, among the "
    "best percussion, drums and plucked strings; woodwind and violin do badly. Its text gives no other "
    "values."
)

WEAK = ("brass", "woodwind", "violin")
"""The classes that the paper's Fig. 3 names as those it recognises badly or never."""

SECTION_2_2 = (
    "The paper splits its songs at random and says itself that this may be optimistic where an artist is on "
    "both sides (section 2.2); it states no number for it."
)
