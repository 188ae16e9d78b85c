"""The admin API: REST for the commands, and for whoever reads OpenAPI.

=========  ====================================================================================
the door   ``server`` opens the Unix socket and, with ``remote``, an address of TCP; ``gate`` is
           passed by each request, ``visitors`` and ``tokens`` say by whom, ``rates`` how often
the rooms  ``routes`` shows and acts, ``custody_routes`` is for keys and certificates, ``stream``
           for events as they happen
the words  ``requests`` is what is taken, :mod:`peerkey_cli.schemas` what is answered, ``problems``
           and ``denied`` what is answered where that is no
=========  ====================================================================================
"""
