"""A picture of time: what became of the keys of every peering in a run, as one page that needs nothing else.

=============  =====================================================================================
``spans``      what lasted, joined where there is too much of it; pure
``chronicle``  takes audit events, one after the other, and keeps what is drawn of them; pure, bounded
``timeline``   draws a chronicle; pure
``page``       makes the page; pure
``sources``    reads the events of a run: audit logs, or the document of a simulation
=============  =====================================================================================
"""
