"""Synthetic manuscript pages with ground truth: something to train on before one has data of one's own."""
