"""The sections of AttnSeg's panel, one file each; `panel.Panel` holds them together."""
