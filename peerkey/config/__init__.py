"""The authority's configuration: its schema, how it is read, and what each node has to do.

A configuration is one YAML file with the names of the specification. :func:`~peerkey.config.load.load` turns
its text into an :class:`~peerkey.config.models.Authority`, or raises
:exc:`~peerkey.config.findings.ConfigurationFaults`, which lists *every* fault with its line.
:func:`~peerkey.config.planning.plans` turns an authority into one immutable
:class:`~peerkey.config.plan.NodePlan` for each node, which is all that the rest of peerkey ever sees of a
configuration::

    loaded = load(text, "authority.yaml")
    for warning in loaded.warnings:
        print(warning)
    for plan in plans(loaded.authority, directory="/etc/peerkey"):
        ...

Nothing here reads a file: not the configuration, and not the certificates that it names. Every name is
imported from the module that has it, so that a command which reads no configuration does not wait for the
schema.
"""
