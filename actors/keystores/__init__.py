"""Where secrets rest: the private key of a certificate, and the key that seals the store.

``port``  what every key store offers
``file``  PEM files, readable by their owner alone
"""
