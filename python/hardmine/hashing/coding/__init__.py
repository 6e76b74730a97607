"""Codes with a large minimum distance, and proved bounds on it: what `hash_centers` chooses from.

Each module is one family of codes or one bound; `codebook` compares them. A code here is a numbered list of binary words
(`code.Code`) that are made only when asked for, so that comparing costs nothing. What a construction promises is only used to
choose: `chosen` measures the words themselves, with the Hamming engine.
"""
