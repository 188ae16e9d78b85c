"""The tests.

This file makes ``tests`` a regular package, so that ``tests.support`` is ours whatever else is installed.
"""
