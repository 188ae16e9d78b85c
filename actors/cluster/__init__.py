"""A fleet on a cluster of hosts: who decides what runs where, and who sees to it on each host.

=====================  ==============================================================================
``coordinator``        the actor ``coordinator`` of the host ``control``: one for the cluster
``coordinator_steps``  what it decides on, and what it tells itself
``agent``              the actor ``agent`` of every other host, which does what the coordinator says
``assigned``           what a host has been told so far: the plans of its nodes, their direct paths
``messages``           what they say to each other
``registry``           everything that travels between hosts
``asking``             questions of which the answer comes in pages
``units``              pure: what a plan asks of the place where its node runs
``configuration``      pure: what was read, as the coordinator needs it
``reconciling``        pure: which node is on which host, and which hosts there should be
``upkeep``             pure: which hosts are to be started and discarded now
``telling``            pure: what there is to tell the agents
``shares``             pure: what one node is to do, in pieces that travel
``placement_view``     pure: what an operator is shown
``record``             the assignment as it is stored
=====================  ==============================================================================

How to compose them (``docs/decisions/0118-who-decides-where-a-node-runs.md`` says why it is so)::

    # on the host CONTROL
    ports = CoordinatorPorts(store, machines, journal, system.ref, host)
    system.spawn(
        lambda: Coordinator(read_plans, ports, Settings(…), incarnation=transport.incarnation),
        COORDINATOR,
        supervision=PATIENT,
    )

    # on every other host: one Assigned for the life of the process
    assigned = Assigned()
    system.spawn(lambda: Authority(assigned.plans, node_ports, …), AUTHORITY, supervision=PATIENT)
    ports = AgentPorts(host, system, journal, expect=wire.expect)
    system.spawn(
        lambda: Agent(assigned, ports, incarnation=transport.incarnation, pid=os.getpid()),
        AGENT,
        supervision=PATIENT,
    )

An agent speaks to the control host by itself. Whoever asks uses :mod:`actors.cluster.asking`, or asks
``//control/coordinator``, ``//HOST/agent`` and ``//HOST/authority``.
"""
