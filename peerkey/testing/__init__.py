"""Public fakes and helpers: what tests of peerkey, and of programs built on it, need.

``ca``          a certificate authority that issues good certificates and every kind of bad one
``data_plane``  seals and opens what the nodes of a process send and receive
``revocation``  a table of revoked certificates, filled by hand
"""
