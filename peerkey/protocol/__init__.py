"""The peerkey protocol, version 1: how two nodes prove who they are and agree a key.

Read in this order; each module stands on those before it:

``constants``       every number of the protocol and where it comes from
``frame``           the envelope that is signed, and its digest
``codec``           what fields look like in bytes, and the refusal of everything else
``messages``        the ten kinds and their fields
``segments``        frames over datagrams: cutting and putting together
``suites``          signatures and key agreement, behind ports
``schedule``        which secret is derived from what
``keyring``         previous, current, next, and the slot of a key that is not accepted yet
``state``           what a peering remembers, in memory and in its stored record
``effects``         what the machines ask the world to do
``authentication``  step C: certificates, announcements, pins
``phases``          where an exchange stands, as a table
``initiator``       steps K1, K3 and K5: ask, confirm, accept
``responder``       steps K2 and K4: answer, establish
``exchange``        both halves, and when to begin
``rotation``        step K6, K7 and R: activation, erasure, probes, rekeying
``peering``         the machine of one peering, made of the three above
``path``            the machine of one path: announce, retransmit, give up, recover
``traffic``         what a data plane is given to seal and open with

The machines are pure: time is an argument, effects are returned, randomness and keys are ports.
"""
