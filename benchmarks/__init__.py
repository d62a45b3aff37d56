"""Measurements that anyone can rerun: `make bench-NAME JSON=FILE`.

Each interleaves what it compares within one run and reports medians with their spread, because a
machine's speed drifts between runs. Figures are in README.md, with the machine they come from.
"""
