"""Volumes and where their voxels lie: files in and out, orientation, planes."""
