"""Where secrets rest: the private key of a certificate, and the key that seals the store.

``port``           what every key store offers, and how keys are named
``file``           PEM files, readable by their owner alone
``held``           a private key that signs where it is, as ``cryptography`` wants private keys to look
``generation``     making private keys in this process
``passwords``      PINs and passphrases, from files and the environment
``private_files``  files that only their owner can read
"""
