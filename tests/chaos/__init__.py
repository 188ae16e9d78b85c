"""Clusters that are broken on purpose.

This file makes the folder a package, so that the cluster that all share ends with the last test of it.
"""
