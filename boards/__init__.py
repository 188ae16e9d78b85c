"""The dashboards: what they ask, what they show it as, and where each alert is seen.

What is on a board is data (:mod:`boards.pieces` and a module for each board); :mod:`boards.grafana` makes of
it what Grafana reads. It is not part of what is installed: ``python -m boards`` writes
``deploy/monitoring/grafana/dashboards``, and a test tells when that is not up to date.
"""
