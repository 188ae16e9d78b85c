"""The actors: each a machine from ``peerkey/`` driven by ``runtime/``.

======================  ====================  ==============================================================
actor                   one per               owns
======================  ====================  ==============================================================
``Authority``           process of a fleet    the desired state; starts, watches, reconciles the router nodes
``RouterNode``          router node           identity, trust, and the ``Peering`` machine of every peer
``PeerPath``            path to a peer node   the ``Path`` machine and one endpoint of a wire
``HaSyncLink``          node of a pair        the link to the mate, and the copies of its key rings
``CertificateRenewal``  router node           when its certificate is renewed, and what became of that
``RevocationIndex``     process of a fleet    which revocation lists are wanted, and all of them merged
``CrlSource``           address of a list     polling, fetching, and the last good lists of that address
======================  ====================  ==============================================================

``messages``           what they say to each other
``desk``               carries out a peering's effects in order, each behind the write that it depends on
``paths``              the paths of a peering as their node sees them, and what each must know
``intake``             how much traffic may be under way, so that control messages find room
``node_status``        what an operator is shown of a node
``node_certificates``  a node's own certificate and trust, and what judges those of its peers
``certificate_watch``  when a node looks at certificates again, its own and its peers'
``revocation_check``   when a node's own certificate was checked last, over restarts
``renewals``           which nodes have their certificate renewed
``whole_files``        files that appear whole or not at all
``work``               work on the executor that waits for its turn
``time``               the two clocks of a system as one moment
``identity``           a node's certificate, key and trust, as read from where the configuration says
``crashes``            crashes of any of them as audit events and alarms
``names``              what they are called
``journal``            where audit events go
``master_list_file``   the list of everything that is revoked, on the disk
``crl``                the CRL manager: the last two actors, and what they need of the world
``keystores``          where private keys and the store's sealing key are
"""
