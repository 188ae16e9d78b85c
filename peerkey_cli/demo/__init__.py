"""``peerkey demo``: a fleet that keys itself before one's eyes, and proves that it did.

``authority``  a throw-away authority in a directory: CA, certificates, configuration, free ports
``facts``      what a fleet's status says of the demonstration's goals; pure
``lists``      the server of the CA's revocation list
``story``      the steps, each with what must have happened before the next
``display``    how progress is shown: bars on a terminal, lines elsewhere

Nothing is staged: the configuration is a file that ``peerkey run`` would take, the actors are those of
``peerkey run``, and the datagrams cross real sockets.
"""
