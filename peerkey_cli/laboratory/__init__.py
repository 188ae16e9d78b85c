"""A certificate authority in a directory, for laboratories: never needed in production.

``keys``       making private keys
``directory``  the files of the authority, and the certificates that it issues
``fleet``      certificates for every node of a configuration
``writing``    files that appear whole, with the right mode, and replace nothing by accident

What a certificate holds is decided in :mod:`peerkey.pki.laboratory`, which is pure; here are the clock, the
random numbers and the disk. The keys of the authority lie beside its certificates, readable by their owner
alone and by nothing else protected: whoever has the directory can be any router.
"""
