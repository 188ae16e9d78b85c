"""``peerkey demo``: a fleet that keys itself before one's eyes, and proves that it did.

``authority``  a throw-away authority in a directory: CA, certificates, configuration, free ports
``facts``      what a fleet's status says of the demonstration's goals; pure
``lists``      the server of the CA's revocation list
``story``      the steps, each with what must have happened before the next
``display``    how progress is shown: bars on a terminal, lines elsewhere

With ``--ha`` it is an HA pair, a process for each node and one for the peers:

``pair_authority``  the same with a router of two nodes and their SSH keys
``pair_facts``      what nodes and peers say of a failover; pure
``pair_story``      the steps: a node is killed, taken over, and comes back
``processes``       a ``peerkey run`` that is started, killed and started again
``companion``       what those processes run, so that none outlives the demonstration

Nothing is staged: the configuration is a file that ``peerkey run`` would take, the actors are those of
``peerkey run``, and the datagrams cross real sockets.
"""
