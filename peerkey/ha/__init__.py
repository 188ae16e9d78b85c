"""The two nodes of an HA router: each holds the other's keys, so that no flow is rekeyed when one dies.

    "When two nodes are configured as a redundant pair, each of the keys need to be exchanged between nodes."

``docs/ha.md`` is the document. Read in this order; each module stands on those before it:

``constants``   every number of the link and where it comes from
``messages``    the six kinds of frame and their fields
``records``     what is replicated, which state of it, and what is stored of a copy
``sealing``     records sealed from end to end
``effects``     what the machines ask the world to do
``outbox``      our records on their way: what the mate has, what it lacks, what is under way
``copies``      the mate's records as they arrive: which is taken, when it is durable
``link``        the machine of one end: greeting, inventories, changes, silence
``leadership``  who decides what belongs to the router
``takeover``    the mate's keys, while it is silent
``turns``       whose turn it is to rekey: the router's record, which the leader changes
``view``        which of our keys the mate holds: activation asks
``pair``        one node: the link, leadership, turns and takeover together

Nothing here knows what a record means, but for ``takeover`` and ``view``, which read key rings.
"""
