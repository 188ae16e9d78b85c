"""What peerkey means: certificates, keys, configuration and what is observed, as pure values.

Nothing in this package reads a clock, a file, a socket or an environment variable, and nothing in
it starts a task. Time arrives as an argument (:class:`peerkey.moment.Moment`), randomness and the
private key arrive through ports, and whatever should happen leaves as a value that the actors in
``actors/`` carry out.

The packages, from the top down; each imports only those below it:

``protocol``  the wire format, the key schedule and the two state machines, ``Peering`` and ``Path``
``pki``       certificates, chains, trust and the verdict on a peer's certificate
``config``    the authority's schema, and what one node has to do according to it
``observe``   events, alarms and counters as values
``testing``   public fakes for everything above
"""
