"""A fleet on a cluster of hosts: who decides what runs where, and who sees to it on each host.

=====================  =======================================================================
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
