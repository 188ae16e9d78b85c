"""A fleet on the hosts of a cluster: how they are composed, started, found and spoken to.

=============  ==========================================================================================
``settings``   what every host is told when it starts: paths and addresses, and no secret
``driver``     ``peerkey run --runtime ray``: from a configuration to a fleet that runs
``program``    what runs on every host
``control``    composes the host of the coordinator
``worker``     composes a host of router nodes
``paths``      composes a host of a single path, under dedicated placement
``account``    what every host keeps of itself: its audit log, its crashes
``stores``     the store of a host: Redis, or a file of its own
``custodian``  errands about keys and certificates, done by the host that runs the node
``door``       the admin API of one machine over TCP
``seat``       which host of a machine speaks for it: one has the admin API, the metrics and the lists
``fleet``      the fleet as that one sees it (:class:`peerkey_cli.fleet.Fleet`)
=============  ==========================================================================================
"""
