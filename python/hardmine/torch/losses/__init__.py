"""Losses of embeddings and of hash codes, each as its paper has it; where the published code differs, both."""

from hardmine.torch.losses.central import CentralSimilarityLoss, CSQLoss, QuantizationLoss
from hardmine.torch.losses.classification import DPNLoss, GreedyHashLoss, OrthoHashLoss
from hardmine.torch.losses.hard_examples import OnlineHardExampleLoss
from hardmine.torch.losses.pairwise import DCHLoss, DHNLoss, DPSHLoss, HashNetLoss
from hardmine.torch.losses.triplets import DTSHLoss, TripletHingeLoss

__all__ = [
    "CSQLoss",
    "CentralSimilarityLoss",
    "DCHLoss",
    "DHNLoss",
    "DPNLoss",
    "DPSHLoss",
    "DTSHLoss",
    "GreedyHashLoss",
    "HashNetLoss",
    "OnlineHardExampleLoss",
    "OrthoHashLoss",
    "QuantizationLoss",
    "TripletHingeLoss",
]
