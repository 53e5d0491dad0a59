"""The networks that the papers compare theirs with, under the same contract; one file each.

U-Nets are in unets/; networks that stand on a backbone, such as a ResNet, are in on_backbones/.

Written here, but for SegFormer, which is the transformers library's. Why not from timm or segmentation_models_pytorch:
docs/decisions/0004-torchvision.md, which also says why no longer from MONAI. All start with random weights, and nothing
is ever downloaded.
"""
