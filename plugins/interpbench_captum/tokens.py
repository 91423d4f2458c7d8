"""Detects whether a layer's feature maps reach the prediction as tokens: by attention, or by a norm of each token.

Grad-CAM says where a layer's features are that move the prediction. Attention moves features from place to place, so
behind it a place of the layer is no longer a place of the brain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interpbench_captum.graph import step_of

# What leaves the numbers of a softmax where they are, up to a product or a place in memory.
_PASSES = {
    "View",
    "UnsafeView",
    "ReshapeAlias",
    "Expand",
    "Clone",
    "ToCopy",
    "Transpose",
    "Permute",
    "Unsqueeze",
    "Squeeze",
    "Mul",
    "Div",
    "NativeDropout",
    "Alias",
    "Select",
    "Slice",
}
_FUSED = ("ScaledDotProduct", "MultiHeadAttention", "FlashAttention", "EfficientAttention")


def tokens_among(nodes: Sequence[Any]) -> str | None:
    """The operation that turns features into tokens between a layer and the prediction; None without one."""
    for node in nodes:
        step = step_of(node)
        if any(name in step for name in _FUSED) or (step == "Bmm" and _attends(node)):
            return "attention"
        if step in ("NativeLayerNorm", "FusedRmsNorm", "RmsNorm") and _of_tokens(node):
            return "a norm of each token"
    return None


def _of_tokens(node: Any) -> bool:
    """Whether a norm over channels is of tokens `(B, N, C)`; of `(B, C)`, or of `(B, I, J, K, C)`, it is not."""
    values = getattr(node, "_saved_input", None)
    return values is not None and values.dim() == 3 and values.shape[1] > 1


def _attends(node: Any) -> bool:
    """Whether a product of matrices weighs tokens, by a softmax or by another product, for as many tokens or more.

    For fewer it is a pooling, which leaves each weighted feature where it was.
    """
    for index, (factor, _) in enumerate(node.next_functions[-2:]):
        before = factor
        while before is not None and step_of(before) in _PASSES:
            before = before.next_functions[0][0]
        weights = node._saved_self if index == 0 else node._saved_mat2
        if before is None or step_of(before) not in ("Softmax", "Bmm") or weights is None:
            continue
        queries, keys = weights.shape[-2:] if index == 0 else weights.shape[-2:][::-1]
        if queries >= keys > 1:
            return True
    return False
