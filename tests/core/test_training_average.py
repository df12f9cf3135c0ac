"""The moving average of the trained weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kinema.training.average import Average


def test_the_average_follows_the_formula_to_the_bit() -> None:
    torch.manual_seed(0)
    parameters = {"a": nn.Parameter(torch.randn(3, 4)), "b": nn.Parameter(torch.randn(5))}
    average = Average(parameters, decay=0.5)
    expected = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    for step in range(1, 12):
        with torch.no_grad():
            for parameter in parameters.values():
                parameter.add_(torch.randn_like(parameter))
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        for name, parameter in parameters.items():
            expected[name].lerp_(parameter.detach(), 1 - decay)
    assert list(average.values) == ["a", "b"]
    for name, value in average.values.items():
        assert torch.equal(value, expected[name])
        assert not value.requires_grad


def test_the_weights_come_back_when_the_body_fails() -> None:
    weight = nn.Parameter(torch.zeros(2))
    average = Average({"weight": weight}, decay=0.5)
    with torch.no_grad():
        weight.fill_(4.0)

    def use() -> None:
        with average.applied():
            assert torch.equal(weight, torch.zeros(2))
            raise RuntimeError("in the body")

    with pytest.raises(RuntimeError, match="in the body"):
        use()
    assert torch.equal(weight, torch.full((2,), 4.0))
