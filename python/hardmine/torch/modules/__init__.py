"""Modules of retrieval networks, over any backbone: pooling, attention, heads. No pretrained weights."""

from hardmine.torch.modules.attention import SelectiveKernel, SqueezeExcitation
from hardmine.torch.modules.heads import HashHead
from hardmine.torch.modules.localization import AttentionalLocalization
from hardmine.torch.modules.multi_scale import MultiScale
from hardmine.torch.modules.pooling import ASPP, GeM

__all__ = ["ASPP", "AttentionalLocalization", "GeM", "HashHead", "MultiScale", "SelectiveKernel", "SqueezeExcitation"]
