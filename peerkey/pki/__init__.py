"""Certificates: what they say, whether a trusted authority stands behind them, and until when.

Everything here is a function of bytes, of what the operator trusts, of what has been revoked and of
the time that the caller gives. Nothing is fetched and nothing is read from disk.

From the bottom up:

``faults``       everything that can be wrong with a certificate, and the verdict made of it
``certificate``  bytes to certificates, within bounds; PEM text of operators to certificates
``identity``     which node a certificate names
``policy``       which keys, algorithms, roles and extensions are accepted
``text``         what ``openssl x509 -text`` prints of a certificate
``expiry``       which instant ends a certificate, and how urgent that is
``trust``        the trusted authorities, and a digest that says whether they changed
``revocation``   the port through which chains ask whether a certificate is revoked
``certificate_policies``  whether a policy holds along a path where a CA asks for one
``chain``        a path from a leaf to a trusted authority, or the reasons why there is none
``crl``          one revocation list: bytes to what it says
``list_scope``   of which certificates a list speaks
``list_signers``  who may have signed a list, and whether a trusted CA stands behind them
``revocation_lists``  several: whose they are, which of them count, whether they speak of a certificate
``verification`` any chain at any time, by the rules of the runtime
``csr``          what a node asks its certificate authority for
``private_material``  whether a private key accompanies a certificate
``ingest``       what an operator hands over becomes a chain that can be installed, or a refusal
``examination``  what the protocol asks: who is this, is the chain good, and for how long does that hold
``laboratory``   a certificate authority for laboratories; its keys come from the caller
"""
