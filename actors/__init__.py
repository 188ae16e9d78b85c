"""The actors: each a machine from ``peerkey/`` driven by ``runtime/``.

===================  ====================  ==================================================================
actor                one per               owns
===================  ====================  ==================================================================
``Authority``        process of a fleet    the desired state; starts, watches and reconciles the router nodes
``RouterNode``       router node           identity, trust, and the ``Peering`` machine of every peer
``PeerPath``         path to a peer node   the ``Path`` machine and one endpoint of a wire
``RevocationIndex``  process of a fleet    which revocation lists are wanted, and the master list of them all
``CrlSource``        address of a list     polling, fetching, and the last good lists of that address
===================  ====================  ==================================================================

``messages``     what they say to each other
``desk``         carries out a peering's effects in order, each behind the write that it depends on
``paths``        the paths of a peering as their node sees them, and what each must know
``intake``       how much traffic may be under way, so that control messages find room
``node_status``  what an operator is shown of a node
``work``         work on the executor that waits for its turn
``identity``     a node's certificate, key and trust, as read from where the configuration says
``crashes``      crashes of any of them as audit events and alarms
``names``        what they are called
``journal``      where audit events go
``crl``          the CRL manager: the last two actors, and what they need of the world
``keystores``    where private keys and the store's sealing key are
"""
