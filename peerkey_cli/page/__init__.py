"""The status page: one picture of a fleet, complete without scripts, from what the actors say.

===============  ===================================================================================
``observed``     asks the fleet: every part for itself, so that one that is silent hides no other
``view``         decides what is shown, in which order, and how much of it; pure
``fleet_map``    draws who is keyed with whom; pure
``html``         makes the page of a view; pure
``routes``       ``GET /`` of the admin API
``proxy``        the same for a browser on this machine (``peerkey page``)
===============  ===================================================================================
"""
