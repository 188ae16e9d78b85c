"""Public fakes and helpers: what tests of peerkey, and of programs built on it, need.

``ca``          a certificate authority that issues good certificates and every kind of bad one
``revocation``  a table of revoked certificates, filled by hand
"""
