"""Baselines that are U-Nets: an encoder and a decoder with as many levels, and connections between equal levels."""
