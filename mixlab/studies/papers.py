"""The papers whose experiments mixlab repeats, as BibTeX; what a paper's text does not tell is left out."""

__all__ = ["PAPERS"]

PAPERS = r"""
@inproceedings{bradl2023transfer,
  author = {Bradl, H. and Huber, M. and Pernkopf, F.},
  title = {Transfer Learning Using Musical/Non-Musical Mixtures for Multi-Instrument Recognition},
  booktitle = {ITG Conference on Speech Communication},
  year = {2023},
  doi = {10.30420/456164009},
}
@misc{zhong_finetuning,
  author = {Zhong, Lifan and Saito, Daisuke and Minematsu, Nobuaki},
  title = {Fine-tuning {ImageNet} Pre-trained Models To Be Transferred for Predominant Instrument
           Recognition in Polyphonic Music},
  howpublished = {The University of Tokyo},
}
@inproceedings{shtern2017transfer,
  author = {Shtern, Mark and Ejaz, Rabia and Tzerpos, Vassilios},
  title = {Transfer Learning in Neural Networks: An Experience Report},
  booktitle = {Proceedings of CASCON},
  year = {2017},
}
@phdthesis{choi2018deep,
  author = {Choi, Keunwoo},
  title = {Deep Neural Networks for Music Tagging},
  school = {Queen Mary University of London},
  year = {2018},
}
@misc{huang_curious,
  author = {Huang, Haozhe and He, Jiabin and Xu, Yudong},
  title = {Curious Case of Transfer Learning in Audio Domain},
  howpublished = {University of Toronto},
}
"""
