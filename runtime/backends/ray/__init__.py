"""The Ray backend: hosts are Ray actors, and batches between them are calls.

==============  ======================================================================================
``connecting``  reaching a cluster, or starting one here; a clear line where that fails
``settings``    what a cluster of Ray's should be set to
``hosts``       starting, finding and ending hosts
``machines``    which machines there are, and hosts on them (:class:`runtime.cluster.machines.Machines`)
``actor_host``  what runs in the process of a host: a loop of its own behind one synchronous entry
``transport``   batches as calls (:class:`runtime.cluster.transport.Transport`)
==============  ======================================================================================

Nothing outside this folder imports Ray. Ray keeps processes alive, finds them by name and carries bytes;
order, delivery at most once, fencing and the noticing of lost hosts are :mod:`runtime.cluster`'s.
"""
