"""A fleet on a cluster of hosts: who decides what runs where, and who sees to it on each host.

===============  ====================================================================================
``coordinator``  the actor ``coordinator`` of the host ``control``: one for the cluster
``agent``        the actor ``agent`` of every other host, which does what the coordinator says
``assigned``     what a host has been told so far: the plans of its nodes, and their direct paths
``messages``     what they say to each other
``registry``     everything that travels between hosts
``units``        pure: what a plan asks of the place where its node runs
``reconciling``  pure: which node is on which host, and which hosts there should be
``upkeep``       pure: which hosts are to be started and discarded now
``shares``       pure: what one node is to do, in pieces that travel
``record``       the assignment as it is stored
``distant_path`` what stands beside a node for a path that has a host of its own
``path_keeper``  the actor ``paths`` of such a host, which runs it
``asking``       questions of which the answer comes in pages
===============  ====================================================================================

How to compose them (``docs/decisions/0118-who-decides-where-a-node-runs.md`` says why it is so)::

    # on the host CONTROL
    system.spawn(
        lambda: Coordinator(read_plans, CoordinatorPorts(store, machines, journal, system.ref), settings,
                            incarnation=transport.incarnation, pid=os.getpid()),
        COORDINATOR, supervision=PATIENT,
    )

    # on every other host
    assigned = Assigned()
    system.spawn(lambda: Authority(assigned.plans, ports, …), AUTHORITY, supervision=PATIENT)
    system.spawn(
        lambda: Agent(assigned, AgentPorts(host, system, journal, expect=wire.expect), incarnation=…, pid=…),
        AGENT, supervision=PATIENT,
    )
"""
