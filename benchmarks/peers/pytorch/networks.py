"""The networks that we are measured beside, written as one writes them in PyTorch.

Each takes a padded batch `[batch, time, ...]` and lengths, and gives logits. The signal model works
on valid steps and packed sequences, frames on valid frames; convolutions over samples have nothing
of the kind in PyTorch, so they and their batch statistics see padding, and attention a mask.
"""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import rnn


class Signal(nn.Module):
    """The published signal model: four convolutions a step of 3,000 samples, two packed GRUs."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, stride in enumerate((3, 2, 2, 2)):
            layers += [nn.Conv1d(32 if number else 1, 32, 32, stride), nn.ReLU()]
            layers += [nn.BatchNorm1d(32)]
        self.steps = nn.Sequential(*layers, nn.Flatten())
        self.first = nn.GRU(97 * 32, 256, batch_first=True)
        self.second = nn.GRU(256, 128, batch_first=True)
        self.norms = nn.ModuleList([nn.BatchNorm1d(256), nn.BatchNorm1d(128)])
        self.head = nn.Linear(128, 2)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """`[batch, time, 3000, 1]` -> `[valid steps, 2]`."""
        rows = self.steps(x[_valid(x, lengths)].transpose(1, 2))
        records = rnn.pack_sequence(list(rows.split(lengths.tolist())), enforce_sorted=False)
        for recurrence, norm in zip((self.first, self.second), self.norms, strict=True):
            records, _ = recurrence(records)
            data = norm(functional.dropout(records.data, 0.4, self.training))
            records = records._replace(data=data)
        padded, _ = rnn.pad_packed_sequence(records, batch_first=True)
        return self.head(padded[_valid(padded, lengths)])


class FCN(nn.Module):
    """Three convolutions and the mean over valid samples."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for before, filters, kernel in ((channels, 128, 8), (128, 256, 5), (256, 128, 3)):
            conv = nn.Conv1d(before, filters, kernel, padding="same", bias=False)
            layers += [conv, nn.BatchNorm1d(filters), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(128, classes)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """`[batch, time, channels]` -> `[batch, classes]`."""
        return self.head(_mean(self.layers(x.transpose(1, 2)).transpose(1, 2), lengths))


class _InceptionBlock(nn.Module):
    def __init__(self, before: int):
        super().__init__()
        narrow = min(before, 32)
        self.narrow = nn.Conv1d(before, 32, 1, bias=False) if before > 32 else nn.Identity()
        self.branches = nn.ModuleList(
            nn.Conv1d(narrow, 32, kernel, padding="same", bias=False) for kernel in (40, 20, 10)
        )
        self.of_max = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(before, 32, 1, bias=False))
        self.norm = nn.BatchNorm1d(128)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow = self.narrow(x)
        every = [*(branch(narrow) for branch in self.branches), self.of_max(x)]
        return functional.relu(self.norm(torch.cat(every, 1)))


class InceptionTime(nn.Module):
    """Six blocks of convolutions of 40, 20 and 10 samples, two shortcuts."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.blocks = nn.ModuleList(_InceptionBlock(128 if n else channels) for n in range(6))
        self.shortcuts = nn.ModuleList(
            nn.Sequential(nn.Conv1d(before, 128, 1, bias=False), nn.BatchNorm1d(128))
            for before in (channels, 128)
        )
        self.head = nn.Linear(128, classes)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """`[batch, time, channels]` -> `[batch, classes]`."""
        x = kept = x.transpose(1, 2)
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number % 3 == 2:
                x = kept = functional.relu(x + self.shortcuts[number // 3](kept))
        return self.head(_mean(x.transpose(1, 2), lengths))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.projection, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(
        self, x: torch.Tensor, seen: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        parts = self.projection(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = _turned(parts[0], *angles), _turned(parts[1], *angles), parts[2]
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return self.output(found.transpose(1, 2).flatten(2))


class _ConvolutionModule(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.expand = nn.Linear(width, 2 * width)
        self.over_time = nn.Conv1d(width, width, 32, padding="same", groups=width, bias=False)
        self.norm, self.project = nn.BatchNorm1d(width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.over_time(functional.glu(self.expand(x)).transpose(1, 2))
        return self.project(functional.silu(self.norm(x)).transpose(1, 2))


class _ConformerBlock(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = (
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Dropout(0.1),
                nn.Linear(4 * width, width), nn.Dropout(0.1),
            )
            for _ in range(2)
        )  # fmt: skip
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention, self.convolution = _Attention(width, 4), _ConvolutionModule(width)
        self.dropout = nn.Dropout(0.1)

    def forward(
        self, x: torch.Tensor, seen: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        x = x + 0.5 * self.first(x)
        x = x + self.dropout(self.attention(self.norms[0](x), seen, angles))
        x = x + self.dropout(self.convolution(self.norms[1](x)))
        return self.norms[2](x + 0.5 * self.second(x))


class Conformer(nn.Module):
    """Four blocks of attention with rotary positions and convolutions of 32 samples."""

    def __init__(self, channels: int, classes: int, width: int = 64):
        super().__init__()
        self.project = nn.Sequential(nn.Linear(channels, width), nn.Dropout(0.1))
        self.blocks = nn.ModuleList(_ConformerBlock(width) for _ in range(4))
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """`[batch, time, channels]` -> `[batch, classes]`."""
        seen, angles = _valid(x, lengths)[:, None, None], _angles(x.shape[1], 16)
        x = self.project(x)
        for block in self.blocks:
            x = block(x, seen, angles)
        return self.head(_mean(x, lengths))


class Video(nn.Module):
    """Three convolutions on each valid frame and its change, one over time."""

    def __init__(self, classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for before, filters in ((6, 24), (24, 48), (48, 64)):
            if before > 6:
                layers.append(nn.AvgPool2d(2))
            conv = nn.Conv2d(before, filters, 3, padding="same", bias=False)
            layers += [conv, nn.BatchNorm2d(filters), nn.ReLU()]
        self.frame = nn.Sequential(*layers, nn.AvgPool2d((3, 4)), nn.Flatten())
        self.values = nn.Sequential(nn.Linear(64 * 25, 32, bias=False), nn.BatchNorm1d(32))
        self.over_time = nn.Conv1d(32, 32, 3, padding="same", bias=False)
        self.norm, self.head = nn.BatchNorm1d(32), nn.Linear(64 * 25 + 32, classes)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """`[batch, time, 120, 160, 3] uint8` -> `[batch, classes]`."""
        valid = _valid(x, lengths)
        x = x.permute(0, 1, 4, 2, 3) / 127.5 - 1
        x = functional.avg_pool2d(x.flatten(0, 1), 2).unflatten(0, x.shape[:2])
        change = functional.pad(x[:, 1:] - x[:, :-1], (0, 0) * 3 + (1, 0))
        rows = self.frame(torch.cat([x, change], 2)[valid])
        values = torch.zeros(*valid.shape, 32, dtype=rows.dtype)
        values[valid] = functional.relu(self.values(rows)).to(rows.dtype)
        after = self.over_time(values.transpose(1, 2)).transpose(1, 2)[valid]
        rows = torch.cat([rows, functional.relu(self.norm(after))], 1)
        records = rows.split(lengths.tolist())
        return self.head(torch.stack([record.mean(0) for record in records]))


def _valid(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """`[batch, time] bool`."""
    return torch.arange(x.shape[1]) < lengths[:, None]


def _mean(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Over valid steps: `[batch, time, features]` -> `[batch, features]`."""
    return (x * _valid(x, lengths)[..., None]).sum(1) / lengths[:, None]


def _angles(steps: int, features: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines `[steps, features / 2]` that positions turn pairs of features by."""
    waves = torch.exp(torch.arange(0, features, 2) * (-math.log(10_000.0) / features))
    angles = torch.arange(steps)[:, None] * waves
    return angles.cos(), angles.sin()


def _turned(x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, -1)
    turned = (first * cosines - second * sines, first * sines + second * cosines)
    return torch.cat(turned, -1).to(x.dtype)


def network(name: str, channels: int, classes: int) -> nn.Module:
    """One of them by the name of our family."""
    made = {
        "fcn": lambda: FCN(channels, classes),
        "inception_time": lambda: InceptionTime(channels, classes),
        "conformer": lambda: Conformer(channels, classes),
        "video": lambda: Video(classes),
    }
    return Signal() if name == "signal" else made[name]()
