"""The CRL manager: from addresses to what every node knows to be revoked.

    "The Certificate Revocation List (CRL) Manager handles the discovery, fetching, and periodic updates to
    CRLs. From this process a list of all known revoked certificates from all CRL sources is created, and the
    master list is published to disk."

``port``        what is needed of the world: whoever fetches a list, and whoever keeps the last good one
``fetching``    HTTP, HTTPS and files
``unpacking``   what a server may have compressed, within bounds
``kept_lists``  the last good lists, as files
``ingesting``   judging a list, in a process of its own where it is large
``judging``     that process
``known``       what every node of this process asks
``source``      the actor of one address
``telling``     the audit event of one attempt
``status``      what an operator is shown
``messages``    what the two actors say to each other
``index``       the actor that knows all addresses, merges what they bring and tells the nodes
``discovery``   what certificates say of lists
"""
