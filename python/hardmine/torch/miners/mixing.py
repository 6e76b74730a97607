"""Hard negatives that do not exist: mixtures of those that do."""

from __future__ import annotations

import torch

from hardmine import _arguments
from hardmine._random import uniform
from hardmine.search.topk import topk
from hardmine.torch.miners.on_cpu import on_cpu

FIRST, SECOND, SHARE, WITH_QUERY, QUERY_SHARE = range(96, 101)  # streams of random numbers


def mix_hard_negatives(
    queries: torch.Tensor,
    negatives: torch.Tensor,
    *,
    n_hardest: int = 1024,
    n_mixed: int = 1024,
    n_query_mixed: int = 128,
    seed: int = 0,
    threads: int | None = None,
) -> torch.Tensor:
    """Mix the hardest negatives of each query with one another and with the query: MoCHi [1]_.

    Parameters
    ----------
    queries : tensor of shape (n, d)
        Unit rows; so are negatives.
    negatives : tensor of shape (m, d)
        A queue that all queries share, none of it a positive of any.
    n_hardest : int
        Of the negatives with the largest products with the query two are mixed; all if there are fewer.
    n_mixed, n_query_mixed : int
        Mixtures of two negatives, a n_i + (1 - a) n_j with a uniform in (0, 1), and of query and negative, b q + (1 - b) n_j
        with b uniform in (0, 0.5), for each query.
    seed : int
        Of all random numbers; another one for each step. What is drawn for a query depends on it and the query's place.
    threads : int, optional
        See `hardmine.topk`.

    Returns
    -------
    tensor of shape (n, n_mixed + n_query_mixed, d)
        Unit rows of the dtype and device of `queries`, differentiable with respect to both inputs (the paper's code lets no
        gradient through: call it under ``torch.no_grad()``).

    Raises
    ------
    TypeError, ValueError
        For arguments of the wrong kind or value, and without negatives.

    Notes
    -----
    n_i and n_j are drawn independently and may be the same row. O(n m d) time for the exact search of the hardest ones, on the
    CPU, and O(n (n_mixed + n_query_mixed) d) for the mixtures, which are the memory. Not run on a GPU yet.

    References
    ----------
    .. [1] Kalantidis et al., "Hard negative mixing for contrastive learning", 2020, section 3.2.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.miners import mix_hard_negatives
    >>> q, negatives = torch.eye(3)[:1], torch.eye(3)[1:]
    >>> mixed = mix_hard_negatives(q, negatives, n_mixed=4, n_query_mixed=2)
    >>> mixed.shape, bool((mixed[0, :4] @ q[0] == 0).all()), bool((mixed[0, 4:] @ q[0] > 0).all())
    (torch.Size([1, 6, 3]), True, True)
    """
    kept = _arguments.positive("n_hardest", n_hardest)
    pairs, with_query = _arguments.whole("n_mixed", n_mixed), _arguments.whole("n_query_mixed", n_query_mixed)
    seed = _arguments.whole("seed", seed)
    if negatives.ndim != 2 or len(negatives) == 0:
        raise ValueError(f"negatives: expected at least one row, got shape {tuple(negatives.shape)}")
    found = topk(on_cpu(queries), on_cpu(negatives), min(kept, len(negatives)), metric="inner_product", threads=threads)
    hardest, device = torch.as_tensor(found.indices), queries.device
    rows = torch.arange(len(queries))[:, None]

    def drawn(stream: int, count: int) -> torch.Tensor:
        return torch.from_numpy(uniform(seed, stream, rows.numpy(), torch.arange(count).numpy()))

    def chosen(stream: int, count: int) -> torch.Tensor:
        places = (drawn(stream, count) * hardest.shape[1]).long()
        return negatives[hardest[rows, places].to(device)]

    a = drawn(SHARE, pairs).to(queries)[..., None]
    b = drawn(QUERY_SHARE, with_query).to(queries)[..., None] / 2
    of_two = a * chosen(FIRST, pairs) + (1 - a) * chosen(SECOND, pairs)
    of_query = b * queries[:, None] + (1 - b) * chosen(WITH_QUERY, with_query)
    mixed: torch.Tensor = torch.nn.functional.normalize(torch.cat([of_two, of_query], dim=1), dim=2)
    return mixed
