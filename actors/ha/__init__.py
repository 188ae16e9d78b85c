"""The two nodes of an HA router, joined: the shell of :mod:`peerkey.ha`."""
