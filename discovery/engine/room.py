"""How much memory a chunk of examples may take on the device that computes it."""

from __future__ import annotations

import torch

CPU_BYTES = 2**30
"""On a CPU. Jobs and other programs share its memory, and its cores are busy with less."""
SHARE = 0.5
"""Of an accelerator's free memory: the rest is for copies, its allocator's gaps and logits."""


def room(device: torch.device) -> int:
    """Bytes for the large tensors of a chunk on `device`, from what is free there now.

    What torch has reserved and does not use is free too.
    """
    if device.type != "cuda":
        return CPU_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(SHARE * (free + unused))
