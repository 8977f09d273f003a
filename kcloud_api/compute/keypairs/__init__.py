"""Key pairs: public keys by which users log in to their servers."""
