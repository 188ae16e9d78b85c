"""What runs a system of actors: the local event loop, a simulation, a cluster."""
