"""MoCHi's mixtures: unit rows between two of the hardest negatives, or between a negative and the query."""

import pytest

from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

from hardmine.torch.miners import mix_hard_negatives


def unit(n, d, seed):
    return torch.nn.functional.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)))


def test_mixtures_are_of_the_hardest_negatives():
    """Of two of the three hardest the mixture lies in a plane that some pair of them spans, between the two."""
    q, negatives = unit(4, 8, 0), unit(50, 8, 1)
    mixed = mix_hard_negatives(q, negatives, n_hardest=3, n_mixed=40, n_query_mixed=20, seed=3)
    assert mixed.shape == (4, 60, 8)
    torch.testing.assert_close(mixed.norm(dim=2), torch.ones(4, 60))
    for row, query in enumerate(q):
        hardest = negatives[(negatives @ query).topk(3).indices]
        for place, one in enumerate(mixed[row]):
            sides = [(a, b) for a in hardest for b in hardest] if place < 40 else [(query, b) for b in hardest]
            found = []
            for a, b in sides:
                weights = torch.linalg.lstsq(torch.stack([a, b], dim=1), one[:, None], driver="gelsd").solution[:, 0]
                close = (weights[0] * a + weights[1] * b - one).abs().max() < 1e-5
                share = weights[0] / weights.sum()
                found.append(close and weights.min() > -1e-5 and (place < 40 or share < 0.5))
            assert any(found), (row, place)


def test_shares_are_uniform():
    """Of two orthogonal negatives the angle tells the share: its quartiles, of 4,000 draws, are those of U(0, 1)."""
    q, negatives = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    mixed = mix_hard_negatives(q, negatives, n_mixed=8000, n_query_mixed=4000)[0]
    both = mixed[:8000][(mixed[:8000] > 0).sum(dim=1) == 2]
    share = both[:, 0] / both[:, :2].sum(dim=1)
    of_query = mixed[8000:, 2] / mixed[8000:].sum(dim=1)
    quarters = torch.tensor([0.25, 0.5, 0.75])
    assert 3500 < len(both) < 4500, "one and the same negative twice in half of the draws"
    torch.testing.assert_close(share.quantile(quarters), quarters, atol=0.04, rtol=0)  # 5 standard errors
    torch.testing.assert_close(of_query.quantile(quarters), quarters / 2, atol=0.02, rtol=0)


def test_draws_depend_on_the_seed_and_the_querys_place():
    q, negatives = unit(5, 8, 0), unit(30, 8, 1)
    whole = mix_hard_negatives(q, negatives, n_mixed=6, n_query_mixed=3, seed=1)
    assert torch.equal(whole, mix_hard_negatives(q, negatives, n_mixed=6, n_query_mixed=3, seed=1))
    assert torch.equal(whole[:2], mix_hard_negatives(q[:2], negatives, n_mixed=6, n_query_mixed=3, seed=1))
    assert not torch.equal(whole, mix_hard_negatives(q, negatives, n_mixed=6, n_query_mixed=3, seed=2))


def test_gradients_reach_queries_and_negatives():
    q, negatives = unit(2, 4, 0).double().requires_grad_(), unit(5, 4, 1).double().requires_grad_()
    mixed = mix_hard_negatives(q, negatives, n_mixed=3, n_query_mixed=2)
    assert mixed.dtype == torch.float64
    mixed[:, :3].sum().backward(retain_graph=True)
    assert not q.grad.any() and negatives.grad.any(), "mixtures of negatives know no query"
    mixed[:, 3:].sum().backward()
    assert q.grad.any()
    with torch.no_grad():
        assert not mix_hard_negatives(q, negatives, n_mixed=3, n_query_mixed=2).requires_grad


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype):
    q, negatives = (unit(2, 4, seed).to(getattr(torch, dtype)) for seed in (0, 1))
    mixed = mix_hard_negatives(q, negatives, n_mixed=3, n_query_mixed=0)
    assert mixed.dtype == q.dtype and mixed.shape == (2, 3, 4)


def test_bad_input():
    q = unit(2, 4, 0)
    with pytest.raises(ValueError, match="negatives: expected at least one row, got shape"):
        mix_hard_negatives(q, q[:0])
    with pytest.raises(ValueError, match="n_hardest: expected at least 1, got 0"):
        mix_hard_negatives(q, q, n_hardest=0)
