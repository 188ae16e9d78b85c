"""The two nodes of an HA router, joined: the shell of :mod:`peerkey.ha`.

``ssh_keys``   the SSH key of a node: made, read, shown as OpenSSH shows it
``transport``  the port by which a node reaches its mate: one channel, or the reason why there is none
``ssh``        the channel over SSH; ``ssh_ends`` is what each end accepts of the other
``direct``     the channel within one process, for tests and the simulator
``records``    the copies of the mate's records in this node's store
``messages``   what the actors say to each other about it
``link``       the actor
``replication``  what the node keeps of its mate: hooks for the desk and for activation
"""
