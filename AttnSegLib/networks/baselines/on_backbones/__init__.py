"""Baselines that stand on a backbone, a network made to classify, such as a ResNet; what decodes it is small."""
