"""The part of pqcrypto that peerkey uses."""
