"""The loop of train, rank, select, retrain: what a refresh mines, the order of triplets, and going on where one was."""

import io

import pytest

import hardmine
from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

from hardmine.torch.losses import TripletHingeLoss
from hardmine.torch.miners import RefreshingMiner

N, CLASSES = 90, 6
X = torch.randn(N, 10, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(N) % CLASSES


def network():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(10, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 4))


def miner_of(model, **options):
    return RefreshingMiner(model, X, LABELS, **{"every": 4, "batch_size": 16, "seed": 5, **options})


def embeddings(model):
    model.eval()
    with torch.no_grad():
        rows = model(X)
    model.train()
    return rows


def test_mines_with_the_model_as_it_is():
    model = network()
    mined = hardmine.mine_hard_negatives(embeddings(model), query_labels=LABELS, num_negatives=1)
    miner = miner_of(model, every=100)
    seen = [torch.stack(next(miner), dim=1) for _ in range(5)]
    pairs = set(zip(*(part.tolist() for part in mined.pairs())))
    anchors, positives, negatives = torch.cat(seen).T
    assert set(zip(anchors.tolist(), negatives.tolist())) <= pairs and len(set(anchors.tolist())) == 80
    assert (LABELS[anchors] == LABELS[positives]).all() and (anchors != positives).all()
    assert (LABELS[anchors] != LABELS[negatives]).all()
    with torch.no_grad():
        model[3].weight.mul_(-1)
        model[0].weight.add_(torch.randn(8, 10, generator=torch.Generator().manual_seed(1)))
    miner.refresh()
    again = torch.cat([torch.stack(next(miner), dim=1) for _ in range(5)]).T
    mined = hardmine.mine_hard_negatives(embeddings(model), query_labels=LABELS, num_negatives=1)
    assert set(zip(again[0].tolist(), again[2].tolist())) <= set(zip(*(part.tolist() for part in mined.pairs())))
    assert model.training and miner.refreshes == 2


@pytest.mark.parametrize("positive", ["nearest", "farthest"])
def test_positives_by_distance(positive):
    model = network()
    x = embeddings(model)
    distances = hardmine.pairwise(x, metric="cosine")
    same = LABELS[:, None] == LABELS[None, :]
    same.fill_diagonal_(False)
    ends = distances.masked_fill(~same, -torch.inf if positive == "farthest" else torch.inf)
    expected = ends.max(dim=1).indices if positive == "farthest" else ends.min(dim=1).indices
    anchors, positives, _ = next(miner_of(model, positive=positive, batch_size=N))
    assert torch.equal(positives, expected[anchors])


def test_random_positives_are_drawn_from_all_others_of_the_label():
    """15 rows a label: each of the 14 others is drawn, about as often as the rest (chi-square at 1e-6 of 14 per row)."""
    drawn = torch.zeros(N, N)
    miner = miner_of(network(), every=1, batch_size=N)
    for _, (anchors, positives, _) in zip(range(140), miner):
        drawn[anchors, positives] += 1
    same = LABELS[:, None] == LABELS[None, :]
    same.fill_diagonal_(False)
    assert not drawn[~same].any() and drawn[same].sum() == 140 * N
    chi = ((drawn[same] - 10) ** 2 / 10).sum().item()
    freedom = N * 13
    assert abs(chi - freedom) < 6 * (2 * freedom) ** 0.5


def test_a_pool_is_drawn_anew_and_alone_is_mined():
    miner = miner_of(network(), every=1, pool_size=40, batch_size=200)
    pools = []
    for _, triplets in zip(range(3), miner):
        pools.append(set(torch.cat(triplets).tolist()))
        assert len(pools[-1]) <= 40 and len(triplets[0]) == 40
    assert pools[0] != pools[1] != pools[2]


def test_every_triplet_comes_once_before_any_comes_again():
    miner = miner_of(network(), every=1000, batch_size=30)
    rounds = [[tuple(row) for _ in range(3) for row in torch.stack(next(miner), dim=1).tolist()] for _ in range(3)]
    assert sorted(rounds[0]) == sorted(rounds[1]) == sorted(rounds[2]) and len(set(rounds[0])) == 90
    assert rounds[0] != rounds[1] != rounds[2]


def train(steps, model=None, state=None, dataset=X, **options):
    """A loop as a user writes it; returns what is needed to go on, and the loss of each step."""
    model = network() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    miner = RefreshingMiner(
        model, dataset, LABELS, every=4, batch_size=16, pool_size=60, seed=5, random_ratio=0.5, num_negatives=2, **options
    )
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        miner.load_state_dict(state["miner"])
        torch.set_rng_state(state["random"])
    loss, losses = TripletHingeLoss(gap=0.5), []
    for _, (a, p, n) in zip(range(steps), miner):
        value = loss(*(model(X[part]) for part in (a, p, n)))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "miner": miner.state_dict()}
    return {**state, "random": torch.get_rng_state()}, losses


@pytest.mark.parametrize("first", [1, 4, 6, 8])
def test_resumed_is_uninterrupted_bit_for_bit(first):
    torch.manual_seed(1)
    whole, losses = train(14)
    torch.manual_seed(1)
    half, begun = train(first)
    file = io.BytesIO()
    torch.save(half, file)
    file.seek(0)
    torch.manual_seed(77)
    rest, ended = train(14 - first, state=torch.load(file, weights_only=True))
    assert begun + ended == losses
    assert all(torch.equal(a, b) for a, b in zip(whole["model"].values(), rest["model"].values()))
    assert torch.equal(whole["miner"]["triplets"], rest["miner"]["triplets"])
    assert {k: whole["miner"][k] for k in ("step", "refreshes", "place", "passes")} == {
        k: rest["miner"][k] for k in ("step", "refreshes", "place", "passes")
    }


def test_resumed_after_all_triplets_were_given():
    """In the second order of the same refresh, and on into the third."""
    one = miner_of(network(), every=1000, batch_size=30)
    for _ in range(4):
        next(one)
    other = miner_of(network(), every=1000, batch_size=30)
    other.load_state_dict(one.state_dict())
    assert one.passes == 1 and all(torch.equal(a, b) for _ in range(4) for a, b in zip(next(one), next(other)))


def test_each_refresh_draws_other_negatives():
    miner = miner_of(network().eval(), every=1, batch_size=N, range_max=20, sampling_strategy="random")
    drawn = [sorted(zip(anchors.tolist(), negatives.tolist())) for _, (anchors, _, negatives) in zip(range(2), miner)]
    assert drawn[0] != drawn[1]


class Pairs(torch.utils.data.Dataset):
    def __len__(self):
        return N

    def __getitem__(self, i):
        return X[i], LABELS[i]


def test_a_data_set_is_read_as_a_tensor_is():
    torch.manual_seed(1)
    one = train(6)[1]
    torch.manual_seed(1)
    assert train(6, dataset=Pairs())[1] == one, "neither draws global random numbers"


def test_the_loss_falls_and_time_is_told():
    torch.manual_seed(1)
    state, losses = train(60)
    assert sum(losses[-10:]) < sum(losses[:10])
    assert all(spent > 0 for spent in state["miner"]["seconds"].values())
    miner = miner_of(network())
    next(miner)
    assert miner.seconds["training"] == 0 < miner.seconds["mining"] and miner.stats["shortfall"] == 0


def test_modules_come_back_as_they_were():
    model = network()
    model[1].eval()
    next(miner_of(model))
    assert [module.training for module in model] == [True, False, True, True]

    def fails(inputs):
        raise RuntimeError("no")

    model.register_forward_pre_hook(lambda *_: fails(None))
    with pytest.raises(RuntimeError, match="no"):
        next(miner_of(model))
    assert [module.training for module in model] == [True, False, True, True]


def test_a_row_alone_in_its_label_has_no_triplet():
    labels = torch.cat([torch.tensor([99]), LABELS[1:]])
    for positive in ("random", "nearest"):
        miner = RefreshingMiner(network(), X, labels, every=1, batch_size=N, positive=positive)
        anchors, _, _ = next(miner)
        assert 0 not in anchors.tolist() and len(anchors) == N - 1 and miner.stats["positives_missing"] == 1


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"every": 0}, ValueError, "every: expected at least 1, got 0"),
        ({"batch_size": 2.5}, TypeError, "batch_size: expected an integer, got float"),
        ({"pool_size": 91}, ValueError, "pool_size: expected at most 90, got 91"),
        ({"positive": "hard"}, ValueError, "positive: expected one of random, nearest, farthest, got 'hard'"),
        ({"loader": {"num_workers": 1}}, ValueError, "loader: expected None beside a tensor"),
        ({"margin": 1}, TypeError, "margin: expected an option of mine_hard_negatives"),
        ({"query_rows": [1]}, TypeError, "query_rows: expected an option of mine_hard_negatives that is not the loop's own"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        miner_of(network(), **options)


def test_bad_labels_and_embeddings():
    with pytest.raises(ValueError, match=r"labels: expected 90 integers, got shape \(89,\)"):
        RefreshingMiner(network(), X, LABELS[1:], every=1, batch_size=1)
    with pytest.raises(TypeError, match="labels: expected integers, got"):
        RefreshingMiner(network(), X, LABELS.float(), every=1, batch_size=1)
    with pytest.raises(ValueError, match=r"encode: expected embeddings of shape \(n, d\), got shape \(90,\)"):
        next(RefreshingMiner(lambda x: x[:, 0], X, LABELS, every=1, batch_size=1))
    with pytest.raises(ValueError, match="encode: expected an embedding of each of 90 inputs, got 45"):
        next(RefreshingMiner(lambda x: x[::2], X, LABELS, every=1, batch_size=1))
    with pytest.raises(ValueError, match="refresh: expected a triplet, got none among 90 rows"):
        next(RefreshingMiner(network(), X, torch.arange(N), every=1, batch_size=1))
