"""What the paper on genres and speakers states, to stand beside our numbers.

Huang, He and Xu, "Curious Case of Transfer Learning in Audio Domain" (University of Toronto). Accuracies on a
tenth of the data, held out at random, one training each; without intervals. The code is at
https://github.com/markohuang/csc413-final-project.
"""

from collections.abc import Mapping

__all__ = ["FACTS", "SOURCE", "TABLE_3"]

SOURCE = "Table 3, validation accuracy (FMA medium, 16 genres; VCTK, 16 speakers)"

TABLE_3: Mapping[str, Mapping[str, float]] = {
    "convnet": {"genre": 45.14, "speaker": 24.39},
    "rawnet2": {"genre": 59.99, "speaker": 93.55},
}
"""Table 3, in per cent, by network and task."""

FACTS = (
    "Its Table 3 has accuracies on a random tenth of the data, by which networks may also have been chosen; "
    "ours are on test clips of artists (of speech: sentences) that are in no other part.",
    "Its four cells are not alike: ConvNet is trained on genres, and has only its last layer retrained on "
    "speakers; RawNet2 starts from its authors' weights of 6,112 other speakers for both tasks (here: "
    "trained on the speakers of this study). Its text says that only the last layer is retrained; its code "
    "trains all weights of RawNet2, and scores RawNet2 by the first 3 s of a track and ConvNet by all "
    "windows.",
    "It explains ConvNet's result by the imbalance of genres: 95 % recall for Rock and 72 % for Electronic, "
    "53 % of the tracks together, and 0 for Blues, Classical and Country.",
)
"""What must be known to read its numbers beside ours (sections 3.1 to 4, and its code)."""
