"""The cases of benchmarks/autograd.py, once for each framework."""
