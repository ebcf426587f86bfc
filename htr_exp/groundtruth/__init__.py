"""Ground truth: PAGE and ALTO read, checked, identified by digest, staged for kraken, and corrected."""
