"""Where each network was published: the one place that says so.

Cards, attributions, `attnseg networks`, `CITATION.cff` and the network's own file take or repeat what stands here, and
tests compare. How far it was checked:

- AF-Net: whole, on the publisher's page. ANU-Net: authors, volume and pages, on its first page as printed; its DOI was
  not found a second time. EC-CaM-UNet: the DOI, in the text; volume, pages and the order of the authors were not.
- MS-Dual-Guided: volume and pages, in another paper's list of references; its DOI was not found and is left out.
- Omega-Net: its text names the first author alone. The authors of the later version, in Neurocomputing, are eight
  others (docs/papers.md), so none is added.
- Baselines: with the reference lists of the five and with public bibliographies. What was not found is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from AttnSegLib.errors import InputError


@dataclass(frozen=True)
class Reference:
    """A publication. authors: initials and family name each, or "others" in the end. venue: journal, conference or
    place on the web. volume: with the number, such as "69(2)". identifier: a DOI or an arXiv number, its kind first."""

    authors: tuple[str, ...]
    title: str
    venue: str
    year: int
    volume: str = ""
    pages: str = ""
    identifier: str = ""

    @property
    def short(self) -> str:
        """For a column of a table: "Hou et al. 2021"."""
        first, *more = (author.rpartition(" ")[2] for author in self.authors)
        names = f"{first} et al." if len(more) > 1 or more == ["others"] else " and ".join([first, *more])
        return f"{names} {self.year}"

    @property
    def text(self) -> str:
        """Whole, in one line, without a full stop at its end."""
        authors = ", ".join(self.authors).replace(", others", " et al.")
        where = "" if self.identifier.startswith(self.venue) else f"{self.venue} {self.volume}".strip()
        found = ", ".join(part for part in (f'{authors}: "{self.title}"', where, self.pages) if part)
        return f"{found} ({self.year})" + (f", {self.identifier}" if self.identifier else "")

    def bibtex(self, key: str) -> str:
        """An entry of a BibTeX file, under this key."""
        volume, number = re.fullmatch(r"(\w*)(?:\((\w+)\))?", self.volume).groups()  # type: ignore[union-attr]
        kind, _, identifier = self.identifier.partition(" ")
        fields = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",
            "journal": self.venue.replace("&", r"\&"),
            "volume": volume,
            "number": number,
            "pages": self.pages.replace("-", "--"),
            "year": str(self.year),
            "doi": identifier if kind == "doi" else "",
            "eprint": identifier if kind == "arXiv" else "",
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@article{{{key},", *lines, "}"])


def reference_of(network: str) -> Reference:
    """The publication of a network of `networks.network_names()`. Raises `InputError` for any other name."""
    if network not in REFERENCES:
        raise InputError(f"There is no network '{network}'; choose one of: {', '.join(sorted(REFERENCES))}.")
    return REFERENCES[network]


def _authors(names: str) -> tuple[str, ...]:
    return tuple(names.split(", "))


REFERENCES = {
    "afnet": Reference(
        _authors("G. Hou, J. Qin, X. Xiang, Y. Tan, N. N. Xiong"),
        "AF-Net: A medical image segmentation network based on attention mechanism and feature fusion",
        *("Computers, Materials & Continua", 2021, "69(2)", "1877-1891", "doi 10.32604/cmc.2021.017481"),
    ),
    "anunet": Reference(
        _authors("C. Li, Y. Tan, W. Chen, X. Luo, Y. He, Y. Gao, F. Li"),
        "ANU-Net: Attention-based nested U-Net to exploit full resolution features for medical image segmentation",
        *("Computers & Graphics", 2020, "90", "11-20", "doi 10.1016/j.cag.2020.05.003"),
    ),
    "eccamunet": Reference(  # on the web in 2023; its volume is that of 2024
        _authors("Z. Xu, B. Tian, S. Liu, X. Wang, D. Yuan, J. Gu, J. Chen, T. Lukasiewicz, V. C. M. Leung"),
        "Collaborative attention guided multi-scale feature fusion network for medical image segmentation",
        "IEEE Transactions on Network Science and Engineering",
        *(2024, "11(2)", "1857-1871", "doi 10.1109/TNSE.2023.3332810"),
    ),
    "msdualguided": Reference(
        _authors("A. Sinha, J. Dolz"),
        "Multi-scale self-guided attention for medical image segmentation",
        "IEEE Journal of Biomedical and Health Informatics",
        *(2021, "25(1)", "121-130", "arXiv 1906.02849"),
    ),
    "omeganet": Reference(  # the version whose text is followed; another is Z. Xu et al., Neurocomputing 500 (2022)
        _authors("B. Wang, others"),
        "w-Net: Dual supervised medical image segmentation model with multi-dimensional attention and cascade "
        "multi-scale convolution",
        *("arXiv", 2020, "", "", "arXiv 2012.03674"),
    ),
    "attentionr2unet": Reference(  # no paper of its own
        ("LeeJunHyun",),
        "Attention R2U-Net: Just integration of two recent advanced works (R2U-Net + Attention U-Net)",
        *("github.com/LeeJunHyun/Image_Segmentation", 2018),
    ),
    "attentionunet": Reference(
        _authors("O. Oktay, J. Schlemper, L. Le Folgoc, M. Lee, M. Heinrich, K. Misawa, others"),
        "Attention U-Net: Learning where to look for the pancreas",
        *("arXiv", 2018, "", "", "arXiv 1804.03999"),
    ),
    "cbamunet": Reference(
        _authors("S. Woo, J. Park, J.-Y. Lee, I. S. Kweon"),
        "CBAM: Convolutional block attention module",
        *("ECCV", 2018),
    ),
    "cenet": Reference(
        _authors("Z. Gu, J. Cheng, H. Fu, K. Zhou, H. Hao, Y. Zhao, T. Zhang, S. Gao, J. Liu"),
        "CE-Net: Context encoder network for 2D medical image segmentation",
        *("IEEE Transactions on Medical Imaging", 2019, "38", "", "arXiv 1903.02740"),
    ),
    "daf": Reference(
        _authors("Y. Wang, Z. Deng, X. Hu, L. Zhu, X. Yang, X. Xu, P.-A. Heng, D. Ni"),
        "Deep attentional features for prostate segmentation in ultrasound",
        *("MICCAI", 2018, "", "523-530"),
    ),
    "danet": Reference(
        _authors("J. Fu, J. Liu, H. Tian, Y. Li, Y. Bao, Z. Fang, H. Lu"),
        "Dual attention network for scene segmentation",
        *("CVPR", 2019),
    ),
    "deeplabv3plus": Reference(
        _authors("L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam"),
        "Encoder-decoder with atrous separable convolution for semantic image segmentation",
        *("ECCV", 2018, "", "", "arXiv 1802.02611"),
    ),
    "fcn": Reference(
        _authors("J. Long, E. Shelhamer, T. Darrell"),
        "Fully convolutional networks for semantic segmentation",
        *("CVPR", 2015),
    ),
    "hrnet": Reference(
        _authors(
            "J. Wang, K. Sun, T. Cheng, B. Jiang, C. Deng, Y. Zhao, D. Liu, Y. Mu, M. Tan, X. Wang, W. Liu, B. Xiao"
        ),
        "Deep high-resolution representation learning for visual recognition",
        "IEEE Transactions on Pattern Analysis and Machine Intelligence",
        *(2021, "43(10)", "3349-3364", "arXiv 1908.07919"),
    ),
    "msunet": Reference(
        _authors("R. Su, D. Zhang, J. Liu, C. Cheng"),
        "MSU-Net: Multi-scale U-Net for 2D medical image segmentation",
        *("Frontiers in Genetics", 2021, "12", "639930", "doi 10.3389/fgene.2021.639930"),
    ),
    "pan": Reference(
        _authors("H. Li, P. Xiong, J. An, L. Wang"),
        "Pyramid attention network for semantic segmentation",
        *("BMVC", 2018, "", "", "arXiv 1805.10180"),
    ),
    "r2unet": Reference(
        _authors("M. Z. Alom, M. Hasan, C. Yakopcic, T. M. Taha, V. K. Asari"),
        "Recurrent residual convolutional neural network based on U-Net (R2U-Net) for medical image segmentation",
        *("arXiv", 2018, "", "", "arXiv 1802.06955"),
    ),
    "segformer": Reference(
        _authors("E. Xie, W. Wang, Z. Yu, A. Anandkumar, J. M. Alvarez, P. Luo"),
        "SegFormer: Simple and efficient design for semantic segmentation with transformers",
        *("NeurIPS", 2021),
    ),
    "seunet": Reference(
        _authors("J. Hu, L. Shen, G. Sun"),
        "Squeeze-and-excitation networks",
        *("CVPR", 2018),
    ),
    "unet": Reference(
        _authors("O. Ronneberger, P. Fischer, T. Brox"),
        "U-Net: Convolutional networks for biomedical image segmentation",
        *("MICCAI", 2015, "", "234-241", "arXiv 1505.04597"),
    ),
    "unetplusplus": Reference(
        _authors("Z. Zhou, M. M. R. Siddiquee, N. Tajbakhsh, J. Liang"),
        "UNet++: A nested U-Net architecture for medical image segmentation",
        "Deep Learning in Medical Image Analysis and Multimodal Learning for Clinical Decision Support",
        *(2018, "", "3-11", "arXiv 1807.10165"),
    ),
}
