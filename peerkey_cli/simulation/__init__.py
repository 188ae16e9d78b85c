"""``peerkey simulate``: a whole authority under virtual time, with everything going wrong that can.

The machines, the actors, the configuration and the audit log are those of ``peerkey run``; clocks, disks,
networks and processes are :mod:`runtime.backends.sim`'s. One seed decides what goes wrong and when.

============  ==========================================================================================
``settings``  what a run is asked for, and nothing else decides it
``faults``    what can go wrong, as values; a schedule of them drawn from a seed
``fleet``     the authority's nodes, each on a machine of its own, with throw-away certificates
``injector``  carries a schedule out
``watch``     sees both ends of every peering after every step: the invariants of protocol.md, section 5
``watched``   the machine of a peering, which is held to its own rules
``model``     what should be true once everything is put right, in a few sentences
``trace``     what happened: a digest of all of it, and the last of it in words
``run``       one run, from a seed to an outcome
``shrink``    the few faults of a failing schedule that still make it fail
``report``    what an operator would have seen
============  ==========================================================================================
"""
