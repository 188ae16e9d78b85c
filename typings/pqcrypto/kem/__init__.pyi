"""Key encapsulation mechanisms, one module each."""
