"""Mining in a training loop: within a batch, across batches, and over a data set that is encoded again now and then."""

from hardmine.torch.miners.batch_miner import BatchMiner
from hardmine.torch.miners.memory_bank import MemoryBank
from hardmine.torch.miners.mixing import mix_hard_negatives
from hardmine.torch.miners.refreshing_miner import RefreshingMiner

__all__ = ["BatchMiner", "MemoryBank", "RefreshingMiner", "mix_hard_negatives"]
