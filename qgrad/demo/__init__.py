"""`qgrad demo`: quantize a trained model from end to end, on real data, in under a minute."""
