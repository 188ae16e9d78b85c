"""Where secrets rest: the private key of a certificate, and the key that seals the store.

``port``           what every key store offers, and how keys are named
``file``           PEM files, readable by their owner alone
``pkcs11``         a token of PKCS#11; needs the extra of that name
``tpm``            a TPM 2.0; needs the extra of that name
``stores``         all of them behind one port: the name of a key says where it is
``identity_file``  the UUID of the node, made once
``pss``            an encoding that TPMs do not make as the protocol needs it
``held``           a private key that signs where it is, as ``cryptography`` wants private keys to look
``generation``     making private keys in this process
``passwords``      PINs and passphrases, from files and the environment
``private_files``  files that only their owner can read
"""
