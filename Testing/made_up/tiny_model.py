"""A complete model folder with a very narrow ANU-Net of random weights that segments about half of a volume."""

import json
from dataclasses import asdict

import torch
from safetensors.torch import save_file

from AttnSegLib import networks
from AttnSegLib.models.card_file import CARD, FORMAT
from AttnSegLib.models.catalog import sha256_of
from AttnSegLib.networks.cost import network_facts


def write_model(folder):
    """Write it, as model 'tiny'; returns the folder. To count what a network costs takes half a second."""
    torch.manual_seed(0)
    network = networks.create("anunet", width=2).eval()
    with torch.no_grad():
        network.heads["4"].bias -= network(torch.rand(1, 1, 64, 64)).logits.median()
    folder.mkdir()
    save_file(network.state_dict(), folder / "weights.safetensors")
    anatomy = {"scheme": "SCT", "value": "123037004", "meaning": "Anatomical Structure"}
    atrium = {"scheme": "SCT", "value": "82471001", "meaning": "Left atrium"}
    card = {
        "format": FORMAT,
        "id": "tiny",
        "title": "A tiny model for tests",
        "network": "anunet",
        "options": {"width": 2},
        "organ": "left atrium",
        "modality": "MR",
        "labels": [{"value": 1, "name": "Left atrium", "color": [152, 55, 13], "category": anatomy, "type": atrium}],
        "preprocessing": {"plane": "acquired", "percentiles": [0.5, 99.5]},
        "attention": ["gate 0,0"],
        "facts": asdict(network_facts("anunet", width=2)),
        "largest_component": False,
        "mirrored": True,
        "weights": "weights.safetensors",
        "sha256": sha256_of(folder / "weights.safetensors"),
        "licence": "CC0-1.0",
        "reference": "none",
        "training": {},
        "scores": {"summary": "never trained"},
    }
    (folder / CARD).write_text(json.dumps(card))
    return folder
