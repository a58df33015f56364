"""Write TFLite files of a few kilobytes by hand: dense layers, float32 or full int8, for tests.

Neither TensorFlow nor a converter is needed, only the schema (`tflite`) and `flatbuffers`. Quantisation follows the
TFLite 8-bit specification: weights symmetric, activations asymmetric, bias int32 at input scale times weight scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_BUFFER_ALIGNMENT = 16  # schema: Buffer.data is force_align 16
_SCHEMA_VERSION = 3
_FLOAT_VERSION, _INT8_VERSION = 1, 4  # of the kernel FULLY_CONNECTED


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """``relu(weights @ x + bias)`` or without ReLU; weights ``(n_out, n_in) float32``, bias ``(n_out,) float32``."""

    weights: Floats
    bias: Floats
    relu: bool

    def apply(self, values: Floats) -> Floats:
        """Outputs ``(n, n_out) float32`` for inputs ``(n, n_in) float32``."""
        outputs = values @ self.weights.T + self.bias
        return np.maximum(outputs, np.float32(0)) if self.relu else outputs


def random_layers(sizes: Sequence[int], *, seed: int) -> tuple[DenseLayer, ...]:
    """He-initialised layers, e.g. sizes (64, 32, 16): 64 inputs, one hidden ReLU layer, 16 outputs without ReLU."""
    rng = np.random.default_rng(seed)
    last = len(sizes) - 2
    return tuple(
        DenseLayer(
            weights=rng.normal(0, np.sqrt(2 / n_in), (n_out, n_in)).astype(np.float32),
            bias=rng.normal(0, 0.1, n_out).astype(np.float32),
            relu=index < last,
        )
        for index, (n_in, n_out) in enumerate(pairwise(sizes))
    )


def forward(layers: Sequence[DenseLayer], inputs: Floats) -> Floats:
    """What the float model computes, in NumPy: ``(n, n_in)`` to ``(n, n_out)``, float32."""
    for layer in layers:
        inputs = layer.apply(inputs)
    return inputs


def float_model(layers: Sequence[DenseLayer], *, input_shape: Sequence[int] | None = None) -> bytes:
    """A float32 TFLite file; `input_shape`, say (1, 8, 8, 1), defaults to (1, n_in).

    Raises:
        ValueError: no layers, layers that do not fit each other, or an input shape of another size.
    """
    graph = _Graph(_checked_shape(layers, input_shape), tflite.TensorType.FLOAT32, None)
    for layer in layers:
        graph.add_layer(layer.weights, layer.bias, None, relu=layer.relu)
    return graph.serialise(_FLOAT_VERSION)


def int8_model(
    layers: Sequence[DenseLayer], representative: Floats, *, input_shape: Sequence[int] | None = None
) -> bytes:
    """A full-int8 TFLite file (int8 in, int8 out); `representative` inputs ``(n, n_in)`` give the ranges.

    Raises:
        ValueError: as `float_model`, or no representative inputs.
    """
    shape = _checked_shape(layers, input_shape)
    if representative.size == 0:
        raise ValueError("quantisation needs representative inputs, none were given")
    values, quantisation = representative, _Quantisation.of(representative)
    graph = _Graph(shape, tflite.TensorType.INT8, quantisation)
    for layer in layers:
        values = layer.apply(values)
        weight_scale = float(np.abs(layer.weights).max()) / 127 or 1.0
        bias_scale = quantisation.scale * weight_scale
        quantisation = _Quantisation.of(values)
        weights = np.rint(layer.weights / weight_scale).astype(np.int8)
        bias = np.rint(layer.bias / bias_scale).astype(np.int32)
        scales = (_Quantisation(weight_scale, 0), _Quantisation(bias_scale, 0), quantisation)
        graph.add_layer(weights, bias, scales, relu=layer.relu)
    return graph.serialise(_INT8_VERSION)


def _checked_shape(layers: Sequence[DenseLayer], input_shape: Sequence[int] | None) -> tuple[int, ...]:
    if not layers:
        raise ValueError("a model needs at least one layer")
    for before, after in pairwise(layers):
        if before.weights.shape[0] != after.weights.shape[1]:
            raise ValueError(f"{before.weights.shape[0]} outputs do not fit {after.weights.shape[1]} inputs")
    n_in = layers[0].weights.shape[1]
    shape = tuple(input_shape or (1, n_in))
    if shape[0] != 1 or int(np.prod(shape)) != n_in:
        raise ValueError(f"the first layer takes one row of {n_in} values, not the shape {shape}")
    return shape


@dataclass(frozen=True, slots=True)
class _Quantisation:
    """Real value = scale x (stored value - zero_point)."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, values: Floats) -> _Quantisation:
        """The int8 range that covers the values and contains zero exactly."""
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
        scale = (high - low) / 255 or 1.0
        return cls(scale, round(-128 - low / scale))


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    type: int
    data: bytes | None
    quantisation: _Quantisation | None


@dataclass(slots=True)
class _Graph:
    """Tensors and layers collected first, since FlatBuffers are written from the leaves up."""

    input_shape: tuple[int, ...]
    activation_type: int
    input_quantisation: _Quantisation | None
    tensors: list[_Tensor] = field(init=False)
    operators: list[tuple[list[int], int, bool]] = field(init=False, default_factory=list)
    builder: Any = field(init=False, default_factory=lambda: flatbuffers.Builder(4096))

    def __post_init__(self) -> None:
        self.tensors = [
            _Tensor("input", self.input_shape, self.activation_type, None, self.input_quantisation)
        ]

    def add_layer(
        self,
        weights: NDArray[Any],
        bias: NDArray[Any],
        quantisations: tuple[_Quantisation, _Quantisation, _Quantisation] | None,
        *,
        relu: bool,
    ) -> None:
        """Append weights, bias and output tensors and the operator that joins them to the last output."""
        number, previous = len(self.operators), len(self.tensors) - 1
        of_weights, of_bias, of_output = quantisations or (None, None, None)
        bias_type = tflite.TensorType.FLOAT32 if quantisations is None else tflite.TensorType.INT32
        self.tensors += [
            _Tensor(f"weights_{number}", weights.shape, self.activation_type, weights.tobytes(), of_weights),
            _Tensor(f"bias_{number}", bias.shape, bias_type, bias.tobytes(), of_bias),
            _Tensor(f"dense_{number}", (1, len(bias)), self.activation_type, None, of_output),
        ]
        self.operators.append(([previous, previous + 1, previous + 2], previous + 3, relu))

    def serialise(self, kernel_version: int) -> bytes:
        b = self.builder
        buffers = self._table_vector(
            [self._buffer(b"")] + [self._buffer(t.data or b"") for t in self.tensors]
        )
        codes = self._table_vector([self._operator_code(kernel_version)])
        subgraphs = self._table_vector([self._subgraph()])
        description = b.CreateString("dense layers")
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, _SCHEMA_VERSION)
        tflite.ModelAddOperatorCodes(b, codes)
        tflite.ModelAddSubgraphs(b, subgraphs)
        tflite.ModelAddDescription(b, description)
        tflite.ModelAddBuffers(b, buffers)
        b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
        return bytes(b.Output())

    def _subgraph(self) -> int:
        b = self.builder
        tensors = self._table_vector([self._tensor(i + 1, t) for i, t in enumerate(self.tensors)])
        operators = self._table_vector([self._operator(*operator) for operator in self.operators])
        inputs, outputs = self._int_vector([0]), self._int_vector([len(self.tensors) - 1])
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators)
        return int(tflite.SubGraphEnd(b))

    def _tensor(self, buffer: int, tensor: _Tensor) -> int:
        b = self.builder
        name, shape = b.CreateString(tensor.name), self._int_vector(tensor.shape)
        quantisation = self._quantisation(tensor.quantisation) if tensor.quantisation else None
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, tensor.type)
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, name)
        if quantisation is not None:
            tflite.TensorAddQuantization(b, quantisation)
        return int(tflite.TensorEnd(b))

    def _quantisation(self, quantisation: _Quantisation) -> int:
        b = self.builder
        scale = b.CreateNumpyVector(np.array([quantisation.scale], dtype=np.float32))
        zero_point = b.CreateNumpyVector(np.array([quantisation.zero_point], dtype=np.int64))
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scale)
        tflite.QuantizationParametersAddZeroPoint(b, zero_point)
        return int(tflite.QuantizationParametersEnd(b))

    def _operator(self, inputs: list[int], output: int, relu: bool) -> int:
        b, activation = self.builder, tflite.ActivationFunctionType
        tflite.FullyConnectedOptionsStart(b)
        tflite.FullyConnectedOptionsAddFusedActivationFunction(
            b, activation.RELU if relu else activation.NONE
        )
        options = tflite.FullyConnectedOptionsEnd(b)
        input_vector, output_vector = self._int_vector(inputs), self._int_vector([output])
        tflite.OperatorStart(b)
        tflite.OperatorAddInputs(b, input_vector)
        tflite.OperatorAddOutputs(b, output_vector)
        tflite.OperatorAddBuiltinOptionsType(b, tflite.BuiltinOptions.FullyConnectedOptions)
        tflite.OperatorAddBuiltinOptions(b, options)
        return int(tflite.OperatorEnd(b))

    def _operator_code(self, kernel_version: int) -> int:
        b, code = self.builder, tflite.BuiltinOperator.FULLY_CONNECTED
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, code)
        tflite.OperatorCodeAddBuiltinCode(b, code)
        tflite.OperatorCodeAddVersion(b, kernel_version)
        return int(tflite.OperatorCodeEnd(b))

    def _buffer(self, data: bytes) -> int:
        b = self.builder
        vector = self._aligned_bytes(data) if data else None
        tflite.BufferStart(b)
        if vector is not None:
            tflite.BufferAddData(b, vector)
        return int(tflite.BufferEnd(b))

    def _aligned_bytes(self, data: bytes) -> int:
        self.builder.StartVector(1, len(data), _BUFFER_ALIGNMENT)
        for byte in reversed(data):
            self.builder.PrependByte(byte)
        return int(self.builder.EndVector())

    def _int_vector(self, values: Sequence[int]) -> int:
        return int(self.builder.CreateNumpyVector(np.array(values, dtype=np.int32)))

    def _table_vector(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())
