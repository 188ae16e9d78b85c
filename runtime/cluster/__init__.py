"""A cluster of hosts: each is one process with one system of actors, and a reference reaches all of them.

=================  ===================================================================================
``transport``      the seam: batches of bytes to a host, at most once; ``simulated`` is one in virtual time
``frames``         what a batch is: who sends, in which life, and numbered items
``codec``          what a message looks like on its way, and which messages may leave at all
``failures``       the same for the errors that questions fail with
``link``           pure: one host's view of one other host: joined or gone, the window, order, fencing
``linkage``        what a link can be in, what it wants done, its numbers
``directory``      pure: which host an actor is on, by the longest prefix of its name
``placement``      pure: which host an actor should be on
``machines``       the port to the machines, and to the processes of hosts on them
``questions``      questions and answers between hosts
``watches``        watches between hosts
``links``          the links of one host, their batches and their deadlines
``program``        what runs on every host, found by its name
``wire``           the wire between hosts; ``datagrams`` is what it sends
``host``           puts them together around one :class:`~runtime.system.ActorSystem`
=================  ===================================================================================

``docs/decisions/0110-what-a-cluster-promises.md`` says what is promised and why, ``docs/guides/actors.md``
what differs for an actor. Nothing here knows what carries the batches.
"""
