"""What to cite for published weights: the project that trained them, and the data they were trained on."""

from mixlab.models.checkpoint_list import Checkpoint
from mixlab.models.shipped_model import SHIPPED

__all__ = ["checkpoint_references"]

_WON = """
@inproceedings{won2020evaluation,
  author = {Won, Minz and Ferraro, Andres and Bogdanov, Dmitry and Serra, Xavier},
  title = {Evaluation of {CNN}-based Automatic Music Tagging Models},
  booktitle = {17th Sound and Music Computing Conference},
  year = {2020},
}
"""
_JAMENDO = """
@inproceedings{bogdanov2019mtg,
  author = {Bogdanov, Dmitry and Won, Minz and Tovstogan, Philip and Porter, Alastair and Serra, Xavier},
  title = {The {MTG-Jamendo} Dataset for Automatic Music Tagging},
  booktitle = {Machine Learning for Music Discovery Workshop, ICML},
  year = {2019},
}
"""
_MTAT = """
@inproceedings{law2009evaluation,
  author = {Law, Edith and West, Kris and Mandel, Michael and Bay, Mert and Downie, J. Stephen},
  title = {Evaluation of Algorithms Using Games: The Case of Music Tagging},
  booktitle = {10th International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2009},
}
"""
_IMAGENET = """
@inproceedings{deng2009imagenet,
  author = {Deng, Jia and Dong, Wei and Socher, Richard and Li, Li-Jia and Li, Kai and Fei-Fei, Li},
  title = {{ImageNet}: A Large-Scale Hierarchical Image Database},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2009},
}
"""
_DATA = {"jamendo": _JAMENDO, "mtat": _MTAT, "imagenet": _IMAGENET}
_MUSIC_PROJECTS = ("jamendo", "mtat")


def checkpoint_references(entry: Checkpoint) -> str:
    """Return the BibTeX of a checkpoint: its project, where that has a paper, and its data.

    '' for the one that comes with mixlab, which is mixlab's own, trained on songs of its own.
    """
    if entry.name == SHIPPED:
        return ""
    data = entry.name.partition("_")[0]
    return (_WON if data in _MUSIC_PROJECTS else "") + _DATA[data]
